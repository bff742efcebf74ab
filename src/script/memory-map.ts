/**
 * A {@link SharedMap} in memory that the threads of several isolates use at once: entries in one SharedArrayBuffer
 * under one lock, so that each operation happens at one moment for all, and `countMax` is exact. No operation allocates
 * but those that list.
 *
 * A thread may end anywhere, a lock held by it is broken with {@link MemoryMap.breakLocksOf}, and the map is whole
 * again; what the dead thread was just doing has happened or has not.
 * @module
 */
import type { MapTime, SharedMap, SharedMapDescription } from "./shared-map.ts";
import { hashWords } from "./shared-map-hash.ts";
import { type KeyForm, keyFormOf, PrefixKeys, type SharedMapKey } from "./shared-map-key.ts";
import { ENTRY, HEADER, type MapShape, type SharedMapHandle } from "./shared-map-layout.ts";
import { checkOwner, LOCK_SLEEPERS, takeLockFrom, waitForLock } from "./shared-map-lock.ts";
import { requireKeyKind, requireOneNumber, requirePrefixes } from "./shared-map-refusal.ts";
import { MapTable } from "./shared-map-table.ts";

/** Entries read under one hold of the lock while listing. */
const LIST_CHUNK = 64;

/** One thread's view of the map. */
export class MemoryMap<Key extends SharedMapKey = SharedMapKey> implements SharedMap<Key> {
  readonly name: string;
  readonly shape: MapShape;
  readonly #handle: SharedMapHandle;
  readonly #owner: number;
  readonly #time: MapTime;
  readonly #table: MapTable;
  readonly #words: Int32Array;
  readonly #numbers: Float64Array;
  readonly #bytes: Uint8Array;
  readonly #keys: KeyForm;
  /** The same, in a map of prefixes. */
  readonly #prefixes: PrefixKeys | undefined;
  readonly #seed0: number;
  readonly #seed1: number;
  readonly #isArray: boolean;
  readonly #isLru: boolean;
  /** Milliseconds; 0 is for ever. */
  readonly #timeToLive: number;

  /**
   * @param options.owner this thread's number, of its own among all that use the map; 1 to 2^30 - 1.
   * @throws ConfigurationError when the owner's number is none.
   */
  constructor(handle: SharedMapHandle, options: { readonly owner: number; readonly time: MapTime }) {
    checkOwner(options.owner);
    this.name = handle.name;
    this.shape = handle.shape;
    this.#handle = handle;
    this.#owner = options.owner;
    this.#time = options.time;
    this.#table = new MapTable(handle.memory, handle.shape);
    this.#words = this.#table.words;
    this.#numbers = new Float64Array(handle.memory);
    this.#bytes = new Uint8Array(handle.memory);
    this.#keys = keyFormOf(handle.shape);
    this.#prefixes = this.#keys instanceof PrefixKeys ? this.#keys : undefined;
    this.#seed0 = this.#words[HEADER.seed0] as number;
    this.#seed1 = this.#words[HEADER.seed1] as number;
    this.#isArray = handle.shape.kind === "array";
    this.#isLru = handle.shape.kind === "lru";
    this.#timeToLive = handle.shape.timeToLive ?? 0;
  }

  /** Give this to another thread, which makes a SharedMap of its own around it. */
  get handle(): SharedMapHandle {
    return this.#handle;
  }

  /**
   * How many entries there are. In an `lru` map with a time to live, entries that were read late in their life may
   * still be counted after its end.
   */
  get size(): number {
    if (this.#isArray) return this.shape.countMax;
    this.#take();
    try {
      while (this.#dropOldestIfExpired());
      return this.#words[HEADER.count] as number;
    } finally {
      this.#give();
    }
  }

  /** The number at `key`; `undefined` when there is none. A use, for an `lru` map. */
  get(key: Key): number | undefined {
    const count = this.#load(key);
    this.#take();
    try {
      const at = this.#find(count);
      if (at === 0) return undefined;
      if (this.#isLru) this.#table.renew(at);
      return this.#numbers[(at + ENTRY.value) >> 1];
    } finally {
      this.#give();
    }
  }

  /** Whether there is an entry; no use, for an `lru` map. */
  has(key: Key): boolean {
    const count = this.#load(key);
    this.#take();
    try {
      return this.#find(count) !== 0;
    } finally {
      this.#give();
    }
  }

  /** Puts a number there; its time to live begins anew. `false` when there is no room (or no such key). */
  set(key: Key, value: number): boolean {
    requireOneNumber(this, "set");
    const count = this.#load(key);
    this.#take();
    try {
      const at = this.#findOrInsert(count, true);
      if (at === 0) return false;
      this.#numbers[(at + ENTRY.value) >> 1] = value;
      return true;
    } finally {
      this.#give();
    }
  }

  /** Puts a number at a prefix. @throws ConfigurationError when the map is not one of prefixes. */
  setPrefix(address: Key, bits: number, value: number): boolean {
    const isPrefix = this.#loadPrefix(address, bits);
    this.#take();
    try {
      const at = isPrefix ? this.#findOrInsertWhole() : 0;
      if (at === 0) return false;
      this.#numbers[(at + ENTRY.value) >> 1] = value;
      return true;
    } finally {
      this.#give();
    }
  }

  /** Takes a prefix out. @throws ConfigurationError when the map is not one of prefixes. */
  deletePrefix(address: Key, bits: number): boolean {
    const isPrefix = this.#loadPrefix(address, bits);
    this.#take();
    try {
      const at = isPrefix ? this.#findWhole() : 0;
      if (at !== 0) this.#table.remove(at);
      return at !== 0;
    } finally {
      this.#give();
    }
  }

  /**
   * Adds to the number there, or to 0 where there is no entry, and answers the sum; `undefined` when there is no
   * room. The entry keeps the time it has left, so that what is counted is counted per time to live.
   */
  add(key: Key, delta = 1): number | undefined {
    const count = this.#load(key);
    this.#take();
    try {
      const at = this.#prefixes ? this.#find(count) : this.#findOrInsert(count, false);
      if (at === 0) return undefined;
      const sum = (this.#numbers[(at + ENTRY.value) >> 1] as number) + delta;
      this.#numbers[(at + ENTRY.value) >> 1] = sum;
      return sum;
    } finally {
      this.#give();
    }
  }

  /**
   * Sets the number only where `expected` stands, or nothing when that is `undefined`; then its time to live begins
   * anew. Whether it did.
   */
  compareAndSet(key: Key, expected: number | undefined, value: number): boolean {
    requireOneNumber(this, "compareAndSet");
    const count = this.#load(key);
    this.#take();
    try {
      const found = this.#prefixes && count >= 0 ? this.#findWhole() : this.#find(count);
      const seen = found === 0 ? undefined : this.#numbers[(found + ENTRY.value) >> 1];
      if (seen !== expected) return false;
      const at = this.#findOrInsert(count, true);
      if (at === 0) return false;
      this.#numbers[(at + ENTRY.value) >> 1] = value;
      return true;
    } finally {
      this.#give();
    }
  }

  /** Lets an entry's time to live begin anew, and uses it; `false` when there is none. */
  touch(key: Key): boolean {
    const count = this.#load(key);
    this.#take();
    try {
      const at = this.#find(count);
      if (at !== 0) this.#renew(at);
      return at !== 0;
    } finally {
      this.#give();
    }
  }

  /** Copies the entry's bytes into the first `valueBytes` of `into`; `false` when there is no entry or no room. */
  getBytes(key: Key, into: Uint8Array): boolean {
    const count = this.#load(key);
    const { valueBytes } = this.shape;
    if (into.length < valueBytes) return false;
    this.#take();
    try {
      const at = this.#find(count);
      if (at === 0) return false;
      if (this.#isLru) this.#table.renew(at);
      const from = this.#bytesAt(at);
      for (let index = 0; index < valueBytes; index++) into[index] = this.#bytes[from + index] as number;
      return true;
    } finally {
      this.#give();
    }
  }

  /**
   * Puts exactly `valueBytes` bytes there, beside the number, which is 0 in a new entry; its time to live begins
   * anew. `false` when there is no room, or another count of bytes.
   */
  setBytes(key: Key, bytes: Uint8Array): boolean {
    const count = this.#load(key);
    if (bytes.length !== this.shape.valueBytes) return false;
    this.#take();
    try {
      const at = this.#findOrInsert(count, true);
      if (at === 0) return false;
      const to = this.#bytesAt(at);
      for (let index = 0; index < bytes.length; index++) this.#bytes[to + index] = bytes[index] as number;
      return true;
    } finally {
      this.#give();
    }
  }

  /** Takes the entry out; `false` when there is none, and always for an array. */
  delete(key: Key): boolean {
    const count = this.#load(key);
    if (this.#isArray) return false;
    this.#take();
    try {
      const at = this.#prefixes && count >= 0 ? this.#findWhole() : this.#find(count);
      if (at !== 0) this.#table.remove(at);
      return at !== 0;
    } finally {
      this.#give();
    }
  }

  /** Takes all entries out; makes all values of an array 0. */
  clear(): void {
    this.#take();
    try {
      if (this.#isArray) this.#words.fill(0, this.#table.layout.entriesAt);
      else this.#table.clear();
    } finally {
      this.#give();
    }
  }

  /**
   * Keys and numbers, in no order. Others may change the map meanwhile: an entry that is there from the first step to
   * the last comes exactly once, one that comes or goes meanwhile at most once for each time it was put in.
   */
  *entries(): Generator<[Key, number]> {
    for (let first = 1; ; first += LIST_CHUNK) {
      const chunk = this.#readChunk(first);
      if (!chunk) return;
      for (const [key, value] of chunk) yield [key, value];
    }
  }

  /** Addresses, lengths in bits and numbers, in no order. */
  *prefixes(): Generator<[Key, number, number]> {
    const prefixes = this.#prefixes;
    if (prefixes === undefined) return;
    for (let first = 1; ; first += LIST_CHUNK) {
      const chunk = this.#readChunk(first, (at) => prefixes.bitsAt(this.#words, at + ENTRY.key));
      if (!chunk) return;
      for (const [address, value, bits = 0] of chunk) yield [address, bits, value];
    }
  }

  /** The keys of {@link entries}. */
  *keys(): Generator<Key> {
    for (const [key] of this.entries()) yield key;
  }

  describe(): SharedMapDescription {
    const count = (word: number): number => (Atomics.load(this.#words, word) as number) >>> 0;
    return {
      name: this.name,
      ...this.shape,
      size: this.size,
      memoryBytes: this.#handle.memory.byteLength,
      refused: count(HEADER.refused),
      evicted: count(HEADER.evicted),
      expired: count(HEADER.expired),
      waits: count(HEADER.waits),
      repairs: count(HEADER.repairs),
      engine: "user",
    };
  }

  /**
   * Takes the lock from a thread that has ended, and puts in order what it left. Only for owners that are gone for
   * certain. Whether it held the lock.
   */
  breakLocksOf(gone: number): boolean {
    if (!takeLockFrom(this.#words, gone, this.#owner)) return false;
    try {
      if (!this.#isArray) this.#table.rebuild();
      return true;
    } finally {
      this.#give();
    }
  }

  #take(): void {
    const words = this.#words;
    if (Atomics.compareExchange(words, HEADER.lock, 0, this.#owner) !== 0) waitForLock(words, this.#owner);
    if (words[HEADER.isChanging] === 0) return;
    try {
      this.#table.rebuild();
    } catch (error) {
      // No stack for it: the next one does it.
      this.#give();
      throw error;
    }
  }

  /** Calls nothing but what the engine has built in: it also runs when the stack is full. */
  #give(): void {
    const words = this.#words;
    if (Atomics.exchange(words, HEADER.lock, 0) >= LOCK_SLEEPERS) Atomics.notify(words, HEADER.lock, 1);
  }

  /** Writes the key into this thread's words; how many, or -1 when no entry can have it. */
  #load(key: Key): number {
    const count = this.#keys.write(key);
    if (count < 0) requireKeyKind(this, key);
    return count;
  }

  /** Loads a prefix; whether it is one. @throws ConfigurationError when the map is not one of prefixes. */
  #loadPrefix(address: Key, bits: number): boolean {
    requirePrefixes(this);
    const prefixes = this.#prefixes;
    if (prefixes === undefined) return false;
    if (this.#load(address) < 0 || !Number.isInteger(bits) || bits < 0 || bits > prefixes.bitsMax)
      return false;
    prefixes.cut(bits);
    return true;
  }

  #hash(count: number): number {
    return hashWords(this.#keys.words, count, this.#seed0, this.#seed1) | 1;
  }

  /** The live entry with the loaded key; 0 when there is none. */
  #find(count: number): number {
    if (count < 0) return 0;
    if (this.#isArray) return this.#elementAt();
    if (this.#prefixes) return this.#findLongest(this.#prefixes);
    const at = this.#table.find(this.#keys.words, count, this.#hash(count));
    if (at === 0 || !this.#isExpired(at)) return at;
    this.#table.remove(at);
    this.#count(HEADER.expired);
    return 0;
  }

  /** The longest prefix that the loaded address lies in; the address is loaded in full length again. */
  #findLongest(prefixes: PrefixKeys): number {
    for (let bits = prefixes.bitsMax; bits >= 0; bits--) {
      const lengths = this.#words[HEADER.words + (bits >> 5)] as number;
      if (((lengths >>> (bits & 31)) & 1) === 0) continue;
      prefixes.cut(bits);
      const at = this.#findWhole();
      if (at !== 0) return at;
    }
    prefixes.cut(prefixes.bitsMax);
    return 0;
  }

  /** The entry whose words are loaded, without any search for shorter ones. */
  #findWhole(): number {
    const { words } = this.#keys;
    return this.#table.find(words, words.length, this.#hash(words.length));
  }

  /** The prefix that is loaded, new if need be; 0 when it has no room. */
  #findOrInsertWhole(): number {
    const { words } = this.#keys;
    let at = this.#findWhole();
    if (at !== 0) return at;
    if (this.#makeRoom()) at = this.#table.insert(words, words.length, this.#hash(words.length));
    if (at === 0) this.#count(HEADER.refused);
    else {
      const bits = words[words.length - 1] as number;
      const word = HEADER.words + (bits >> 5);
      this.#words[word] = (this.#words[word] as number) | (1 << (bits & 31));
    }
    return at;
  }

  /** The entry with the loaded key, new if need be; 0 when it has no room. `isSet` starts its time to live anew. */
  #findOrInsert(count: number, isSet: boolean): number {
    if (this.#prefixes && count >= 0) return this.#findOrInsertWhole();
    let at = this.#find(count);
    if (this.#isArray) {
      if (at === 0) this.#count(HEADER.refused);
      return at;
    }
    if (at !== 0) {
      if (isSet) this.#renew(at);
      else if (this.#isLru) this.#table.renew(at);
      return at;
    }
    if (count >= 0 && this.#makeRoom()) {
      at = this.#table.insert(this.#keys.words, count, this.#hash(count));
      if (at !== 0) this.#numbers[(at + ENTRY.expires) >> 1] = this.#time.now + this.#timeToLive;
    }
    if (at === 0) this.#count(HEADER.refused);
    return at;
  }

  #makeRoom(): boolean {
    if ((this.#words[HEADER.count] as number) < this.shape.countMax) return true;
    if (this.#dropOldestIfExpired()) return true;
    if (!this.#isLru) return false;
    this.#table.remove(this.#table.oldest());
    this.#count(HEADER.evicted);
    return true;
  }

  #dropOldestIfExpired(): boolean {
    if (this.#timeToLive === 0) return false;
    const oldest = this.#table.oldest();
    if (oldest === 0 || !this.#isExpired(oldest)) return false;
    this.#table.remove(oldest);
    this.#count(HEADER.expired);
    return true;
  }

  #isExpired(at: number): boolean {
    return this.#timeToLive !== 0 && (this.#numbers[(at + ENTRY.expires) >> 1] as number) <= this.#time.now;
  }

  #renew(at: number): void {
    if (this.#timeToLive !== 0) this.#numbers[(at + ENTRY.expires) >> 1] = this.#time.now + this.#timeToLive;
    else if (!this.#isLru) return;
    this.#table.renew(at);
  }

  /** The array's element that the loaded key numbers; 0 when the array is shorter. */
  #elementAt(): number {
    const { words } = this.#keys;
    const index = (words[0] as number) >>> 0;
    return words[1] === 0 && index < this.shape.countMax ? this.#table.entryAt(index + 1) : 0;
  }

  #bytesAt(at: number): number {
    return 4 * (at + ENTRY.key + this.#table.layout.keyWords);
  }

  #count(word: number): void {
    this.#words[word] = ((this.#words[word] as number) + 1) | 0;
  }

  /** The live entries numbered from `first`; `undefined` past the last. */
  #readChunk(first: number, more?: (at: number) => number): [Key, number, number?][] | undefined {
    const chunk: [Key, number, number?][] = [];
    this.#take();
    try {
      const last = this.#isArray ? this.shape.countMax : (this.#words[HEADER.touched] as number);
      if (first > last) return undefined;
      for (let number = first; number <= last && number < first + LIST_CHUNK; number++) {
        const at = this.#table.entryAt(number);
        if (!this.#isArray && (this.#words[at + ENTRY.hash] === 0 || this.#isExpired(at))) continue;
        const key = this.#isArray ? number - 1 : this.#keys.read(this.#words, at + ENTRY.key);
        const value = this.#numbers[(at + ENTRY.value) >> 1] as number;
        chunk.push(more ? [key as Key, value, more(at)] : [key as Key, value]);
      }
      return chunk;
    } finally {
      this.#give();
    }
  }
}
