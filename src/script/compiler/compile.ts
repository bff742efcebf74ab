/**
 * The compiler of packet scripts: a function of a script, as TypeScript has it, to a program for the kernel.
 * @module
 */

import type { CompiledScript, CompileResult } from "./compiled.ts";
import { emitProgram } from "./ebpf/emit.ts";
import { type FrontRequest, type FrontResult, frontFunction } from "./front/lower-function.ts";
import type { IrFunction } from "./ir/ir.ts";
import { lowerFunction } from "./lower/lower.ts";
import type { Place } from "./place.ts";
import { CompileError, type CompileProblem } from "./problem.ts";

/** Blocks of the intermediate form that a function may have, all that it calls included: more take minutes. */
export const BLOCK_COUNT_MAX = 5000;

/** What is said of a sum whose upper half may not fit. */
const WIDE_SUM = {
  code: "kernel-wide",
  why: "the sum may have more than 128 bits, an IPv6 address's length",
  instead: "limit the operands before, `x & mask` or `x >> 64n`, or put parts together with `|`",
};

/** What is compiled, and for where. */
export type CompileRequest = FrontRequest;

/** What the front end made of a function, and the passes behind it; these are not there where it was refused. */
export interface Lowering {
  readonly front: FrontResult;
  /** As it was asked for, with what has turned out. */
  readonly request: CompileRequest;
  readonly middle: ReturnType<typeof lowerFunction> | undefined;
}

/**
 * Lowers a function. Shifts of bigints that turn out to give more than 64 bits are given 128, and all is lowered
 * again.
 */
export function lowerRequest(request: CompileRequest): Lowering {
  const front = frontFunction(request);
  if (front.function === undefined || front.function.blocks.length > BLOCK_COUNT_MAX) {
    return { front, request, middle: undefined };
  }
  const { places, shifts } = front;
  const middle = lowerFunction(front.function, request.target, (place) => places.constructAt(place));
  const wide = middle.problems.flatMap(({ code, place }) =>
    code === "kernel-number-range" ? (shifts.get(place) ?? []) : [],
  );
  if (wide.length === 0) return { front, request, middle };
  return lowerRequest({ ...request, wideShifts: new Set([...(request.wideShifts ?? []), ...wide]) });
}

/** Compiles a function for one place, or tells all reasons why it cannot run there. Deterministic. */
export function compileFunction(request: CompileRequest): CompileResult {
  const result = compileOnce(request);
  const { target } = request;
  const isNarrow = result.problems.some(({ code }) => code === "kernel-stack");
  if (!isNarrow || target.followsLoops === true) return result;
  // The kernel's count of rounds takes stack, too.
  const other = compileOnce({ ...request, target: { ...target, followsLoops: true } });
  return other.script === undefined ? result : other;
}

function compileOnce(request: CompileRequest): CompileResult {
  const { front, middle } = lowerRequest(request);
  if (front.function === undefined) return { script: undefined, problems: front.problems };
  if (middle === undefined) return { script: undefined, problems: [tooLarge(front)] };
  if (middle.function === undefined) {
    const isSum = ({ code, place }: CompileProblem): boolean =>
      code === "kernel-number-range" && front.wideSums.has(place);
    const problems = middle.problems.map((problem) =>
      isSum(problem) ? { ...problem, ...WIDE_SUM } : problem,
    );
    return { script: undefined, problems };
  }
  const { target } = request;
  const { facts } = front;
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

function tooLarge({
  function: { name, entry, blocks },
  places,
}: Extract<FrontResult, { function: IrFunction }>): CompileProblem {
  const blockCount = blocks.length;
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
