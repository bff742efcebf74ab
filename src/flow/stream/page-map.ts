/**
 * Where the bytes of one stream lie: pages in ascending order of their offsets, only those that are needed. Whoever
 * asks for bytes knows that they were written.
 * @module
 */
import type { Page, PagePool } from "./page-pool.ts";

/** Up to so many bytes a loop is faster than making a view and the call that copies it. */
const LOOP_BYTES_MAX = 24;

export class PageMap {
  readonly #pool: PagePool;
  readonly #pageBytes: number;
  /** Behind {@link #count} stands what was there before: an array that shrinks and grows again costs more. */
  readonly #pages: Page[] = [];
  #count = 0;
  /** Where the page asked for last stands. */
  #recent = 0;

  constructor(pool: PagePool) {
    this.#pool = pool;
    this.#pageBytes = pool.pageBytes;
  }

  get count(): number {
    return this.#count;
  }

  /** The memory the pages take. */
  get heldBytes(): number {
    return this.#count * this.#pageBytes;
  }

  /** Sees to it that `[from, to)` has pages, up to a number of them; returns how far it has, `to` or less. */
  reserve(from: number, to: number, pageCountMax: number): number {
    const pageBytes = this.#pageBytes;
    let number = Math.floor(from / pageBytes);
    let index = this.#find(number);
    for (; number * pageBytes < to; number++, index++) {
      if (index < this.#count && (this.#pages[index] as Page).number === number) continue;
      const page = this.#count < pageCountMax ? this.#pool.take() : undefined;
      if (page === undefined) return Math.max(from, number * pageBytes);
      page.number = number;
      this.#insert(index, page);
    }
    return to;
  }

  /** Writes `bytes[start, end)` at `offset`, where there are pages. */
  write(offset: number, bytes: Uint8Array, start: number, end: number): void {
    const pageBytes = this.#pageBytes;
    for (let from = start; from < end; ) {
      const at = offset + from - start;
      const page = this.#page(at);
      const within = at - page.number * pageBytes;
      const to = Math.min(end, from + pageBytes - within);
      if (to - from > LOOP_BYTES_MAX) page.bytes.set(bytes.subarray(from, to), within);
      else for (let put = within, take = from; take < to; ) page.bytes[put++] = bytes[take++] as number;
      from = to;
    }
  }

  /** Where in `bytes[start, end)` the first byte lies that is not the one at `offset` and on; -1 when none. */
  difference(offset: number, bytes: Uint8Array, start: number, end: number): number {
    const pageBytes = this.#pageBytes;
    for (let from = start; from < end; ) {
      const at = offset + from - start;
      const page = this.#page(at);
      const kept = page.bytes;
      let within = at - page.number * pageBytes;
      const to = Math.min(end, from + pageBytes - within);
      for (; from < to; from++) if (bytes[from] !== kept[within++]) return from;
    }
    return -1;
  }

  /** Writes the bytes at `offset` and on over `bytes[start, end)`; returns how many it changed. */
  read(offset: number, bytes: Uint8Array, start: number, end: number): number {
    const pageBytes = this.#pageBytes;
    let changeCount = 0;
    for (let from = start; from < end; ) {
      const at = offset + from - start;
      const page = this.#page(at);
      const kept = page.bytes;
      let within = at - page.number * pageBytes;
      const to = Math.min(end, from + pageBytes - within);
      for (; from < to; from++) {
        const byte = kept[within++] as number;
        if (bytes[from] === byte) continue;
        bytes[from] = byte;
        changeCount++;
      }
    }
    return changeCount;
  }

  /** The bytes from `offset` on that lie in one page, at most `lengthMax`. */
  view(offset: number, lengthMax: number): Uint8Array {
    const page = this.#page(offset);
    return page.view(offset - page.number * this.#pageBytes, lengthMax);
  }

  /** Gives the pages back that lie below an offset as a whole. */
  releaseBelow(offset: number): void {
    const pages = this.#pages;
    const all = this.#count;
    let count = 0;
    for (; count < all; count++) {
      const page = pages[count] as Page;
      if ((page.number + 1) * this.#pageBytes > offset) break;
      this.#pool.give(page);
    }
    if (count === 0) return;
    // A loop: copyWithin and shift cost more than the few pages that there usually are.
    for (let index = count; index < all; index++) pages[index - count] = pages[index] as Page;
    this.#count = all - count;
    this.#recent = 0;
  }

  clear(): void {
    for (let index = 0; index < this.#count; index++) this.#pool.give(this.#pages[index] as Page);
    this.#count = 0;
    this.#recent = 0;
  }

  #page(offset: number): Page {
    return this.#pages[this.#find(Math.floor(offset / this.#pageBytes))] as Page;
  }

  /** Where the page of that number stands, or would have to. */
  #find(number: number): number {
    const pages = this.#pages;
    const recent = this.#recent;
    if (recent < this.#count && (pages[recent] as Page).number === number) return recent;
    let low = 0;
    let high = this.#count;
    if (high > 0 && (pages[high - 1] as Page).number < number) low = high;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((pages[middle] as Page).number < number) low = middle + 1;
      else high = middle;
    }
    this.#recent = low;
    return low;
  }

  #insert(index: number, page: Page): void {
    const pages = this.#pages;
    for (let at = this.#count++; at > index; at--) pages[at] = pages[at - 1] as Page;
    pages[index] = page;
  }
}
