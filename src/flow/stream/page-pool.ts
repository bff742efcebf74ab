/**
 * The memory that all flows keep their bytes in: pages of one size, lent and taken back, never more than a limit. A
 * page is not zeroed when it changes hands: who holds it knows which of its bytes it has written.
 * @module
 */

/** Pages are made so many at a time, as parts of one block of memory. */
const PAGES_PER_BLOCK = 32;

/** A piece of memory, lent to one stream. */
export class Page {
  readonly bytes: Uint8Array;
  /** Its memory, which to ask for costs a call. */
  readonly #buffer: ArrayBufferLike;
  readonly #byteOffset: number;
  /** Which part of the holder's stream lies here: the offset of its first byte, in pages. */
  number: number = Number.NaN;
  /** The next that is free, while this one is. */
  next: Page | undefined = undefined;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.#buffer = bytes.buffer;
    this.#byteOffset = bytes.byteOffset;
  }

  /** Its bytes from `within` on, at most `lengthMax`. */
  view(within: number, lengthMax: number): Uint8Array {
    // Faster than subarray(), which asks for the class of what it makes.
    const length = Math.min(this.bytes.length - within, lengthMax);
    return new Uint8Array(this.#buffer, this.#byteOffset + within, length);
  }
}

export interface PagePoolOptions {
  /** At least 1; a power of 2 divides best. */
  readonly pageBytes: number;
  /** What all lent pages together may have; where it is reached, {@link PagePool.take} answers `undefined`. */
  readonly totalBytesMax: number;
  /** Called where that is reached: makes somebody give pages back that need not be kept; false when nobody can. */
  readonly reclaim?: () => boolean;
}

export class PagePool {
  readonly pageBytes: number;
  readonly #pageCountMax: number;
  readonly #reclaim: (() => boolean) | undefined;
  /** The first that is free: a chain, for a list is another shape once something is in it. */
  #free: Page | undefined = undefined;
  #pageCount = 0;
  #lentCount = 0;

  constructor({ pageBytes, totalBytesMax, reclaim }: PagePoolOptions) {
    this.pageBytes = pageBytes;
    this.#reclaim = reclaim;
    this.#pageCountMax = Math.floor(totalBytesMax / pageBytes);
  }

  /** What is lent at the moment, in bytes. Memory that came back stays here for the next. */
  get usedBytes(): number {
    return this.#lentCount * this.pageBytes;
  }

  /** A page with any content, or `undefined` at the limit. */
  take(): Page | undefined {
    if (this.#free === undefined) this.#grow();
    if (this.#free === undefined) this.#reclaim?.();
    const page = this.#free;
    if (page === undefined) return undefined;
    this.#free = page.next;
    page.next = undefined;
    this.#lentCount++;
    return page;
  }

  /** Takes a page back that {@link take} gave; once for each time. */
  give(page: Page): void {
    this.#lentCount--;
    page.next = this.#free;
    this.#free = page;
  }

  #grow(): void {
    const count = Math.min(PAGES_PER_BLOCK, this.#pageCountMax - this.#pageCount);
    if (count <= 0) return;
    const block = new Uint8Array(count * this.pageBytes);
    this.#pageCount += count;
    for (let end = block.length; end > 0; end -= this.pageBytes) {
      const page = new Page(block.subarray(end - this.pageBytes, end));
      page.next = this.#free;
      this.#free = page;
    }
  }
}
