/**
 * Random scripts over real traffic: what leaves the machine, what was counted, remembered and told is what plain
 * TypeScript does.
 * @module
 */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { runDifferential } from "../kernel-scripts/differential.ts";
import { whyNoKernel } from "../kernel-scripts/engines.ts";
import { TrafficLab } from "./kernel-traffic-lab.ts";
import { enterOwnNamespace, rootProblem } from "./own-namespace.ts";

const seed = Number(process.env.KERNEL_SCRIPTS_SEED ?? 20_261_122);
/** Of which those are run that redirect nothing: most. */
const SCRIPT_COUNT = 100;
const RUN_COUNT_MIN = 60;
const problem = rootProblem() || whyNoKernel();

describe(`random scripts in the way of frames (seed ${seed})`, { skip: problem || false }, () => {
  let lab: TrafficLab;
  before(() => {
    enterOwnNamespace();
    lab = new TrafficLab();
  });
  after(() => lab.close());

  it("do to them what plain TypeScript does", (context) => {
    const { failures, tallies, constructs } = runDifferential({
      engines: [lab.engine()],
      seed: seed + 1,
      scriptCount: SCRIPT_COUNT,
      isWrongRefusal: (code) => code !== "kernel-read-checksum",
    });
    assert.deepEqual(
      failures.map(({ text }) => text),
      [],
    );
    const tally = tallies.get("real traffic");
    context.diagnostic(`${tally?.scripts} scripts, ${tally?.frames} frames`);
    assert.ok((tally?.scripts ?? 0) >= RUN_COUNT_MIN, `${tally?.scripts} scripts were run`);
    for (const what of ["frames dropped", "frames that continue", "frames changed", "entries in maps"]) {
      context.diagnostic(`${what}: ${constructs.get(what)}`);
      assert.ok((constructs.get(what) ?? 0) > 0, what);
    }
  });
});
