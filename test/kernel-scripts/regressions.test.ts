import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { compareCase, moduleOf } from "./batch.ts";
import { engines } from "./engines.ts";
import { frameOf } from "./frames.ts";
import { text } from "./generate/piece.ts";
import { JUDGES } from "./generate/scope.ts";
import { ModulePrograms } from "./program.ts";
import { REGRESSIONS, type Regression } from "./regressions.ts";

const programs = new ModulePrograms();

/** A regression as a case that engines are compared over. */
function caseOf({ top = "", body, writes = false, marks = false, frames }: Regression) {
  const main = `export function script(packet: Packet, context: Context) {\n${body}\n}`;
  return {
    script: { name: "script", abilities: { ...JUDGES, writes, marks }, piece: text`${top}\n${main}` },
    frames: frames.map((bytes) => frameOf(Uint8Array.from(Buffer.from(bytes, "hex")))),
  };
}

describe("what once failed", () => {
  for (const regression of REGRESSIONS) {
    it(regression.name, () => {
      const one = caseOf(regression);
      const module = moduleOf(programs, { protocols: [], lists: [] }, [one]);
      for (const engine of engines()) {
        if (!engine.may(one.script.abilities)) continue;
        const finding = compareCase(module, one, engine);
        assert.equal(finding.kind, "agrees", `${engine.name}: ${JSON.stringify(finding, undefined, 1)}`);
      }
    });
  }
});
