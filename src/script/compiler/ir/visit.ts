/**
 * What every pass asks of instructions and terminators: what they use, what they make, where they go; and copies of
 * them with other values in their places.
 * @module
 */
import type { Block, Edge, Instruction, IrFunction, Terminator, Value } from "./ir.ts";

/** What an instruction makes; `undefined` for one that only does something. */
export function resultOf(instruction: Instruction): Value | undefined {
  return "result" in instruction ? instruction.result : undefined;
}

/** What an instruction uses, in the order of its fields. */
export function operandsOf(instruction: Instruction): readonly Value[] {
  switch (instruction.op) {
    case "constant":
    case "fact":
    case "slot":
    case "table":
    case "ask":
    case "redirect":
      return [];
    case "binary":
    case "compare":
      return [instruction.left, instruction.right];
    case "unary":
    case "assume":
      return [instruction.operand];
    case "isFound":
      return [instruction.entry];
    case "select":
      return [instruction.condition, instruction.ifTrue, instruction.ifFalse];
    case "setMark":
    case "count":
      return [instruction.value];
    case "load":
    case "emit":
      return [instruction.from];
    case "loadElement":
      return [instruction.from, instruction.index];
    case "storeElement":
      return [instruction.to, instruction.index, instruction.value];
    case "store":
    case "atomicAdd":
      return [instruction.to, instruction.value];
    case "atomicExchange":
      return [instruction.to, instruction.expected, instruction.value];
    case "lookUp":
    case "remove":
      return [instruction.key];
    case "update":
      return [instruction.key, instruction.value];
    case "patchChecksum":
      return typeof instruction.zeroIsNone === "boolean"
        ? [instruction.offset, instruction.difference]
        : [instruction.offset, instruction.difference, instruction.zeroIsNone];
    case "resize":
    case "sum":
      return [instruction.offset, instruction.length];
  }
}

const OPERAND_NAMES = [
  "left",
  "right",
  "operand",
  "entry",
  "condition",
  "ifTrue",
  "ifFalse",
  "value",
  "from",
  "to",
  "index",
  "expected",
  "key",
  "offset",
  "difference",
  "zeroIsNone",
  "length",
] as const;

/** The instruction with each of its operands (and not its result) replaced; itself when none is another. */
export function mapOperands(instruction: Instruction, map: (value: Value) => Value): Instruction {
  let isChanged = false;
  for (const operand of operandsOf(instruction)) isChanged ||= map(operand) !== operand;
  if (!isChanged) return instruction;
  const copy: Record<string, unknown> = { ...instruction };
  const isConstant = instruction.op === "constant";
  for (const name of OPERAND_NAMES) {
    const operand = copy[name];
    if (isConstant || operand === undefined || typeof operand !== "object") continue;
    copy[name] = map(operand as Value);
  }
  return copy as unknown as Instruction;
}

/** The instruction with another result. */
export function withResult(instruction: Instruction, result: Value): Instruction {
  return { ...instruction, result } as Instruction;
}

/** The ways out of a block: two at most; an `open` names the way where the bytes are there first. */
export function edgesOf(terminator: Terminator): readonly Edge[] {
  switch (terminator.op) {
    case "jump":
      return [terminator.edge];
    case "branch":
      return [terminator.ifTrue, terminator.ifFalse];
    case "open":
      return [terminator.there, terminator.absent];
    case "return":
    case "fault":
      return [];
  }
}

/** What a terminator itself uses; what its edges pass on is not among it. */
export function terminatorOperand(terminator: Terminator): Value | undefined {
  if (terminator.op === "branch") return terminator.condition;
  if (terminator.op === "open") return terminator.offset;
  return terminator.op === "return" ? terminator.verdict : undefined;
}

/** The terminator with each of its edges replaced. */
export function mapEdges(terminator: Terminator, map: (edge: Edge) => Edge): Terminator {
  switch (terminator.op) {
    case "jump":
      return { ...terminator, edge: map(terminator.edge) };
    case "branch":
      return { ...terminator, ifTrue: map(terminator.ifTrue), ifFalse: map(terminator.ifFalse) };
    case "open":
      return { ...terminator, there: map(terminator.there), absent: map(terminator.absent) };
    case "return":
    case "fault":
      return terminator;
  }
}

/** The terminator with each value it uses or passes on replaced. */
export function mapTerminator(terminator: Terminator, map: (value: Value) => Value): Terminator {
  const edge = ({ to, with: values }: Edge): Edge => ({ to, with: values.map(map) });
  const mapped = mapEdges(terminator, edge);
  if (mapped.op === "branch") return { ...mapped, condition: map(mapped.condition) };
  if (mapped.op === "open") return { ...mapped, offset: map(mapped.offset) };
  return mapped.op === "return" ? { ...mapped, verdict: map(mapped.verdict) } : mapped;
}

/** Every block's instructions and terminator with other values in place of those that are keys. Chains are followed. */
export function replaceValues(fn: IrFunction, replacements: ReadonlyMap<Value, Value>): void {
  if (replacements.size === 0) return;
  const map = (value: Value): Value => {
    let last = value;
    for (let next = replacements.get(last); next !== undefined; next = replacements.get(last)) last = next;
    return last;
  };
  for (const block of fn.blocks) {
    for (const [index, instruction] of block.instructions.entries()) {
      block.instructions[index] = mapOperands(instruction, map);
    }
    block.terminator = mapTerminator(block.terminator, map);
  }
}

/** Calls back for every use of a value in a block, also by what its edges pass on. */
export function forEachUse(block: Block, use: (value: Value) => void): void {
  for (const instruction of block.instructions) for (const operand of operandsOf(instruction)) use(operand);
  const operand = terminatorOperand(block.terminator);
  if (operand !== undefined) use(operand);
  for (const edge of edgesOf(block.terminator)) for (const value of edge.with) use(value);
}

/** Whether nothing but its result comes of an instruction, so that it may go when nobody uses that. */
export function isPure(instruction: Instruction): boolean {
  switch (instruction.op) {
    case "constant":
    case "binary":
    case "unary":
    case "compare":
    case "isFound":
    case "select":
    case "assume":
    case "fact":
    case "load":
    case "loadElement":
    case "slot":
    case "table":
    case "lookUp":
    case "ask":
      return true;
    default:
      return false;
  }
}
