/**
 * Numbers of the packet that need not be turned round: those that are only compared with constants, which
 * can be turned round in their place, or copied. What is left as it is the verifier knows to be small, too.
 * @module
 */
import type { Graph } from "../ir/graph.ts";
import type { AccessBytes, Instruction, Value } from "../ir/ir.ts";
import { edgesOf, operandsOf, terminatorOperand } from "../ir/visit.ts";

/** Values that stay in the packet's order, and how many bytes they have. */
export function turnedValues(
  graph: Graph,
  constantOf: (value: Value) => bigint | undefined,
): ReadonlyMap<Value, AccessBytes> {
  const found = new Map<Value, AccessBytes>();
  for (const { instructions } of graph.order) {
    for (const instruction of instructions) {
      if (instruction.op === "fact" && instruction.fact === "etherType") found.set(instruction.result, 2);
      if (instruction.op !== "load" || instruction.order === "native" || instruction.bytes === 1) continue;
      found.set(instruction.result, instruction.bytes);
    }
  }
  for (const { instructions, terminator } of graph.order) {
    for (const instruction of instructions) {
      for (const operand of operandsOf(instruction)) {
        const bytes = found.get(operand);
        if (bytes !== undefined && !isGoodUse(instruction, operand, bytes, constantOf)) found.delete(operand);
      }
    }
    const operand = terminatorOperand(terminator);
    if (operand !== undefined) found.delete(operand);
    for (const edge of edgesOf(terminator)) for (const value of edge.with) found.delete(value);
  }
  return found;
}

function isGoodUse(
  instruction: Instruction,
  operand: Value,
  bytes: AccessBytes,
  constantOf: (value: Value) => bigint | undefined,
): boolean {
  if (instruction.op === "store") {
    const { value, order } = instruction;
    return value === operand && order === "network" && instruction.bytes === bytes;
  }
  if (instruction.op !== "compare") return false;
  const { comparison, left, right } = instruction;
  if (comparison !== "equal" && comparison !== "unequal") return false;
  const other = constantOf(left === operand ? right : left);
  return other !== undefined && other >= 0n && other < 1n << BigInt(8 * bytes);
}
