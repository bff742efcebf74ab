/**
 * Chooses machine instructions for calculations.
 * @module
 */
import { InvariantError } from "#base/errors.ts";
import type { BinaryInstruction, BinaryOperator, UnaryInstruction, Value } from "../ir/ir.ts";
import type { Register } from "./machine.ts";
import type { Operand, Width } from "./machine-builder.ts";
import type { Selection } from "./select.ts";

type Operation = "add" | "subtract" | "multiply" | "divide" | "modulo" | "and" | "or" | "xor" | Shift;
type Shift = "shiftLeft" | "shiftRight" | "shiftRightSigned";

/** What is one instruction of the machine, and whether it is one of 32 bits. */
const OPERATIONS: Partial<Record<BinaryOperator, readonly [Operation, is32: boolean]>> = {
  add: ["add", false],
  subtract: ["subtract", false],
  multiply: ["multiply", false],
  divide: ["divide", false],
  remainder: ["modulo", false],
  and: ["and", false],
  or: ["or", false],
  xor: ["xor", false],
  shiftLeft: ["shiftLeft", false],
  shiftRight: ["shiftRight", false],
  shiftRightSigned: ["shiftRightSigned", false],
  and32: ["and", true],
  or32: ["or", true],
  xor32: ["xor", true],
  shiftLeft32: ["shiftLeft", true],
  shiftRight32: ["shiftRightSigned", true],
  shiftRightUnsigned32: ["shiftRight", true],
  multiply32: ["multiply", true],
};

const COMMUTATIVE: ReadonlySet<BinaryOperator> = new Set([
  "add",
  "multiply",
  "and",
  "or",
  "xor",
  "and32",
  "or32",
  "xor32",
  "multiply32",
]);

/** `result = left OPERATOR right`. */
export function selectBinary(selection: Selection, instruction: BinaryInstruction): void {
  const { operator } = instruction;
  if (operator === "minimum" || operator === "maximum") {
    selectExtreme(selection, instruction);
    return;
  }
  const known = OPERATIONS[operator];
  if (known === undefined)
    throw new InvariantError(`Cannot make instructions for ${operator}: it is not known`);
  const [operation, is32] = known;
  const { left, right } = ordered(selection, instruction);
  const result = selection.resultOf(instruction.result);
  const isDivision = operator === "divide" || operator === "remainder";
  const isSigned = isDivision && isSignedOperation(selection, instruction);
  if (isNegation(selection, instruction)) {
    selection.copyInto(result, right);
    selection.machine.negate(result);
    return;
  }
  calculate(selection, { operation, result, left, right, width: { is32, isSigned } });
  if (is32) keepSign(selection, instruction, result);
}

/** The operand that can be overwritten, or that is no constant, stands left where the order does not matter. */
function ordered(
  selection: Selection,
  { operator, left, right }: BinaryInstruction,
): { left: Value; right: Value } {
  if (!COMMUTATIVE.has(operator)) return { left, right };
  const { facts } = selection;
  if (facts.constantOf(right) !== undefined) return { left, right };
  const isSwapped =
    facts.constantOf(left) !== undefined || ((facts.uses.get(left) ?? 0) > 1 && facts.uses.get(right) === 1);
  return isSwapped ? { left: right, right: left } : { left, right };
}

function isNegation({ facts }: Selection, { operator, left }: BinaryInstruction): boolean {
  return operator === "subtract" && facts.constantOf(left) === 0n;
}

/** Words are signed where it is said; otherwise whoever may be negative is. */
function isSignedOperation(selection: Selection, instruction: BinaryInstruction): boolean {
  const { domain, left, right, isSigned } = instruction;
  if (domain === "word" || isSigned !== undefined) return isSigned === true;
  return [left, right].some((value) => leastOf(selection, value) < 0n);
}

function leastOf(selection: Selection, value: Value): bigint {
  return (selection.rangeOf(value) ?? selection.facts.seen.of(value)).least;
}

interface Calculation {
  readonly operation: Operation;
  readonly result: Register;
  readonly left: Value;
  readonly right: Value;
  readonly width: Width;
}

function calculate(selection: Selection, { operation, result, left, right, width }: Calculation): void {
  const { machine, facts } = selection;
  const constant = facts.constantOf(right);
  if (operation === "and" && constant === 0xffff_ffffn) {
    machine.move(result, selection.registerOf(left), true);
    return;
  }
  if (constant === 0n && (operation === "divide" || operation === "modulo")) {
    // What the machine does with a register that is 0 the verifier does not take as a constant.
    if (operation === "divide") machine.constant(result, 0n);
    else selection.copyInto(result, left);
    return;
  }
  const isShift = operation.startsWith("shift");
  const count = { immediate: Number((constant ?? 0n) & (width.is32 === true ? 31n : 63n)) };
  const operand: Operand = isShift && constant !== undefined ? count : selection.operandOf(right);
  selection.copyInto(result, left);
  if (operation === "subtract" && "immediate" in operand && operand.immediate > -(2 ** 31)) {
    machine.arithmetic("add", result, { immediate: -operand.immediate }, width);
  } else machine.arithmetic(operation, result, operand, width);
}

/** The machine clears the upper half of what is calculated in 32 bits; a negative result has ones there. */
function keepSign(selection: Selection, { operator, result }: BinaryInstruction, register: Register): void {
  if (operator === "shiftRightUnsigned32") return;
  if (leastOf(selection, result) < 0n) selection.machine.moveSigned(register, register, 32);
}

function selectExtreme(selection: Selection, instruction: BinaryInstruction): void {
  const { machine } = selection;
  const { operator, left, right, result } = instruction;
  const register = selection.resultOf(result);
  const isSigned = isSignedOperation(selection, instruction);
  const operand = selection.operandOf(right);
  selection.copyInto(register, left);
  const otherwise = machine.block();
  const next = machine.block();
  const less = isSigned ? ("lessOrEqualSigned" as const) : ("lessOrEqual" as const);
  const greater = isSigned ? ("greaterOrEqualSigned" as const) : ("greaterOrEqual" as const);
  const jump = operator === "minimum" ? less : greater;
  machine.branch(jump, register, operand, { ifTrue: next, ifFalse: otherwise });
  machine.begin(otherwise);
  selection.copyInto(register, right);
  machine.jump(next);
  machine.begin(next);
}

/** `result = OPERATOR operand`. */
export function selectUnary(selection: Selection, { operator, operand, result }: UnaryInstruction): void {
  const { machine } = selection;
  const register = selection.resultOf(result);
  const source = selection.registerOf(operand);
  switch (operator) {
    case "unsigned8":
    case "unsigned16":
      machine.move(register, source);
      machine.arithmetic("and", register, { immediate: operator === "unsigned8" ? 0xff : 0xffff });
      return;
    case "unsigned32":
      machine.move(register, source, true);
      return;
    case "signed8":
    case "signed16":
    case "signed32":
      machine.moveSigned(
        register,
        source,
        { signed8: 8, signed16: 16, signed32: 32 }[operator] as 8 | 16 | 32,
      );
      return;
    case "unsigned64":
    case "signed64":
      machine.move(register, source);
      return;
    default:
      machine.move(register, source);
      machine.swap(register, { swap16: 16, swap32: 32, swap64: 64 }[operator] as 16 | 32 | 64);
  }
}
