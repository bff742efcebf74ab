/**
 * Programs inside of the kernel: eBPF as the compiler of packet scripts makes it, with the maps it uses. What runs
 * there, whoever attached it, is judged by the kernel's verifier.
 * @module
 */
import { ConfigurationError, UnavailableError } from "#base/errors.ts";

/** The verifier does not take a program. */
export class ProgramRefusedError extends UnavailableError {
  override readonly code: string = "program-refused";
  /** What the verifier said last. */
  readonly reason: string;
  /** The instruction at which it stopped; `undefined` when it did not say. */
  readonly instruction: number | undefined;
  /** Where in the script that comes from; `undefined` when it is not known. */
  readonly line: ProgramLine | undefined;
  /** All that the verifier said: many lines. */
  readonly log: string;

  constructor(message: string, refusal: Refusal) {
    super(message);
    this.reason = refusal.reason;
    this.instruction = refusal.instruction;
    this.line = refusal.line;
    this.log = refusal.log;
  }
}

/** See {@link ProgramRefusedError}. */
export interface Refusal {
  readonly reason: string;
  readonly instruction: number | undefined;
  readonly line: ProgramLine | undefined;
  readonly log: string;
}

/** This process may not load programs; the message says which capability is missing. */
export class KernelProgramsForbiddenError extends ConfigurationError {
  override readonly code: string = "kernel-programs-forbidden";
}

/** The kernel cannot do what was asked for; the message says which one can. */
export class KernelProgramsUnsupportedError extends UnavailableError {
  override readonly code: string = "kernel-programs-unsupported";
}

/** Where a program should be attached or pinned there is something already. */
export class KernelPlaceTakenError extends ConfigurationError {
  override readonly code: string = "kernel-place-taken";
}

/** Where programs are run; see `CompileTarget` of the compiler. */
export type KernelProgramType = "netfilter" | "tcx-ingress" | "tcx-egress" | "xdp";

/**
 * `hash`, `lru`, `array`, and their kin that have one value for each processor; `prefix` finds the longest prefix (its
 * keys begin with the length in bits, 32 bits in native order); `ring` takes events, `programs` holds programs.
 */
export type KernelMapKind =
  | "hash"
  | "lru"
  | "array"
  | "per-cpu-hash"
  | "per-cpu-lru"
  | "per-cpu-array"
  | "prefix"
  | "ring"
  | "programs";

export interface KernelMapSpec {
  /** At most 15 of `a-z A-Z 0-9 _ .` reach the kernel; what is longer is cut. */
  readonly name: string;
  readonly kind: KernelMapKind;
  /** 0 for a ring. */
  readonly keyBytes: number;
  /** 0 for a ring. */
  readonly valueBytes: number;
  /** Entries; bytes for a ring (a power of two, whole pages). */
  readonly countMax: number;
  /** An array's content, which nobody can write afterwards: tables of constants. */
  readonly frozen?: Uint8Array;
}

/** What the loader puts into a program's instructions, which are those of `#wire/ebpf.ts`. */
export type Relocation =
  /** The map, at a 16-byte instruction; its value's address when `isValue` (arrays of one entry). */
  | {
      readonly kind: "map";
      readonly at: number;
      readonly map: string;
      readonly isValue: boolean;
      readonly offset: number;
    }
  /** A function of the kernel, at a call. */
  | { readonly kind: "kernel-function"; readonly at: number; readonly name: string }
  /** Where a field is in a structure of the kernel, in bytes: into the instruction's `offset`. */
  | { readonly kind: "kernel-field"; readonly at: number; readonly structure: string; readonly field: string }
  /** The number of a structure in the kernel's type information, into `immediate`. */
  | { readonly kind: "kernel-type"; readonly at: number; readonly structure: string }
  /**
   * Nanoseconds from the kernel's TAI clock to the wall clock (CLOCK_REALTIME less CLOCK_TAI, two's complement), into the
   * 64-bit constant of a 16-byte instruction.
   */
  | { readonly kind: "clock"; readonly at: number }
  /** The index of an interface, into `immediate`. */
  | { readonly kind: "interface"; readonly at: number; readonly name: string };

/** Which line of the script an instruction and those behind it come from. */
export interface ProgramLine {
  /** Index of the instruction (a 16-byte one counts as two). */
  readonly at: number;
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** The line's text. */
  readonly text: string;
}

/** A program, ready but for what only the machine that loads it knows. */
export interface ProgramImage {
  /** At most 15 of `a-z A-Z 0-9 _ .` reach the kernel; what is longer is cut. */
  readonly name: string;
  readonly type: KernelProgramType;
  /** 8 bytes each, little endian as the machine is. */
  readonly instructions: Uint8Array;
  readonly relocations: readonly Relocation[];
  readonly maps: readonly KernelMapSpec[];
  readonly lines: readonly ProgramLine[];
}

/** A map's entries as bytes; one lane of 8-byte-aligned values for each processor in per-processor kinds. */
export interface KernelMap {
  readonly spec: KernelMapSpec;
  /** A file descriptor, good in all threads of this process. */
  readonly descriptor: number;
  get(key: Uint8Array): Uint8Array | undefined;
  /**
   * `false` when it was refused: full, frozen, there already (`new`), or not there (`existing`). In per-processor kinds a
   * value of `valueBytes` goes to one processor, and the others get zeros.
   */
  set(key: Uint8Array, value: Uint8Array, mode?: "any" | "new" | "existing"): boolean;
  delete(key: Uint8Array): boolean;
  /** Keys and values at about this moment: what changes meanwhile may be missing or old. */
  entries(): Iterable<readonly [key: Uint8Array, value: Uint8Array]>;
  close(): void;
}

/** Where events arrive that programs emit. */
export interface KernelRing {
  /** Stops the reading. */
  close(): void;
}

/** How a packet comes to a program that is tested. */
export interface TestOptions {
  /** So many runs, of which each is given what the one before left; 1 unless told. */
  readonly repeat?: number;
  readonly mark?: number;
  /** At traffic control only: bytes of each segment of an aggregate; 0, which is none, unless told. */
  readonly segmentBytes?: number;
}

export interface TestRun {
  /** What the program returned, as a signed number of 32 bits. */
  readonly verdict: number;
  /** The packet as the program left it. */
  readonly bytes: Uint8Array;
  /** Nanoseconds of one run, the mean of all repetitions. */
  readonly nanoseconds: number;
  /** The mark as the program left it, where it may set it. */
  readonly mark: number;
}

export type AttachPoint =
  /** A netfilter hook; lower priorities first. The namespace is the calling thread's. */
  | {
      readonly kind: "netfilter";
      readonly family: "ipv4" | "ipv6";
      readonly hook: "prerouting" | "input" | "forward" | "output" | "postrouting";
      readonly priority: number;
    }
  /** One side of an interface, behind what is there already. */
  | { readonly kind: "tcx-ingress" | "tcx-egress" | "xdp"; readonly interfaceIndex: number };

export interface KernelLink {
  /** Puts another program in the same place, between two packets. */
  replace(program: KernelProgram): void;
  /**
   * Lets the program stay when this process ends, by a file below /sys/fs/bpf, whose name has no dot; at netfilter's
   * hooks there is a second one beside it.
   * @throws ConfigurationError when that is no BPF file system, KernelPlaceTakenError when the file is there
   */
  pin(path: string): void;
  /** Takes the program away, and its file. */
  detach(): void;
}

export interface KernelProgram {
  readonly image: ProgramImage;
  /** Instructions that the verifier has walked through. */
  readonly verifiedCount: number;
  /** Bytes of machine code; 0 where it is interpreted. */
  readonly machineBytes: number;
  /** Runs it over a packet, beginning where its type's packets begin, without any network. */
  test(packet: Uint8Array, options?: TestOptions): TestRun;
  /** @throws ConfigurationError, UnavailableError when the place is taken or not there */
  attach(point: AttachPoint): KernelLink;
  close(): void;
}

export interface KernelPrograms {
  /** @throws ConfigurationError, UnavailableError */
  createMap(spec: KernelMapSpec): KernelMap;
  /**
   * Loads a program over maps, which are found by their names and made when they are not there.
   * @throws ProgramRefusedError when the verifier finds something
   */
  load(image: ProgramImage, maps: Map<string, KernelMap>): KernelProgram;
  /** Tells of every event of a ring: bytes that are good until the function returns. */
  listen(ring: KernelMap, event: (bytes: Uint8Array) => void): KernelRing;
  /** Takes over what was pinned there; `undefined` when nothing is. */
  pinned(path: string): KernelLink | undefined;
  /**
   * Lets a map stay when this process ends, by a file below /sys/fs/bpf.
   * @throws KernelPlaceTakenError when the file is there
   */
  pinMap(map: KernelMap, path: string): void;
  /** Takes over a map that was pinned; `undefined` when there is none, or one that was made otherwise. */
  pinnedMap(path: string, spec: KernelMapSpec): KernelMap | undefined;
}
