/**
 * {@link PacketCapture} on Linux: a TPACKET_V3 ring of a packet socket, mapped once. The kernel fills block after
 * block; a wake-up hands over those that are full or have waited long enough, and gives each back. No system call
 * and no object for a packet. Works in any thread.
 * @module
 */
import { getSystemErrorName } from "node:util";
import type { MetanetError } from "#base/errors.ts";
import type { CapturedBatch } from "#io/captured-packet.ts";
import {
  checkPacketCaptureOptions,
  type PacketCapture,
  type PacketCaptureOptions,
  type PacketCaptureStatistics,
  SNAP_LENGTH_BYTES_MAX,
} from "#io/packet-capture.ts";
import { native } from "./native.ts";
import { RingBatch } from "./packet-ring-batch.ts";
import { openRingDescriptor, RING_BLOCK_BYTES } from "./packet-ring-descriptor.ts";
import { Reading } from "./reading.ts";
import { PACKET_STATISTICS, SOL_PACKET } from "./socket-constants.ts";
import { SystemCallError, translateErrors } from "./system-error.ts";

export class LinuxPacketCapture implements PacketCapture {
  readonly linkType: number;
  readonly filterLinkType: number;
  readonly #interface: string;
  readonly #fd: number;
  readonly #reading: Reading;
  readonly #blockCount: number;
  readonly #ring: ArrayBuffer;
  readonly #batch: RingBatch;
  readonly #counts = { receivedCount: 0, droppedCount: 0, freezeCount: 0 };
  /** The block that the kernel fills next. */
  #block = 0;
  #consumer: ((batch: CapturedBatch) => void) | undefined;
  #onTrouble: ((error: MetanetError) => void) | undefined;

  /** @throws what `openRingDescriptor` and `checkPacketCaptureOptions` throw */
  constructor(options: PacketCaptureOptions) {
    checkPacketCaptureOptions(options);
    const { snapLengthBytes = SNAP_LENGTH_BYTES_MAX, vlanTags = "frame" } = options;
    const { fd, linkType, filterLinkType, blockCount } = openRingDescriptor(options);
    this.linkType = linkType;
    this.filterLinkType = filterLinkType;
    this.#interface = options.interface;
    this.#fd = fd;
    this.#blockCount = blockCount;
    try {
      this.#ring = translateErrors(`map the ring of a capture on ${options.interface}`, () =>
        native().mapRing(fd, blockCount * RING_BLOCK_BYTES),
      );
    } catch (error) {
      native().close(fd);
      throw error;
    }
    this.#reading = new Reading(fd, (events) => this.#onReadable(events));
    this.#batch = new RingBatch(this.#ring, { linkType, snapLengthBytes, insertsTags: vlanTags === "frame" });
  }

  start(onBatch: (batch: CapturedBatch) => void): void {
    this.#consumer = onBatch;
    this.#reading.start();
  }

  pause(): void {
    this.#reading.pause();
  }

  resume(): void {
    this.#reading.resume();
  }

  statistics(): PacketCaptureStatistics {
    if (!this.#reading.isEnded) this.#count();
    return { ...this.#counts };
  }

  onTrouble(handler: (error: MetanetError) => void): void {
    this.#onTrouble = handler;
  }

  close(): void {
    if (this.#reading.isEnded) return;
    this.#count();
    this.#reading.end();
    this.#batch.end();
    // With it the descriptor goes.
    native().unmapRing(this.#ring);
  }

  /** At most one round of the ring; then the rest of the event loop has its turn. */
  #onReadable(events: number): void {
    if (events < 0) {
      this.#onTrouble?.(new SystemCallError(`capture on ${this.#interface}`, getSystemErrorName(events)));
      return;
    }
    for (let round = 0; round < this.#blockCount && this.#reading.isWanted; round++) {
      if (!this.#batch.begin(this.#block)) return;
      this.#consume();
    }
  }

  #consume(): void {
    const block = this.#block;
    this.#block = (block + 1) % this.#blockCount;
    this.#counts.receivedCount += this.#batch.count;
    try {
      if (this.#batch.count > 0) this.#consumer?.(this.#batch);
    } finally {
      if (!this.#reading.isEnded) this.#batch.release(block);
    }
  }

  /** `struct tpacket_stats_v3`: packets, drops, freezes since it was asked last. */
  #count(): void {
    const fresh = new Uint32Array(3);
    native().getsockopt(this.#fd, SOL_PACKET, PACKET_STATISTICS, new Uint8Array(fresh.buffer));
    this.#counts.droppedCount += fresh[1] ?? 0;
    this.#counts.freezeCount += fresh[2] ?? 0;
  }
}
