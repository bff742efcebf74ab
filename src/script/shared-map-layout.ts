/**
 * Where everything stands in the memory of a shared map, and which maps can be made. The kinds are those of eBPF,
 * with their semantics, so that the kernel can hold the same maps.
 * @module
 */
import { ConfigurationError } from "#base/errors.ts";
import type { Duration } from "#base/time.ts";
import { HASH_SEED_BYTES } from "./shared-map-hash.ts";

/**
 * `hash` refuses new keys when it is full (`set` answers false, counted); `lru` evicts the key that was used longest
 * ago (counted); `array` has the keys 0 to `countMax` - 1 from the start, all with the value 0, and loses none;
 * `prefix` has address prefixes and finds the longest one that an address lies in.
 */
export type SharedMapKind = "hash" | "lru" | "array" | "prefix";

/**
 * `number`: an integer from 0 to 2^53 - 1 (an IPv4 address, a port, a MAC address); `bigint`: 0 to 2^128 - 1 (an
 * IPv6 address); `text`: up to `keyBytes` bytes of UTF-8; `bytes`: exactly `keyBytes` bytes (several fields in a row).
 */
export type SharedMapKeyKind = "number" | "bigint" | "text" | "bytes";

/** How to make a map; what is absent is as the comments say. */
export interface MapOptions {
  /** `hash` unless told. */
  readonly kind?: SharedMapKind;
  /** `number` unless told; an array has no other. */
  readonly key?: SharedMapKeyKind;
  /** 64 for `text` and 16 for `bytes` unless told; at most {@link MAP_KEY_BYTES_MAX}. The other kinds take none. */
  readonly keyBytes?: number;
  /** How many entries it holds at most: 1 to {@link MAP_COUNT_LIMIT}, 65,536 unless told. */
  readonly countMax?: number;
  /** How long after it was set an entry is seen; for ever when absent. Not for arrays. */
  readonly timeToLive?: Duration;
  /** Bytes that each entry holds besides its number, up to {@link MAP_VALUE_BYTES_MAX}; none unless told. */
  readonly valueBytes?: number;
  /**
   * Whether each processor adds to a number of its own in the kernel, so that none waits for another: scripts may only
   * `add` and `delete`, and whoever reads sees the sum. `false` unless told; for `hash`, `lru` and `array`, without
   * `timeToLive` and `valueBytes`.
   */
  readonly perProcessor?: boolean;
}

/** {@link MapOptions} with nothing left open. */
export interface MapShape {
  readonly kind: SharedMapKind;
  readonly key: SharedMapKeyKind;
  /** Bytes of the longest key. */
  readonly keyBytes: number;
  readonly countMax: number;
  /** Milliseconds; `undefined` is for ever. */
  readonly timeToLive: Duration | undefined;
  readonly valueBytes: number;
  readonly perProcessor: boolean;
}

/** A map as it travels to another thread: plain data around one memory. */
export interface SharedMapHandle {
  readonly name: string;
  readonly shape: MapShape;
  readonly memory: SharedArrayBuffer;
}

/** The most entries of one map. */
export const MAP_COUNT_LIMIT = 4_194_304;
/** The longest key: a DNS name in full (RFC 1035 §2.3.4), with room. */
export const MAP_KEY_BYTES_MAX = 256;
/** The most bytes of one entry's value. */
export const MAP_VALUE_BYTES_MAX = 256;
/** The most memory of one map, in bytes; more is a mistake in a script, not a table. */
export const MAP_MEMORY_BYTES_MAX = 536_870_912;

/** Words (32 bits) at the start of the memory. The counts are of events and wrap at 2^32. */
export const HEADER = {
  lock: 0,
  /** Not 0 while links are being changed: whoever finds it so rebuilds them. */
  isChanging: 1,
  count: 2,
  /** First of the free entries, linked by `next`; entries are numbered from 1, and 0 is none. */
  free: 3,
  /** Entries above this one have never been used, and are in no list. */
  touched: 4,
  /** The two ends of the order of use (`lru`) or of setting (`hash`). */
  oldest: 5,
  newest: 6,
  seed0: 7,
  seed1: 8,
  refused: 9,
  evicted: 10,
  expired: 11,
  waits: 12,
  repairs: 13,
  words: 16,
} as const;

/** Words behind the header of a map of prefixes: which lengths, 0 to 128 bits, any prefix has had, a bit for each. */
export const LENGTH_WORDS = 6;

/** Words of an entry; the key begins at `key`, the value's bytes behind it. A free entry's hash is 0. */
export const ENTRY = { next: 0, hash: 1, older: 2, newer: 3, expires: 4, value: 6, key: 8 } as const;

/** Where the parts are, in words of 32 bits. */
export interface MapLayout {
  /** Words of a key in an entry. */
  readonly keyWords: number;
  readonly bucketsAt: number;
  /** A power of two less one. */
  readonly bucketMask: number;
  readonly entriesAt: number;
  readonly entryWords: number;
  readonly totalBytes: number;
}

/**
 * Fills in what the options leave open.
 * @throws ConfigurationError when no such map can be.
 */
export function shapeOf(name: string, options: MapOptions): MapShape {
  const { kind = "hash", key = "number", countMax = 65_536, timeToLive, valueBytes = 0 } = options;
  const { perProcessor = false } = options;
  const refuse = (what: string): never => {
    throw new ConfigurationError(`Cannot make map '${name}': ${what}`);
  };
  if (!["hash", "lru", "array", "prefix"].includes(kind)) {
    refuse(`kind is '${kind}', wanted hash, lru, array or prefix`);
  }
  if (!["number", "bigint", "text", "bytes"].includes(key)) {
    refuse(`key is '${key}', wanted number, bigint, text or bytes`);
  }
  const within = (value: number, least: number, most: number, what: string): void => {
    if (!Number.isInteger(value) || value < least || value > most) {
      refuse(`${what} is ${value}, wanted ${least} to ${most}`);
    }
  };
  within(countMax, 1, MAP_COUNT_LIMIT, "countMax");
  within(valueBytes, 0, MAP_VALUE_BYTES_MAX, "valueBytes");
  if (timeToLive !== undefined && !(timeToLive > 0 && Number.isFinite(timeToLive))) {
    refuse(`timeToLive is ${timeToLive}, wanted a duration above 0`);
  }
  if (kind === "array" && key !== "number") refuse(`an array's keys are numbers, not ${key}`);
  if (kind === "array" && timeToLive !== undefined) {
    refuse("an array's entries do not expire; use kind hash");
  }
  if (kind === "prefix") refusePrefix(key, timeToLive, refuse);
  if (perProcessor !== false) refusePerProcessor({ ...options, kind }, refuse);
  if (options.keyBytes !== undefined && (key === "number" || key === "bigint")) {
    refuse(`keyBytes is for text and bytes; a ${key} has a size of its own`);
  }
  const keyBytes = { number: 8, bigint: 16, text: options.keyBytes ?? 64, bytes: options.keyBytes ?? 16 }[
    key
  ];
  within(keyBytes, 1, MAP_KEY_BYTES_MAX, "keyBytes");
  const shape = { kind, key, keyBytes, countMax, timeToLive, valueBytes, perProcessor };
  const { totalBytes } = layoutOf(shape);
  if (totalBytes > MAP_MEMORY_BYTES_MAX) {
    refuse(`it would take ${totalBytes} bytes, at most ${MAP_MEMORY_BYTES_MAX}; make countMax smaller`);
  }
  return shape;
}

type Refuse = (what: string) => never;

function refusePrefix(key: SharedMapKeyKind, timeToLive: Duration | undefined, refuse: Refuse): void {
  if (key !== "number" && key !== "bigint") {
    refuse(`prefixes are of addresses: key number (IPv4) or bigint (IPv6), not ${key}`);
  }
  if (timeToLive !== undefined) refuse("prefixes do not expire; use kind hash");
}

function refusePerProcessor(
  { kind, perProcessor, timeToLive, valueBytes }: MapOptions,
  refuse: Refuse,
): void {
  if (perProcessor !== true) refuse(`perProcessor is ${String(perProcessor)}, wanted true or false`);
  if (kind === "prefix") refuse("a map of prefixes is not perProcessor");
  if (timeToLive !== undefined) refuse("entries of a map perProcessor do not expire; leave out timeToLive");
  if (valueBytes !== undefined && valueBytes !== 0) {
    refuse("entries of a map perProcessor have a number only; leave out valueBytes");
  }
}

export function layoutOf(shape: MapShape): MapLayout {
  // A text's length stands before it, so that "a" and "a\0" differ.
  const isPrefix = shape.kind === "prefix";
  // Prefixes end in their length; an IPv4 address has one word.
  const prefixWords = shape.key === "number" ? 2 : 5;
  const keyWords = isPrefix ? prefixWords : Math.ceil(shape.keyBytes / 4) + (shape.key === "text" ? 1 : 0);
  // Even, so that the float64 of every entry are aligned.
  const entryWords = 2 * Math.ceil((ENTRY.key + keyWords + Math.ceil(shape.valueBytes / 4)) / 2);
  // An array's entries are found by their number.
  const bucketCount = shape.kind === "array" ? 2 : 2 ** Math.ceil(Math.log2(Math.max(2, shape.countMax)));
  const bucketsAt = HEADER.words + (isPrefix ? LENGTH_WORDS : 0);
  const entriesAt = bucketsAt + bucketCount;
  const totalBytes = 4 * (entriesAt + shape.countMax * entryWords);
  return { keyWords, bucketsAt, bucketMask: bucketCount - 1, entriesAt, entryWords, totalBytes };
}

/**
 * Makes the memory of a map; every thread that uses it makes a SharedMap around it.
 * @param options.seed {@link HASH_SEED_BYTES} random bytes that no attacker knows.
 * @throws ConfigurationError when no such map can be.
 */
export function createSharedMap(options: MapOptions & { name: string; seed: Uint8Array }): SharedMapHandle {
  const { name, seed } = options;
  const shape = shapeOf(name, options);
  if (seed.length !== HASH_SEED_BYTES) {
    throw new ConfigurationError(`Cannot make map '${name}': ${seed.length} bytes of seed, wanted 8`);
  }
  const memory = new SharedArrayBuffer(layoutOf(shape).totalBytes);
  const words = new Int32Array(memory);
  const halves = new Int32Array(Uint8Array.from(seed).buffer);
  words[HEADER.seed0] = halves[0] as number;
  words[HEADER.seed1] = halves[1] as number;
  return { name, shape, memory };
}
