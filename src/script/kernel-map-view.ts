/**
 * A {@link SharedMap} whose entries are in the kernel, where programs use them at the same time. Every operation is one
 * step for all, but for `setBytes` beside `add`, and `touch`, which read an entry and write it.
 * @module
 */
import type { KernelMap } from "#io/kernel-programs.ts";
import { decodeKernelKey, encodeKernelKey, kernelPrefixBits } from "./kernel-map-key.ts";
import { KERNEL_MAP_NUMBER_MAX, type KernelMapLayout, kernelMapLayout } from "./kernel-map-layout.ts";
import { KernelMapOperations, type RunOperation } from "./kernel-map-operations.ts";
import type { MapTime, SharedMap, SharedMapDescription } from "./shared-map.ts";
import type { SharedMapKey } from "./shared-map-key.ts";
import type { MapShape } from "./shared-map-layout.ts";
import { requireKeyKind, requireOneNumber, requirePrefixes } from "./shared-map-refusal.ts";

/** How often an entry is looked for again that others put in and take out meanwhile. */
const TRY_COUNT_MAX = 8;
/** Bytes that the kernel takes for an entry besides its key and value, about. */
const ENTRY_OVERHEAD_BYTES = 48;

export class KernelMapView<Key extends SharedMapKey = SharedMapKey> implements SharedMap<Key> {
  readonly name: string;
  readonly shape: MapShape;
  readonly #map: KernelMap;
  readonly #time: MapTime;
  readonly #layout: KernelMapLayout;
  readonly #operations: KernelMapOperations;
  #refused = 0;
  #expired = 0;

  /**
   * @param map what was made for this shape
   * @param run runs the programs of {@link operationImage} over it
   */
  constructor(
    name: string,
    shape: MapShape,
    map: KernelMap,
    options: { readonly time: MapTime; readonly run: RunOperation },
  ) {
    this.name = name;
    this.shape = shape;
    this.#map = map;
    this.#time = options.time;
    this.#layout = kernelMapLayout(shape);
    this.#operations = new KernelMapOperations(this.#layout, options.run);
  }

  get size(): number {
    if (this.shape.kind === "array") return this.shape.countMax;
    let count = 0;
    for (const _ of this.#live()) count++;
    return count;
  }

  get(key: Key): number | undefined {
    const value = this.#read(this.#key(key));
    return value === undefined ? undefined : this.#numberOf(value);
  }

  has(key: Key): boolean {
    return this.#read(this.#key(key)) !== undefined;
  }

  set(key: Key, value: number): boolean {
    requireOneNumber(this, "set");
    const bytes = this.#key(key);
    return this.#write(bytes, value, this.#exact(bytes));
  }

  setPrefix(address: Key, bits: number, value: number): boolean {
    requirePrefixes(this);
    const bytes = encodeKernelKey(this.shape, address, bits);
    return this.#write(bytes, value, this.#exact(bytes));
  }

  deletePrefix(address: Key, bits: number): boolean {
    requirePrefixes(this);
    const bytes = encodeKernelKey(this.shape, address, bits);
    return bytes !== undefined && this.#map.delete(bytes);
  }

  add(key: Key, delta = 1): number | undefined {
    const bytes = this.#key(key);
    if (bytes === undefined || !isWhole(delta)) return this.#refuse(undefined);
    for (let tries = 0; tries < TRY_COUNT_MAX; tries++) {
      const seen = this.#read(bytes);
      if (seen !== undefined) {
        const before = this.#numberOf(seen);
        if (!isWhole(before + delta)) return this.#refuse(undefined);
        const stood = this.#operations.add(bytes, delta, this.#time.now);
        if (stood === undefined) continue;
        return this.shape.perProcessor ? before + delta : stood + delta;
      }
      if (this.shape.kind === "prefix") return undefined;
      if (this.#insert(bytes, delta)) return delta;
    }
    return this.#refuse(undefined);
  }

  compareAndSet(key: Key, expected: number | undefined, value: number): boolean {
    requireOneNumber(this, "compareAndSet");
    const bytes = this.#key(key);
    if (bytes === undefined || !isWhole(value)) return this.#refuse(false);
    if (this.shape.kind === "prefix" && this.#exact(bytes) === undefined) {
      return expected === undefined && this.#write(bytes, value, undefined);
    }
    if (expected === undefined) return this.#read(bytes) === undefined && this.#insert(bytes, value);
    const { now } = this.#time;
    const expires = Math.floor(now) + Math.ceil(this.shape.timeToLive ?? 0);
    return this.#operations.exchange(bytes, expected, value, { now, expires }) === expected;
  }

  touch(key: Key): boolean {
    const bytes = this.#key(key);
    const found = this.#read(bytes);
    if (bytes === undefined || found === undefined) return false;
    const { expiresAt } = this.#layout;
    if (expiresAt === undefined) return true;
    const value = found.slice();
    this.#renew(value);
    return this.#map.set(bytes, value, "existing");
  }

  getBytes(key: Key, into: Uint8Array): boolean {
    const { valueBytes } = this.shape;
    const found = this.#read(this.#key(key));
    if (found === undefined || into.length < valueBytes) return false;
    const at = this.#layout.bytesAt ?? 0;
    into.set(found.subarray(at, at + valueBytes));
    return true;
  }

  setBytes(key: Key, bytes: Uint8Array): boolean {
    const encoded = this.#key(key);
    if (bytes.length !== this.shape.valueBytes) return false;
    const found = this.#exact(encoded);
    return this.#write(encoded, found === undefined ? 0 : this.#numberOf(found), found, bytes);
  }

  delete(key: Key): boolean {
    const bytes = this.#key(key);
    if (bytes === undefined || this.shape.kind === "array") return false;
    const wasLive = this.#exact(bytes) !== undefined;
    return this.#map.delete(bytes) && wasLive;
  }

  clear(): void {
    const empty = new Uint8Array(this.#layout.valueBytes);
    for (const [key] of this.#map.entries()) {
      if (this.shape.kind === "array") this.#map.set(key, empty);
      else this.#map.delete(key.slice());
    }
  }

  *entries(): Generator<[Key, number]> {
    for (const [key, value] of this.#live()) {
      yield [decodeKernelKey(this.shape, key) as Key, this.#numberOf(value)];
    }
  }

  *keys(): Generator<Key> {
    for (const [key] of this.entries()) yield key;
  }

  *prefixes(): Generator<[Key, number, number]> {
    if (this.shape.kind !== "prefix") return;
    for (const [key, value] of this.#live()) {
      yield [decodeKernelKey(this.shape, key) as Key, kernelPrefixBits(key), this.#numberOf(value)];
    }
  }

  /** Takes out entries whose time is over; how many. */
  sweep(): number {
    const { expiresAt } = this.#layout;
    if (expiresAt === undefined) return 0;
    const gone: Uint8Array[] = [];
    for (const [key, value] of this.#map.entries()) if (this.#isExpired(value)) gone.push(key.slice());
    for (const key of gone) {
      // Somebody may have renewed it meanwhile; what comes between these two is one entry that begins anew.
      const now = this.#map.get(key);
      if (now !== undefined && this.#isExpired(now) && this.#map.delete(key)) this.#expired++;
    }
    return gone.length;
  }

  describe(): SharedMapDescription {
    const { keyBytes, valueBytes } = this.#layout;
    const overhead = this.shape.kind === "array" ? 0 : ENTRY_OVERHEAD_BYTES;
    const lanes = this.shape.perProcessor ? this.#laneCount() : 1;
    return {
      name: this.name,
      ...this.shape,
      size: this.size,
      memoryBytes: this.shape.countMax * (keyBytes + valueBytes * lanes + overhead),
      refused: this.#refused,
      evicted: 0,
      expired: this.#expired,
      waits: 0,
      repairs: 0,
      engine: "kernel",
    };
  }

  #laneCount(): number {
    for (const [, value] of this.#map.entries()) return value.length / this.#layout.valueBytes;
    return 1;
  }

  *#live(): Generator<readonly [Uint8Array, Uint8Array]> {
    for (const entry of this.#map.entries()) if (!this.#isExpired(entry[1])) yield entry;
  }

  /** The key's bytes; `undefined` when no entry can have it. @throws ConfigurationError for another kind of key */
  #key(key: Key): Uint8Array | undefined {
    const bytes = encodeKernelKey(this.shape, key);
    if (bytes === undefined) requireKeyKind(this, key);
    return bytes;
  }

  /** The live value at a key; of prefixes that of the longest. */
  #read(key: Uint8Array | undefined): Uint8Array | undefined {
    const value = key === undefined ? undefined : this.#map.get(key);
    return value === undefined || this.#isExpired(value) ? undefined : value;
  }

  /** The same, and of prefixes that of this one alone. */
  #exact(key: Uint8Array | undefined): Uint8Array | undefined {
    if (this.shape.kind !== "prefix") return this.#read(key);
    if (key === undefined) return undefined;
    for (const [one, value] of this.#map.entries()) if (isSame(one, key)) return value;
    return undefined;
  }

  /** A new entry; `false` when there is one already, or no room. */
  #insert(key: Uint8Array, number: number): boolean {
    const value = new Uint8Array(this.#layout.valueBytes);
    setNumber(value, number);
    this.#renew(value);
    if (this.#map.set(key, value, "new")) return true;
    // What has expired takes room, or the place itself, until it is swept out.
    return this.sweep() > 0 && this.#map.set(key, value, "new");
  }

  #write(key: Uint8Array | undefined, number: number, before?: Uint8Array, bytes?: Uint8Array): boolean {
    if (key === undefined || !isWhole(number)) return this.#refuse(false);
    const value = new Uint8Array(this.#layout.valueBytes);
    if (before !== undefined) value.set(before.subarray(0, value.length));
    setNumber(value, number);
    if (bytes !== undefined) value.set(bytes, this.#layout.bytesAt ?? 0);
    this.#renew(value);
    if (this.#map.set(key, value)) return true;
    // What has expired takes room until it is swept out.
    if (this.sweep() > 0 && this.#map.set(key, value)) return true;
    return this.#refuse(false);
  }

  #renew(value: Uint8Array): void {
    const { expiresAt } = this.#layout;
    if (expiresAt === undefined) return;
    const until = Math.floor(this.#time.now) + Math.ceil(this.shape.timeToLive ?? 0);
    viewOf(value).setBigInt64(expiresAt, BigInt(until), true);
  }

  #isExpired(value: Uint8Array): boolean {
    const { expiresAt } = this.#layout;
    return expiresAt !== undefined && numberAt(value, expiresAt) <= this.#time.now;
  }

  #numberOf(value: Uint8Array): number {
    if (!this.shape.perProcessor) return numberAt(value, 0);
    let sum = 0;
    for (let at = 0; at < value.length; at += this.#layout.valueBytes) sum += numberAt(value, at);
    return sum;
  }

  #refuse<Answer>(answer: Answer): Answer {
    this.#refused++;
    return answer;
  }
}

function isWhole(number: number): boolean {
  return Number.isInteger(number) && Math.abs(number) <= KERNEL_MAP_NUMBER_MAX;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function numberAt(value: Uint8Array, at: number): number {
  return Number(viewOf(value).getBigInt64(at, true));
}

function setNumber(value: Uint8Array, number: number): void {
  viewOf(value).setBigInt64(0, BigInt(number), true);
}

function isSame(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, index) => byte === other[index]);
}
