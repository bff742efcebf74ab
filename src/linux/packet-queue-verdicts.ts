/**
 * The verdicts of a batch on their way to the kernel: plain ones in a row become one message each for a whole run,
 * changed packets go out from where they lie. Everything leaves in the order of the packets, so that none overtakes
 * another, with one system call.
 * @module
 */
import { native, SEND_WORDS } from "./native.ts";
import { EAGAIN, ENOBUFS } from "./socket-constants.ts";

/** How often the kernel is asked again when it is short of memory. */
const ATTEMPT_COUNT_MAX = 3;

/** Pieces of a slab to send as messages of their own. */
export class VerdictPieces {
  readonly #fd: number;
  readonly #slab: Uint8Array;
  readonly #table: Int32Array;
  #count = 0;
  /** Where the last piece ends when it can be continued, else -1. */
  #openEnd = -1;

  constructor(fd: number, slab: Uint8Array, countMax: number) {
    this.#fd = fd;
    this.#slab = slab;
    this.#table = new Int32Array(countMax * SEND_WORDS);
  }

  get count(): number {
    return this.#count;
  }

  get isFull(): boolean {
    return this.#count * SEND_WORDS === this.#table.length;
  }

  /** Several messages that follow each other in the slab leave as one piece, when each starts where the last ends. */
  addPlain(start: number, end: number): void {
    if (this.#openEnd === start) {
      const row = (this.#count - 1) * SEND_WORDS;
      this.#table[row + 1] = (this.#table[row + 1] ?? 0) + end - start;
    } else {
      this.add(start, end - start);
    }
    this.#openEnd = end;
  }

  add(start: number, lengthBytes: number): void {
    const row = this.#count * SEND_WORDS;
    this.#table[row] = start;
    this.#table[row + 1] = lengthBytes;
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
      const sent = native().sendBatch(this.#fd, this.#slab, this.#table, start, count - start);
      if (sent > 0) {
        start += sent;
        attempts = 0;
        continue;
      }
      const again = sent === -ENOBUFS || sent === -EAGAIN;
      if (again && ++attempts < ATTEMPT_COUNT_MAX) continue;
      errno = sent;
      start++;
      attempts = 0;
    }
    return errno;
  }
}
