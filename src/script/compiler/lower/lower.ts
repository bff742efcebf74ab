/**
 * The middle of the compiler: from JavaScript's operations, as the front end has them, to the machine's, as few as they
 * can be; or the reasons why a function cannot be exact.
 * @module
 */
import { checkNumbers } from "../analyse/check-numbers.ts";
import { analyseRanges, type Ranges } from "../analyse/ranges.ts";
import type { IrFunction } from "../ir/ir.ts";
import type { Place } from "../place.ts";
import type { CompileProblem } from "../problem.ts";
import type { CompileTarget } from "../target.ts";
import { separateOpens } from "./blocks.ts";
import { Editor } from "./editor.ts";
import { guardLoops, noteRounds } from "./guards.ts";
import { legalise } from "./legalise.ts";
import { optimise, tidy } from "./optimise.ts";

/** How a construct reads in the script: its place is the one that the front end gave its instructions. */
export type ConstructAt = (
  place: Place,
) => { readonly construct: string; readonly length: number } | undefined;

export type LowerResult =
  | { readonly function: IrFunction; readonly ranges: Ranges; readonly problems: readonly [] }
  | { readonly function: undefined; readonly problems: readonly CompileProblem[] };

/** Rewrites a function in place. What comes out has only words, and each `open` leads to a block of its own. */
export function lowerFunction(
  fn: IrFunction,
  { followsLoops = false }: CompileTarget,
  constructAt?: ConstructAt,
): LowerResult {
  const editor = new Editor(fn);
  separateOpens(editor);
  tidy(editor);
  const found = analyseRanges(fn);
  const problems = checkNumbers(fn, found, constructAt);
  if (problems.length > 0) return { function: undefined, problems };
  noteRounds(found);
  legalise(editor, found);
  optimise(editor);
  if (!followsLoops) guardLoops(editor);
  return { function: fn, ranges: analyseRanges(fn), problems: [] };
}
