/** @module */
import assert from "node:assert/strict";
import { it } from "node:test";
import { isTrial, onlyOf, roundsOf } from "./trial.ts";

it("onlyOf() takes everything without a word, and names with any of its words in any case", () => {
  assert(onlyOf(["--long"], "NAT, TCP, 1 core"));
  assert(onlyOf(["--only=ipv6", "--only=tcp"], "NAT, TCP, 1 core"));
  assert(!onlyOf(["--only=ipv6", "--only=drop"], "NAT, TCP, 1 core"));
});

it("roundsOf() is a whole number from 1", () => {
  const cases = {
    "--rounds=3": 3,
    "--rounds=0": 1,
    "--rounds=2.7": 2,
    "--rounds=many": 1,
    "--long": undefined,
  };
  for (const [word, rounds] of Object.entries(cases)) assert.equal(roundsOf([word]), rounds, word);
});

it("isTrial() is any run that measures less than the whole", () => {
  assert(isTrial(["--rounds=8"]));
  assert(isTrial(["--only=TCP"]));
  assert(!isTrial(["--long", "--json"]));
});
