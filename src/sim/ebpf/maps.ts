/**
 * Maps as the kernel holds them, in one process without processors: kinds that have a value for each have one.
 * @module
 */
import { ConfigurationError } from "#base/errors.ts";
import type { KernelMap, KernelMapSpec } from "#io/kernel-programs.ts";

let descriptorCount = 1000;

/** In front of every record of a ring (BPF_RINGBUF_HDR_SZ). */
const RECORD_HEADER_BYTES = 8;

/** Values are the same memory for programs and for whoever reads them from outside. */
export class SimKernelMap implements KernelMap {
  readonly spec: KernelMapSpec;
  readonly descriptor: number = descriptorCount++;
  /** Bytes that stand for the map itself in a program's memory. */
  readonly identity: Uint8Array = new Uint8Array(8);
  /** By the key's bytes as text, in the order of use (`lru`) or of setting. */
  readonly #values = new Map<string, Uint8Array>();
  /** Of a ring: who listens, and what nobody has heard yet. */
  readonly #listeners = new Set<(bytes: Uint8Array) => void>();
  readonly #unheard: Uint8Array[] = [];
  #unheardBytes = 0;

  /** @throws ConfigurationError */
  constructor(spec: KernelMapSpec) {
    this.spec = spec;
    if (spec.kind === "ring" || spec.kind === "programs") return;
    if (spec.keyBytes < 1 || spec.valueBytes < 1 || spec.countMax < 1)
      throw new ConfigurationError(`Cannot make map ${spec.name}: keys, values and entries need 1 at least`);
    if (!this.#isArray) return;
    if (spec.keyBytes !== 4)
      throw new ConfigurationError(`Cannot make map ${spec.name}: an array's keys have 4 bytes`);
    for (let index = 0; index < spec.countMax; index++) {
      const value = new Uint8Array(spec.valueBytes);
      if (spec.frozen !== undefined)
        value.set(spec.frozen.subarray(index * spec.valueBytes).subarray(0, spec.valueBytes));
      this.#values.set(textOf(keyOf(index)), value);
    }
  }

  get #isArray(): boolean {
    return this.spec.kind === "array" || this.spec.kind === "per-cpu-array";
  }

  get(key: Uint8Array): Uint8Array | undefined {
    this.#check(key);
    const value = this.find(key);
    if (value === undefined || !this.#isPerProcessor) return value?.slice();
    const lane = new Uint8Array(8 * Math.ceil(value.length / 8));
    lane.set(value);
    return lane;
  }

  get #isPerProcessor(): boolean {
    return this.spec.kind.startsWith("per-cpu-");
  }

  /** @throws ConfigurationError */
  #check(key: Uint8Array, value?: Uint8Array): void {
    const { name, keyBytes, valueBytes } = this.spec;
    if (key.length !== keyBytes)
      throw new ConfigurationError(
        `Cannot use map ${name}: a key of ${key.length} bytes, wanted ${keyBytes}`,
      );
    if (value === undefined || value.length === valueBytes) return;
    if (this.#isPerProcessor && value.length === 8 * Math.ceil(valueBytes / 8)) return;
    throw new ConfigurationError(
      `Cannot use map ${name}: a value of ${value.length} bytes, wanted ${valueBytes}`,
    );
  }

  /** The memory of the entry's value. */
  find(key: Uint8Array): Uint8Array | undefined {
    const { kind } = this.spec;
    if (kind === "prefix") return this.#longest(key);
    const text = textOf(key);
    const value = this.#values.get(text);
    if (value !== undefined && (kind === "lru" || kind === "per-cpu-lru")) {
      this.#values.delete(text);
      this.#values.set(text, value);
    }
    return value;
  }

  set(key: Uint8Array, value: Uint8Array, mode: "any" | "new" | "existing" = "any"): boolean {
    this.#check(key, value);
    if (this.spec.frozen !== undefined) return false;
    const text = textOf(this.spec.kind === "prefix" ? masked(key) : key);
    const known = this.#values.get(text);
    if (mode === "new" ? known !== undefined : mode === "existing" && known === undefined) return false;
    if (known !== undefined) {
      known.set(value.subarray(0, this.spec.valueBytes));
      return true;
    }
    if (this.#isArray) return false;
    if (this.#values.size >= this.spec.countMax && !this.#evict()) return false;
    this.#values.set(text, Uint8Array.from(value.subarray(0, this.spec.valueBytes)));
    return true;
  }

  delete(key: Uint8Array): boolean {
    if (this.#isArray) return false;
    return this.#values.delete(textOf(this.spec.kind === "prefix" ? masked(key) : key));
  }

  *entries(): Iterable<readonly [key: Uint8Array, value: Uint8Array]> {
    for (const [text, value] of [...this.#values]) yield [bytesOf(text), value.slice()];
  }

  /** One event into a ring; `false` when it is full because nobody listens. */
  emit(bytes: Uint8Array): boolean {
    for (const listener of this.#listeners) listener(bytes);
    if (this.#listeners.size > 0) return true;
    const taken = RECORD_HEADER_BYTES + 8 * Math.ceil(bytes.length / 8);
    if (this.#unheardBytes + taken >= this.spec.countMax) return false;
    this.#unheardBytes += taken;
    this.#unheard.push(bytes);
    return true;
  }

  listen(listener: (bytes: Uint8Array) => void): () => void {
    this.#listeners.add(listener);
    this.#unheardBytes = 0;
    for (const bytes of this.#unheard.splice(0)) listener(bytes);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    this.#values.clear();
    this.#listeners.clear();
  }

  #evict(): boolean {
    const oldest = this.#values.keys().next();
    if (!this.spec.kind.endsWith("lru") || oldest.done) return false;
    return this.#values.delete(oldest.value);
  }

  #longest(key: Uint8Array): Uint8Array | undefined {
    const wanted = new DataView(key.buffer, key.byteOffset).getUint32(0, true);
    for (let bits = wanted; bits >= 0; bits--) {
      const shorter = Uint8Array.from(key);
      new DataView(shorter.buffer).setUint32(0, bits, true);
      const value = this.#values.get(textOf(masked(shorter)));
      if (value !== undefined) return value;
    }
    return undefined;
  }
}

/** An array's key. */
export function keyOf(index: number): Uint8Array {
  const key = new Uint8Array(4);
  new DataView(key.buffer).setUint32(0, index, true);
  return key;
}

/** A prefix without the bits behind its length. */
function masked(key: Uint8Array): Uint8Array {
  const bits = new DataView(key.buffer, key.byteOffset).getUint32(0, true);
  return key.map((byte, at) =>
    at < 4 ? byte : byte & (0xff00 >> Math.min(8, Math.max(0, bits - (at - 4) * 8))),
  );
}

function textOf(key: Uint8Array): string {
  return String.fromCharCode(...key);
}

function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text, (letter) => letter.charCodeAt(0));
}
