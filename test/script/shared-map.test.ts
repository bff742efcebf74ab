import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, it } from "node:test";
import { Worker } from "node:worker_threads";
import { instant } from "#base/time.ts";
import { MemoryMap } from "#script/memory-map.ts";
import { createSharedMap, HEADER, type MapOptions } from "#script/shared-map-layout.ts";
import type { MapTask, MapTaskResult } from "./shared-map-worker.ts";

const seed = Uint8Array.of(8, 7, 6, 5, 4, 3, 2, 1);
const time = { now: instant(0) };
const SUPERVISOR = 1000;

function makeMap(options: MapOptions) {
  const handle = createSharedMap({ name: "hammered", seed, ...options });
  return { handle, map: new MemoryMap<number>(handle, { owner: SUPERVISOR, time }) };
}

/** A thread at work; `result` is there when it is done. */
async function start(task: MapTask): Promise<{ worker: Worker; result: Promise<MapTaskResult> }> {
  const worker = new Worker(new URL("./shared-map-worker.ts", import.meta.url), { workerData: task });
  assert.deepEqual(await once(worker, "message"), ["ready"]);
  const result = once(worker, "message").then(([message]) => message as MapTaskResult);
  result.catch(() => undefined); // a thread that is terminated has none
  return { worker, result };
}

async function runAll(tasks: readonly MapTask[]): Promise<MapTaskResult[]> {
  const started = await Promise.all(tasks.map(start));
  return Promise.all(started.map(({ result }) => result));
}

describe("MemoryMap between threads", () => {
  for (const kind of ["hash", "lru", "array"] as const) {
    for (const task of ["add", "increase"] as const) {
      it(`${task === "add" ? "add()" : "compareAndSet()"} of four threads in a ${kind} loses nothing`, async () => {
        const { handle, map } = makeMap({ kind, countMax: 64 });
        const count = 60_000;
        await runAll([1, 2, 3, 4].map((owner) => ({ task, handle, owner, count, keyCount: 50 })));
        const sums = [...map.entries()].map(([, value]) => value);
        assert.equal(
          sums.reduce((sum, value) => sum + value, 0),
          4 * count,
        );
        assert.equal(map.get(49), (4 * count) / 50);
      });
    }
  }

  it("set() and delete() of four threads leave what their answers add up to", async () => {
    const { handle, map } = makeMap({ countMax: 600 });
    const results = await runAll(
      [1, 2, 3, 4].map((owner) => ({ task: "mixed", handle, owner, count: 60_000, keyCount: 1000 })),
    );
    assert.equal(
      map.size,
      results.reduce((sum, { balance }) => sum + balance, 0),
    );
    const listed = [...map.entries()];
    assert.equal(listed.length, map.size);
    assert.ok(listed.every(([key, value]) => value === key * 3 && map.get(key) === value));
  });

  it("threads terminated at work stop nobody else, once their locks are broken", async () => {
    const { handle, map } = makeMap({ kind: "lru", countMax: 600 });
    const words = new Int32Array(handle.memory);
    let brokenCount = 0;
    for (let round = 1; round <= 12; round++) {
      const task = { task: "churn", handle, count: 0, keyCount: 1000 } as const;
      const owners = [2 * round, 2 * round + 1];
      const started = await Promise.all(owners.map((owner) => start({ ...task, owner })));
      for (let key = 0; key < 2000; key++) map.set(key % 1000, (key % 1000) * 3);
      await Promise.all(started.map(({ worker }) => worker.terminate()));
      for (const owner of owners) if (map.breakLocksOf(owner)) brokenCount++;
      assert.equal(Atomics.load(words, HEADER.lock), 0);
      assert.equal([...map.entries()].length, map.size);
      assert.ok([...map.entries()].every(([key, value]) => value === key * 3));
    }
    assert.ok(brokenCount <= 24);
  });

  it("a lock whose owner died is waited for until it is broken", async () => {
    const { handle, map } = makeMap({ countMax: 10 });
    const words = new Int32Array(handle.memory);
    const { result } = await (async () => {
      words[HEADER.lock] = 77; // as a thread leaves it that ended while it held it
      return start({ task: "add", handle, owner: 1, count: 10, keyCount: 10 });
    })();
    let isDone = false;
    void result.then(() => {
      isDone = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 60));
    assert.equal(isDone, false);
    assert.equal(map.breakLocksOf(77), true);
    await result;
    assert.deepEqual([map.size, map.describe().waits], [10, 1]);
  });
});
