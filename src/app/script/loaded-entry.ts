/**
 * A script as the engine has it: where it runs, by which queues, and what has been counted of it.
 * @module
 */
import { basename } from "node:path";
import { COUNTERS_BYTES, ScriptCounters, sumCounters } from "#script/counters.ts";
import type { LoadedScript, QueuedSpec, ScriptFault, ScriptStatistics } from "#script/engine.ts";
import { FaultTable } from "#script/faults.ts";
import { TIME_HISTOGRAM_BYTES, TimeHistogram } from "#script/time-histogram.ts";
import { VERDICT_KINDS, type VerdictKind } from "#script/verdict.ts";
import type { IsolateGroup } from "./isolate-group.ts";
import type { QueueDescription, VersionDescription } from "./isolate-messages.ts";
import type { Death } from "./isolate-thread.ts";

/** What its code asks of the queue. */
export interface QueueSettings {
  readonly isWriting: boolean;
  readonly hasAggregates: boolean;
  readonly copyRangeBytes: number;
  readonly connection: boolean;
  /** The script's options say that it cannot do without. */
  readonly insistsOnConnection: boolean;
}

/** The memory that one thread counts in. */
export interface CountMemory {
  readonly counters: SharedArrayBuffer;
  readonly times: SharedArrayBuffer;
}

export function newCountMemory(): CountMemory {
  return {
    counters: new SharedArrayBuffer(COUNTERS_BYTES),
    times: new SharedArrayBuffer(TIME_HISTOGRAM_BYTES),
  };
}

export interface EntryParts {
  readonly spec: QueuedSpec;
  readonly settings: QueueSettings;
  readonly group: IsolateGroup;
  readonly queues: readonly QueueDescription[];
  readonly versions: readonly VersionDescription[];
  readonly version: number;
  /** The place at its hook. */
  readonly index: number;
  /** By thread. */
  readonly memories: readonly CountMemory[];
}

export class LoadedEntry {
  spec: QueuedSpec;
  versions: readonly VersionDescription[];
  version: number;
  readonly settings: QueueSettings;
  readonly group: IsolateGroup;
  readonly queues: readonly QueueDescription[];
  readonly index: number;
  readonly memories: readonly CountMemory[];
  /** Closed already, because the isolate has failed for good. */
  isFailed = false;
  /** What was counted before, under other queues, and by threads that are gone. */
  readonly #before: readonly CountMemory[];
  readonly #faults: FaultTable;
  /** As the threads last told them. */
  readonly #told = new Map<number, readonly ScriptFault[]>();

  constructor(parts: EntryParts, before?: LoadedEntry) {
    this.spec = parts.spec;
    this.settings = parts.settings;
    this.group = parts.group;
    this.queues = parts.queues;
    this.versions = parts.versions;
    this.version = parts.version;
    this.index = parts.index;
    this.memories = parts.memories;
    this.#before = before ? [...before.#before, ...before.memories] : [];
    this.#faults = before ? before.#faults : new FaultTable();
    if (before) for (const member of [...before.#told.keys()]) before.threadDied(member);
  }

  /** @throws TypeError when they are none: a script can have got at its isolate's port. */
  faultsTold(member: number, faults: readonly ScriptFault[]): void {
    const table = new FaultTable();
    for (const { kind, place, message, count } of faults) {
      table.add(kind, String(place), String(message), Number(count));
    }
    this.#told.set(member, table.list());
  }

  /** A thread has ended: what it told last stays counted, and a new one begins with an empty table. */
  threadDied(member: number): void {
    for (const { kind, place, message, count } of this.#told.get(member) ?? []) {
      this.#faults.add(kind, place, message, count);
    }
    this.#told.delete(member);
  }

  /** A fault that the thread could not tell of itself. */
  addFault(member: number, { kind, message, place }: Death): void {
    this.#faults.add(kind, place ?? `${this.spec.function} (${basename(this.spec.file)})`, message);
    const memory = this.memories[member];
    if (memory) new ScriptCounters(memory.counters).add("errors");
  }

  describe(): LoadedScript {
    const { spec, version, settings } = this;
    const state = this.isFailed ? "failed" : this.group.state;
    const { isWriting, copyRangeBytes: readBytes } = settings;
    const statistics = this.#statistics();
    return { spec, engine: "user", state, version, place: this.index, isWriting, readBytes, statistics };
  }

  #statistics(): ScriptStatistics {
    const memories = [...this.#before, ...this.memories];
    const { fixed, named } = sumCounters(memories.map(({ counters }) => new ScriptCounters(counters).read()));
    const times = TimeHistogram.merge(memories.map(({ times: memory }) => new TimeHistogram(memory)));
    const faults = new FaultTable();
    for (const table of [this.#faults.list(), ...this.#told.values()]) {
      for (const { kind, place, message, count } of table) faults.add(kind, place, message, count);
    }
    const verdicts = Object.fromEntries(VERDICT_KINDS.map((kind) => [kind, fixed[kind]]));
    return {
      packets: fixed.packets,
      bytes: fixed.bytes,
      verdicts: verdicts as Record<VerdictKind, number>,
      errors: fixed.errors,
      bypassed: fixed.bypassed,
      held: fixed.held,
      sent: fixed.sent,
      deferred: fixed.deferred,
      timeP50: times.percentile(50),
      timeP99: times.percentile(99),
      counters: Object.fromEntries(named),
      faults: faults.list(),
    };
  }
}
