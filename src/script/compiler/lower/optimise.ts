/**
 * Runs the passes in a fixed order, again and again until none finds anything: the same function always becomes the
 * same code.
 * @module
 */

import { constantIn } from "../analyse/range.ts";
import { analyseRanges, type Ranges } from "../analyse/ranges.ts";
import type { Block, Value } from "../ir/ir.ts";
import {
  dropDeadBlocks,
  dropSameParameters,
  foldBranches,
  joinEnds,
  mergeBlocks,
  skipEmptyBlocks,
} from "./blocks.ts";
import { keepByteOrder } from "./byte-order.ts";
import { splitConditions, turnBranches } from "./conditions.ts";
import { dropDeadCode } from "./dead.ts";
import type { Editor } from "./editor.ts";
import { joinLoads } from "./loads.ts";
import { type NumberingOptions, numberValues } from "./numbering.ts";
import { joinOpens } from "./opens.ts";
import { askNumbers, shareParameters } from "./parameters.ts";
import { sinkCalculations } from "./sink.ts";
import { threadJumps } from "./thread.ts";

/** Rounds of all passes, over the same ranges; most functions need two or three. */
const ROUNDS_MAX = 8;
/** How often the ranges are found anew. */
const ANALYSES_MAX = 4;

/** Before the ranges are found: presence flags go, and what is constant; every calculation stays where it is. */
export function tidy(editor: Editor): void {
  for (let round = 0; round < ROUNDS_MAX; round++) if (!tidyOnce(editor, undefined)) return;
}

/** After legalisation: everything. */
export function optimise(editor: Editor): void {
  for (let analysis = 0; analysis < ANALYSES_MAX; analysis++) {
    // Passes keep what each value is, so that what is known of it stays true; of what they make nothing is known yet.
    const ranges = analyseRanges(editor.function);
    let round = 0;
    while (round < ROUNDS_MAX && tidyOnce(editor, ranges)) round++;
    // The order of bytes comes last: loads are joined, and constants are folded, as the script has them.
    if (round === 0 && !keepByteOrder(editor)) break;
  }
  for (let round = 0; round < ROUNDS_MAX && sinkCalculations(editor); round++);
  // Behind the questions that they have sunk past, calculations may be less.
  const ranges = analyseRanges(editor.function);
  numberValues(editor, { joins: false, ...knowledgeOf(ranges) });
  joinEnds(editor);
  // Ways that have come to the same end need no question any more.
  while (foldBranches(editor, () => undefined)) dropDeadBlocks(editor.function);
  mergeBlocks(editor);
  dropDeadCode(editor);
}

function tidyOnce(editor: Editor, ranges: Ranges | undefined): boolean {
  let isChanged = dropDeadBlocks(editor.function);
  isChanged = numberValues(editor, { joins: ranges !== undefined, ...knowledgeOf(ranges) }) || isChanged;
  const known = (condition: Value, block: Block): bigint | undefined =>
    editor.constantOf(condition) ?? ranges?.numberAt(condition, block);
  isChanged = foldBranches(editor, known) || isChanged;
  isChanged = dropDeadBlocks(editor.function) || isChanged;
  isChanged = dropSameParameters(editor) || isChanged;
  isChanged = skipEmptyBlocks(editor) || isChanged;
  isChanged = mergeBlocks(editor) || isChanged;
  if (ranges !== undefined) {
    isChanged = joinLoads(editor, ranges) || isChanged;
    isChanged = joinOpens(editor) || isChanged;
    isChanged = turnBranches(editor) || isChanged;
    isChanged = splitConditions(editor) || isChanged;
    isChanged = shareParameters(editor) || isChanged;
    isChanged = askNumbers(editor) || isChanged;
  }
  isChanged = threadJumps(editor, ranges) || isChanged;
  isChanged = dropDeadBlocks(editor.function) || isChanged;
  isChanged = dropSameParameters(editor) || isChanged;
  isChanged = mergeBlocks(editor) || isChanged;
  return dropDeadCode(editor) || isChanged;
}

function knowledgeOf(ranges: Ranges | undefined): Pick<NumberingOptions, "bitsOf" | "numberOf" | "numberAt"> {
  if (ranges === undefined) return {};
  return {
    bitsOf: (value) => ranges.of(value)?.bits,
    numberOf: (value) => constantIn(ranges.of(value)),
    numberAt: (value, block) => ranges.numberAt(value, block),
  };
}
