/**
 * Many random scripts in one module, each with frames of its own, and what engines make of them.
 * @module
 */
import { SeededRandom } from "#base/seeded-random.ts";
import type { Engine, TestModule } from "./engine.ts";
import { randomFrames, type TestFrame } from "./frames.ts";
import { defineProtocols } from "./generate/headers.ts";
import {
  type GeneratedScript,
  generateScript,
  LISTS,
  moduleText,
  type Surroundings,
} from "./generate/script.ts";
import { evaluateModule } from "./module.ts";
import { differences, type Outcome } from "./outcome.ts";
import { PlainRun } from "./plain-run.ts";
import type { ModulePrograms } from "./program.ts";

/** A script and what it is shown. */
export interface ScriptCase {
  readonly script: GeneratedScript;
  readonly frames: readonly TestFrame[];
}

export interface Batch {
  readonly seed: number;
  readonly surroundings: Surroundings;
  readonly cases: readonly ScriptCase[];
}

/** Frames for each script. */
const FRAME_COUNT = 10;

export function randomBatch(seed: number, count: number): Batch {
  const surroundings = { protocols: defineProtocols(new SeededRandom(seed), 3), lists: LISTS };
  const cases = Array.from({ length: count }, (_, index) => {
    const random = new SeededRandom(seed + (index + 1) * 65_537);
    const script = generateScript(random, `s${index}`, surroundings);
    return { script, frames: randomFrames(random, FRAME_COUNT) };
  });
  return { seed, surroundings, cases };
}

export function moduleOf(
  programs: ModulePrograms,
  surroundings: Surroundings,
  cases: readonly Pick<ScriptCase, "script">[],
): TestModule {
  const text = moduleText(
    surroundings,
    cases.map(({ script }) => script),
  );
  let made: ReturnType<ModulePrograms["make"]> | undefined;
  const compiled = (): ReturnType<ModulePrograms["make"]> => {
    made ??= programs.make(text);
    return made;
  };
  return { text, functions: evaluateModule(text), compiled };
}

/** What an engine made of one script. */
export type Finding =
  | { readonly kind: "agrees"; readonly outcomes: readonly (readonly [Outcome, TestFrame])[] }
  /** The engine does not take the script. */
  | { readonly kind: "refused"; readonly code: string; readonly text: string }
  /** Something went wrong in the engine itself, which is never right. */
  | { readonly kind: "broke"; readonly text: string }
  /** From this frame on. */
  | { readonly kind: "differs"; readonly frame: number; readonly lines: readonly string[] };

export function compareCase(module: TestModule, { script, frames }: ScriptCase, engine: Engine): Finding {
  const { first, isUserSpace, hasAggregates } = engine;
  const plain = new PlainRun({
    script: module.functions[script.name] as never,
    first,
    isUserSpace,
    hasAggregates,
  });
  try {
    const started = engine.start(module, script.name);
    if ("refusal" in started) return { kind: "refused", ...started.refusal };
    const { run } = started;
    try {
      const outcomes: [Outcome, TestFrame][] = [];
      for (const [frame, given] of frames.entries()) {
        const shown = engine.hidesMarks === true ? { ...given, mark: 0 } : given;
        if (!engine.takes(shown.bytes)) continue;
        const expected = plain.step(shown);
        if (expected.verdict === "fault") throw new Error(`the script itself fails: ${String(plain.thrown)}`);
        const lines = differences(expected, run.step(shown), engine);
        if (lines.length > 0) return { kind: "differs", frame, lines };
        outcomes.push([expected, shown]);
      }
      return { kind: "agrees", outcomes };
    } finally {
      run.close();
    }
  } catch (error) {
    return { kind: "broke", text: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  } finally {
    plain.close();
  }
}
