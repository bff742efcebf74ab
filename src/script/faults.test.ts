import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FAULT_COUNT_MAX, FAULT_MESSAGE_LENGTH_MAX, FaultTable, messageOf, placeOf } from "./faults.ts";

function withStack(...lines: string[]): Error {
  const error = new Error("no");
  error.stack = ["Error: no", ...lines.map((line) => `    at ${line}`)].join("\n");
  return error;
}

const isOwn = (address: string): boolean => address.startsWith("file:///script/");

describe("faults", () => {
  for (const [name, thrown, expected] of [
    ["a function", withStack("snat (file:///script/nat.ts?metanet-version=3:12:7)"), "nat.ts:12:7"],
    ["no function", withStack("file:///script/nat.ts:12:7"), "nat.ts:12:7"],
    ["an async function", withStack("async snat (file:///script/a/b.ts:1:2)"), "b.ts:1:2"],
    ["a constructor", withStack("new Table (file:///script/table.ts:5:11)"), "table.ts:5:11"],
    [
      "others' frames first",
      withStack(
        "View.write (file:///own/view.ts:1:1)",
        "Map.get (<anonymous>)",
        "f (file:///script/a.ts:9:8)",
      ),
      "a.ts:9:8",
    ],
    ["node's own", withStack("node:internal/process/task_queues:104:5"), undefined],
    ["nothing", withStack(), undefined],
    ["a text", "thrown", undefined],
    ["a name with parentheses", withStack("f (file:///script/a%20(b).ts:3:4)"), "a%20(b).ts:3:4"],
    ["node's own, in a method", withStack("[x] (node:internal/event_target:848:20)"), undefined],
    [
      "node's own, in a function",
      withStack("f (node:internal/encoding:357:32)", "g (file:///script/s.ts:1:2)"),
      "s.ts:1:2",
    ],
  ] as const) {
    it(`placeOf() finds the script's own line behind ${name}`, () => {
      assert.equal(placeOf(thrown, isOwn), expected);
    });
  }

  for (const [thrown, expected] of [
    [new TypeError("a\nb"), "TypeError: a"],
    ["text", 'threw "text"'],
    [undefined, "threw undefined"],
    [7n, "threw 7"],
    [[], "threw an array"],
    [() => 1, "threw a function"],
    [Symbol("s"), "threw Symbol(s)"],
  ] as const) {
    it(`messageOf() tells ${expected}`, () => assert.equal(messageOf(thrown), expected));
  }

  it("FaultTable counts by kind and place, and has a maximum", () => {
    const table = new FaultTable();
    for (let index = 0; index < 2 * FAULT_COUNT_MAX; index++)
      table.add("threw", `a.ts:${index}:1`, "x".repeat(1000));
    table.add("threw", "a.ts:0:1", "another");
    table.add("stuck", "a.ts:0:1", "another kind");
    const faults = table.list();
    assert.equal(faults.length, FAULT_COUNT_MAX);
    assert.equal(faults[0]?.place, "other places");
    assert.equal(faults[0]?.count, FAULT_COUNT_MAX + 2);
    assert.deepEqual(faults[1], {
      kind: "threw",
      place: "a.ts:0:1",
      message: "x".repeat(FAULT_MESSAGE_LENGTH_MAX),
      count: 2,
    });
    assert.equal(table.changeCount, 2 * FAULT_COUNT_MAX + 2);
  });
});
