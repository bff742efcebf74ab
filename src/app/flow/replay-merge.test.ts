import assert from "node:assert/strict";
import { test } from "node:test";
import type { LaneBatch } from "./replay-lane.ts";
import { ReplayMerge } from "./replay-merge.ts";

/** Rows as `name@end of its frame`, all of TCP. */
function batch(
  frames: number,
  starts: readonly number[],
  rows: readonly [string, number, number][],
): LaneBatch {
  return {
    frames,
    starts: starts.map((frame) => frame * 8 + 2 + 1),
    rows: rows.map(([name]) => name),
    ends: rows.map(([, end]) => end),
    marks: rows.map(([, , first]) => first * 4 + 1),
  };
}

test("ReplayMerge gives rows by the frames that ended them, and numbers by those that began them", () => {
  const given: string[] = [];
  const merge = new ReplayMerge(2, (row, mark) => given.push(`${row} ${mark >> 2}`));
  assert.deepEqual(merge.add(0, batch(10, [1, 4], [["a", 5, 1]])), [0, 0]);
  assert.deepEqual(given, [], "the other worker may have an earlier one");
  assert.deepEqual(merge.add(1, batch(6, [2], [["b", 3, 2]])), [1, 1]);
  assert.deepEqual(given, ["b 1", "a 0"]);
  assert.deepEqual(merge.add(1, batch(Number.POSITIVE_INFINITY, [7], [["c", 12, 7]])), [0, 0]);
  assert.deepEqual(merge.add(0, batch(Number.POSITIVE_INFINITY, [], [["d", 11, 4]])), [1, 1]);
  assert.deepEqual(given, ["b 1", "a 0", "d 2", "c 3"]);
});

test("ReplayMerge lets go of batches without rows", () => {
  const merge = new ReplayMerge(2, () => assert.fail("there is no row"));
  assert.deepEqual(merge.add(0, batch(5, [], [])), [1, 0]);
  assert.deepEqual(merge.add(0, batch(9, [], [])), [1, 0]);
});

test("ReplayMerge numbers flows that the filter leaves out, and keeps nothing of them", () => {
  const given: number[] = [];
  const merge = new ReplayMerge(1, (_, mark) => given.push(mark));
  const hidden = 1 * 8 + 2;
  const shown = 2 * 8 + 2 + 1;
  merge.add(0, { frames: 9, starts: [hidden, shown], rows: ["x"], ends: [3], marks: [2 * 4 + 1] });
  assert.deepEqual(given, [1 * 4 + 1]);
});
