/**
 * Datagrams gathered for one sendmmsg(2): payload and address of each in one slab.
 * @module
 */
import { BATCH_COUNT_MAX } from "#io/datagram.ts";
import { native, SEND_WORDS } from "./native.ts";
import { EAGAIN, ENOBUFS } from "./socket-constants.ts";

/** What became of one batch. */
export interface SendOutcome {
  readonly sentCount: number;
  readonly unsentCount: number;
  /** Of the last one that did not leave, negative; 0 when all did. */
  readonly errno: number;
}

export class SendBatch {
  readonly #fd: number;
  readonly #slotBytes: number;
  readonly #slab: Uint8Array;
  readonly #table: Int32Array = new Int32Array(BATCH_COUNT_MAX * SEND_WORDS);
  #count = 0;

  /** @param slotBytes of the longest payload and address together. */
  constructor(fd: number, slotBytes: number) {
    this.#fd = fd;
    this.#slotBytes = slotBytes;
    this.#slab = new Uint8Array(BATCH_COUNT_MAX * slotBytes);
  }

  /** Whether it has to be flushed before the next one. */
  get isFull(): boolean {
    return this.#count === BATCH_COUNT_MAX;
  }

  add(payload: Uint8Array, address: Uint8Array): void {
    const start = this.#count * this.#slotBytes;
    this.#slab.set(payload, start);
    this.#slab.set(address, start + payload.length);
    const row = [start, payload.length, start + payload.length, address.length, 0, 0];
    this.#table.set(row, this.#count * SEND_WORDS);
    this.#count++;
  }

  /** Sends all of them; one that the kernel refuses does not hold up the next, lack of room ends the batch. */
  flush(): SendOutcome {
    const count = this.#count;
    this.#count = 0;
    let unsentCount = 0;
    let errno = 0;
    for (let start = 0; start < count; ) {
      const sent = native().sendBatch(this.#fd, this.#slab, this.#table, start, count - start);
      if (sent > 0) {
        start += sent;
        continue;
      }
      errno = sent;
      const isFull = sent === -EAGAIN || sent === -ENOBUFS;
      const lost = isFull ? count - start : 1;
      unsentCount += lost;
      start += lost;
    }
    return { sentCount: count - unsentCount, unsentCount, errno };
  }
}
