import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ConfigurationError } from "#base/errors.ts";
import { SeededRandom } from "#base/seeded-random.ts";
import { type Instant, instant } from "#base/time.ts";
import { type DeferredItem, DeferredWork } from "./deferred-work.ts";

describe("DeferredWork", () => {
  it("advance() gives what is due, the earliest first and equals in the order of their coming", () => {
    const work = new DeferredWork<string>();
    work.add(instant(20), "b1");
    work.add(instant(10), "a");
    work.add(instant(20), "b2");
    work.add(instant(21), "c");
    assert.equal(work.wakeAt(), 10);
    assert.deepEqual(work.advance(instant(9)), []);
    assert.deepEqual(work.advance(instant(20)), ["a", "b1", "b2"]);
    assert.deepEqual([work.size, work.wakeAt()], [1, 21]);
    assert.deepEqual(work.advance(instant(1000)), ["c"]);
    assert.deepEqual([work.size, work.wakeAt()], [0, undefined]);
  });

  it("cancel() takes an item out once, and none that has been given out", () => {
    const work = new DeferredWork<string>();
    const [first, second] = [work.add(instant(1), "a")!, work.add(instant(2), "b")!];
    assert.deepEqual([work.cancel(first), work.cancel(first), work.size, work.wakeAt()], [true, false, 1, 2]);
    assert.deepEqual(work.advance(instant(2)), ["b"]);
    assert.equal(work.cancel(second), false);
  });

  it("add() refuses one more than countMax, counts it, and takes it when there is room again", () => {
    const work = new DeferredWork<number>(2);
    const first = work.add(instant(1), 1)!;
    work.add(instant(1), 2);
    assert.deepEqual([work.add(instant(1), 3), work.refused, work.size], [undefined, 1, 2]);
    work.cancel(first);
    assert.ok(work.add(instant(1), 4));
    assert.deepEqual(work.advance(instant(1)), [2, 4]);
  });

  it("add() refuses what has no time", () => {
    const work = new DeferredWork<number>();
    assert.deepEqual([work.add(Number.NaN as Instant, 1), work.refused], [undefined, 1]);
  });

  it("a room for no item is an error", () => {
    for (const countMax of [0, -1, 1.5, Number.NaN]) {
      assert.throws(() => new DeferredWork(countMax), ConfigurationError);
    }
  });

  it("agrees with a sorted list over random runs", () => {
    for (let seed = 1; seed <= 30; seed++) {
      const random = new SeededRandom(seed);
      const work = new DeferredWork<number>(100);
      let model: { at: number; entry: DeferredItem<number> }[] = [];
      let now = 0;
      for (let step = 0; step < 3000; step++) {
        const choice = random.below(10);
        if (choice < 5) {
          const at = now + random.below(50);
          const entry = work.add(instant(at), step);
          assert.equal(entry !== undefined, model.length < 100, `seed ${seed}`);
          if (entry) model.push({ at, entry });
        } else if (choice < 8 && model.length > 0) {
          const [chosen] = model.splice(random.below(model.length), 1);
          assert.equal(work.cancel(chosen!.entry), true);
        } else {
          now += random.below(8);
          const due = model.filter(({ at }) => at <= now).sort((a, b) => a.at - b.at);
          model = model.filter(({ at }) => at > now);
          const items = due.map(({ entry }) => entry.item);
          assert.deepEqual(work.advance(instant(now)), items, `seed ${seed}`);
        }
        assert.equal(work.size, model.length, `seed ${seed}`);
        const earliest = model.length > 0 ? Math.min(...model.map(({ at }) => at)) : undefined;
        assert.equal(work.wakeAt(), earliest, `seed ${seed}`);
      }
    }
  });
});
