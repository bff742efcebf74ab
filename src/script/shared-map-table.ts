/**
 * The links of a shared map: chains of entries in buckets, a list of free entries, and the order in which they were
 * used or set. Only who holds the map's lock may call anything here.
 *
 * Each change says so first ({@link HEADER.isChanging}). When the thread ends in the middle, or runs out of stack,
 * whoever comes next rebuilds the links from the entries: an entry is in the map if and only if its hash is not 0.
 * @module
 */
import { ENTRY, HEADER, layoutOf, type MapLayout, type MapShape } from "./shared-map-layout.ts";

export class MapTable {
  readonly words: Int32Array;
  readonly layout: MapLayout;
  readonly #countMax: number;
  readonly #isOrdered: boolean;

  constructor(memory: SharedArrayBuffer, shape: MapShape) {
    this.words = new Int32Array(memory);
    this.layout = layoutOf(shape);
    this.#countMax = shape.countMax;
    this.#isOrdered = shape.kind === "lru" || shape.timeToLive !== undefined;
  }

  /** The first word of the entry with this number, from 1. */
  entryAt(number: number): number {
    return this.layout.entriesAt + (number - 1) * this.layout.entryWords;
  }

  /** The entry whose key is the first `count` words of `key`; 0 when there is none. */
  find(key: Int32Array, count: number, hash: number): number {
    const { words } = this;
    let number = words[this.#bucketOf(hash)] as number;
    while (number !== 0) {
      const at = this.entryAt(number);
      if (words[at + ENTRY.hash] === hash) {
        let index = 0;
        while (index < count && words[at + ENTRY.key + index] === key[index]) index++;
        if (index === count) return at;
      }
      number = words[at + ENTRY.next] as number;
    }
    return 0;
  }

  /** A new entry with this key, its values zero; 0 when no entry is free. */
  insert(key: Int32Array, count: number, hash: number): number {
    const { words } = this;
    const number = this.#takeFree();
    if (number === 0) return 0;
    const at = this.entryAt(number);
    for (let index = ENTRY.expires; index < this.layout.entryWords; index++) words[at + index] = 0;
    for (let index = 0; index < count; index++) words[at + ENTRY.key + index] = key[index] as number;
    const bucket = this.#bucketOf(hash);
    words[at + ENTRY.next] = words[bucket] as number;
    words[bucket] = number;
    if (this.#isOrdered) this.#append(number, at);
    words[at + ENTRY.hash] = hash;
    words[HEADER.count] = (words[HEADER.count] as number) + 1;
    words[HEADER.isChanging] = 0;
    return at;
  }

  /** Takes an entry out and makes it free. */
  remove(at: number): void {
    const { words } = this;
    const number = (at - this.layout.entriesAt) / this.layout.entryWords + 1;
    words[HEADER.isChanging] = 1;
    let link = this.#bucketOf(words[at + ENTRY.hash] as number);
    words[at + ENTRY.hash] = 0;
    while (words[link] !== number) link = this.entryAt(words[link] as number) + ENTRY.next;
    words[link] = words[at + ENTRY.next] as number;
    if (this.#isOrdered) this.#unlink(at);
    words[at + ENTRY.next] = words[HEADER.free] as number;
    words[HEADER.free] = number;
    words[HEADER.count] = (words[HEADER.count] as number) - 1;
    words[HEADER.isChanging] = 0;
  }

  /** Makes an entry the last in the order. */
  renew(at: number): void {
    const { words } = this;
    const number = (at - this.layout.entriesAt) / this.layout.entryWords + 1;
    if (words[HEADER.newest] === number) return;
    words[HEADER.isChanging] = 1;
    this.#unlink(at);
    this.#append(number, at);
    words[HEADER.isChanging] = 0;
  }

  /** The entry that was used or set longest ago; 0 when the map is empty. */
  oldest(): number {
    const number = this.words[HEADER.oldest] as number;
    return number === 0 ? 0 : this.entryAt(number);
  }

  /** Takes all entries out. */
  clear(): void {
    const { words } = this;
    words[HEADER.isChanging] = 1;
    words[HEADER.touched] = 0;
    this.#forgetLinks();
    words[HEADER.isChanging] = 0;
  }

  /** Makes all links anew; the order of use is forgotten and becomes that of the entries' numbers. */
  rebuild(): void {
    const { words } = this;
    words[HEADER.isChanging] = 1;
    const touched = Math.min(words[HEADER.touched] as number, this.#countMax);
    this.#forgetLinks();
    for (let number = touched; number >= 1; number--) {
      const at = this.entryAt(number);
      const hash = words[at + ENTRY.hash] as number;
      const head = hash === 0 ? HEADER.free : this.#bucketOf(hash);
      words[at + ENTRY.next] = words[head] as number;
      words[head] = number;
    }
    for (let number = 1; number <= touched; number++) {
      const at = this.entryAt(number);
      if (words[at + ENTRY.hash] === 0) continue;
      if (this.#isOrdered) this.#append(number, at);
      words[HEADER.count] = (words[HEADER.count] as number) + 1;
    }
    words[HEADER.repairs] = ((words[HEADER.repairs] as number) + 1) | 0;
    words[HEADER.isChanging] = 0;
  }

  #bucketOf(hash: number): number {
    // The lowest bit is always set, see the caller.
    return this.layout.bucketsAt + ((hash >>> 1) & this.layout.bucketMask);
  }

  #forgetLinks(): void {
    const { words, layout } = this;
    words[HEADER.count] = words[HEADER.free] = words[HEADER.oldest] = words[HEADER.newest] = 0;
    words.fill(0, layout.bucketsAt, layout.entriesAt);
  }

  #takeFree(): number {
    const { words } = this;
    const free = words[HEADER.free] as number;
    if (free !== 0) {
      words[HEADER.isChanging] = 1;
      words[HEADER.free] = words[this.entryAt(free) + ENTRY.next] as number;
      return free;
    }
    const touched = words[HEADER.touched] as number;
    if (touched >= this.#countMax) return 0;
    words[HEADER.isChanging] = 1;
    // What an earlier life of the map left there is no entry of this one.
    words[this.entryAt(touched + 1) + ENTRY.hash] = 0;
    words[HEADER.touched] = touched + 1;
    return touched + 1;
  }

  #append(number: number, at: number): void {
    const { words } = this;
    const last = words[HEADER.newest] as number;
    words[at + ENTRY.older] = last;
    words[at + ENTRY.newer] = 0;
    words[last === 0 ? HEADER.oldest : this.entryAt(last) + ENTRY.newer] = number;
    words[HEADER.newest] = number;
  }

  #unlink(at: number): void {
    const { words } = this;
    const older = words[at + ENTRY.older] as number;
    const newer = words[at + ENTRY.newer] as number;
    words[older === 0 ? HEADER.oldest : this.entryAt(older) + ENTRY.newer] = newer;
    words[newer === 0 ? HEADER.newest : this.entryAt(newer) + ENTRY.older] = older;
  }
}
