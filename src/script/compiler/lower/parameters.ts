/**
 * Parameters of blocks that others stand for: where something may be one of several things, each of them comes with a
 * flag and with parts, of which those of the others are not there.
 * @module
 */
import type { Block, Edge, Instruction, Value } from "../ir/ir.ts";
import { edgesOf, mapEdges, replaceValues } from "../ir/visit.ts";
import { dropParameters } from "./blocks.ts";
import type { Editor } from "./editor.ts";

/** What each way to a block brings for each of its parameters; `undefined` when a way brings a pointer of its own. */
function edgesTo(editor: Editor): Map<Block, Edge[]> {
  const all = new Map<Block, Edge[]>();
  const opened = new Set<Block>([editor.function.entry]);
  for (const { terminator } of editor.function.blocks) {
    if (terminator.op === "open") opened.add(terminator.there.to);
    for (const edge of edgesOf(terminator)) {
      const edges = all.get(edge.to);
      if (edges === undefined) all.set(edge.to, [edge]);
      else edges.push(edge);
    }
  }
  for (const block of opened) all.delete(block);
  return all;
}

/** One parameter for those that are the same, or never there, on each way; `true` when there are fewer. */
export function shareParameters(editor: Editor): boolean {
  const { function: fn } = editor;
  const dropped = new Map<Block, Set<number>>();
  const replacements = new Map<Value, Value>();
  const changed = new Map<Edge, Value[]>();
  for (const [block, edges] of edgesTo(editor)) {
    const rows = edges.map((edge) => [...edge.with]);
    for (const [index, parameter] of block.parameters.entries()) {
      const other = block.parameters.findIndex(
        (one, at) =>
          at < index &&
          !replacements.has(one) &&
          one.type === parameter.type &&
          rows.every(
            (row) => row[index] === row[at] || isAbsent(editor, row[index]) || isAbsent(editor, row[at]),
          ),
      );
      const taken = block.parameters[other];
      if (taken === undefined) continue;
      for (const row of rows) {
        const own = row[index];
        if (own !== undefined && isAbsent(editor, row[other])) row[other] = own;
      }
      replacements.set(parameter, taken);
      dropped.set(block, (dropped.get(block) ?? new Set()).add(index));
    }
    if (dropped.has(block)) for (const [at, edge] of edges.entries()) changed.set(edge, rows[at] ?? []);
  }
  if (dropped.size === 0) return false;
  const change = (edge: Edge): Edge => {
    const row = changed.get(edge);
    return row === undefined ? edge : { to: edge.to, with: row };
  };
  for (const block of fn.blocks) block.terminator = mapEdges(block.terminator, change);
  dropParameters(fn, dropped);
  replaceValues(fn, replacements);
  editor.refresh();
  return true;
}

function isAbsent(editor: Editor, value: Value | undefined): boolean {
  return value !== undefined && editor.isAbsent(value);
}

/** Asks a number which it is, where a flag says no more than that; `true` when there are fewer flags. */
export function askNumbers(editor: Editor): boolean {
  const { function: fn } = editor;
  const dropped = new Map<Block, Set<number>>();
  for (const [block, edges] of edgesTo(editor)) {
    if (edges.length < 2) continue;
    const columns = block.parameters.map((_, index) =>
      edges.map((edge) => editor.constantOf(edge.with[index] as Value)),
    );
    const asked: Instruction[] = [];
    for (const [index, flag] of block.parameters.entries()) {
      if (flag.type !== "boolean") continue;
      const question = questionFor(block, columns, index);
      if (question === undefined) continue;
      const { place } = block.terminator;
      const right = editor.constant(question.number, place);
      const { comparison, left } = question;
      asked.push({ op: "compare", place, result: flag, comparison, left, right, isSigned: false });
      dropped.set(block, (dropped.get(block) ?? new Set()).add(index));
    }
    block.instructions.unshift(...asked);
  }
  if (dropped.size === 0) return false;
  dropParameters(fn, dropped);
  editor.refresh();
  return true;
}

interface Question {
  readonly comparison: "equal" | "unequal";
  readonly left: Value;
  readonly number: bigint;
}

/** The number among the parameters, and what it is exactly where the flag is set, or exactly where it is not. */
function questionFor(
  block: Block,
  columns: readonly (readonly (bigint | undefined)[])[],
  index: number,
): Question | undefined {
  const flags = columns[index] ?? [];
  if (flags.includes(undefined) || new Set(flags).size < 2) return undefined;
  for (const [at, left] of block.parameters.entries()) {
    const numbers = columns[at] ?? [];
    if (left.type !== "integer" || numbers.includes(undefined)) continue;
    for (const wanted of [1n, 0n]) {
      const meant = new Set(numbers.filter((_, way) => flags[way] === wanted));
      const [number] = meant;
      const isOnly =
        meant.size === 1 && numbers.every((one, way) => (one === number) === (flags[way] === wanted));
      if (isOnly && number !== undefined) {
        return { comparison: wanted === 1n ? "equal" : "unequal", left, number };
      }
    }
  }
  return undefined;
}
