/**
 * Sinks calculations to where they are needed: what only one way out of a block uses is calculated on that way.
 * @module
 */
import { Graph } from "../ir/graph.ts";
import type { Block, Instruction, Value } from "../ir/ir.ts";
import { edgesOf, forEachUse, isPure, operandsOf, resultOf } from "../ir/visit.ts";
import type { Editor } from "./editor.ts";

/** `true` when an instruction was moved. Constants stay: they are made wherever they are used, in the end. */
export function sinkCalculations(editor: Editor): boolean {
  const graph = new Graph(editor.function);
  const users = new Map<Value, Set<Block>>();
  for (const block of graph.order) {
    forEachUse(block, (value) => {
      const blocks = users.get(value) ?? new Set();
      users.set(value, blocks.add(block));
    });
  }
  let isChanged = false;
  // From the start on, so that what has sunk can sink further.
  for (const block of graph.order) isChanged = sinkFrom(graph, users, block) || isChanged;
  return isChanged;
}

function sinkFrom(graph: Graph, users: Map<Value, Set<Block>>, block: Block): boolean {
  const ways = edgesOf(block.terminator)
    .map(({ to }) => to)
    .filter((to) => graph.entrances(to).length === 1);
  if (ways.length === 0 || edgesOf(block.terminator).length < 2) return false;
  const uses = new Map<Value, number>();
  forEachUse(block, (value) => uses.set(value, (uses.get(value) ?? 0) + 1));
  const moved = new Map<Block, Instruction[]>();
  let hasChanges = false;
  const kept: Instruction[] = [];
  for (const instruction of block.instructions.toReversed()) {
    const way = canSink(instruction, hasChanges) ? onlyWay(graph, users, instruction, ways) : undefined;
    if (way === undefined) {
      kept.push(instruction);
      hasChanges ||= !isPure(instruction);
      continue;
    }
    const list = moved.get(way) ?? [];
    list.push(instruction);
    moved.set(way, list);
    // What it is made of is used there now, and perhaps in the block itself no more.
    for (const operand of operandsOf(instruction)) {
      const left = (uses.get(operand) ?? 1) - 1;
      uses.set(operand, left);
      users.get(operand)?.add(way);
      if (left === 0) users.get(operand)?.delete(block);
    }
  }
  if (moved.size === 0) return false;
  block.instructions = kept.reverse();
  for (const [way, instructions] of moved)
    way.instructions = [...instructions.reverse(), ...way.instructions];
  return true;
}

function canSink(instruction: Instruction, hasChanges: boolean): boolean {
  switch (instruction.op) {
    case "binary":
    case "unary":
    case "compare":
    case "select":
    case "isFound":
      return true;
    case "load":
    case "loadElement":
      return !hasChanges;
    case "ask":
      return !hasChanges;
    default:
      return false;
  }
}

/** The way on which all users are, when there is one. */
function onlyWay(
  graph: Graph,
  users: ReadonlyMap<Value, ReadonlySet<Block>>,
  instruction: Instruction,
  ways: readonly Block[],
): Block | undefined {
  const result = resultOf(instruction);
  const blocks = result === undefined ? undefined : users.get(result);
  if (blocks === undefined || blocks.size === 0) return undefined;
  return ways.find((way) => [...blocks].every((block) => graph.dominates(way, block)));
}
