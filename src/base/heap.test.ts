import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Heap } from "./heap.ts";
import { SeededRandom } from "./seeded-random.ts";

/** All that is left, in the order in which it comes out. */
function drain<Item>(heap: Heap<Item>): Item[] {
  const items: Item[] = [];
  while (heap.size > 0) items.push(heap.take() as Item);
  return items;
}

describe("Heap", () => {
  it("take() gives the smallest key first, and equals in the order of their coming", () => {
    const heap = new Heap<string>();
    for (const [key, item] of [
      [3, "c"],
      [1, "a1"],
      [2, "b"],
      [1, "a2"],
      [1, "a3"],
    ] as const) {
      heap.add(key, item);
    }
    assert.equal(heap.firstKey, 1);
    assert.equal(heap.first, "a1");
    assert.deepEqual(drain(heap), ["a1", "a2", "a3", "b", "c"]);
  });

  it("take() of an empty heap is undefined, and so are its first key and item", () => {
    const heap = new Heap<number>();
    assert.deepEqual(
      [heap.take(), heap.firstKey, heap.first, heap.size],
      [undefined, undefined, undefined, 0],
    );
  });

  it("take() and keep() agree with a sorted list over random runs", () => {
    for (let seed = 1; seed <= 50; seed++) {
      const random = new SeededRandom(seed);
      const heap = new Heap<number>();
      let model: { key: number; item: number }[] = [];
      for (let item = 0; item < 400; item++) {
        const choice = random.below(10);
        if (choice < 6) {
          const key = random.below(20);
          heap.add(key, item);
          model.push({ key, item });
          model.sort((a, b) => a.key - b.key); // sort() is stable
        } else if (choice < 9) {
          assert.equal(heap.take(), model.shift()?.item, `seed ${seed}`);
        } else {
          heap.keep((kept) => kept % 3 !== 0);
          model = model.filter((entry) => entry.item % 3 !== 0);
        }
        assert.equal(heap.firstKey, model[0]?.key, `seed ${seed}`);
        assert.equal(heap.size, model.length, `seed ${seed}`);
      }
      assert.deepEqual(
        drain(heap),
        model.map((entry) => entry.item),
        `seed ${seed}`,
      );
    }
  });
});
