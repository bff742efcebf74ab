/**
 * A queue in an isolate, and the version of the script that its packets are brought to. Versions are swapped between
 * two batches; those that were replaced stay until the last packet that they hold has its verdict.
 * @module
 */
import { type PacketBatch, PacketVerdict } from "#io/packet-queue.ts";
import { LinuxPacketQueue } from "#linux/packet-queue.ts";
import type { PacketScript } from "#script/context.ts";
import { ScriptCounters } from "#script/counters.ts";
import type { FaultTable } from "#script/faults.ts";
import { ScriptRunner } from "#script/runner.ts";
import { TimeHistogram } from "#script/time-histogram.ts";
import { ConnectionRows } from "./connection-rows.ts";
import { isScriptFile } from "./installation.ts";
import { IsolateHost, type IsolateServices } from "./isolate-host.ts";
import type { QueueDescription, VersionDescription } from "./isolate-messages.ts";

/** How often a queue that is being left is looked at, in milliseconds. */
const LEAVE_INTERVAL = 5;
/** A script's count of marks that found no connection to be set on. */
const LOST_MARKS = "connection marks lost";
/** Looks at which nothing waited, one after the other, until it is let go. */
const QUIET_LOOK_COUNT = 3;

export interface VersionParts {
  readonly services: IsolateServices;
  readonly faults: FaultTable;
  readonly beats: Int32Array;
  readonly log: (text: string) => void;
  /** What the module's options say; see `ScriptOptions`. */
  readonly tunnels: boolean;
}

/** A version of a script that is ready to run. */
export class ScriptVersion {
  readonly description: VersionDescription;
  readonly runner: ScriptRunner;
  readonly host: IsolateHost;
  readonly services: IsolateServices;

  constructor(description: VersionDescription, script: PacketScript, parts: VersionParts) {
    const { spec, seed, readOnly, key } = description;
    const { services, faults, beats, log, tunnels } = parts;
    this.description = description;
    this.services = services;
    const times = new TimeHistogram(description.times);
    this.host = new IsolateHost(services, { script: spec.name, times, log });
    this.runner = new ScriptRunner({
      script,
      functionName: spec.function,
      identity: { name: spec.name, isolate: spec.isolate, hook: spec.hook },
      host: this.host,
      onError: spec.onError,
      deadline: spec.deadline,
      seed,
      readOnly,
      tunnels,
      isOwnFile: isScriptFile,
      counters: new ScriptCounters(description.counters),
      faults,
      beat: { words: beats, key },
    });
  }
}

export class IsolateLane {
  readonly queueNumber: number;
  readonly #queue: LinuxPacketQueue;
  /** Those that were replaced and still hold packets. */
  readonly #retired = new Set<ScriptVersion>();
  /** Absent where the queue brings connections along, and where none are wanted. */
  readonly #connections: ConnectionRows | undefined;
  #version: ScriptVersion;

  constructor(version: ScriptVersion, queue: QueueDescription) {
    const { descriptor, options, heldCountMax, looksUpConnections } = queue;
    this.queueNumber = options.queueNumber;
    this.#queue = new LinuxPacketQueue({ ...options, descriptor, heldCountMax });
    this.#version = version;
    if (looksUpConnections) {
      const countLost = (): void => this.#version.runner.judge.counters.named(LOST_MARKS).add();
      this.#connections = new ConnectionRows(version.services.connections, countLost);
    }
    this.#aim(version);
  }

  get version(): ScriptVersion {
    return this.#version;
  }

  start(onTrouble: (text: string) => void): void {
    this.#queue.onTrouble((error) => onTrouble(error.message));
    this.#queue.start((batch) => this.#run(batch));
  }

  /** The next batch goes to another version. */
  swap(version: ScriptVersion): void {
    const before = this.#version;
    this.#aim(version);
    this.#version = version;
    before.runner.judge.retire();
    for (const old of this.#retired) if (old.runner.judge.heldCount === 0) this.#retired.delete(old);
    if (before.runner.judge.heldCount > 0) this.#retired.add(before);
  }

  /** Decides about everything that is there, then lets go; the descriptor stays open. */
  async leave(patience: number): Promise<void> {
    const end = performance.now() + patience;
    let seenCount = -1;
    for (let quietCount = 0; quietCount < QUIET_LOOK_COUNT && performance.now() < end; ) {
      await new Promise((resolve) => setTimeout(resolve, LEAVE_INTERVAL));
      // The kernel's own count is closed to those who are not root, and tells nothing then.
      const { receivedCount, heldCount, waitingCount } = this.#queue.statistics();
      const isQuiet = receivedCount === seenCount && heldCount === 0 && waitingCount === 0;
      quietCount = isQuiet ? quietCount + 1 : 0;
      seenCount = receivedCount;
    }
    for (const { runner } of [...this.#retired, this.#version]) runner.judge.giveUp();
    const isAccepting = this.#version.description.spec.onError === "accept";
    this.#queue.close(isAccepting ? PacketVerdict.accept : PacketVerdict.drop);
  }

  #run(batch: PacketBatch): void {
    const { host, runner, description } = this.#version;
    host.refresh();
    this.#connections?.begin(batch, description.readOnly === "");
    runner.run(batch);
    this.#connections?.end(batch);
  }

  #aim(version: ScriptVersion): void {
    version.host.connections = this.#connections;
    version.host.onSettled = (settled) => {
      const decision = version.runner.decide(settled);
      this.#queue.decide(settled.token, this.#connections?.settled(settled.token, decision) ?? decision);
    };
  }
}
