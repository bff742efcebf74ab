/**
 * In-order bytes that lie in the packet at hand: one object, aimed again for every segment.
 * @module
 */
import type { Direction } from "./side.ts";

export class Piece {
  /** -1: there is none. */
  row = -1;
  direction: Direction = 0;
  /** The range of the stream; no small integers, see {@link Dispatcher.now}. */
  offset: number = Number.NaN;
  end: number = Number.NaN;
  /** Where it lies: `bytes[start]` is the byte at `offset`. */
  bytes: Uint8Array = new Uint8Array(0);
  start = 0;
  /** The memory of `bytes`, which to ask for costs a call. */
  #buffer: ArrayBufferLike = this.bytes.buffer;
  #byteOffset = 0;

  /** The byte at `offset` of a direction is `bytes[start]`, and so on up to `bytes[end]`. */
  show(
    row: number,
    direction: Direction,
    offset: number,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): void {
    this.row = row;
    this.direction = direction;
    this.offset = offset;
    this.end = offset + (end - start);
    this.start = start;
    if (bytes === this.bytes) return;
    this.bytes = bytes;
    this.#buffer = bytes.buffer;
    this.#byteOffset = bytes.byteOffset;
  }

  /** Whether it has that byte. */
  has(row: number, direction: Direction, offset: number): boolean {
    return this.row === row && this.direction === direction && offset >= this.offset && offset < this.end;
  }

  /** What it has from `offset` on, at most `lengthMax` bytes. */
  span(offset: number, lengthMax: number): Uint8Array {
    const start = this.start + (offset - this.offset);
    // Faster than subarray(), which asks for the class of what it makes.
    return new Uint8Array(this.#buffer, this.#byteOffset + start, Math.min(lengthMax, this.end - offset));
  }
}
