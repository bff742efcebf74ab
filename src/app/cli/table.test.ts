import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { formatTable, printable } from "./table.ts";

const ROWS = [
  ["/dhcpd/lookup", "decision", 3],
  ["/sys/list", "call", 12],
];

describe("formatTable()", () => {
  it("formatTable() aligns text to the left and numbers to the right", () =>
    assert.deepEqual(formatTable(["MAILBOX", "KIND", "N"], ROWS, { width: undefined, colour: false }), [
      "MAILBOX        KIND       N",
      "/dhcpd/lookup  decision   3",
      "/sys/list      call      12",
    ]));
  it("formatTable() shortens the widest column on a narrow terminal", () =>
    assert.deepEqual(formatTable(["MAILBOX", "KIND", "N"], ROWS, { width: 24, colour: false }), [
      "MAILBOX     KIND       N",
      "/dhcpd/lo…  decision   3",
      "/sys/list   call      12",
    ]));
  it("formatTable() lets lines be too long rather than unreadable", () =>
    assert.equal(
      formatTable(["MAILBOX", "KIND", "N"], ROWS, { width: 3, colour: false })[1],
      "/dhcpd/…  decision   3",
    ));
  it("formatTable() colours what somebody should look at, and aligns it all the same", () => {
    const rows = [
      ["away", { warning: "3" }],
      [{ warning: "gone" }, 12],
    ];
    assert.deepEqual(formatTable(["A", "N"], rows, { width: undefined, colour: true }).slice(1), [
      "away   \u001b[33m3\u001b[0m",
      "\u001b[33mgone\u001b[0m  12",
    ]);
    assert.deepEqual(formatTable(["A", "N"], rows, { width: undefined, colour: false }).slice(1), [
      "away   3",
      "gone  12",
    ]);
  });
  it("formatTable() prints headings bold where colour is wanted", () =>
    assert.equal(formatTable(["A"], [], { width: 80, colour: true })[0], "\u001b[1mA\u001b[0m"));
});

describe("printable()", () => {
  it("printable() shows escape sequences instead of sending them to the terminal", () =>
    assert.equal(printable("a\u001b[2Jb\nc"), "a\\x1b[2Jb\\nc"));
});
