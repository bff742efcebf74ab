/**
 * The thread of one of several workers that replay a capture: reads all of it, and follows its share of the flows.
 * @module
 */
import { parentPort, workerData } from "node:worker_threads";
import { readCapture } from "../capture-file.ts";
import type { Share } from "./frame-share.ts";
import { type LaneBatch, type LaneSummary, ReplayLane, type ReplayOrder } from "./replay-lane.ts";
import { type CarriedError, carryError } from "./worker-message.ts";

/** What a worker is started with. */
export interface ReplayWorkerData {
  readonly order: ReplayOrder;
  readonly share: Share;
  /** How many of the worker's batches have been taken: 32 bits, waited for and woken by. */
  readonly taken: SharedArrayBuffer;
}

/** What a worker says. */
export type ReplayWorkerMessage =
  | { readonly say: "batch"; readonly batch: LaneBatch }
  | { readonly say: "done"; readonly summary: LaneSummary; readonly error: CarriedError | undefined };

/** Batches that may wait to be taken; then the worker waits. */
const WAITING_MAX = 16;

async function work({ order, share, taken }: ReplayWorkerData): Promise<void> {
  const counts = new Int32Array(taken);
  let sent = 0;
  const post = (message: ReplayWorkerMessage): void => parentPort?.postMessage(message);
  const capture = await readCapture(order.file);
  const lane = new ReplayLane(capture, order, share, (batch) => {
    post({ say: "batch", batch });
    sent++;
  });
  // Only here all that was ended so far can be taken: waiting in the middle of a frame would wait for ever.
  const settle = (): undefined => {
    for (let seen = Atomics.load(counts, 0); sent - seen > WAITING_MAX; seen = Atomics.load(counts, 0)) {
      Atomics.wait(counts, 0, seen);
    }
  };
  let error: CarriedError | undefined;
  try {
    await lane.run(settle);
  } catch (cause) {
    error = carryError(cause);
  } finally {
    await capture.close();
  }
  post({ say: "done", summary: lane.summary(), error });
}

await work(workerData as ReplayWorkerData);
