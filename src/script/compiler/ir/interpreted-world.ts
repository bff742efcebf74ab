/**
 * What a function meets when it is interpreted: a packet, maps, counters and what else it asks for. Tests look at it
 * afterwards.
 * @module
 */
import { ConfigurationError } from "#base/errors.ts";
import type { Region } from "./interpreted-memory.ts";
import type { PacketFact } from "./ir.ts";

/** A map as functions reach it, keys and values as they stand in the kernel. */
export interface WorldMap {
  readonly keyBytes: number;
  readonly valueBytes: number;
  /** The value itself, not a copy: functions write to it. */
  find(key: Uint8Array): Uint8Array | undefined;
  /** `false` when it is refused. */
  update(key: Uint8Array, value: Uint8Array, mode: "any" | "new" | "existing"): boolean;
  /** `false` when there is none. */
  remove(key: Uint8Array): boolean;
}

/** Everything outside of a function. */
export interface World {
  readonly packet: WorldPacket;
  fact(fact: PacketFact): bigint;
  map(name: string): WorldMap;
  ask(what: "nanoseconds" | "random"): bigint;
  setMark(mark: bigint): void;
  count(counter: string, value: bigint): void;
  emit(bytes: Uint8Array): void;
  /** The verdict. */
  redirect(name: string): bigint;
}

/** A packet that can become longer and shorter; pointers into it are void afterwards. */
export class WorldPacket {
  #bytes: Uint8Array;
  #generation = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes.slice();
  }

  get bytes(): Uint8Array {
    return this.#bytes;
  }

  /** `undefined` where so many bytes are not there. */
  open(offset: bigint, bytes: number): Region | undefined {
    if (offset < 0n || offset + BigInt(bytes) > BigInt(this.#bytes.length)) return undefined;
    const generation = this.#generation;
    const isVoid = (): boolean => generation !== this.#generation;
    return { data: this.#bytes, at: Number(offset), length: bytes, isVoid };
  }

  /** Takes bytes out, or puts zeros in; `false` when the place, or what would go, is not there. */
  resize(offset: bigint, length: bigint, direction: "shrink" | "grow"): boolean {
    this.#generation++;
    const end = direction === "shrink" ? offset + length : offset;
    if (offset < 0n || length < 0n || end > BigInt(this.#bytes.length)) return false;
    const room = direction === "shrink" ? 0 : Number(length);
    const bytes = new Uint8Array(Number(offset) + room + this.#bytes.length - Number(end));
    bytes.set(this.#bytes.subarray(0, Number(offset)));
    bytes.set(this.#bytes.subarray(Number(end)), Number(offset) + room);
    this.#bytes = bytes;
    return true;
  }

  /** The sum of words in the machine's order. */
  sum(offset: bigint, length: bigint): bigint {
    let sum = 0;
    for (let at = 0; at < Number(length); at++) {
      const byte = this.#bytes[Number(offset) + at] ?? 0;
      sum += at % 2 === 0 ? byte : byte << 8;
    }
    while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
    return BigInt(sum);
  }

  /** Brings a change to the checksum that stands there (RFC 1624 §3, in the machine's order). */
  patchChecksum(offset: bigint, difference: bigint, zeroIsNone: boolean): void {
    this.#generation++;
    const at = Number(offset);
    const old = (this.#bytes[at] ?? 0) | ((this.#bytes[at + 1] ?? 0) << 8);
    if ((zeroIsNone && old === 0) || at + 2 > this.#bytes.length) return;
    let sum = difference + BigInt(~old & 0xffff);
    while (sum > 0xffffn) sum = (sum & 0xffffn) + (sum >> 16n);
    const result = ~Number(sum) & 0xffff;
    const stored = zeroIsNone && result === 0 ? 0xffff : result;
    this.#bytes[at] = stored & 0xff;
    this.#bytes[at + 1] = stored >> 8;
  }
}

/** A map of up to so many entries, of which none is thrown out. */
export class PlainMap implements WorldMap {
  readonly keyBytes: number;
  readonly valueBytes: number;
  readonly #countMax: number;
  readonly #entries = new Map<string, { readonly key: Uint8Array; readonly value: Uint8Array }>();

  constructor(options: {
    readonly keyBytes: number;
    readonly valueBytes: number;
    readonly countMax: number;
  }) {
    this.keyBytes = options.keyBytes;
    this.valueBytes = options.valueBytes;
    this.#countMax = options.countMax;
  }

  find(key: Uint8Array): Uint8Array | undefined {
    return this.#entries.get(key.join())?.value;
  }

  update(key: Uint8Array, value: Uint8Array, mode: "any" | "new" | "existing"): boolean {
    const existing = this.find(key);
    if (existing === undefined) {
      if (mode === "existing" || this.#entries.size >= this.#countMax) return false;
      this.#entries.set(key.join(), { key: key.slice(), value: value.slice() });
      return true;
    }
    if (mode === "new") return false;
    existing.set(value);
    return true;
  }

  remove(key: Uint8Array): boolean {
    return this.#entries.delete(key.join());
  }

  /** In the order in which the keys came. */
  entries(): Iterable<{ readonly key: Uint8Array; readonly value: Uint8Array }> {
    return this.#entries.values();
  }
}

/** A world that remembers what it was told; what is not given is 0. */
export class PlainWorld implements World {
  readonly packet: WorldPacket;
  readonly maps: ReadonlyMap<string, WorldMap>;
  readonly counters: Map<string, bigint> = new Map();
  readonly events: Uint8Array[] = [];
  readonly redirects: string[] = [];
  nanoseconds = 0n;
  mark: bigint;
  readonly #facts: Partial<Record<PacketFact, bigint>>;
  readonly #random: () => bigint;

  constructor(options: {
    readonly packet: Uint8Array;
    readonly facts?: Partial<Record<PacketFact, bigint>>;
    readonly maps?: ReadonlyMap<string, WorldMap>;
    readonly random?: () => bigint;
  }) {
    this.packet = new WorldPacket(options.packet);
    this.maps = options.maps ?? new Map();
    this.#facts = options.facts ?? {};
    this.#random = options.random ?? ((): bigint => 0n);
    this.mark = this.#facts.mark ?? 0n;
  }

  fact(fact: PacketFact): bigint {
    if (fact === "mark") return this.mark;
    return this.#facts[fact] ?? (fact === "length" ? BigInt(this.packet.bytes.length) : 0n);
  }

  map(name: string): WorldMap {
    const map = this.maps.get(name);
    if (map === undefined) throw new ConfigurationError(`Cannot reach map ${name}: the world has none`);
    return map;
  }

  ask(what: "nanoseconds" | "random"): bigint {
    return what === "random" ? BigInt.asUintN(32, this.#random()) : this.nanoseconds;
  }

  setMark(mark: bigint): void {
    this.mark = mark;
  }

  count(counter: string, value: bigint): void {
    this.counters.set(counter, BigInt.asUintN(64, (this.counters.get(counter) ?? 0n) + value));
  }

  emit(bytes: Uint8Array): void {
    this.events.push(bytes);
  }

  redirect(name: string): bigint {
    this.redirects.push(name);
    return 7n;
  }
}
