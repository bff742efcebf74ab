/**
 * Chooses machine instructions for calculations.
 * @module
 */
import { InvariantError } from "#base/errors.ts";
import type { BinaryInstruction, BinaryOperator, UnaryInstruction, UnaryOperator, Value } from "../ir/ir.ts";
import type { Register } from "./machine.ts";
import { beyond, type MachineBuilder, type Operand, type Width } from "./machine-builder.ts";
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

/**
 * The operand that can be overwritten, or that is no constant, stands left where the order does not
 * matter.
 */
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
  if (constant !== undefined && isWordMask(selection, operation, left, constant)) {
    selection.copyInto(result, left);
    machine.arithmetic(operation, result, { immediate: Number(BigInt.asIntN(32, constant)) }, { is32: true });
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

/** A bit operation with a constant of 32 bits, that as a signed one would have ones above. */
function isWordMask(selection: Selection, operation: Operation, left: Value, constant: bigint): boolean {
  const isBitwise = operation === "and" || operation === "or" || operation === "xor";
  if (!isBitwise || constant < 1n << 31n || constant >= 1n << 32n) return false;
  if (operation === "and") return true;
  const { least, most } = selection.rangeOf(left) ?? selection.facts.seen.of(left);
  return least >= 0n && most < 1n << 32n;
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

const MOSTS: Partial<Record<UnaryOperator, bigint>> = {
  unsigned8: 0xffn,
  unsigned16: 0xffffn,
  unsigned32: 0xffff_ffffn,
  signed8: 0x7fn,
  signed16: 0x7fffn,
  signed32: 0x7fff_ffffn,
};

/** Whether a value is that of its lowest bits already, also as the verifier sees it. */
function isWithin(selection: Selection, operator: UnaryOperator, operand: Value): boolean {
  const limit = MOSTS[operator];
  const { least, most } = selection.facts.seen.of(operand);
  return limit !== undefined && least >= 0n && most <= limit;
}

/** `result = OPERATOR operand`. */
export function selectUnary(selection: Selection, { operator, operand, result }: UnaryInstruction): void {
  const { machine } = selection;
  const register = selection.resultOf(result);
  const source = selection.registerOf(operand);
  if (isWithin(selection, operator, operand)) {
    machine.move(register, source);
    return;
  }
  switch (operator) {
    case "unsigned8":
    case "unsigned16":
      machine.move(register, source);
      machine.arithmetic("and", register, { immediate: operator === "unsigned8" ? 0xff : 0xffff });
      return;
    case "veiled16":
      selectVeiled(machine, register, source);
      return;
    case "veiled64":
      machine.move(register, source);
      machine.arithmetic("xor", register, { register: selection.veil });
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

/** The verifier remembers what stands at the beginning of 8 bytes of the stack only. */
function selectVeiled(machine: MachineBuilder, register: Register, source: Register): void {
  const memory = machine.memory(8);
  const place = beyond(memory, 2);
  machine.store(place, { register: source }, 2);
  machine.load(register, place, 2);
}
