/** @module */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { spreadOf } from "./spread.ts";

const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1);

describe("spreadOf()", () => {
  // How many values are beyond each limit: the most for which 2 * P(Binomial(count, 1/2) <= cut) is 0.1 at most.
  const cuts: readonly (readonly [count: number, cut: number])[] = [
    [1, 0],
    [5, 0],
    [7, 0],
    [8, 1],
    [10, 1],
    [11, 2],
    [13, 3],
    [16, 4],
    [21, 6],
  ];
  for (const [count, cut] of cuts) {
    it(`leaves out ${cut} of ${count} values at either end`, () => {
      const { low, high } = spreadOf(upTo(count).reverse());
      assert.deepEqual([low, high], [cut + 1, count - cut]);
    });
  }

  it("has the median between its limits, whatever the order", () => {
    assert.deepEqual(spreadOf([5, 1, 4, 2, 3]), { median: 3, low: 1, high: 5 });
  });

  it("has the median of an even count between the two in the middle", () => {
    assert.equal(spreadOf([1, 10, 2, 4]).median, 3);
  });

  it("takes the numbers among what rounds gave", () => {
    assert.deepEqual(spreadOf([Number.NaN, 2, Number.NaN]), { median: 2, low: 2, high: 2 });
  });

  it("knows nothing of nothing", () => {
    assert.deepEqual(spreadOf([]), { median: Number.NaN, low: Number.NaN, high: Number.NaN });
  });

  it("holds the true median as often as it says", () => {
    let state = 1;
    const random = (): number => {
      state = (state * 48_271) % 2_147_483_647;
      return state / 2_147_483_647;
    };
    const runs = 2000;
    const held = Array.from({ length: runs }, () => spreadOf(Array.from({ length: 13 }, random))).filter(
      ({ low, high }) => low <= 0.5 && high >= 0.5,
    ).length;
    assert(held / runs > 0.88 && held / runs < 0.94, `${held} of ${runs}`);
  });
});
