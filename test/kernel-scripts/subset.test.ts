/**
 * Each row of docs/kernel-scripts.md: a script that is taken, a script that is refused, and that the manual has the row.
 * @module
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { formatPlace } from "#script/compiler/place.ts";
import { compileAt } from "./compiler.ts";
import { ModulePrograms, typeProblems } from "./program.ts";
import { type SubsetScript, subsetModule } from "./subset/row.ts";
import { SUBSET } from "./subset/table.ts";

const manual = readFileSync(join(import.meta.dirname, "../../docs/kernel-scripts.md"), "utf8");
const programs = new ModulePrograms();

/** The rows of the manual whose last column names a code: construct and code. */
const documented = [...manual.matchAll(/^\| (.+?) \| .* `(kernel-[a-z-]+)` \|$/gm)].map(
  ([, construct, code]) => `${construct}: ${code}`,
);

function problemsOf(script: SubsetScript): string[] {
  const { program, source } = programs.make(subsetModule(script));
  assert.deepEqual(typeProblems(program, source), [], subsetModule(script));
  const attach = script.attach ?? "tcx-ingress";
  const { problems } = compileAt({ program, source }, "script", { attach });
  return problems.map(({ code, place, construct, why, instead }) => {
    assert.ok(place.line > 0 && place.column > 0, formatPlace(place));
    assert.ok(construct !== "" && why !== "" && instead !== "");
    return `${code} at ${place.line}:${place.column}: ${construct}: ${why}; ${instead}`;
  });
}

describe("the subset", () => {
  it("has the same rows in the manual and in the tests", () => {
    assert.deepEqual(
      documented,
      SUBSET.map(({ construct, code }) => `${construct}: ${code}`),
    );
  });

  for (const { construct, accepted, refused, code } of SUBSET) {
    it(`takes ${construct}`, () => {
      assert.deepEqual(problemsOf(accepted), []);
    });

    it(`refuses what is not ${construct}, with ${code}`, () => {
      const problems = problemsOf(refused);
      assert.ok(
        problems.some((problem) => problem.startsWith(`${code} at `)),
        problems.length === 0 ? "it was taken" : problems.join("\n"),
      );
    });
  }
});
