/**
 * Conditions that are put together become branches: `a || b` asks for b only where a does not hold. The machine has
 * no other way to choose, and a branch can be told by a comparison directly.
 * @module
 */
import type { Block, Edge, Instruction, SelectInstruction, Value } from "../ir/ir.ts";
import { forEachUse, mapEdges } from "../ir/visit.ts";
import type { Editor } from "./editor.ts";

/** Splits branches on choices between conditions; `true` when one was. */
export function splitConditions(editor: Editor): boolean {
  let isChanged = false;
  // Blocks that come of it stand at the end, and are split in their turn.
  for (const block of editor.function.blocks) isChanged = splitBranch(editor, block) || isChanged;
  return isChanged;
}

function splitBranch(editor: Editor, block: Block): boolean {
  const { terminator } = block;
  if (terminator.op !== "branch") return false;
  const choice = editor.definitionOf(terminator.condition);
  if (choice?.op !== "select" || !block.instructions.includes(choice)) return false;
  if (countUses(editor, choice.result) !== 1) return false;
  const { place } = terminator;
  const way = (value: Value): Edge => {
    const known = editor.constantOf(value);
    const { ifTrue, ifFalse } = terminator;
    if (known !== undefined) return copyOf(known === 0n ? ifFalse : ifTrue);
    const edges = { ifTrue: copyOf(ifTrue), ifFalse: copyOf(ifFalse) };
    return { to: editor.block([], [], { op: "branch", place, condition: value, ...edges }), with: [] };
  };
  const { condition, ifTrue, ifFalse }: SelectInstruction = choice;
  block.instructions = block.instructions.filter((instruction) => instruction !== choice);
  block.terminator = { op: "branch", place, condition, ifTrue: way(ifTrue), ifFalse: way(ifFalse) };
  return true;
}

function copyOf({ to, with: values }: Edge): Edge {
  return { to, with: [...values] };
}

function countUses(editor: Editor, value: Value): number {
  let count = 0;
  for (const block of editor.function.blocks) {
    forEachUse(block, (used) => {
      if (used === value) count++;
    });
  }
  return count;
}

/** Turns branches on the opposite of something round. */
export function turnBranches(editor: Editor): boolean {
  let isChanged = false;
  for (const block of editor.function.blocks) {
    const { terminator } = block;
    if (terminator.op !== "branch") continue;
    const inner = editor.definitionOf(terminator.condition);
    if (!isNot(inner, editor)) continue;
    const { place, ifTrue, ifFalse } = terminator;
    block.terminator = { op: "branch", place, condition: inner.left, ifTrue: ifFalse, ifFalse: ifTrue };
    block.terminator = mapEdges(block.terminator, copyOf);
    isChanged = true;
  }
  return isChanged;
}

function isNot(
  instruction: Instruction | undefined,
  editor: Editor,
): instruction is Extract<Instruction, { op: "compare" }> {
  if (instruction?.op !== "compare" || instruction.left.type !== "boolean") return false;
  return instruction.comparison === "equal" && editor.constantOf(instruction.right) === 0n;
}
