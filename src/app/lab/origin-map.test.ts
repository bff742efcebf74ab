import assert from "node:assert/strict";
import { test } from "node:test";
import { toInside, toOutside } from "./origin-map.ts";

const MAP = [
  { inside: "http://10.77.0.1:5280", outside: "http://127.0.0.1:7780" },
  { inside: "http://example.org", outside: "http://127.0.0.1:7781" },
];

for (const [what, inside, outside] of [
  ["a redirect", "http://10.77.0.1:5280/login?x=1", "http://127.0.0.1:7780/login?x=1"],
  ["a bare origin", "http://example.org", "http://127.0.0.1:7781"],
  [
    "several links",
    '<a href="http://example.org/">a</a> <a href="http://10.77.0.1:5280/status">',
    '<a href="http://127.0.0.1:7781/">a</a> <a href="http://127.0.0.1:7780/status">',
  ],
]) {
  test(`toOutside() and toInside() translate ${what} there and back`, () => {
    assert.equal(toOutside(MAP, inside ?? ""), outside);
    assert.equal(toInside(MAP, outside ?? ""), inside);
  });
}

test("toOutside() leaves longer host names and other ports alone", () => {
  const text = "http://example.org.evil/ http://example.org:81/ http://example.organic/";
  assert.equal(toOutside(MAP, text), text);
});
