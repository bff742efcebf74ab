/**
 * Replays a capture: a record for every flow in it, by one engine or by several in threads of their own.
 * @module
 */
import { randomInt } from "node:crypto";
import { Worker } from "node:worker_threads";
import { parseFilter } from "#flow/filter/parse.ts";
import { readCapture } from "../capture-file.ts";
import type { Share } from "./frame-share.ts";
import { type LaneBatch, type LaneSummary, ReplayLane, type ReplayOrder } from "./replay-lane.ts";
import { ReplayMerge, type TakeRow } from "./replay-merge.ts";
import type { ReplayWorkerData, ReplayWorkerMessage } from "./replay-worker.ts";
import { addCounts, addStatistics } from "./sums.ts";
import { uncarryError, workerEntry } from "./worker-message.ts";

/** Who hears of it. */
export interface ReplayWatcher {
  readonly row: TakeRow;
  /** Frames that are done, now and then. */
  readonly progress: (frames: number) => void;
  /** Awaited now and then: not before it is over more rows come. */
  readonly settle: () => Promise<void> | undefined;
}

/** How it went. */
export interface ReplayResult {
  readonly summary: LaneSummary;
  /** What ended it before the capture's end; all before has been told. */
  readonly problem: unknown;
}

/**
 * Gives `watcher` a row for every flow, in the order in which they end.
 * @throws ConfigurationError, MalformedCaptureError, FilterError when it cannot begin
 */
export async function replayCapture(
  order: ReplayOrder,
  workerCount: number,
  watcher: ReplayWatcher,
): Promise<ReplayResult> {
  if (order.filter !== undefined) parseFilter(order.filter);
  if (workerCount > 1) return await replayInWorkers(order, workerCount, watcher);
  const capture = await readCapture(order.file);
  try {
    const lane = new ReplayLane(capture, order, undefined, ({ frames, rows, marks }) => {
      for (let at = 0; at < rows.length; at++) watcher.row(rows[at] as string, marks[at] as number);
      if (frames < Number.POSITIVE_INFINITY) watcher.progress(frames);
    });
    let problem: unknown;
    try {
      await lane.run(watcher.settle);
    } catch (error) {
      problem = error;
    }
    return { summary: lane.summary(), problem };
  } finally {
    await capture.close();
  }
}

async function replayInWorkers(
  order: ReplayOrder,
  count: number,
  watcher: ReplayWatcher,
): Promise<ReplayResult> {
  // Whatever is wrong with the file is told once, by its own error.
  await (await readCapture(order.file)).close();
  const key = [randomInt(2 ** 32), randomInt(2 ** 32)] as const;
  const merge = new ReplayMerge(count, watcher.row);
  const lanes = Array.from({ length: count }, (_, index) => new WorkerLane(order, { index, count, key }));
  const take = async (index: number, batch: LaneBatch): Promise<void> => {
    if (index === 0 && batch.frames < Number.POSITIVE_INFINITY) watcher.progress(batch.frames);
    const taken = merge.add(index, batch);
    await watcher.settle();
    for (const [at, lane] of lanes.entries()) lane.taken(taken[at] ?? 0);
  };
  try {
    const ends = await Promise.all(lanes.map((lane, index) => lane.run((batch) => take(index, batch))));
    const problem = ends.find(({ error }) => error !== undefined)?.error;
    return { summary: sumOf(ends.map(({ summary }) => summary)), problem: problem && uncarryError(problem) };
  } finally {
    await Promise.all(lanes.map((lane) => lane.end()));
  }
}

type Done = Extract<ReplayWorkerMessage, { say: "done" }>;

class WorkerLane {
  readonly #worker: Worker;
  readonly #counts: Int32Array<SharedArrayBuffer>;
  /** One batch after the other. */
  #last: Promise<void> = Promise.resolve();

  constructor(order: ReplayOrder, share: Share) {
    const taken = new SharedArrayBuffer(4);
    this.#counts = new Int32Array(taken);
    const workerData: ReplayWorkerData = { order, share, taken };
    this.#worker = new Worker(workerEntry("replay-worker", import.meta.url), { workerData });
  }

  /** Resolves when the worker is done and all its batches are taken. */
  run(take: (batch: LaneBatch) => Promise<void>): Promise<Done> {
    return new Promise((resolve, reject) => {
      let isDone = false;
      this.#worker.on("message", (message: ReplayWorkerMessage) => {
        if (message.say === "batch") {
          this.#last = this.#last.then(() => take(message.batch));
          this.#last.catch(reject);
        } else {
          isDone = true;
          this.#last.then(() => resolve(message), reject);
        }
      });
      this.#worker.once("error", reject);
      this.#worker.once("exit", (code) => {
        if (!isDone) reject(new Error(`a worker ended with ${code}`));
      });
    });
  }

  taken(count: number): void {
    if (count === 0) return;
    Atomics.add(this.#counts, 0, count);
    Atomics.notify(this.#counts, 0);
  }

  async end(): Promise<void> {
    await this.#worker.terminate();
  }
}

/** All have read the same frames; flows are each one's own. */
function sumOf(summaries: readonly LaneSummary[]): LaneSummary {
  const [first] = summaries;
  if (first === undefined) throw new RangeError("no workers");
  return {
    ...first,
    states: addCounts(summaries.map(({ states }) => states)),
    protocols: addCounts(summaries.map(({ protocols }) => protocols)),
    missedBytes: summaries.reduce((sum, { missedBytes }) => sum + missedBytes, 0),
    statistics: addStatistics(summaries.map(({ statistics }) => statistics)),
  };
}
