import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ConfigurationError } from "#base/errors.ts";
import { SeededRandom } from "#base/seeded-random.ts";
import { type Instant, instant } from "#base/time.ts";
import { type TimedItem, TimeQueue } from "./time-queue.ts";

describe("TimeQueue", () => {
  it("advance() gives what is due, the earliest first and equals in the order of their coming", () => {
    const queue = new TimeQueue<string>();
    queue.add(instant(20), "b1");
    queue.add(instant(10), "a");
    queue.add(instant(20), "b2");
    queue.add(instant(21), "c");
    assert.equal(queue.wakeAt(), 10);
    assert.deepEqual(queue.advance(instant(9)), []);
    assert.deepEqual(queue.advance(instant(20)), ["a", "b1", "b2"]);
    assert.deepEqual([queue.size, queue.wakeAt()], [1, 21]);
    assert.deepEqual(queue.advance(instant(1000)), ["c"]);
    assert.deepEqual([queue.size, queue.wakeAt()], [0, undefined]);
  });

  it("cancel() takes an item out once, and none that has been given out", () => {
    const queue = new TimeQueue<string>();
    const [first, second] = [queue.add(instant(1), "a")!, queue.add(instant(2), "b")!];
    assert.deepEqual(
      [queue.cancel(first), queue.cancel(first), queue.size, queue.wakeAt()],
      [true, false, 1, 2],
    );
    assert.deepEqual(queue.advance(instant(2)), ["b"]);
    assert.equal(queue.cancel(second), false);
  });

  it("add() refuses one more than countMax, counts it, and takes it when there is room again", () => {
    const queue = new TimeQueue<number>(2);
    const first = queue.add(instant(1), 1)!;
    queue.add(instant(1), 2);
    assert.deepEqual([queue.add(instant(1), 3), queue.refused, queue.size], [undefined, 1, 2]);
    queue.cancel(first);
    assert.ok(queue.add(instant(1), 4));
    assert.deepEqual(queue.advance(instant(1)), [2, 4]);
  });

  it("add() refuses what has no time", () => {
    const queue = new TimeQueue<number>();
    assert.deepEqual([queue.add(Number.NaN as Instant, 1), queue.refused], [undefined, 1]);
  });

  it("a room for no item is an error", () => {
    for (const countMax of [0, -1, 1.5, Number.NaN]) {
      assert.throws(() => new TimeQueue(countMax), ConfigurationError);
    }
  });

  it("agrees with a sorted list over random runs", () => {
    for (let seed = 1; seed <= 30; seed++) {
      const random = new SeededRandom(seed);
      const queue = new TimeQueue<number>(100);
      let model: { at: number; entry: TimedItem<number> }[] = [];
      let now = 0;
      for (let step = 0; step < 3000; step++) {
        const choice = random.below(10);
        if (choice < 5) {
          const at = now + random.below(50);
          const entry = queue.add(instant(at), step);
          assert.equal(entry !== undefined, model.length < 100, `seed ${seed}`);
          if (entry) model.push({ at, entry });
        } else if (choice < 8 && model.length > 0) {
          const [chosen] = model.splice(random.below(model.length), 1);
          assert.equal(queue.cancel(chosen!.entry), true);
        } else {
          now += random.below(8);
          const due = model.filter(({ at }) => at <= now).sort((a, b) => a.at - b.at);
          model = model.filter(({ at }) => at > now);
          const items = due.map(({ entry }) => entry.item);
          assert.deepEqual(queue.advance(instant(now)), items, `seed ${seed}`);
        }
        assert.equal(queue.size, model.length, `seed ${seed}`);
        const earliest = model.length > 0 ? Math.min(...model.map(({ at }) => at)) : undefined;
        assert.equal(queue.wakeAt(), earliest, `seed ${seed}`);
      }
    }
  });
});
