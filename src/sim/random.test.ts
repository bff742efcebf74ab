import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SimRandom } from "./random.ts";

describe("SimRandom", () => {
  it("bytes() are the same for the same seed and others for its neighbour", () => {
    assert.deepEqual(new SimRandom(7).bytes(33), new SimRandom(7).bytes(33));
    assert.notDeepEqual(new SimRandom(7).bytes(33), new SimRandom(8).bytes(33));
  });

  it("bytes() go on instead of repeating", () => {
    const random = new SimRandom(1);
    assert.notDeepEqual(random.bytes(16), random.bytes(16));
  });

  it("bytes() cover every value about as often as the next", () => {
    const counts = new Uint32Array(256);
    for (const byte of new SimRandom(42).bytes(256_000)) counts[byte] = (counts[byte] ?? 0) + 1;
    assert.ok(
      Math.min(...counts) > 850 && Math.max(...counts) < 1150,
      `${Math.min(...counts)}..${Math.max(...counts)}`,
    );
  });

  it("bytes() of 0 is empty, and 0 is a seed like any other", () => {
    assert.equal(new SimRandom(0).bytes(0).length, 0);
    assert.ok(new SimRandom(0).bytes(64).some((byte) => byte !== 0));
  });
});
