/**
 * A batch of packets over one piece of memory, as a ring or a device hands it over: what a consumer keeps instead of
 * copying is overwritten when it returns, so that a test finds out.
 * @module
 */
import { type CapturedBatch, type CapturedPacket, MutableCapturedPacket } from "#io/captured-packet.ts";

/** Packets of one batch at most. */
export const SIM_BATCH_COUNT_MAX = 64;

/** In front of each packet, so that nobody gets by without offsets. */
const GAP_BYTES = 66;
const OVERWRITTEN = 0xee;

/** A packet with its captured bytes and nothing else in `bytes`. */
export type CapturedRow = Omit<CapturedPacket, "offset" | "capturedBytes" | "isTimed">;

export class SimCapturedBatch implements CapturedBatch {
  readonly packet: MutableCapturedPacket = new MutableCapturedPacket();
  count = 0;
  #memory = new Uint8Array(0);
  #rows: readonly CapturedRow[] = [];
  #row = 0;
  #end = 0;

  /** Fills the memory. */
  begin(rows: readonly CapturedRow[]): void {
    const lengthBytes = rows.reduce((sum, { bytes }) => sum + GAP_BYTES + bytes.length, 0);
    this.#memory = new Uint8Array(lengthBytes);
    let at = 0;
    for (const { bytes } of rows) {
      this.#memory.set(bytes, at + GAP_BYTES);
      at += GAP_BYTES + bytes.length;
    }
    this.#rows = rows;
    this.#row = 0;
    this.#end = 0;
    this.count = rows.length;
    this.packet.bytes = this.#memory;
  }

  next(): boolean {
    const row = this.#rows[this.#row];
    if (row === undefined) return false;
    this.#row++;
    const { bytes, ...rest } = row;
    Object.assign(this.packet, rest);
    this.packet.offset = this.#end + GAP_BYTES;
    this.packet.capturedBytes = bytes.length;
    this.#end = this.packet.offset + bytes.length;
    return true;
  }

  /** Takes the memory back. */
  end(): void {
    this.#memory.fill(OVERWRITTEN);
    this.#rows = [];
    this.packet.bytes = new Uint8Array(0);
    this.packet.offset = 0;
    this.packet.capturedBytes = 0;
  }
}
