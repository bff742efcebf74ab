import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { URGENT_COUNT_MAX, UrgentMarks } from "./urgent.ts";

describe("urgent marks", () => {
  it("from() finds the first mark of a stream in a range, in whatever order they came", () => {
    const marks = new UrgentMarks();
    for (const offset of [30, 10, 20, 10]) marks.add(1, offset);
    assert.deepEqual(
      [marks.from(1, 0, 100), marks.from(1, 11, 100), marks.from(1, 11, 20), marks.from(2, 0, 100)],
      [10, 20, -1, -1],
    );
    marks.clear(1);
    assert.equal(marks.isEmpty, true);
  });

  it("add() lets the oldest go where a stream has as many as it may", () => {
    const marks = new UrgentMarks();
    for (let offset = 0; offset <= URGENT_COUNT_MAX; offset++) marks.add(1, offset);
    assert.equal(marks.from(1, 0, 1000), 1);
  });
});
