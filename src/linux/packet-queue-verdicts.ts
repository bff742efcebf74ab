/**
 * The verdicts of a batch on their way to the kernel: plain ones in a row become one message each for a whole
 * run, changed packets go out from where they lie. Everything leaves in the order of the packets, so that
 * none overtakes another, with one system call for many verdicts.
 * @module
 */
import { native, PIECE_WORDS } from "./native.ts";
import { EAGAIN, ENOBUFS } from "./socket-constants.ts";

/** How often the kernel is asked again when it is short of memory. */
const ATTEMPT_COUNT_MAX = 3;
/**
 * Bytes that one system call takes at most, unless a single packet is longer: the kernel copies them into one
 * piece of memory, and larger ones are dearer to get and no faster.
 */
const CALL_BYTES_MAX = 65_536;

/** Messages in a slab, to be sent in their order. */
export class VerdictPieces {
  readonly #fd: number;
  readonly #slab: Uint8Array;
  readonly #table: Int32Array;
  #count = 0;
  /** Where the last piece ends when it can be continued, else -1. */
  #openEnd = -1;

  /** @param slab with three bytes behind the last message, for its padding. */
  constructor(fd: number, slab: Uint8Array, countMax: number) {
    this.#fd = fd;
    this.#slab = slab;
    this.#table = new Int32Array(countMax * PIECE_WORDS);
  }

  get count(): number {
    return this.#count;
  }

  get isFull(): boolean {
    return this.#count * PIECE_WORDS === this.#table.length;
  }

  /**
   * A message whose length is a multiple of four; those that follow each other in the slab become one piece.
   */
  addPlain(start: number, end: number): void {
    if (this.#openEnd === start) {
      const row = (this.#count - 1) * PIECE_WORDS;
      this.#table[row + 1] = (this.#table[row + 1] ?? 0) + end - start;
    } else {
      this.add(start, end - start);
    }
    this.#openEnd = end;
  }

  add(start: number, lengthBytes: number): void {
    const row = this.#count * PIECE_WORDS;
    this.#table[row] = start;
    // The next message starts at a multiple of four (RFC 3549 §2.3.2); what pads this one is never looked at.
    this.#table[row + 1] = (lengthBytes + 3) & ~3;
    this.#count++;
    this.#openEnd = -1;
  }

  /** Sends everything; gives the errno (negative) of what did not leave, else 0. */
  send(): number {
    const count = this.#count;
    this.#count = 0;
    this.#openEnd = -1;
    let errno = 0;
    let attempts = 0;
    for (let start = 0; start < count; ) {
      const taken = this.#countOfCall(start, count);
      const sent = native().sendPieces(this.#fd, this.#slab, this.#table, start, taken);
      const again = sent === -ENOBUFS || sent === -EAGAIN;
      if (again && ++attempts < ATTEMPT_COUNT_MAX) continue;
      if (sent < 0) errno = sent;
      start += taken;
      attempts = 0;
    }
    return errno;
  }

  /** Pieces from `start` on for one call. */
  #countOfCall(start: number, count: number): number {
    let lengthBytes = this.#table[start * PIECE_WORDS + 1] ?? 0;
    let end = start + 1;
    for (; end < count; end++) {
      lengthBytes += this.#table[end * PIECE_WORDS + 1] ?? 0;
      if (lengthBytes > CALL_BYTES_MAX) break;
    }
    return end - start;
  }
}
