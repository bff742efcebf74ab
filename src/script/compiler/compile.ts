/**
 * The compiler of packet scripts: a function of a script, as TypeScript has it, to a program for the kernel.
 * @module
 */

import type { CompiledScript, CompileResult } from "./compiled.ts";
import { emitProgram } from "./ebpf/emit.ts";
import { type FrontRequest, frontFunction } from "./front/lower-function.ts";
import type { IrFunction } from "./ir/ir.ts";
import { lowerFunction } from "./lower/lower.ts";
import type { Place } from "./place.ts";
import { CompileError, type CompileProblem } from "./problem.ts";

/** Blocks of the intermediate form that a function may have, all that it calls included: more take minutes. */
export const BLOCK_COUNT_MAX = 5000;

/** What is compiled, and for where. */
export type CompileRequest = FrontRequest;

/** Compiles a function for one place, or tells all reasons why it cannot run there. Deterministic. */
export function compileFunction(request: CompileRequest): CompileResult {
  const front = frontFunction(request);
  if (front.function === undefined) return { script: undefined, problems: front.problems };
  const { target } = request;
  const { facts, places } = front;
  const blockCount = front.function.blocks.length;
  if (blockCount > BLOCK_COUNT_MAX) return { script: undefined, problems: [tooLarge(front, blockCount)] };
  const middle = lowerFunction(front.function, target, (place) => places.constructAt(place));
  if (middle.function === undefined) return { script: undefined, problems: middle.problems };
  const lineText = lineTexts(request);
  const rangeOf = middle.ranges.of.bind(middle.ranges);
  try {
    const options = { target, rangeOf, maps: facts.maps, lineText };
    const { image, counters } = emitProgram(middle.function, options);
    const script: CompiledScript = { target, image, facts, counters };
    return { script, problems: [] };
  } catch (error) {
    if (error instanceof CompileError) return { script: undefined, problems: [error.problem] };
    throw error;
  }
}

function tooLarge(
  { function: { name, entry }, places }: Extract<ReturnType<typeof frontFunction>, { function: IrFunction }>,
  blockCount: number,
): CompileProblem {
  const place = entry.terminator.place;
  return {
    code: "kernel-size",
    place,
    length: places.constructAt(place)?.length ?? 1,
    construct: name,
    why: `with all that it calls it has ${blockCount} branches and joins, and the compiler takes ${BLOCK_COUNT_MAX}`,
    instead:
      "put what the branches compare with into a map or a constant list, or split the function into scripts",
  };
}

/** The text of a place's line, for listings. */
function lineTexts({ program, nameOf = (path) => path }: CompileRequest): (place: Place) => string {
  const files = new Map(program.getSourceFiles().map((source) => [nameOf(source.fileName), source]));
  const lines = new Map<string, readonly string[]>();
  return ({ file, line }) => {
    const known = lines.get(file) ?? files.get(file)?.text.split(/\r?\n/) ?? [];
    lines.set(file, known);
    return known[line - 1]?.trim() ?? "";
  };
}
