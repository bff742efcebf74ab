/** @module */
import assert from "node:assert/strict";
import { it } from "node:test";
import { fillPlaces } from "./published.ts";

it("fillPlaces() writes between its marks, as often as it is told, and leaves the rest", () => {
  const place = (inside: string): string =>
    `before\n<!-- measured: npm run bench a b -->\n${inside}<!-- end -->\nbetween\n` +
    `<!-- measured: npm run bench c -->\n${inside}<!-- end -->\nafter\n`;
  const filled = fillPlaces(place("old $& text\n"), (names) => `${names.join("+")} $1\n`);
  assert.equal(
    filled,
    "before\n<!-- measured: npm run bench a b -->\n\na+b $1\n\n<!-- end -->\nbetween\n" +
      "<!-- measured: npm run bench c -->\n\nc $1\n\n<!-- end -->\nafter\n",
  );
  assert.equal(
    fillPlaces(filled, (names) => `${names.join("+")} $1\n`),
    filled,
  );
});
