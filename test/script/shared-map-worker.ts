/**
 * One thread of the tests of shared maps: does what it is told to one map, and says when it is done.
 * @module
 */
import { parentPort, workerData } from "node:worker_threads";
import { SeededRandom } from "#base/seeded-random.ts";
import { instant } from "#base/time.ts";
import { MemoryMap } from "#script/memory-map.ts";
import type { SharedMapHandle } from "#script/shared-map-layout.ts";

/** What a thread does. `churn` goes on until it is terminated. */
export interface MapTask {
  readonly task: "add" | "increase" | "churn" | "mixed";
  readonly handle: SharedMapHandle;
  readonly owner: number;
  readonly count: number;
  readonly keyCount: number;
}

/** What the thread counted: what it put in less what it took out, and how long it took. */
export interface MapTaskResult {
  readonly balance: number;
  readonly milliseconds: number;
}

const { task, handle, owner, count, keyCount } = workerData as MapTask;
const map = new MemoryMap<number>(handle, { owner, time: { now: instant(0) } });
const random = new SeededRandom(owner);

function increase(key: number): void {
  for (;;) {
    const seen = map.get(key);
    if (map.compareAndSet(key, seen, (seen ?? 0) + 1)) return;
  }
}

/** Puts a key in or takes it out, each key with a value that belongs to it; answers the change of the size. */
function mix(): number {
  const key = random.below(keyCount);
  if (random.below(2) === 0) return map.delete(key) ? -1 : 0;
  if (map.compareAndSet(key, undefined, key * 3)) return 1;
  const seen = map.get(key);
  if (seen !== undefined && seen !== key * 3) throw new Error(`Key ${key} has the value ${seen}`);
  return 0;
}

parentPort?.postMessage("ready");
const start = performance.now();
let balance = 0;
for (let index = 0; task === "churn" || index < count; index++) {
  if (task === "add") map.add(index % keyCount);
  else if (task === "increase") increase(index % keyCount);
  else balance += mix();
}
parentPort?.postMessage({ balance, milliseconds: performance.now() - start } satisfies MapTaskResult);
