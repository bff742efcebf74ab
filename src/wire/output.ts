/**
 * A buffer that grows while it is written, kept between messages so that a message costs no allocation.
 * @module
 */

const FIRST_BYTES = 4096;

/** Bytes being written; `length` of them are done. */
export class Output {
  bytes: Uint8Array = new Uint8Array(FIRST_BYTES);
  view: DataView = new DataView(this.bytes.buffer);
  length = 0;

  /** Makes room for `count` more bytes, which the caller then writes. */
  reserve(count: number): void {
    const needed = this.length + count;
    if (needed <= this.bytes.length) return;
    this.replace(Math.max(needed, this.bytes.length * 2));
  }

  /** Appends bytes as they are. */
  append(bytes: Uint8Array): void {
    const count = bytes.length;
    this.reserve(count);
    // A call of set() costs more than a short loop.
    if (count > 48) this.bytes.set(bytes, this.length);
    else for (let index = 0; index < count; index++) this.bytes[this.length + index] = bytes[index] as number;
    this.length += count;
  }

  /** Goes on in fresh memory of `capacity` bytes with what has been written from `keepFrom` on; the old is let go. */
  replace(capacity: number, keepFrom = 0): void {
    const grown = new Uint8Array(capacity);
    grown.set(this.bytes.subarray(keepFrom, this.length));
    this.bytes = grown;
    this.view = new DataView(grown.buffer);
    this.length -= keepFrom;
  }
}
