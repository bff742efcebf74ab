/**
 * Runs foreign code in a thread that is watched from outside: what loops for ever, allocates without end or ends its
 * thread becomes an error, and nothing of it is left.
 * @module
 */
import { Worker } from "node:worker_threads";
import { ScriptLoadError, type ScriptPlace } from "#script/errors.ts";

/** How often the memory outside of the heap is looked at, in milliseconds. */
const WATCH_INTERVAL = 50;

/** What a thread may take. */
export interface ContainedLimits {
  /** Megabytes of JavaScript's heap. */
  readonly heapMegabytes: number;
  /** Megabytes by which the whole process may grow meanwhile: buffers are not in the heap. */
  readonly memoryMegabytes: number;
}

/** Why a thread did not come to its end. */
export interface ContainedEnd {
  readonly kind: "memory" | "threw" | "exited" | "ended-by-us";
  readonly message: string;
}

/** A thread that runs. */
export interface ContainedThread {
  readonly worker: Worker;
  /** Resolves when the thread is gone, however it ended. */
  readonly ended: Promise<ContainedEnd>;
  /** Ends it; resolves when it is gone. */
  end(): Promise<void>;
}

/**
 * Starts a thread.
 * @param entry the name of a module of this folder, without its ending
 * @param data what it finds as `workerData`
 */
export function startContained(entry: string, data: unknown, limits: ContainedLimits): ContainedThread {
  const ending = import.meta.url.endsWith(".ts") ? ".ts" : ".js";
  const worker = new Worker(new URL(`./${entry}${ending}`, import.meta.url), {
    workerData: data,
    // What a script prints is not our result.
    stdout: true,
    resourceLimits: { maxOldGenerationSizeMb: limits.heapMegabytes, maxYoungGenerationSizeMb: 32 },
  });
  worker.stdout.on("data", (text: Uint8Array) => void process.stderr.write(text));
  const { promise, resolve } = Promise.withResolvers<ContainedEnd>();
  const before = process.memoryUsage.rss();
  const limitBytes = limits.memoryMegabytes * 1_000_000;
  const timer = setInterval(() => {
    if (process.memoryUsage.rss() - before < limitBytes) return;
    resolve({ kind: "memory", message: `took more than ${limits.memoryMegabytes} MB of memory` });
    void worker.terminate();
  }, WATCH_INTERVAL);
  worker.on("error", (error: NodeJS.ErrnoException) => {
    const isMemory = error.code === "ERR_WORKER_OUT_OF_MEMORY";
    resolve(
      isMemory
        ? { kind: "memory", message: `took more than ${limits.heapMegabytes} MB of memory` }
        : { kind: "threw", message: error instanceof Error ? error.message : String(error) },
    );
  });
  worker.on("exit", (code) => {
    clearInterval(timer);
    resolve({ kind: "exited", message: `ended its thread with ${code}` });
  });
  return {
    worker,
    ended: promise,
    end: async () => {
      resolve({ kind: "ended-by-us", message: "was ended" });
      await worker.terminate();
    },
  };
}

/** A {@link ScriptLoadError} as it travels between threads. */
export interface CarriedError {
  readonly message: string;
  readonly place: ScriptPlace | undefined;
}

/** For the sending side; anything that is no ScriptLoadError is a defect of ours, told as it is. */
export function carryError(error: unknown): CarriedError {
  if (error instanceof ScriptLoadError) return { message: error.message, place: error.place };
  return {
    message: error instanceof Error ? (error.stack ?? error.message) : String(error),
    place: undefined,
  };
}

/** For the receiving side. */
export function carriedError({ message, place }: CarriedError): ScriptLoadError {
  return new ScriptLoadError(message, { place });
}
