/**
 * What comes out of the compiler: programs for the kernel, and what their loader has to know of them.
 * @module
 */
import type { ProgramImage } from "#io/kernel-programs.ts";
import type { MapShape } from "../shared-map-layout.ts";
import type { CompileProblem } from "./problem.ts";
import type { CompileTarget } from "./target.ts";

/** A map of the script, by the name it has there; in the image it has the same. */
export interface UsedMap {
  readonly name: string;
  readonly shape: MapShape;
}

/** An event for the bus: bytes in the ring begin with the event's number, 32 bits in the machine's order. */
export interface EmittedEvent {
  /** Small, from 0, in the order of the script. */
  readonly number: number;
  /** Where on the bus the event is posted. */
  readonly address: string;
  readonly fields: readonly EventField[];
  /** Bytes of the record, with its number. */
  readonly bytes: number;
}

/**
 * `integer`: a number, 64 bits, signed. `bigint`: 128 bits, the lower half first; signed unless it is `isUnsigned`. All in
 * the machine's order.
 */
export type EventField =
  | { readonly name: string; readonly kind: "integer"; readonly at: number }
  | { readonly name: string; readonly kind: "bigint"; readonly at: number; readonly isUnsigned: boolean }
  | { readonly name: string; readonly kind: "boolean"; readonly at: number }
  /** At most `length`: how many there are stands at `lengthAt`, 32 bits in the machine's order. */
  | {
      readonly name: string;
      readonly kind: "bytes";
      readonly at: number;
      readonly length: number;
      readonly lengthAt: number;
    }
  | { readonly name: string; readonly kind: "constant"; readonly value: string | number | boolean };

/** What a function does, as far as its engine has to know. */
export interface FunctionFacts {
  readonly writes: boolean;
  readonly marks: boolean;
  readonly redirects: boolean;
  /** It answers `accept` somewhere, and not only `continue`. */
  readonly accepts: boolean;
  readonly maps: readonly UsedMap[];
  readonly events: readonly EmittedEvent[];
  /** The exported function of the same module that decides in user space what this one hands over. */
  readonly handsOverTo: string | undefined;
  /** Where it cannot be exactly as in user space, one sentence each: told by `script check`. */
  readonly notes: readonly string[];
}

/** The per-processor array with one entry, of one 64-bit number for each of {@link CompiledScript.counters}. */
export const STATISTICS_MAP = "statistics";
/** The ring buffer of the events. */
export const EVENTS_MAP = "events";

export interface CompiledScript {
  readonly target: CompileTarget;
  readonly image: ProgramImage;
  readonly facts: FunctionFacts;
  /**
   * What is counted, by place: `bytes`, the verdicts `drop accept continue mark redirect`, `handed`, `errors`, `lost`
   * (events), then `counter NAME` for the script's own and `fault PLACE: MESSAGE` for places where it may fail.
   */
  readonly counters: readonly string[];
}

export type CompileResult =
  | { readonly script: CompiledScript; readonly problems: readonly [] }
  | { readonly script: undefined; readonly problems: readonly CompileProblem[] };
