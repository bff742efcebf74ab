/**
 * An interface on which a test makes packets pass, and captures of it. Batches come as microtasks, so that several
 * packets in a row come together; a ring that nobody empties fills and drops.
 * @module
 */
import { type MetanetError, UnavailableError } from "#base/errors.ts";
import { type CapturedBatch, ChecksumState, PacketType } from "#io/captured-packet.ts";
import {
  type CaptureFilter,
  captureProgram,
  checkPacketCaptureOptions,
  NoSuchInterfaceError,
  type PacketCapture,
  type PacketCaptureOptions,
  type PacketCaptureStatistics,
  RING_BYTES_DEFAULT,
  SNAP_LENGTH_BYTES_MAX,
} from "#io/packet-capture.ts";
import { LinkType } from "#packet/link-type.ts";
import { type CapturedRow, SIM_BATCH_COUNT_MAX, SimCapturedBatch } from "./captured-batch.ts";
import { Deliveries } from "./deliveries.ts";
import { flowHash } from "./flow-hash.ts";
import { runPacketFilter } from "./packet-filter.ts";

/** What a packet takes of a ring besides its bytes. */
const PACKET_OVERHEAD_BYTES = 128;
const TAG_BYTES = 4;
const TAG_AT = 12;
const ETHER_TYPE_VLAN = 0x8100;

/** A packet that passes; what is absent is as on an untagged packet to this machine, at the epoch. */
export interface SimCapturedPacket {
  /** As its link type has it, without the tag that the card took off. */
  readonly bytes: Uint8Array;
  readonly seconds?: number;
  readonly nanoseconds?: number;
  /** One of `PacketType`. */
  readonly packetType?: number;
  readonly vlanTag?: number;
  /** 0x8100 where there is a tag. */
  readonly vlanProtocol?: number;
  /** Bits of `ChecksumState`; not verified at first. */
  readonly checksums?: number;
}

export interface SimCaptureInterfaceOptions {
  readonly name?: string;
  /** The kernel's index; 1 at first. */
  readonly index?: number;
  /** Ethernet at first. */
  readonly linkType?: number;
}

/** An interface of the name `eth0`, unless told otherwise. */
export class SimCaptureInterface {
  readonly name: string;
  readonly index: number;
  readonly linkType: number;
  readonly #captures: SimPacketCapture[] = [];

  constructor({ name = "eth0", index = 1, linkType = LinkType.ethernet }: SimCaptureInterfaceOptions = {}) {
    this.name = name;
    this.index = index;
    this.linkType = linkType;
  }

  /** @throws NoSuchInterfaceError, and what `checkPacketCaptureOptions` throws */
  open(options: PacketCaptureOptions): SimPacketCapture {
    checkPacketCaptureOptions(options);
    if (options.interface !== this.name) {
      const what = `Cannot capture on ${options.interface}`;
      throw new NoSuchInterfaceError(`${what}: there is no such interface here; see \`ip link\``);
    }
    const capture: SimPacketCapture = new SimPacketCapture(options, this, () => {
      const place = this.#captures.indexOf(capture);
      if (place >= 0) this.#captures.splice(place, 1);
    });
    this.#captures.push(capture);
    return capture;
  }

  /** Makes packets pass. */
  push(...packets: readonly SimCapturedPacket[]): void {
    for (const packet of packets) {
      for (const capture of this.#captures) if (this.#isFor(capture, packet)) capture.take(packet);
    }
  }

  /** Tells every capture what a kernel would: that the interface went down, say. */
  trouble(message: string): void {
    for (const capture of [...this.#captures]) capture.trouble(new UnavailableError(message));
  }

  #isFor(capture: SimPacketCapture, packet: SimCapturedPacket): boolean {
    const { group } = capture;
    if (group === undefined) return true;
    const members = this.#captures.filter((other) => other.group === group);
    return members[flowHash(packet.bytes, this.linkType) % members.length] === capture;
  }
}

/** Made by {@link SimCaptureInterface.open}. */
export class SimPacketCapture implements PacketCapture {
  readonly linkType: number;
  readonly filterLinkType: number;
  /** Its fan-out group. */
  readonly group: number | undefined;
  readonly #options: PacketCaptureOptions;
  readonly #program: CaptureFilter | undefined;
  readonly #index: number;
  readonly #onClosed: () => void;
  readonly #waiting: CapturedRow[] = [];
  readonly #batch = new SimCapturedBatch();
  readonly #counts = { receivedCount: 0, droppedCount: 0, freezeCount: 0 };
  #waitingBytes = 0;
  #isFull = false;
  #consumer: ((batch: CapturedBatch) => void) | undefined;
  #onTrouble: ((error: MetanetError) => void) | undefined;
  readonly #deliveries = new Deliveries(() => this.#deliver());
  #isClosed = false;

  /** @throws what `captureProgram` throws */
  constructor(options: PacketCaptureOptions, place: SimCaptureInterface, onClosed: () => void) {
    this.linkType = place.linkType;
    this.filterLinkType = place.linkType;
    this.group = options.fanout?.group;
    this.#options = options;
    this.#program = captureProgram(options, place.linkType);
    this.#index = place.index;
    this.#onClosed = onClosed;
  }

  /** A packet passes: filtered, cut, and kept where there is room. */
  take(packet: SimCapturedPacket): void {
    const { direction = "both", ringBytes = RING_BYTES_DEFAULT } = this.#options;
    const { packetType = PacketType.host } = packet;
    if (direction !== "both" && (direction === "outgoing") !== (packetType === PacketType.outgoing)) return;
    const row = this.#row(packet, this.#keptBytes(packet, packetType), packetType);
    if (row.bytes.length === 0) return;
    const lengthBytes = row.bytes.length + PACKET_OVERHEAD_BYTES;
    const hasRoom = this.#waitingBytes + lengthBytes <= ringBytes;
    if (!hasRoom) {
      this.#counts.droppedCount++;
      if (!this.#isFull) this.#counts.freezeCount++;
    } else {
      this.#waitingBytes += lengthBytes;
      this.#waiting.push(row);
      this.#deliveries.plan();
    }
    this.#isFull = !hasRoom;
  }

  /** Reports what a kernel would. */
  trouble(error: MetanetError): void {
    this.#onTrouble?.(error);
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

  statistics(): PacketCaptureStatistics {
    return { ...this.#counts };
  }

  onTrouble(handler: (error: MetanetError) => void): void {
    this.#onTrouble = handler;
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#batch.end();
    this.#onClosed();
  }

  #keptBytes(packet: SimCapturedPacket, packetType: number): number {
    const { bytes, vlanTag = -1, vlanProtocol = ETHER_TYPE_VLAN } = packet;
    if (!this.#program) return bytes.length;
    const protocolAt = this.linkType === LinkType.ethernet ? TAG_AT : 0;
    const protocol = ((bytes[protocolAt] ?? 0) << 8) | (bytes[protocolAt + 1] ?? 0);
    const seen = { bytes, packetType, interfaceId: this.#index, protocol, vlanTag, vlanProtocol };
    return Math.min(runPacketFilter(this.#program, seen), bytes.length);
  }

  /** The packet as it is handed over, of which the filter wants so many bytes. */
  #row(packet: SimCapturedPacket, keptBytes: number, packetType: number): CapturedRow {
    const { snapLengthBytes = SNAP_LENGTH_BYTES_MAX, vlanTags = "frame" } = this.#options;
    const { vlanTag = -1, vlanProtocol = ETHER_TYPE_VLAN, seconds = 0, nanoseconds = 0 } = packet;
    const isInserted =
      vlanTag >= 0 && vlanTags === "frame" && this.linkType === LinkType.ethernet && keptBytes >= TAG_AT;
    const kept = packet.bytes.subarray(0, Math.min(keptBytes, snapLengthBytes));
    const bytes = isInserted ? withTag(kept, vlanProtocol, vlanTag) : kept.slice();
    return {
      seconds,
      nanoseconds,
      bytes: bytes.subarray(0, snapLengthBytes),
      originalBytes: packet.bytes.length + (isInserted ? TAG_BYTES : 0),
      linkType: this.linkType,
      interfaceId: this.#index,
      vlanTag: isInserted ? -1 : vlanTag,
      vlanProtocol: isInserted || vlanTag < 0 ? -1 : vlanProtocol,
      packetType,
      checksums: packet.checksums ?? ChecksumState.notVerified,
    };
  }

  #deliver(): void {
    if (this.#isClosed || this.#consumer === undefined) return;
    const rows = this.#waiting.splice(0, SIM_BATCH_COUNT_MAX);
    if (rows.length === 0) return;
    this.#counts.receivedCount += rows.length;
    this.#deliveries.plan();
    this.#batch.begin(rows);
    try {
      this.#consumer(this.#batch);
    } finally {
      this.#batch.end();
      for (const { bytes } of rows) this.#waitingBytes -= bytes.length + PACKET_OVERHEAD_BYTES;
    }
  }
}

function withTag(bytes: Uint8Array, protocol: number, tag: number): Uint8Array {
  const tagged = new Uint8Array(bytes.length + TAG_BYTES);
  tagged.set(bytes.subarray(0, TAG_AT));
  tagged.set(bytes.subarray(TAG_AT), TAG_AT + TAG_BYTES);
  const view = new DataView(tagged.buffer);
  view.setUint16(TAG_AT, protocol);
  view.setUint16(TAG_AT + 2, tag);
  return tagged;
}
