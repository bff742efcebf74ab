/**
 * What an engine is made of and what it takes and tells.
 * @module
 */
import type { Random } from "#base/random.ts";
import type { FlowLimits, FlowPolicy, FlowTimeouts } from "./policy.ts";

/** How an engine is made. */
export interface FlowEngineOptions {
  /** Keys the table's hash: nobody outside can make flows collide. */
  readonly random: Random;
  readonly policy?: Partial<Omit<FlowPolicy, "timeouts">> & { readonly timeouts?: Partial<FlowTimeouts> };
  readonly limits?: Partial<FlowLimits>;
  /**
   * Takes what monitors send: IP packets. Without it `send` and `reset` of a flow are refused. What it throws the engine
   * throws, once the packet is done.
   */
  readonly output?: (packet: Uint8Array) => void;
  /**
   * Is told what callbacks of monitors throw; without it they are only counted. What it throws itself the engine throws,
   * once the packet is done.
   */
  readonly onError?: (monitor: string, error: unknown) => void;
}

/** One frame, as captures and rings give it: a `CaptureRecord` is one. */
export interface FlowFrame {
  readonly seconds: number;
  readonly nanoseconds: number;
  readonly bytes: Uint8Array;
  readonly offset: number;
  readonly capturedBytes: number;
  readonly originalBytes: number;
  readonly linkType: number;
}

/** What an engine has seen; all counts only grow, but `flows` and `heldBytes`, which stand for now. */
export interface FlowStatistics {
  readonly frames: number;
  /** Not IP, or of a link type that is not known. */
  readonly otherFrames: number;
  readonly malformed: number;
  readonly badChecksums: number;
  /** Those of them that were left out: policy `checksums`. */
  readonly refusedChecksums: number;
  /** Packets that were there a moment before: policy `duplicates`. */
  readonly duplicates: number;
  readonly fragments: number;
  readonly flows: number;
  readonly flowsSeen: number;
  readonly evicted: number;
  /** New flows that found the table full. */
  readonly refused: number;
  readonly orphans: number;
  readonly heldBytes: number;
  readonly errors: number;
}
