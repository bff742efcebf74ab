/**
 * An isolate: a thread that runs packet scripts. It is told which to load and which queues to read; what it counts
 * stands in memory that the engine reads, and the engine watches whether it still moves.
 * @module
 */
import { readFileSync, readlinkSync } from "node:fs";
import { basename } from "node:path";
import { getHeapStatistics } from "node:v8";
import { parentPort, workerData } from "node:worker_threads";
import { dropInThread } from "#linux/privileges.ts";
import { ScriptLoadError } from "#script/errors.ts";
import { FaultTable } from "#script/faults.ts";
import { IsolateServices } from "./isolate-host.ts";
import { IsolateLane, ScriptVersion } from "./isolate-lane.ts";
import {
  BEAT,
  type FromIsolate,
  type IsolateStart,
  type LoadFailure,
  type ProbeStart,
  type ReaderStart,
  type ReadQuestion,
  type ToIsolate,
  type VersionDescription,
} from "./isolate-messages.ts";
import { ModuleVersions } from "./module-versions.ts";

/** Bytes outside of the heap that an isolate may hold: its limit counts the heap only. */
const EXTERNAL_BYTES_MAX: number = 512 << 20;
/** Ticks between two looks at faults and memory. */
const LOOK_EVERY = 4;

class Isolate {
  readonly #beats: Int32Array;
  readonly #services: IsolateServices;
  readonly #modules = new ModuleVersions();
  readonly #loaded = new Map<number, ScriptVersion>();
  readonly #lanes = new Map<number, IsolateLane>();
  readonly #faults = new Map<string, FaultTable>();
  readonly #told = new Map<string, number>();
  #tickCount = 0;

  constructor(start: IsolateStart) {
    this.#beats = new Int32Array(start.beats);
    this.#services = new IsolateServices(start, post);
    setInterval(() => this.#tick(), start.tickMilliseconds);
    process.on("unhandledRejection", (error) => this.#notice(error));
    process.on("uncaughtException", (error) => this.#notice(error));
    port().on("message", (message: ToIsolate) => this.#take(message));
    post({ say: "hello", threadId: basename(readlinkSync("/proc/thread-self")) });
    this.#beats[BEAT.loading] = 0;
  }

  #take(message: ToIsolate): void {
    switch (message.say) {
      case "load":
        void this.#load(message.id, message.version);
        return;
      case "discard":
        this.#loaded.delete(message.key);
        return;
      case "begin":
        this.#begin(message);
        return;
      case "leave":
        void this.#leave(message.id, message.queueNumber, message.patience);
        return;
      case "done-mark": {
        const lane = this.#lanes.get(message.queueNumber);
        if (lane) lane.version.runner.doneMark = message.bits;
        return;
      }
      case "answer":
        this.#services.answered(message.call, message.fields, message.error);
        return;
    }
  }

  async #load(id: number, version: VersionDescription): Promise<void> {
    const { spec, key } = version;
    let failure: LoadFailure | undefined;
    this.#beats[BEAT.loading] = (this.#beats[BEAT.loading] ?? 0) + 1;
    this.#beats[BEAT.script] = key;
    try {
      const module = await this.#modules.load(spec.file, spec.function);
      const { name } = spec;
      const faults = this.#faults.get(name) ?? new FaultTable();
      this.#faults.set(name, faults);
      const log = (text: string): void => post({ say: "log", name, text });
      const { tunnels = true } = module.options;
      const parts = { services: this.#services, faults, beats: this.#beats, log, tunnels };
      this.#loaded.set(key, new ScriptVersion(version, module.run, parts));
    } catch (error) {
      failure = failureOf(error);
    }
    this.#beats[BEAT.loading] = (this.#beats[BEAT.loading] ?? 0) - 1;
    post({ say: "done", id, ...(failure && { failure }) });
  }

  #begin({ id, key, queue, doneMark }: Extract<ToIsolate, { say: "begin" }>): void {
    const version = this.#loaded.get(key);
    this.#loaded.delete(key);
    if (version === undefined) {
      post({ say: "done", id, failure: { message: "Cannot begin: this version was not loaded" } });
      return;
    }
    version.runner.doneMark = doneMark;
    const { queueNumber } = queue.options;
    const lane = this.#lanes.get(queueNumber);
    if (lane) {
      lane.swap(version);
    } else {
      const { name } = version.description.spec;
      const opened = new IsolateLane(version, queue);
      opened.start((text) => post({ say: "trouble", name, text }));
      this.#lanes.set(queueNumber, opened);
    }
    post({ say: "done", id });
  }

  async #leave(id: number, queueNumber: number, patience: number): Promise<void> {
    const lane = this.#lanes.get(queueNumber);
    await lane?.leave(patience);
    this.#lanes.delete(queueNumber);
    this.#tellFaults();
    post({ say: "done", id });
  }

  #tick(): void {
    this.#beats[BEAT.progress] = ((this.#beats[BEAT.progress] ?? 0) + 1) | 0;
    if (++this.#tickCount % LOOK_EVERY !== 0) return;
    this.#tellFaults();
    const { external_memory: externalBytes } = getHeapStatistics();
    if (externalBytes > EXTERNAL_BYTES_MAX) {
      post({ say: "memory" });
      process.exit(1);
    }
  }

  #tellFaults(): void {
    for (const [name, table] of this.#faults) {
      if (this.#told.get(name) === table.changeCount) continue;
      this.#told.set(name, table.changeCount);
      post({ say: "faults", name, faults: table.list() });
    }
  }

  /** What was thrown where nobody awaited it belongs to the script that ran last. */
  #notice(error: unknown): void {
    const key = this.#beats[BEAT.script];
    const versions = [...this.#lanes.values()].map((lane) => lane.version);
    const guilty = versions.find(({ description }) => description.key === key) ?? versions[0];
    guilty?.runner.judge.notice(error);
  }
}

/** Loads a script, and nothing more: the thread ends behind it. */
async function probe({ file, functionName }: ProbeStart): Promise<void> {
  try {
    const { options, files } = await new ModuleVersions().load(file, functionName);
    const maySend = files.some((path) => /\bsend\b/.test(readFileSync(path, "utf8")));
    post({ say: "done", id: 0, module: { options, maySend } });
  } catch (error) {
    post({ say: "done", id: 0, failure: failureOf(error) });
  }
}

/** Reads scripts and runs nothing of them. */
function readScripts(): void {
  port().on("message", ({ id, file, functionName, options }: ReadQuestion) => {
    void (async () => {
      try {
        const { analyseScript, needsOf } = await import("./analysis.ts");
        const [found] = analyseScript(file, functionName);
        post({ say: "done", id, ...(found && { needs: needsOf(found, options) }) });
      } catch {
        // What cannot be read is not known; whether it can be run, others tell.
        post({ say: "done", id });
      }
    })();
  });
}

function failureOf(error: unknown): LoadFailure {
  const message = error instanceof Error ? error.message : String(error);
  const place = error instanceof ScriptLoadError ? error.place : undefined;
  return place === undefined ? { message } : { message, place };
}

function post(message: FromIsolate): void {
  port().postMessage(message);
}

function port(): NonNullable<typeof parentPort> {
  if (parentPort === null) throw new Error("Cannot be an isolate: this is not a worker thread");
  return parentPort;
}

/** A signal to this thread's process, or to its group, would end all scripts. */
function keepProcess(): void {
  const { kill, pid: own } = process;
  process.kill = (pid, signal) => {
    if (signal !== 0 && (pid === own || pid <= 0)) {
      throw new Error("Cannot send the signal: it would end the process of all scripts; throw instead");
    }
    return kill.call(process, pid, signal);
  };
}

const start = workerData as IsolateStart | ProbeStart | ReaderStart;
keepProcess();
// Scripts give verdicts and send; what loads programs into the kernel is not theirs.
dropInThread(["bpf", "perfmon"]);
if (start.kind === "probe") void probe(start);
else if (start.kind === "reader") readScripts();
else new Isolate(start);
