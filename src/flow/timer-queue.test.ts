import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Timer } from "#base/clock.ts";
import { LimitExceededError } from "#base/errors.ts";
import { SeededRandom } from "#base/seeded-random.ts";
import { TimerQueue } from "./timer-queue.ts";

function nothing(): void {}

describe("TimerQueue", () => {
  it("due() gives what has come, by time and then by the order of setting", () => {
    const queue = new TimerQueue(10);
    const told: string[] = [];
    for (const [at, name] of [
      [30, "c"],
      [10, "a"],
      [20, "b1"],
      [20, "b2"],
    ] as const) {
      queue.set(at, () => told.push(name));
    }
    assert.deepEqual([queue.nextAt, queue.count, queue.due(9)], [10, 4, undefined]);
    for (let action = queue.due(20); action !== undefined; action = queue.due(20)) action();
    assert.deepEqual(told, ["a", "b1", "b2"]);
    assert.deepEqual([queue.nextAt, queue.count], [30, 1]);
  });

  it("due() leaves out what was cancelled; to cancel twice or too late changes nothing", () => {
    const queue = new TimerQueue(10);
    const first = queue.set(1, nothing);
    const second = queue.set(2, nothing);
    first.cancel();
    first.cancel();
    assert.equal(queue.count, 1);
    assert.equal(queue.due(5), nothing);
    second.cancel();
    assert.deepEqual([queue.count, queue.due(5), queue.nextAt], [0, undefined, Number.POSITIVE_INFINITY]);
  });

  it("set() refuses more than its maximum, and takes one again for each that is gone", () => {
    const queue = new TimerQueue(2);
    const timer = queue.set(1, nothing);
    queue.set(2, nothing);
    assert.throws(() => queue.set(3, nothing), LimitExceededError);
    timer.cancel();
    queue.set(3, nothing);
    assert.throws(() => queue.set(4, nothing), LimitExceededError);
    queue.due(2);
    queue.set(5, nothing);
    assert.equal(queue.count, 2);
  });

  it("forgets cancelled ones as soon as they are the most", () => {
    const queue = new TimerQueue(100);
    for (let index = 0; index < 100_000; index++) queue.set(1000 + index, nothing).cancel();
    // Those that are left are fewer than the least that is cleared away.
    assert.ok(queue.nextAt >= 1000 + 100_000 - 64, String(queue.nextAt));
  });

  it("agrees with a sorted list over random runs", () => {
    for (let seed = 1; seed <= 30; seed++) {
      const random = new SeededRandom(seed);
      const queue = new TimerQueue(1000);
      let held: { at: number; order: number; timer: Timer }[] = [];
      const told: number[] = [];
      for (let order = 0; order < 600; order++) {
        const at = random.below(50);
        held.push({ at, order, timer: queue.set(at, () => told.push(order)) });
        if (random.below(3) > 0) held.splice(random.below(held.length), 1)[0]?.timer.cancel();
      }
      assert.equal(queue.count, held.length, `seed ${seed}`);
      held = held.toSorted((left, right) => left.at - right.at || left.order - right.order);
      for (let action = queue.due(50); action !== undefined; action = queue.due(50)) action();
      assert.deepEqual(
        told,
        held.map(({ order }) => order),
        `seed ${seed}`,
      );
      assert.equal(queue.count, 0);
    }
  });
});
