import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SeededRandom } from "./seeded-random.ts";

describe("SeededRandom", () => {
  it("bytes() are the same for the same seed and others for its neighbour", () => {
    assert.deepEqual(new SeededRandom(7).bytes(33), new SeededRandom(7).bytes(33));
    assert.notDeepEqual(new SeededRandom(7).bytes(33), new SeededRandom(8).bytes(33));
  });

  it("bytes() go on instead of repeating", () => {
    const random = new SeededRandom(1);
    assert.notDeepEqual(random.bytes(16), random.bytes(16));
  });

  it("bytes() cover every value about as often as the next", () => {
    const counts = new Uint32Array(256);
    for (const byte of new SeededRandom(42).bytes(256_000)) counts[byte] = (counts[byte] ?? 0) + 1;
    assert.ok(
      Math.min(...counts) > 850 && Math.max(...counts) < 1150,
      `${Math.min(...counts)}..${Math.max(...counts)}`,
    );
  });

  it("bytes() of 0 is empty, and 0 is a seed like any other", () => {
    assert.equal(new SeededRandom(0).bytes(0).length, 0);
    assert.ok(new SeededRandom(0).bytes(64).some((byte) => byte !== 0));
  });

  it("fraction() has the mean and the variance of a uniform number in [0, 1)", () => {
    const random = new SeededRandom(3);
    let sum = 0;
    let squares = 0;
    for (let index = 0; index < 1_000_000; index++) {
      const fraction = random.fraction();
      assert.ok(fraction >= 0 && fraction < 1);
      sum += fraction;
      squares += fraction * fraction;
    }
    // Four standard errors: 4 * sqrt(1/12) / sqrt(1e6), and 4 * sqrt(1/180) / sqrt(1e6).
    assert.ok(Math.abs(sum / 1e6 - 0.5) < 0.0012, String(sum / 1e6));
    assert.ok(Math.abs(squares / 1e6 - (sum / 1e6) ** 2 - 1 / 12) < 0.0003);
  });

  it("below() gives each integer about as often, and 0 where there is no choice", () => {
    const random = new SeededRandom(5);
    const counts = new Uint32Array(6);
    for (let index = 0; index < 600_000; index++) counts[random.below(6)]!++;
    assert.ok(Math.min(...counts) > 98_800 && Math.max(...counts) < 101_200, counts.join(" "));
    for (const count of [1, 0, -3, Number.NaN]) assert.equal(random.below(count), 0);
  });
});
