/**
 * Runs a module of monitors over a capture or an interface, in this thread or in others.
 * @module
 */
import { randomInt } from "node:crypto";
import { Worker } from "node:worker_threads";
import { LimitExceededError } from "#base/errors.ts";
import { parseFilter } from "#flow/filter/parse.ts";
import type { Share } from "./frame-share.ts";
import { type ProgramFault, RunLane, type RunOrder, type RunSummary } from "./run-lane.ts";
import type { RunWorkerData, RunWorkerMessage } from "./run-worker.ts";
import { addStatistics } from "./sums.ts";
import { uncarryError, workerEntry } from "./worker-message.ts";

/** Who hears of it. */
export interface RunWatcher {
  readonly fault: (fault: ProgramFault) => void;
  /** All is in place: packets are being looked at. */
  readonly ready: () => void;
  /** Ends a live run when it resolves. */
  readonly stop: Promise<unknown>;
}

/** How it went. */
export interface RunResult {
  readonly summary: RunSummary;
  /** What ended it too early. */
  readonly problem: unknown;
}

/** How long a program may take to come to its end; milliseconds. */
const STOP_TIME_MAX = 5000;

/** The program does not come back. */
export class StuckProgramError extends LimitExceededError {
  override readonly code: string = "flow-stuck";
}

/** @throws FilterError */
export async function runProgram(
  order: RunOrder,
  workerCount: number,
  watcher: RunWatcher,
): Promise<RunResult> {
  const { source } = order;
  const filter = "live" in source ? source.live.filter : source.filter;
  if (filter !== undefined) parseFilter(filter);
  if (workerCount === 1 && "file" in source) {
    const lane = new RunLane(order, watcher.fault);
    try {
      await lane.load();
      await lane.run(undefined, watcher.ready);
    } catch (problem) {
      return { summary: lane.summary(), problem };
    }
    return { summary: lane.summary(), problem: undefined };
  }
  return await runInWorkers(order, workerCount, watcher);
}

async function runInWorkers(order: RunOrder, count: number, watcher: RunWatcher): Promise<RunResult> {
  const { source } = order;
  const isLive = "live" in source;
  const key = [randomInt(2 ** 32), randomInt(2 ** 32)] as const;
  const own: RunOrder =
    isLive && count > 1
      ? { ...order, source: { live: { ...source.live, group: process.pid & 0xffff } } }
      : order;
  const workers = Array.from(
    { length: count },
    (_, index) => new RunWorker(own, isLive ? undefined : { index, count, key }, watcher.fault),
  );
  void Promise.all(workers.map(({ ready }) => ready)).then(watcher.ready, () => undefined);
  const ended = Promise.all(workers.map(({ done }) => done));
  let isOver = false;
  const giveUp = watcher.stop.then(async () => {
    for (const worker of workers) worker.stop();
    await new Promise((resolve) => setTimeout(resolve, STOP_TIME_MAX).unref());
    if (isOver) return await ended;
    const seen = `it did not come to its end within ${STOP_TIME_MAX / 1000} s`;
    throw new StuckProgramError(`Cannot end ${order.program}: ${seen}; does a callback loop for ever?`);
  });
  try {
    const ends = await Promise.race([ended, giveUp]);
    isOver = true;
    const problem = ends.find(({ error }) => error !== undefined)?.error;
    return { summary: sumOf(ends.map(({ summary }) => summary)), problem: problem && uncarryError(problem) };
  } finally {
    isOver = true;
    await Promise.all(workers.map((worker) => worker.end()));
  }
}

type Done = Extract<RunWorkerMessage, { say: "done" }>;

class RunWorker {
  readonly ready: Promise<void>;
  readonly done: Promise<Done>;
  readonly #worker: Worker;

  constructor(order: RunOrder, share: Share | undefined, fault: (fault: ProgramFault) => void) {
    const workerData: RunWorkerData = { order, share };
    const worker = new Worker(workerEntry("run-worker", import.meta.url), { workerData });
    this.#worker = worker;
    const ready = Promise.withResolvers<void>();
    const done = Promise.withResolvers<Done>();
    this.ready = ready.promise;
    this.done = done.promise;
    const fail = (error: Error): void => {
      ready.reject(error);
      done.reject(error);
    };
    for (const promise of [this.ready, this.done]) promise.catch(() => undefined);
    worker.once("error", fail);
    worker.once("exit", (code) => {
      fail(new LimitExceededError(`Cannot go on with ${order.program}: its thread ended with ${code}`));
    });
    worker.on("message", (message: RunWorkerMessage) => {
      if (message.say === "ready") ready.resolve();
      else if (message.say === "fault") fault(message.fault);
      else done.resolve(message);
    });
  }

  stop(): void {
    this.#worker.postMessage("stop");
  }

  async end(): Promise<void> {
    await this.#worker.terminate();
  }
}

function sumOf(summaries: readonly RunSummary[]): RunSummary {
  const sum = (read: (summary: RunSummary) => number): number =>
    summaries.reduce((total, summary) => total + read(summary), 0);
  return {
    statistics: addStatistics(summaries.map(({ statistics }) => statistics)),
    faultCount: sum(({ faultCount }) => faultCount),
    droppedCount: sum(({ droppedCount }) => droppedCount),
    lostCount: sum(({ lostCount }) => lostCount),
    warning: summaries.find(({ warning }) => warning !== undefined)?.warning,
  };
}
