/**
 * Random scripts compiled: the intermediate form, a simulated kernel and this machine's own against plain TypeScript.
 * @module
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { runDifferential } from "./differential.ts";
import { enginesInTurns, interpreted, whyNoKernel } from "./engines.ts";

const seed = Number(process.env.KERNEL_SCRIPTS_SEED ?? 20_261_122);
/** On a machine that others load as well: after this many milliseconds no further script is begun. */
const TIME_MAX = Number(process.env.KERNEL_SCRIPTS_TIME ?? 20_000);
const SCRIPT_COUNT = 300;
/** Reasons that generated scripts may be refused for: they are large, and nothing else. */
const MAY_BE_REFUSED: ReadonlySet<string> = new Set([
  ...["kernel-stack", "kernel-too-large", "kernel-loop", "kernel-loop-steps", "verifier-too-large"],
  ...["kernel-map", "kernel-read-checksum", "kernel-element-index", "kernel-number-range", "no-prefixes"],
]);

describe(`random scripts, compiled (seed ${seed})`, () => {
  it("do in the intermediate form what they do as plain TypeScript", (context) => {
    const { failures, tallies } = runDifferential({
      engines: [interpreted],
      seed,
      scriptCount: SCRIPT_COUNT,
      timeMax: TIME_MAX,
      isWrongRefusal: (code) => !MAY_BE_REFUSED.has(code),
    });
    assert.deepEqual(
      failures.map(({ text }) => text),
      [],
    );
    const tally = tallies.get(interpreted.name);
    context.diagnostic(`${tally?.scripts} scripts, ${tally?.frames} frames`);
    assert.ok(tally !== undefined && tally.scripts >= 40, "most scripts are taken");
  });

  it("do in kernels what they do as plain TypeScript", (context) => {
    const reason = whyNoKernel();
    if (reason !== "") context.diagnostic(`in the simulated kernel only: ${reason}`);
    const { failures, tallies } = runDifferential({
      engines: enginesInTurns(),
      seed: seed + 1,
      scriptCount: SCRIPT_COUNT,
      batchCount: 20,
      timeMax: TIME_MAX,
    });
    assert.deepEqual(
      failures.map(({ text }) => text),
      [],
    );
    for (const [name, { scripts, refusals }] of tallies)
      context.diagnostic(`${name}: ${scripts} scripts; refused: ${[...refusals].join(" ") || "none"}`);
  });
});
