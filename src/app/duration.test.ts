import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MalformedMessageError } from "#base/errors.ts";
import { milliseconds } from "#base/time.ts";
import { formatDuration, parseDuration } from "./duration.ts";

describe("parseDuration()", () => {
  const rows: [string, number][] = [
    ["0", 0],
    ["250ms", 250],
    ["30s", 30_000],
    ["1.5s", 1500],
    ["10m", 600_000],
    ["12h", 43_200_000],
    ["7d", 604_800_000],
    ["1h30m", 5_400_000],
  ];
  for (const [text, wanted] of rows) {
    it(`parseDuration() reads ${text} as ${wanted} ms`, () => assert.equal(parseDuration(text), wanted));
  }
  for (const text of ["", "10", "m", "10 m", "10M", "-5s", "1w", "5s "]) {
    it(`parseDuration() refuses '${text}'`, () =>
      assert.throws(() => parseDuration(text), MalformedMessageError));
  }
  it("parseDuration() says that a bare number lacks its unit", () =>
    assert.throws(() => parseDuration("10"), /'10' has no unit; write 10s, 10m or 10h/));
});

describe("formatDuration()", () => {
  const rows: [number, string][] = [
    [0, "0s"],
    [250, "250ms"],
    [1500, "1s500ms"],
    [61_234, "1m1s"],
    [5_400_000, "1h30m"],
    [90_061_000, "1d1h"],
  ];
  for (const [count, wanted] of rows) {
    it(`formatDuration() prints ${count} ms as ${wanted}`, () =>
      assert.equal(formatDuration(milliseconds(count)), wanted));
  }
});
