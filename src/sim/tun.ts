/**
 * A TUN device between the program and a test: the test routes packets into it and looks at what was written. Batches
 * come as microtasks.
 * @module
 */
import { type MetanetError, UnavailableError } from "#base/errors.ts";
import { type CapturedBatch, ChecksumState, PacketType } from "#io/captured-packet.ts";
import {
  checkTunOptions,
  MTU_BYTES_DEFAULT,
  type Tun,
  type TunOptions,
  type TunStatistics,
} from "#io/tun.ts";
import { LinkType } from "#packet/link-type.ts";
import { SIM_BATCH_COUNT_MAX, SimCapturedBatch } from "./captured-batch.ts";
import { Deliveries } from "./deliveries.ts";

/** As the kernel's: what waits in a device at most. */
const QUEUE_COUNT_MAX = 500;
/** Ethernet's header with two tags. */
const FRAME_HEADER_BYTES = 22;

export interface SimTunOptions extends TunOptions {
  /** Milliseconds since 1970; the epoch itself at first. */
  readonly now?: () => number;
}

export class SimTun implements Tun {
  readonly name: string;
  readonly index = 1;
  readonly linkType: number;
  readonly #mtuBytes: number;
  readonly #now: () => number;
  readonly #waiting: Uint8Array[] = [];
  readonly #written: Uint8Array[] = [];
  readonly #batch = new SimCapturedBatch();
  readonly #counts = { receivedCount: 0, sentCount: 0, unsentCount: 0 };
  #consumer: ((batch: CapturedBatch) => void) | undefined;
  #onTrouble: ((error: MetanetError) => void) | undefined;
  readonly #deliveries = new Deliveries(() => this.#deliver());
  #isClosed = false;

  /** @throws what `checkTunOptions` throws */
  constructor(options: SimTunOptions) {
    checkTunOptions(options);
    const { mode, name = `${mode}%d`, mtuBytes = MTU_BYTES_DEFAULT, now = () => 0 } = options;
    this.name = name.replace("%d", "0");
    this.linkType = mode === "tap" ? LinkType.ethernet : LinkType.raw;
    this.#mtuBytes = mtuBytes;
    this.#now = now;
  }

  /** What the program wrote, oldest first. */
  get written(): readonly Uint8Array[] {
    return this.#written;
  }

  /** Routes packets into the device; what does not fit is lost. */
  push(...packets: readonly Uint8Array[]): void {
    for (const packet of packets) {
      if (!this.#isClosed && this.#waiting.length < QUEUE_COUNT_MAX) this.#waiting.push(packet.slice());
    }
    this.#deliveries.plan();
  }

  start(onBatch: (batch: CapturedBatch) => void): void {
    this.#consumer = onBatch;
    this.#deliveries.plan();
  }

  pause(): void {
    this.#deliveries.pause();
  }

  resume(): void {
    this.#deliveries.resume();
  }

  write(bytes: Uint8Array, offset = 0, lengthBytes: number = bytes.length - offset): boolean {
    const isInside = offset >= 0 && lengthBytes >= 0 && offset + lengthBytes <= bytes.length;
    if (!isInside) throw new RangeError("Cannot write a packet: a row reaches out of the slab");
    if (this.#isClosed || !this.#isPacket(bytes, offset, lengthBytes)) {
      this.#counts.unsentCount++;
      this.#onTrouble?.(new UnavailableError(`Cannot write a packet to ${this.name}: EINVAL`));
      return false;
    }
    this.#counts.sentCount++;
    this.#written.push(bytes.slice(offset, offset + lengthBytes));
    return true;
  }

  statistics(): TunStatistics {
    return { ...this.#counts };
  }

  onTrouble(handler: (error: MetanetError) => void): void {
    this.#onTrouble = handler;
  }

  close(): void {
    this.#isClosed = true;
    this.#batch.end();
  }

  /** What the kernel looks at: the version of an IP packet, the length of a frame. */
  #isPacket(bytes: Uint8Array, offset: number, lengthBytes: number): boolean {
    if (this.linkType === LinkType.ethernet) return lengthBytes >= 14;
    const version = (bytes[offset] ?? 0) >> 4;
    return lengthBytes > 0 && (version === 4 || version === 6);
  }

  #deliver(): void {
    if (this.#isClosed || this.#consumer === undefined) return;
    const packets = this.#waiting.splice(0, SIM_BATCH_COUNT_MAX);
    if (packets.length === 0) return;
    this.#counts.receivedCount += packets.length;
    this.#deliveries.plan();
    const now = this.#now();
    const longest = this.#mtuBytes + FRAME_HEADER_BYTES;
    const rows = packets.map((packet) => ({
      seconds: Math.floor(now / 1000),
      nanoseconds: Math.floor((now % 1000) * 1_000_000),
      bytes: packet.subarray(0, longest),
      originalBytes: packet.length,
      linkType: this.linkType,
      interfaceId: this.index,
      vlanTag: -1,
      vlanProtocol: -1,
      packetType: PacketType.host,
      checksums: ChecksumState.notVerified,
    }));
    this.#batch.begin(rows);
    try {
      this.#consumer(this.#batch);
    } finally {
      this.#batch.end();
    }
  }
}
