/**
 * A window over bytes that come in chunks of any size: what is asked for stands in one piece. Records inside of a
 * chunk are read where they are; only one that straddles two is copied, and only its own bytes.
 * @module
 */
import { InvariantError } from "#base/errors.ts";

const EMPTY = new Uint8Array(0);
/** What the carry begins with: a frame of an Ethernet and its record's header. */
const CARRY_BYTES_MIN = 2048;

/** Bytes `at` to `end` of `bytes` are there and not yet used. */
export class CaptureWindow {
  bytes: Uint8Array = EMPTY;
  view: DataView = new DataView(EMPTY.buffer);
  at = 0;
  end = 0;
  /** The file's offset of `bytes[0]`. */
  #base = 0;
  #isInChunk = false;
  /** Holds the piece that straddles. */
  #carry: Uint8Array = EMPTY;
  #carryView: DataView = this.view;
  /** What was pushed and is not the window yet, used up to `#pendingAt`. */
  #pending: Uint8Array | undefined;
  #pendingAt = 0;
  #pushedBytes = 0;
  #skipBytes = 0;

  /** Where in the file the first unused byte is. */
  get fileOffset(): number {
    return this.#base + this.at;
  }

  /** How long the file is so far. */
  get pushedBytes(): number {
    return this.#pushedBytes;
  }

  /** Whether bytes are there that make no whole, or are still to be skipped. */
  get isInside(): boolean {
    return this.end > this.at || this.#skipBytes > 0;
  }

  /** The chunk is the window's until `has()` has answered false. */
  push(chunk: Uint8Array): void {
    if (this.#isInChunk || this.#pending) {
      throw new InvariantError(
        "Cannot push: the chunk before is not used up; call next() until it says false",
      );
    }
    if (chunk.length === 0) return;
    this.#pending = chunk;
    this.#pendingAt = 0;
    this.#pushedBytes += chunk.length;
  }

  /** Whether `count` bytes, one or more, stand at `at`; false when more must be pushed. May move `at` and `bytes`. */
  has(count: number): boolean {
    return this.end - this.at >= count || this.#gather(count);
  }

  /** Goes on `count` bytes later, whether they are there already or not. */
  skip(count: number): void {
    const there = this.end - this.at;
    this.at += Math.min(count, there);
    this.#skipBytes += Math.max(0, count - there);
  }

  #gather(count: number): boolean {
    if (!this.#pending) {
      if (this.#isInChunk) this.#leaveChunk();
      return false;
    }
    if (this.#skipBytes > 0) {
      this.#skipBytes -= this.#use(Math.min(this.#skipBytes, this.#pending.length - this.#pendingAt));
      return this.#gather(count);
    }
    if (this.end === this.at) {
      this.#enterChunk(this.#pending);
      return this.has(count);
    }
    const there = this.end - this.at;
    const taken = Math.min(count - there, this.#pending.length - this.#pendingAt);
    this.#growCarry(there + taken);
    const part = this.#pending.subarray(this.#pendingAt, this.#pendingAt + taken);
    this.#carry.set(part, this.end);
    this.end += this.#use(taken);
    return there + taken >= count;
  }

  #use(count: number): number {
    this.#pendingAt += count;
    if (this.#pendingAt === this.#pending?.length) this.#pending = undefined;
    return count;
  }

  #enterChunk(chunk: Uint8Array): void {
    this.bytes = chunk;
    this.view = new DataView(chunk.buffer, chunk.byteOffset, chunk.length);
    this.at = this.#pendingAt;
    this.end = chunk.length;
    this.#base = this.#pushedBytes - chunk.length;
    this.#isInChunk = true;
    this.#pending = undefined;
  }

  /** Keeps what is left of the chunk, which goes back to whoever pushed it. */
  #leaveChunk(): void {
    const rest = this.bytes.subarray(this.at, this.end);
    this.#base += this.at;
    this.#isInChunk = false;
    this.bytes = this.#carry;
    this.view = this.#carryView;
    this.at = 0;
    this.end = 0;
    this.#growCarry(rest.length);
    this.#carry.set(rest);
    this.end = rest.length;
  }

  /** Makes room for `needed` bytes from the window's begin on. Grows with what comes, not with what is claimed. */
  #growCarry(needed: number): void {
    const rest = this.bytes.subarray(this.at, this.end);
    if (this.#carry.length < needed) {
      this.#carry = new Uint8Array(Math.max(needed, this.#carry.length * 2, CARRY_BYTES_MIN));
      this.#carryView = new DataView(this.#carry.buffer);
    } else if (this.at + needed <= this.#carry.length) {
      return;
    }
    this.#carry.set(rest);
    this.bytes = this.#carry;
    this.view = this.#carryView;
    this.#base += this.at;
    this.end -= this.at;
    this.at = 0;
  }
}
