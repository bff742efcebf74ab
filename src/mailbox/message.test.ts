import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ip } from "#base/ip-address.ts";
import { mac } from "#base/mac-address.ts";
import { instant, Timestamp } from "#base/time.ts";
import type { Value } from "#base/value.ts";
import { type Edit, Message, message, sameValue } from "./message.ts";

const headers = (): Message => Message.fromTuples(["Host", "a", "Cookie", "1", "Cookie", "2", "Accept", "*"]);

describe("Message", () => {
  it("get() gives the last of a repeated tag, all() gives every one in order", () => {
    assert.equal(headers().get("Cookie"), "2");
    assert.deepEqual(headers().all("Cookie"), ["1", "2"]);
    assert.equal(headers().size, 4);
  });

  it("message() leaves undefined values out and keeps the order of the object", () => {
    assert.deepEqual(message({ b: 1, a: undefined, c: "x" }).tuples, ["b", 1, "c", "x"]);
  });

  const edits: [string, Edit, Value[]][] = [
    [
      "set keeps the place",
      { set: { Host: "b" } },
      ["Host", "b", "Cookie", "1", "Cookie", "2", "Accept", "*"],
    ],
    [
      "set makes a repeated tag single, where it first stood",
      { set: { Cookie: "3" } },
      ["Host", "a", "Cookie", "3", "Accept", "*"],
    ],
    [
      "set of a new tag goes to the end",
      { set: { New: 1 } },
      ["Host", "a", "Cookie", "1", "Cookie", "2", "Accept", "*", "New", 1],
    ],
    [
      "add never replaces",
      { add: { Host: "b" } },
      ["Host", "a", "Cookie", "1", "Cookie", "2", "Accept", "*", "Host", "b"],
    ],
    ["remove takes every one", { remove: ["Cookie"] }, ["Host", "a", "Accept", "*"]],
    [
      "remove and add replace at the end",
      { remove: ["Host"], add: { Host: "b" } },
      ["Cookie", "1", "Cookie", "2", "Accept", "*", "Host", "b"],
    ],
    ["set to undefined removes", { set: { Cookie: undefined } }, ["Host", "a", "Accept", "*"]],
  ];
  for (const [name, edit, tuples] of edits) {
    it(`change() ${name}`, () => assert.deepEqual(headers().change(edit).tuples, tuples));
  }

  it("change() leaves the original as it was", () => {
    const original = headers();
    original.change({ set: { Host: "b" } });
    assert.equal(original.get("Host"), "a");
  });
});

describe("sameValue()", () => {
  const rows: [Value | undefined, Value | undefined, boolean][] = [
    [1, 1, true],
    [1, 1n, true],
    [1, "1", false],
    ["a", "a", true],
    [null, undefined, false],
    [mac("02:00:00:00:00:01"), mac("02-00-00-00-00-01"), true],
    [ip("::1"), ip("0:0::1"), true],
    [ip("192.0.2.1"), mac("02:00:00:00:00:01"), false],
    [Uint8Array.of(1, 2), Uint8Array.of(1, 2), true],
    [Uint8Array.of(1, 2), Uint8Array.of(1, 3), false],
    [Uint8Array.of(1), [1], false],
    [[1, "a"], [1, "a"], true],
    [[1, 2], [1], false],
    [new Timestamp(instant(5)), new Timestamp(instant(5)), true],
  ];
  for (const [left, right, same] of rows) {
    it(`sameValue() of ${String(left)} and ${String(right)} is ${same}`, () => {
      assert.equal(sameValue(left, right), same);
      assert.equal(sameValue(right, left), same);
    });
  }
});
