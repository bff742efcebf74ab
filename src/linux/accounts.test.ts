import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { gidOf, uidOf } from "./accounts.ts";

describe("uidOf() and gidOf()", () => {
  const rows: [what: string, seen: number | undefined, wanted: number | undefined][] = [
    ["uidOf() knows root", uidOf("root"), 0],
    ["uidOf() takes a number as it is", uidOf("4711"), 4711],
    ["uidOf() says that there is no such user", uidOf("no-such-user"), undefined],
    ["gidOf() knows root's group", gidOf("root"), 0],
    ["gidOf() takes a number as it is", gidOf("4711"), 4711],
    ["gidOf() says that there is no such group", gidOf("no-such-group"), undefined],
  ];
  for (const [what, seen, wanted] of rows) it(what, () => assert.equal(seen, wanted));
});
