/**
 * What the engine and its isolates tell each other. Plain data: it is copied from thread to thread, but for shared
 * memory. Values of the bus travel as bytes, because their classes would not.
 * @module
 */
import type { MessagePort } from "node:worker_threads";
import type { PacketQueueOptions } from "#io/packet-queue.ts";
import type { ScriptOptions } from "#script/context.ts";
import type { QueuedSpec, ScriptFault } from "#script/engine.ts";
import type { MapOptions } from "#script/map-directory.ts";
import type { ScriptNeeds } from "./analysis.ts";

/** What a worker is started with. */
export interface IsolateStart {
  readonly kind: "isolate";
  readonly isolate: string;
  /** The owner of map locks; of its own for every worker. */
  readonly owner: number;
  /** Words of {@link BEAT}. */
  readonly beats: SharedArrayBuffer;
  /** Answers to {@link MapQuestion} come by this, so that a script can wait for them where it stands. */
  readonly mapPort: MessagePort;
  readonly mapSignal: SharedArrayBuffer;
  readonly tickMilliseconds: number;
  /** The mark of what scripts send. */
  readonly sentMark: number;
}

/** What a thread is started with that only looks whether a script can be loaded. */
export interface ProbeStart {
  readonly kind: "probe";
  readonly file: string;
  readonly functionName: string;
}

/** What a script's module says of itself. */
export interface ProbedModule {
  readonly options: ScriptOptions;
  /** Its files speak of sending. */
  readonly maySend: boolean;
}

/** What a thread is started with that reads scripts; its questions are {@link ReadQuestion}. */
export interface ReaderStart {
  readonly kind: "reader";
}

export interface ReadQuestion {
  readonly id: number;
  readonly file: string;
  readonly functionName: string;
  readonly options: ScriptOptions;
}

/** Words of the memory by which the engine sees whether an isolate is alive. */
export const BEAT = {
  /** Grows with every packet, every piece of deferred work, and every tick of the clock. */
  progress: 0,
  /** The {@link VersionDescription.key} of what ran last. */
  script: 1,
  /** Not 0 while modules are being loaded. */
  loading: 2,
  words: 4,
} as const;

/** One version of a script, for one worker. */
export interface VersionDescription {
  readonly spec: QueuedSpec;
  /** Its number among all versions of all scripts of the engine. */
  readonly key: number;
  readonly seed: number;
  /** Why it must not write to packets; empty when it may. */
  readonly readOnly: string;
  readonly counters: SharedArrayBuffer;
  readonly times: SharedArrayBuffer;
}

/** A queue whose descriptor the engine has opened. */
export interface QueueDescription {
  readonly descriptor: number;
  readonly options: PacketQueueOptions;
  readonly heldCountMax: number;
  /** Connections are wanted, and not brought along: they are asked for. */
  readonly looksUpConnections?: boolean;
}

/** From the engine to an isolate; those with an `id` are answered by `done`. */
export type ToIsolate =
  | { readonly say: "load"; readonly id: number; readonly version: VersionDescription }
  | { readonly say: "discard"; readonly key: number }
  | {
      /** The loaded version takes over the queue, which is opened when it is not. */
      readonly say: "begin";
      readonly id: number;
      readonly key: number;
      readonly queue: QueueDescription;
      readonly doneMark: number;
    }
  | {
      /** No packets come any more: decide about those that are there, and let go of the queue. */
      readonly say: "leave";
      readonly id: number;
      readonly queueNumber: number;
      /** Milliseconds after which those that are held go by `onError`. */
      readonly patience: number;
    }
  | { readonly say: "done-mark"; readonly queueNumber: number; readonly bits: number }
  | {
      readonly say: "answer";
      readonly call: number;
      readonly fields?: Uint8Array;
      readonly error?: CallError;
    };

export interface CallError {
  readonly code: string;
  readonly message: string;
}

export interface LoadFailure {
  readonly message: string;
  readonly place?: { readonly file: string; readonly line: number; readonly column: number };
}

/** From an isolate to the engine. */
export type FromIsolate =
  | { readonly say: "hello"; readonly threadId: string }
  | {
      readonly say: "done";
      readonly id: number;
      readonly needs?: ScriptNeeds;
      readonly module?: ProbedModule;
      readonly failure?: LoadFailure;
    }
  | { readonly say: "faults"; readonly name: string; readonly faults: readonly ScriptFault[] }
  | { readonly say: "log"; readonly name: string; readonly text: string }
  | { readonly say: "trouble"; readonly name: string; readonly text: string }
  | { readonly say: "map"; readonly request: { readonly name: string; readonly options?: MapOptions } }
  | { readonly say: "memory" }
  | { readonly say: "post"; readonly name: string; readonly address: string; readonly fields: Uint8Array }
  | {
      readonly say: "call";
      readonly name: string;
      readonly call: number;
      readonly address: string;
      readonly fields: Uint8Array;
      readonly timeout?: number;
    };
