/**
 * The engine's side of one isolate: starts its thread, tells it what to run, watches whether it moves, and when it
 * does not, ends it, takes care of its queues and starts it again.
 * @module
 */
import { readFileSync } from "node:fs";
import { MessageChannel, Worker } from "node:worker_threads";
import { UnavailableError } from "#base/errors.ts";
import { ScriptCounters } from "#script/counters.ts";
import { ScriptLoadError } from "#script/errors.ts";
import { type FaultKind, messageOf, placeOf } from "#script/faults.ts";
import type { MapDirectory, MapRequest } from "#script/map-directory.ts";
import { Caretaker } from "./caretaker.ts";
import { isScriptFile } from "./installation.ts";
import {
  ANSWER_TIME_MAX,
  HEAP_MEGABYTES_MAX,
  ISOLATE_ENTRY,
  LOAD_TIME_MAX,
  RESTART_COUNT_MAX,
  RESTART_DELAY_FIRST,
  RESTART_DELAY_MAX,
  RESTART_WINDOW,
  STARVED_FACTOR,
  TICK_MAX,
  WATCH_INTERVAL,
} from "./isolate-limits.ts";
import {
  BEAT,
  type FromIsolate,
  type IsolateStart,
  type QueueDescription,
  type ToIsolate,
  type VersionDescription,
} from "./isolate-messages.ts";
import { HARD_LIMITS, watchMemory } from "./memory-watch.ts";
import { loadErrorFrom } from "./probe.ts";

/** A queue of the thread with the version that runs there. */
interface Seat {
  readonly queue: QueueDescription;
  version: VersionDescription;
  doneMark: number;
  caretaker: Caretaker | undefined;
}

export type ThreadState = "running" | "restarting" | "failed";

/** Why a thread was ended. */
export interface Death {
  readonly kind: FaultKind;
  /** The version that ran last. */
  readonly key: number;
  readonly message: string;
  /** In the script, when it is known. */
  readonly place: string | undefined;
}

/** What a thread tells the engine. */
export interface ThreadEvents {
  died(death: Death): void;
  stateChanged(state: ThreadState): void;
  said(message: FromIsolate): void;
}

export interface ThreadOptions {
  readonly isolate: string;
  readonly maps: MapDirectory;
  readonly sentMark: number;
  readonly events: ThreadEvents;
}

let lastOwner = 1;

type Request = ToIsolate & { readonly id: number };
type Unnumbered<R> = R extends { readonly id: number } ? Omit<R, "id"> : never;

export class IsolateThread {
  readonly #options: ThreadOptions;
  readonly #seats = new Map<number, Seat>();
  /** Versions that were loaded and run nowhere yet. */
  readonly #waiting = new Map<number, PromiseWithResolvers<void>>();
  #requestCount = 0;
  #worker: Worker | undefined;
  #threadId = "";
  #owner = 0;
  #beats: Int32Array = new Int32Array(BEAT.words);
  #reply: (answer: unknown) => void = () => undefined;
  #state: ThreadState = "running";
  #restarts: number[] = [];
  #restartTimer: NodeJS.Timeout | undefined;
  #isClosed = false;
  #seen = { progress: 0, unchanged: 0, at: 0, cpu: 0 };

  constructor(options: ThreadOptions) {
    this.#options = options;
    this.#start();
  }

  get state(): ThreadState {
    return this.#state;
  }

  /** Loads a version beside what runs. @throws ScriptLoadError, UnavailableError when the isolate dies over it */
  async load(version: VersionDescription): Promise<void> {
    await this.#ask({ say: "load", version });
  }

  discard(key: number): void {
    this.#tell({ say: "discard", key });
  }

  /** Lets a loaded version have a queue; whoever had it before has it no more. */
  async begin(version: VersionDescription, queue: QueueDescription, doneMark: number): Promise<void> {
    const { queueNumber } = queue.options;
    await this.#ask({ say: "begin", key: version.key, queue, doneMark });
    const seat = this.#seats.get(queueNumber);
    if (seat) {
      seat.version = version;
      seat.doneMark = doneMark;
    } else {
      this.#seats.set(queueNumber, { version, queue, doneMark, caretaker: undefined });
    }
  }

  setDoneMark(queueNumber: number, bits: number): void {
    const seat = this.#seats.get(queueNumber);
    if (seat === undefined || seat.doneMark === bits) return;
    seat.doneMark = bits;
    this.#tell({ say: "done-mark", queueNumber, bits });
  }

  /** Lets what waits on a queue have its verdicts, and forgets the queue; its descriptor is the caller's. */
  async leave(queueNumber: number, patience: number): Promise<void> {
    const seat = this.#seats.get(queueNumber);
    if (seat === undefined) return;
    try {
      if (this.#state === "running") {
        await this.#ask({ say: "leave", queueNumber, patience }, patience + ANSWER_TIME_MAX);
      }
    } catch {
      // It died meanwhile, and the caretaker has decided.
    }
    this.#seats.delete(queueNumber);
    seat.caretaker?.close();
  }

  /** @param now milliseconds of a clock that is never set */
  watch(now: number): void {
    const seen = this.#seen;
    // What this thread itself has slept through says nothing about the other.
    const passed = Math.min(now - seen.at, 2 * WATCH_INTERVAL);
    seen.at = now;
    if (this.#worker === undefined) return;
    if (this.#state !== "running" && this.#restartTimer !== undefined) {
      for (const { caretaker } of this.#seats.values()) caretaker?.release();
      return;
    }
    const progress = Atomics.load(this.#beats, BEAT.progress);
    if (progress !== seen.progress) {
      seen.progress = progress;
      seen.unchanged = 0;
      return;
    }
    if (seen.unchanged === 0) seen.cpu = this.#processorTime();
    seen.unchanged += passed;
    const limit = this.#limit();
    if (seen.unchanged <= limit) return;
    const used = this.#processorTime() - seen.cpu;
    if (used < limit / 2 && seen.unchanged <= limit * STARVED_FACTOR) return;
    this.#end("stuck", `busy for longer than ${limit} ms`);
  }

  /** Ends it for good. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#restartTimer);
    for (const { caretaker } of this.#seats.values()) caretaker?.close();
    this.#seats.clear();
    const worker = this.#worker;
    this.#worker = undefined;
    this.#refuseWaiting();
    await worker?.terminate();
    this.#options.maps.breakLocksOf(this.#owner);
  }

  answer(call: number, fields: Uint8Array | undefined, error?: { code: string; message: string }): void {
    this.#tell({ say: "answer", call, ...(fields && { fields }), ...(error && { error }) });
  }

  /** What is busy without moving may be so this long, in milliseconds. */
  #limit(): number {
    // Without a queue it keeps no packet waiting, and on a busy machine its first steps take their time.
    if (this.#seats.size === 0 || Atomics.load(this.#beats, BEAT.loading) > 0) return LOAD_TIME_MAX;
    const key = Atomics.load(this.#beats, BEAT.script);
    const limits = [...this.#seats.values()].map(({ version }) => version);
    const guilty = limits.find((version) => version.key === key);
    if (guilty) return guilty.spec.timeLimit;
    return Math.max(TICK_MAX * 4, ...limits.map(({ spec }) => spec.timeLimit));
  }

  #start(): void {
    const beats = new SharedArrayBuffer(BEAT.words * 4);
    this.#beats = new Int32Array(beats);
    // Until it says that it is there.
    this.#beats[BEAT.loading] = 1;
    this.#seen = { progress: 0, unchanged: 0, at: performance.now(), cpu: 0 };
    this.#owner = ++lastOwner;
    const channel = new MessageChannel();
    const mapSignal = new SharedArrayBuffer(4);
    const start: IsolateStart = {
      kind: "isolate",
      isolate: this.#options.isolate,
      owner: this.#owner,
      beats,
      mapPort: channel.port2,
      mapSignal,
      tickMilliseconds: this.#tick(),
      sentMark: this.#options.sentMark,
    };
    const worker = new Worker(ISOLATE_ENTRY, {
      workerData: start,
      transferList: [channel.port2],
      name: `script ${this.#options.isolate}`,
      resourceLimits: HARD_LIMITS,
    });
    const endWatch = watchMemory(worker, () => {
      if (worker === this.#worker) this.#end("memory", MEMORY_TEXT);
    });
    channel.port1.unref();
    this.#worker = worker;
    const signal = new Int32Array(mapSignal);
    this.#reply = (answer) => {
      channel.port1.postMessage(answer);
      Atomics.add(signal, 0, 1);
      Atomics.notify(signal, 0);
    };
    worker.on("message", (message: FromIsolate) => {
      if (worker === this.#worker) this.#hear(message);
    });
    worker.on("error", (error: unknown) => {
      if (worker !== this.#worker) return;
      if (isOutOfMemory(error)) this.#end("memory", MEMORY_TEXT);
      else this.#end("threw", messageOf(error), placeOf(error, isScriptFile));
    });
    worker.on("exit", () => {
      endWatch();
      channel.port1.close();
      if (worker === this.#worker) this.#end("threw", "the script ended its thread");
    });
  }

  /** Often enough for the shortest time limit. */
  #tick(): number {
    const limits = [...this.#seats.values()].map(({ version }) => version.spec.timeLimit / 4);
    return Math.max(5, Math.min(TICK_MAX, ...limits));
  }

  /** A script has the isolate's port in hand, if it looks for it: what makes no sense ends its own isolate only. */
  #hear(message: FromIsolate): void {
    try {
      this.#heard(message);
    } catch (error) {
      this.#end("threw", `its isolate told what cannot be understood: ${messageOf(error)}`);
    }
  }

  #heard(message: FromIsolate): void {
    switch (message.say) {
      case "hello":
        this.#threadId = message.threadId;
        return;
      case "done": {
        const waiting = this.#waiting.get(message.id);
        this.#waiting.delete(message.id);
        if (message.failure) waiting?.reject(loadErrorFrom(message.failure));
        else waiting?.resolve();
        return;
      }
      case "map":
        this.#reply(this.#options.maps.answer(message.request as MapRequest));
        return;
      case "memory":
        this.#end("memory", MEMORY_TEXT);
        return;
      default:
        this.#options.events.said(message);
    }
  }

  #ask(message: Unnumbered<Request>, patience: number = 2 * LOAD_TIME_MAX): Promise<void> {
    const id = ++this.#requestCount;
    const waiting = Promise.withResolvers<void>();
    if (this.#worker === undefined || this.#state === "failed") return Promise.reject(this.#gone());
    this.#waiting.set(id, waiting);
    const timer = setTimeout(() => this.#isLate(id, message), patience);
    this.#tell({ ...message, id } as ToIsolate);
    return waiting.promise.finally(() => clearTimeout(timer));
  }

  /** A script can close the isolate's port, and a module wait for ever while it is loaded. */
  #isLate(id: number, message: Unnumbered<Request>): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (message.say === "load") {
      const { file, function: name } = message.version.spec;
      const seen = `its module was not done after ${(2 * LOAD_TIME_MAX) / 1000} s`;
      waiting?.reject(new ScriptLoadError(`Cannot load ${name} of ${file}: ${seen}; what does it wait for?`));
    } else {
      waiting?.reject(this.#gone());
      this.#end("stuck", "does not answer the engine");
    }
  }

  #tell(message: ToIsolate): void {
    this.#worker?.postMessage(message);
  }

  /** The thread is of no use any more: its queues get a caretaker, and after a while a new thread. */
  #end(kind: FaultKind, message: string, place?: string): void {
    const worker = this.#worker;
    if (this.#isClosed || worker === undefined) return;
    this.#worker = undefined;
    const key = Atomics.load(this.#beats, BEAT.script);
    for (const seat of this.#seats.values()) this.#takeCare(seat);
    const after = (): void => {
      this.#options.maps.breakLocksOf(this.#owner);
      for (const { caretaker } of this.#seats.values()) caretaker?.release();
    };
    worker.terminate().then(after, after);
    this.#refuseWaiting();
    this.#options.events.died({ kind, key, message, place });
    this.#restartLater();
  }

  #takeCare(seat: Seat): void {
    const counters = new ScriptCounters(seat.version.counters);
    const { held } = counters.read().fixed;
    counters.add("held", -held);
    counters.add("bypassed", held);
    seat.caretaker ??= new Caretaker(seat.queue, seat.version.spec.onError, (count) =>
      counters.add("bypassed", count),
    );
  }

  #restartLater(): void {
    const now = performance.now();
    this.#restarts = this.#restarts.filter((at) => now - at < RESTART_WINDOW);
    if (this.#restarts.length >= RESTART_COUNT_MAX) {
      this.#setState("failed");
      return;
    }
    const delay = Math.min(RESTART_DELAY_FIRST * 4 ** this.#restarts.length, RESTART_DELAY_MAX);
    this.#restarts.push(now);
    this.#setState("restarting");
    this.#restartTimer = setTimeout(() => void this.#restart(), delay);
  }

  async #restart(): Promise<void> {
    this.#restartTimer = undefined;
    if (this.#isClosed) return;
    this.#start();
    const worker = this.#worker;
    try {
      const seats = [...this.#seats.values()];
      for (const { version } of seats) await this.#ask({ say: "load", version });
      for (const seat of seats) {
        seat.caretaker?.close();
        seat.caretaker = undefined;
        const { version, queue, doneMark } = seat;
        await this.#ask({ say: "begin", key: version.key, queue, doneMark });
      }
      this.#setState("running");
    } catch (error) {
      if (worker !== this.#worker) return; // It died again, which has been seen to.
      this.#end("threw", messageOf(error));
    }
  }

  #setState(state: ThreadState): void {
    if (this.#state === state) return;
    this.#state = state;
    this.#options.events.stateChanged(state);
  }

  #refuseWaiting(): void {
    for (const waiting of this.#waiting.values()) waiting.reject(this.#gone());
    this.#waiting.clear();
  }

  #gone(): UnavailableError {
    return new UnavailableError(
      `Cannot ask isolate ${this.#options.isolate}: it has ended, and starts again`,
    );
  }

  /** Milliseconds of a processor that the thread has used; infinite where the kernel does not tell. */
  #processorTime(): number {
    try {
      const text = readFileSync(`/proc/self/task/${this.#threadId}/schedstat`, "latin1");
      return Number(text.split(" ")[0]) / 1_000_000;
    } catch {
      return Number.POSITIVE_INFINITY;
    }
  }
}

function isOutOfMemory(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ERR_WORKER_OUT_OF_MEMORY";
}

const MEMORY_TEXT = `more than ${HEAP_MEGABYTES_MAX} MB of memory`;
