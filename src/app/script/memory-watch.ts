/**
 * The memory of threads that run foreign code, watched from outside. V8's own limit for a thread will not do alone:
 * when one allocation goes far beyond it (a table that doubles), V8 ends the process. So V8's limit is far away, and
 * this one ends the thread long before.
 * @module
 */
import { setFlagsFromString } from "node:v8";
import type { ResourceLimits, Worker } from "node:worker_threads";
import { HEAP_MEGABYTES_MAX, YOUNG_MEGABYTES_MAX } from "./isolate-limits.ts";

/** How often a thread is looked at, in milliseconds: one that allocates a gigabyte a second gets not too far. */
const LOOK_INTERVAL = 50;
const MEGABYTE = 1024 * 1024;

/** For `new Worker`: what V8 itself refuses. */
export const HARD_LIMITS: ResourceLimits = {
  maxOldGenerationSizeMb: 8 * HEAP_MEGABYTES_MAX,
  maxYoungGenerationSizeMb: YOUNG_MEGABYTES_MAX,
};

// V8's optimiser takes the check that `terminate()` needs out of loops it has unrolled whose calls are all built in,
// such as for (;;) list.push(new Array(1000)): nothing but the end of the process would end these.
setFlagsFromString("--no-turboshaft-loop-unrolling");

/**
 * Calls back once when a thread has more than {@link HEAP_MEGABYTES_MAX} of objects and buffers.
 * @returns what ends the watch
 */
export function watchMemory(worker: Worker, exceeded: () => void): () => void {
  let isAsked = false;
  const timer = setInterval(() => {
    if (isAsked) return;
    isAsked = true;
    worker.getHeapStatistics().then(
      ({ used_heap_size: objectBytes, external_memory: bufferBytes }) => {
        isAsked = false;
        if (objectBytes + bufferBytes <= HEAP_MEGABYTES_MAX * MEGABYTE) return;
        clearInterval(timer);
        exceeded();
      },
      // It has not begun yet, or has ended.
      () => {
        isAsked = false;
      },
    );
  }, LOOK_INTERVAL);
  timer.unref();
  worker.once("exit", () => clearInterval(timer));
  return () => clearInterval(timer);
}
