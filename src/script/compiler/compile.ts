/**
 * The compiler of packet scripts: a function of a script, as TypeScript has it, to a program for the kernel.
 * @module
 */

import type { CompiledScript, CompileResult } from "./compiled.ts";
import { emitProgram } from "./ebpf/emit.ts";
import { type FrontRequest, frontFunction } from "./front/lower-function.ts";
import { lowerFunction } from "./lower/lower.ts";
import type { Place } from "./place.ts";
import { CompileError } from "./problem.ts";

/** What is compiled, and for where. */
export type CompileRequest = FrontRequest;

/** Compiles a function for one place, or tells all reasons why it cannot run there. Deterministic. */
export function compileFunction(request: CompileRequest): CompileResult {
  const front = frontFunction(request);
  if (front.function === undefined) return { script: undefined, problems: front.problems };
  const { target } = request;
  const { facts, places } = front;
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
