import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ConfigurationError } from "#base/errors.ts";
import { SeededRandom } from "#base/seeded-random.ts";
import { TIME_HISTOGRAM_BYTES, TIME_MAX, TimeHistogram } from "./time-histogram.ts";

const RELATIVE_ERROR_MAX = 1 / 64;

function close(actual: number, expected: number, says: string): void {
  assert.ok(
    Math.abs(actual - expected) <= expected * RELATIVE_ERROR_MAX,
    `${says}: ${actual}, not ${expected}`,
  );
}

describe("TimeHistogram", () => {
  it("takes less than 16 KiB, and no less than it says", () => {
    assert.ok(TIME_HISTOGRAM_BYTES < 16_384);
    const memory = new SharedArrayBuffer(TIME_HISTOGRAM_BYTES - 8);
    assert.throws(() => new TimeHistogram(memory), ConfigurationError);
  });

  it("percentile() is within 1.6 % for one time of any size, in the middle of others", () => {
    for (let time = 1; time <= TIME_MAX; time = Math.ceil(time * 1.003)) {
      const histogram = new TimeHistogram();
      for (const one of [0, time, TIME_MAX]) histogram.record(one);
      close(histogram.percentile(50), time, "median");
    }
  });

  it("percentile() of times below 64 ns is exact", () => {
    const histogram = new TimeHistogram();
    for (let time = 1; time <= 50; time++) histogram.record(time);
    assert.deepEqual(
      [1, 2, 50, 90, 99, 100].map((percent) => histogram.percentile(percent)),
      [1, 1, 25, 45, 50, 50],
    );
  });

  it("percentile() agrees with the sorted list of log-uniform times", () => {
    const random = new SeededRandom(11);
    const times = Array.from({ length: 20_000 }, () => Math.floor(TIME_MAX ** random.fraction()));
    const histogram = new TimeHistogram();
    for (const time of times) histogram.record(time);
    times.sort((a, b) => a - b);
    for (const percent of [0.1, 1, 10, 25, 50, 75, 90, 99, 99.9, 99.99]) {
      const exact = times[Math.ceil((percent / 100) * times.length) - 1]!;
      close(histogram.percentile(percent), exact, `p${percent}`);
    }
    assert.deepEqual([histogram.percentile(0), histogram.percentile(100)], [times[0], times.at(-1)]);
    const sum = times.reduce((total, time) => total + time, 0);
    assert.ok(Math.abs(histogram.mean - sum / times.length) < 1e-3);
    assert.equal(histogram.count, times.length);
  });

  it("record() takes what lies outside as the nearest time inside, and leaves out what is no number", () => {
    const histogram = new TimeHistogram();
    for (const time of [-5, 1e30, Number.POSITIVE_INFINITY, Number.NaN, 2 ** 31 - 0.5, 2 ** 31]) {
      histogram.record(time);
    }
    assert.deepEqual([histogram.count, histogram.least, histogram.most], [5, 0, TIME_MAX]);
  });

  it("record() counts a time several times at once", () => {
    const histogram = new TimeHistogram();
    histogram.record(10, 99);
    histogram.record(30);
    assert.deepEqual([histogram.count, histogram.mean, histogram.percentile(99)], [100, 10.2, 10]);
  });

  it("merge() is the histogram of all times together, and another thread's memory is read as it is", () => {
    const parts = [new TimeHistogram(), new TimeHistogram(), new TimeHistogram()];
    const whole = new TimeHistogram();
    for (let index = 0; index < 3000; index++) {
      const time = 100 + index ** 2;
      parts[index % 2]!.record(time);
      whole.record(time);
    }
    const merged = TimeHistogram.merge(parts.map(({ memory }) => new TimeHistogram(memory)));
    assert.deepEqual(new Float64Array(merged.memory), new Float64Array(whole.memory));
    assert.equal(merged.least, 100);
  });

  it("an empty one says 0 to everything, and so does a cleared one", () => {
    const histogram = new TimeHistogram();
    for (let round = 0; round < 2; round++) {
      const { count, mean, least, most } = histogram;
      assert.deepEqual([count, mean, least, most, histogram.percentile(50)], [0, 0, 0, 0, 0]);
      histogram.record(5);
      histogram.clear();
    }
  });
});
