/**
 * Random packet scripts over random frames: whatever runs them does the same as plain TypeScript.
 * @module
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { runDifferential } from "../test/kernel-scripts/differential.ts";
import { enginesInTurns, REFUSED_PERCENT_MAX } from "../test/kernel-scripts/engines.ts";
import { main, type Target } from "./target.ts";

/** Scripts for each seed: a module of the compiler costs as much as some dozens of them. */
const SCRIPT_COUNT = 250;

const kernelScript: Target<number> = {
  name: "kernel-script",
  invariant: "a script does in every engine what it does as plain TypeScript",
  corpus: [],
  // A smaller seed is another one: scripts are made small by the comparison itself.
  inputs: fc.noShrink(fc.nat()),
  testRounds: 1,
  check(seed) {
    const { failures } = runDifferential({
      engines: enginesInTurns(),
      seed,
      scriptCount: SCRIPT_COUNT,
      isWrongRefusal: (code) => !(code in REFUSED_PERCENT_MAX),
    });
    assert.deepEqual(
      failures.map(({ text }) => text),
      [],
    );
  },
};

if (import.meta.main) await main(kernelScript);
