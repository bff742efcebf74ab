import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { accept, drop, formatVerdict, mark, parseVerdict, proceed, queue, repeat } from "./verdict.ts";

describe("parseVerdict()", () => {
  for (const verdict of [
    accept,
    drop,
    proceed,
    repeat,
    queue(0),
    queue(65_535),
    mark(0),
    mark(0xffff_ffff),
  ]) {
    it(`parseVerdict() reads '${formatVerdict(verdict)}' back`, () =>
      assert.equal(parseVerdict(formatVerdict(verdict)), verdict));
  }
  it("parseVerdict() reads decimal marks", () => assert.equal(parseVerdict("mark 7"), mark(7)));
  for (const text of [
    "",
    "Drop",
    "later",
    "queue",
    "queue 65536",
    "mark 4294967296",
    "mark -1",
    "toString",
    "drop ",
  ]) {
    it(`parseVerdict() refuses '${text}'`, () => assert.equal(parseVerdict(text), undefined));
  }
});
