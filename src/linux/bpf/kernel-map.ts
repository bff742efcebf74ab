/**
 * {@link KernelMap} on Linux: maps by BPF_MAP_CREATE, their entries by one system call each, walks by batches.
 * @module
 */
import { readFileSync } from "node:fs";
import { ConfigurationError } from "#base/errors.ts";
import type { KernelMap, KernelMapKind, KernelMapSpec } from "#io/kernel-programs.ts";
import { attribute, bpf, Descriptor, errnoName, fieldOf, kernelName, MapType } from "./bpf-call.ts";
import { bpfError } from "./bpf-error.ts";
import { openPinned } from "./pin-file.ts";

const CREATE_BYTES = 72;
const ELEMENT_BYTES = 32;
const BATCH_BYTES = 56;
const NAME_AT = 28;
/** Bytes of `struct bpf_map_info` that are of interest. */
const INFO_BYTES = 80;

/** `BPF_F_NO_PREALLOC`: the trees of longest prefixes take nothing else. */
const FLAG_NO_PREALLOCATION = 1;
/** `BPF_F_RDONLY_PROG`: with a freeze it makes the content constants for the verifier. */
const FLAG_READ_ONLY_PROGRAMS = 1 << 7;

/** `BPF_ANY`, `BPF_NOEXIST`, `BPF_EXIST`. */
const MODES = { any: 0, new: 1, existing: 2 } as const;
/** Answers to a set that are no faults: full (three kinds of it), there, not there, frozen, out of range. */
const SET_REFUSALS: readonly string[] = ["E2BIG", "ENOSPC", "ENOMEM", "EEXIST", "ENOENT", "EPERM", "EINVAL"];
/** Entries of one batch at first; it grows when a bucket of a hash holds more. */
const BATCH_COUNT = 256;
const BATCH_COUNT_MAX = 1 << 20;
/** How often a bucket that another processor holds is tried. */
const BUSY_COUNT_MAX = 100;

/** Processors that there can ever be: lanes of per-processor values. */
export function possibleCpuCount(): number {
  cpuCount ??= countCpus(readFileSync("/sys/devices/system/cpu/possible", "utf8"));
  return cpuCount;
}
let cpuCount: number | undefined;

/** How many numbers a list such as `0-3,8` has. */
export function countCpus(list: string): number {
  return list
    .trim()
    .split(",")
    .map((range) => range.split("-").map(Number))
    .reduce((sum, [first = 0, last = first]) => sum + last - first + 1, 0);
}

function isPerCpu(kind: KernelMapKind): boolean {
  return kind.startsWith("per-cpu-");
}

/** @throws ConfigurationError, UnavailableError */
export function createKernelMap(spec: KernelMapSpec): LinuxKernelMap {
  const { name, kind, keyBytes, valueBytes, countMax, frozen } = spec;
  const flags = (kind === "prefix" ? FLAG_NO_PREALLOCATION : 0) | (frozen ? FLAG_READ_ONLY_PROGRAMS : 0);
  const attributes = attribute(
    CREATE_BYTES,
    [0, MapType[kind]],
    [4, keyBytes],
    [8, valueBytes],
    [12, countMax],
    [16, flags],
  );
  attributes.set(kernelName(name), NAME_AT);
  const answer = bpf("createMap", attributes);
  if (answer < 0) throw createError(spec, answer);
  const map = new LinuxKernelMap(spec, new Descriptor(answer));
  try {
    if (frozen) freeze(map, frozen);
  } catch (error) {
    map.close();
    throw error;
  }
  return map;
}

/** A map that was pinned; `undefined` when there is none, or one that was made otherwise. */
export function takeOverMap(path: string, spec: KernelMapSpec): LinuxKernelMap | undefined {
  const descriptor = openPinned(path);
  if (descriptor === undefined) return undefined;
  const info = new Uint8Array(INFO_BYTES);
  const answer = bpf("describe", attribute(16, [0, descriptor.number], [4, info.length]), info);
  // struct bpf_map_info: type, id, bytes of a key, bytes of a value, entries (linux/bpf.h).
  const seen = [0, 8, 12, 16].map((at) => fieldOf(info, at));
  const wanted = [MapType[spec.kind], spec.keyBytes, spec.valueBytes, spec.countMax];
  if (answer >= 0 && seen.join() === wanted.join()) return new LinuxKernelMap(spec, descriptor);
  descriptor.close();
  return undefined;
}

/** A map by the descriptor of another thread, whose it stays: nobody else closes it. */
export function borrowKernelMap(spec: KernelMapSpec, descriptor: number): LinuxKernelMap {
  return new LinuxKernelMap(spec, new Descriptor(descriptor));
}

function createError(spec: KernelMapSpec, answer: number): Error {
  const { name, kind, keyBytes, valueBytes, countMax } = spec;
  const doing = `make the map ${name}`;
  const errno = errnoName(answer);
  if (errno === "EINVAL" || errno === "E2BIG" || errno === "ENOMEM") {
    const seen = `the kernel refuses (${errno}) ${countMax} times ${keyBytes} + ${valueBytes} bytes as ${kind}`;
    return new ConfigurationError(`Cannot ${doing}: ${seen}; choose a smaller one`);
  }
  return bpfError(doing, answer, kind === "ring" ? "ring" : "other");
}

function freeze(map: LinuxKernelMap, content: Uint8Array): void {
  const { name, valueBytes, countMax, kind } = map.spec;
  if (kind !== "array" || content.length !== valueBytes * countMax) {
    const seen = `${content.length} bytes, wanted ${countMax} times ${valueBytes} of an array`;
    throw new ConfigurationError(`Cannot freeze the map ${name}: ${seen}`);
  }
  const key = new Uint8Array(4);
  for (let index = 0; index < countMax; index++) {
    new DataView(key.buffer).setUint32(0, index, true);
    map.set(key, content.subarray(index * valueBytes, (index + 1) * valueBytes));
  }
  const answer = bpf("freeze", attribute(4, [0, map.descriptor]));
  if (answer < 0) throw bpfError(`freeze the map ${name}`, answer, "other");
}

export class LinuxKernelMap implements KernelMap {
  readonly spec: KernelMapSpec;
  /** Bytes of a value as the system call has it: all lanes. */
  readonly #valueBytes: number;
  readonly #descriptor: Descriptor;
  readonly #attributes = new Uint8Array(ELEMENT_BYTES);
  readonly #fields = new DataView(this.#attributes.buffer);

  constructor(spec: KernelMapSpec, descriptor: Descriptor) {
    this.spec = spec;
    this.#descriptor = descriptor;
    const lane = 8 * Math.ceil(spec.valueBytes / 8);
    this.#valueBytes = isPerCpu(spec.kind) ? lane * possibleCpuCount() : spec.valueBytes;
  }

  get descriptor(): number {
    return this.#descriptor.number;
  }

  get(key: Uint8Array): Uint8Array | undefined {
    const value = new Uint8Array(this.#valueBytes);
    const answer = this.#call("lookUp", 0, key, value);
    if (answer === 0) return value;
    if (errnoName(answer) === "ENOENT") return undefined;
    throw bpfError(`read the map ${this.spec.name}`, answer, "other");
  }

  set(key: Uint8Array, value: Uint8Array, mode: "any" | "new" | "existing" = "any"): boolean {
    const answer = this.#call("update", MODES[mode], key, this.#lanes(value));
    if (answer === 0) return true;
    if (SET_REFUSALS.includes(errnoName(answer))) return false;
    throw bpfError(`write the map ${this.spec.name}`, answer, "other");
  }

  delete(key: Uint8Array): boolean {
    const answer = this.#call("delete", 0, key);
    if (answer === 0) return true;
    // An array's entries are always there (EINVAL), a frozen map's stay (EPERM).
    if (["ENOENT", "EINVAL", "EPERM"].includes(errnoName(answer))) return false;
    throw bpfError(`write the map ${this.spec.name}`, answer, "other");
  }

  *entries(): Generator<readonly [key: Uint8Array, value: Uint8Array], void, undefined> {
    const { keyBytes, name } = this.spec;
    // Where the walk is: a bucket's number for hashes, a key for the others.
    let place: Uint8Array | undefined;
    for (let countMax = BATCH_COUNT; ; ) {
      const next = new Uint8Array(Math.max(8, keyBytes));
      const keys = new Uint8Array(keyBytes * countMax);
      const values = new Uint8Array(this.#valueBytes * countMax);
      const attributes = attribute(BATCH_BYTES, [32, countMax], [36, this.descriptor]);
      const answer = bpf("lookUpBatch", attributes, place, next, keys, values);
      const errno = answer < 0 ? errnoName(answer) : undefined;
      if (errno === "ENOSPC" && countMax < BATCH_COUNT_MAX) {
        countMax *= 4;
        continue;
      }
      if (errno !== undefined && errno !== "ENOENT")
        throw bpfError(`walk through the map ${name}`, answer, "other");
      const count = fieldOf(attributes, 32);
      for (let index = 0; index < count; index++) {
        yield [
          keys.subarray(index * keyBytes, (index + 1) * keyBytes),
          values.subarray(index * this.#valueBytes, (index + 1) * this.#valueBytes),
        ];
      }
      if (errno === "ENOENT") return;
      place = next;
    }
  }

  close(): void {
    this.#descriptor.close();
  }

  #lanes(value: Uint8Array): Uint8Array {
    if (value.length === this.#valueBytes) return value;
    if (value.length !== this.spec.valueBytes) {
      const seen = `a value of ${value.length} bytes, wanted ${this.spec.valueBytes}`;
      throw new ConfigurationError(`Cannot write the map ${this.spec.name}: ${seen}`);
    }
    const lanes = new Uint8Array(this.#valueBytes);
    lanes.set(value);
    return lanes;
  }

  #call(command: "lookUp" | "update" | "delete", flags: number, key: Uint8Array, value?: Uint8Array): number {
    if (key.length !== this.spec.keyBytes) {
      const seen = `a key of ${key.length} bytes, wanted ${this.spec.keyBytes}`;
      throw new ConfigurationError(`Cannot use the map ${this.spec.name}: ${seen}`);
    }
    this.#fields.setInt32(0, this.descriptor, true);
    this.#fields.setUint32(24, flags, true);
    let answer = this.#attempt(command, key, value);
    for (let count = 0; answer === EBUSY && count < BUSY_COUNT_MAX; count++) {
      answer = this.#attempt(command, key, value);
    }
    return answer;
  }

  #attempt(command: "lookUp" | "update" | "delete", key: Uint8Array, value?: Uint8Array): number {
    return command === "delete"
      ? bpf(command, this.#attributes, key)
      : bpf(command, this.#attributes, key, value);
  }
}

/** A hash's bucket whose lock is held: by an interrupt of the same processor, for a moment. */
const EBUSY = -16;
