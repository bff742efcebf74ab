/**
 * The user-space engine against plain TypeScript, and that generated scripts are what they should be.
 * @module
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SeededRandom } from "#base/seeded-random.ts";
import { moduleOf, randomBatch } from "./batch.ts";
import { runDifferential } from "./differential.ts";
import { userEngine } from "./engine.ts";
import { allLengths, randomFrame } from "./frames.ts";
import { PlainRun } from "./plain-run.ts";
import { ModulePrograms, typeProblems } from "./program.ts";

const seed = Number(process.env.KERNEL_SCRIPTS_SEED ?? 20_261_122);

describe(`random scripts (seed ${seed})`, () => {
  it("have no type that is wrong, and none fails in plain TypeScript", () => {
    const { surroundings, cases } = randomBatch(seed, 60);
    const module = moduleOf(new ModulePrograms(), surroundings, cases);
    const { program, source } = module.compiled();
    assert.deepEqual(typeProblems(program, source), []);
    const lengths = allLengths(randomFrame(new SeededRandom(seed)));
    for (const { script, frames } of cases) {
      const run = new PlainRun({ script: module.functions[script.name] as never, first: "ethernet" });
      for (const frame of [...frames, ...lengths]) {
        const { verdict } = run.step(frame);
        assert.notEqual(verdict, "fault", `${script.name}: ${String(run.thrown)}`);
      }
    }
  });

  it("do the same in the user-space engine as in plain TypeScript", () => {
    const { tallies, failures } = runDifferential({ engines: [userEngine], seed, scriptCount: 300 });
    assert.deepEqual(
      failures.map(({ text }) => text),
      [],
    );
    const tally = tallies.get(userEngine.name);
    assert.ok(tally !== undefined && tally.scripts === 300 && tally.frames >= 3000);
  });
});
