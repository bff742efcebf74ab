/**
 * State that scripts share, in whatever isolate or engine they run: numbers, and perhaps bytes, by keys. Each operation
 * happens at one moment for all.
 * @module
 */
import type { Instant } from "#base/time.ts";
import type { SharedMapKey } from "./shared-map-key.ts";
import type { MapShape } from "./shared-map-layout.ts";

/** The time by which entries expire; whoever owns it moves it, once for each batch of packets. */
export interface MapTime {
  readonly now: Instant;
}

/** What a list of maps shows of one. Events are counted modulo 2^32. */
export interface SharedMapDescription extends MapShape {
  readonly name: string;
  readonly size: number;
  readonly memoryBytes: number;
  /** Times `set`, `add` or `compareAndSet` had no room, or a key was none. */
  readonly refused: number;
  /** Entries that made room for others. */
  readonly evicted: number;
  /** Entries whose time was over. */
  readonly expired: number;
  /** Times a thread had to wait for another. */
  readonly waits: number;
  /** Times the links were made anew after a thread had ended among them. */
  readonly repairs: number;
  /** `kernel`: programs there have it as well. */
  readonly engine: "user" | "kernel";
}

/** A map as a script has it; `Key` is what the map was made for. */
export interface SharedMap<Key extends SharedMapKey = SharedMapKey> {
  readonly name: string;
  readonly shape: MapShape;
  /**
   * How many entries there are. In an `lru` map with a time to live, entries that were read late in their life may
   * still be counted after its end.
   */
  readonly size: number;
  /**
   * The number at `key`; `undefined` when there is none. A use, for an `lru` map. In a map of prefixes: that of the
   * longest one the address lies in.
   */
  get(key: Key): number | undefined;
  /** Whether there is an entry, as {@link get} finds it; no use, for an `lru` map. */
  has(key: Key): boolean;
  /**
   * Puts a number there; its time to live begins anew. `false` when there is no room (or no such key). In a map of
   * prefixes: for this address alone.
   */
  set(key: Key, value: number): boolean;
  /**
   * Puts a number at the prefix of so many bits, 0 to 32 (IPv4) or 128 (IPv6); what the address has behind them does
   * not count. `false` when there is no room, or it is no prefix.
   * @throws ConfigurationError when the map is not one of prefixes.
   */
  setPrefix(address: Key, bits: number, value: number): boolean;
  /** Takes a prefix out; `false` when there is none. @throws ConfigurationError as {@link setPrefix}. */
  deletePrefix(address: Key, bits: number): boolean;
  /**
   * Adds to the number there, or to 0 where there is no entry, and answers the sum; `undefined` when there is no
   * room. The entry keeps the time it has left, so that what is counted is counted per time to live. In a map of
   * prefixes: to that of the longest one the address lies in, and `undefined` when there is none.
   */
  add(key: Key, delta?: number): number | undefined;
  /**
   * Sets the number only where `expected` stands, or nothing when that is `undefined`; then its time to live begins
   * anew. Whether it did. In a map of prefixes: for this address alone.
   */
  compareAndSet(key: Key, expected: number | undefined, value: number): boolean;
  /** Lets an entry's time to live begin anew, and uses it; `false` when there is none. */
  touch(key: Key): boolean;
  /** Copies the entry's bytes into the first `valueBytes` of `into`; `false` when there is no entry or no room. */
  getBytes(key: Key, into: Uint8Array): boolean;
  /**
   * Puts exactly `valueBytes` bytes there, beside the number, which is 0 in a new entry; its time to live begins
   * anew. `false` when there is no room, or another count of bytes. In a map of prefixes: for this address alone.
   */
  setBytes(key: Key, bytes: Uint8Array): boolean;
  /** Takes the entry out; `false` when there is none, and always for an array. Of prefixes: this address alone. */
  delete(key: Key): boolean;
  /** Takes all entries out; makes all values of an array 0. */
  clear(): void;
  /**
   * Keys and numbers, in no order. Others may change the map meanwhile: an entry that is there from the first step to
   * the last comes exactly once, one that comes or goes meanwhile at most once for each time it was put in. Of a map
   * of prefixes the keys are the addresses that prefixes begin with; {@link prefixes} has the rest.
   */
  entries(): Generator<[Key, number]>;
  /** The keys of {@link entries}. */
  keys(): Generator<Key>;
  /** Addresses, lengths in bits and numbers of a map of prefixes, in no order; none of another map. */
  prefixes(): Generator<[address: Key, bits: number, value: number]>;
  describe(): SharedMapDescription;
}
