/**
 * Simplifies one instruction at a time: what is constant, what changes nothing, and what is shorter said otherwise.
 * @module
 */
import {
  evaluateBinary,
  evaluateComparison,
  evaluateUnary,
  MIRRORED,
  OPPOSITE,
  swap,
} from "../ir/arithmetic.ts";
import type {
  BinaryInstruction,
  BinaryOperator,
  CompareInstruction,
  Instruction,
  LoadInstruction,
  SelectInstruction,
  StoreInstruction,
  UnaryInstruction,
  Value,
  ValueType,
} from "../ir/ir.ts";
import type { Place } from "../place.ts";
import { floorOf, lowBits, simplifyWord } from "./simplify-word.ts";

/** What there is to be known about values, and how constants are made. */
export interface Simplifying {
  definitionOf(value: Value): Instruction | undefined;
  constantOf(value: Value): bigint | undefined;
  constant(value: bigint, place: Place, type?: ValueType): Value;
  newValue(type: ValueType): Value;
  /** Bits that may be 1 in a word; all when nothing is known. */
  bitsOf(value: Value): bigint;
}

/**
 * Another instruction with the same result, perhaps with one `before` it, or a value that is the same; `undefined` for
 * what stays as it is.
 */
export type Simplified =
  | { readonly instruction: Instruction; readonly before?: Instruction }
  | { readonly value: Value }
  | undefined;

export function simplify(instruction: Instruction, know: Simplifying): Simplified {
  switch (instruction.op) {
    case "binary":
      return simplifyBinary(instruction, know);
    case "unary":
      return simplifyUnary(instruction, know);
    case "compare":
      return simplifyComparison(instruction, know);
    case "select":
      return simplifySelect(instruction, know);
    case "isFound": {
      const entry = know.definitionOf(instruction.entry);
      if (entry?.op === "table") return { value: know.constant(1n, instruction.place, "boolean") };
      return entry?.op === "constant"
        ? { value: know.constant(0n, instruction.place, "boolean") }
        : undefined;
    }
    case "loadElement":
    case "storeElement":
    case "load":
      return simplifyAccess(instruction, know);
    case "store": {
      const bits = instruction.bytes * 8;
      const value = lowBits(instruction.value, bits, know);
      return value === instruction.value
        ? storeShifted(instruction, bits, know)
        : { instruction: { ...instruction, value } };
    }
    case "setMark": {
      const value = lowBits(instruction.value, 32, know);
      return value === instruction.value ? undefined : { instruction: { ...instruction, value } };
    }
    default:
      return undefined;
  }
}

/** Stores what a shift brings down, of which the bits above are not asked for either. */
function storeShifted(store: StoreInstruction, bits: number, know: Simplifying): Simplified {
  const shift = know.definitionOf(store.value);
  if (shift?.op !== "binary" || shift.domain !== "word") return undefined;
  if (shift.operator !== "shiftRight" && shift.operator !== "shiftRightSigned") return undefined;
  const count = know.constantOf(shift.right);
  if (count === undefined || count < 0n || Number(count) + bits > 64) return undefined;
  const left = lowBits(shift.left, Number(count) + bits, know);
  if (left === shift.left) return undefined;
  const value = know.newValue("integer");
  return { before: { ...shift, result: value, left }, instruction: { ...store, value } };
}

const COMMUTATIVE: ReadonlySet<BinaryOperator> = new Set([
  "add",
  "multiply",
  "minimum",
  "maximum",
  "and",
  "or",
  "xor",
  "and32",
  "or32",
  "xor32",
  "multiply32",
]);

function simplifyBinary(instruction: BinaryInstruction, know: Simplifying): Simplified {
  const { operator, domain, left, right, place, isSigned, result } = instruction;
  const [a, b] = [know.constantOf(left), know.constantOf(right)];
  if (a !== undefined && b !== undefined) {
    const value = evaluateBinary(operator, domain, a, b, isSigned);
    if (value === undefined) return undefined;
    return { value: know.constant(domain === "word" ? BigInt.asIntN(64, value) : value, place, result.type) };
  }
  if (a !== undefined && COMMUTATIVE.has(operator)) {
    return { instruction: { ...instruction, left: right, right: left } };
  }
  // What goes round may be another number even where nothing is added: -1 becomes 2^64 - 1.
  const value = domain === "wrap" ? undefined : sameAs(instruction, b, know);
  if (value !== undefined) return value.type === result.type ? { value } : undefined;
  return domain === "word" ? simplifyWord(instruction, know) : undefined;
}

/** One of the operands, or 0, where the operation always results in it. */
function sameAs(instruction: BinaryInstruction, b: bigint | undefined, know: Simplifying): Value | undefined {
  const { operator, left, right, place, result } = instruction;
  const zero = (): Value => know.constant(0n, place, result.type);
  switch (operator) {
    case "add":
      return b === 0n ? left : undefined;
    case "subtract":
    case "xor":
      return b === 0n ? left : left === right ? zero() : undefined;
    case "shiftLeft":
    case "shiftRight":
    case "shiftRightSigned":
      return b === 0n ? left : undefined;
    case "or":
      return b === 0n || left === right ? left : undefined;
    case "multiply":
      return b === 0n ? zero() : b === 1n ? left : undefined;
    case "divide":
      return b === 1n ? left : undefined;
    case "remainder":
      return b === 1n ? zero() : undefined;
    case "and":
      return b === 0n ? zero() : left === right || b === -1n ? left : undefined;
    case "minimum":
    case "maximum":
      return left === right ? left : undefined;
    default:
      return undefined;
  }
}

/** Bits of a value that the operators keep, whether their results are words or not. */
const KEPT_BITS: Partial<Readonly<Record<UnaryInstruction["operator"], number>>> = {
  unsigned8: 8,
  unsigned16: 16,
  unsigned32: 32,
  signed8: 8,
  signed16: 16,
  signed32: 32,
};

function simplifyUnary(instruction: UnaryInstruction, know: Simplifying): Simplified {
  const { operator, operand, place, result } = instruction;
  const constant = know.constantOf(operand);
  if (constant !== undefined)
    return { value: know.constant(evaluateUnary(operator, constant), place, result.type) };
  const inner = know.definitionOf(operand);
  const kept = KEPT_BITS[operator];
  if (inner?.op === "unary") {
    if (operator.startsWith("swap") && operator === inner.operator) {
      const bits = Number(operator.slice(4));
      const whole = (1n << BigInt(bits)) - 1n;
      return (know.bitsOf(inner.operand) & ~whole) === 0n ? { value: inner.operand } : undefined;
    }
    const innerKept = KEPT_BITS[inner.operator];
    if (operator === inner.operator && kept !== undefined) return { value: operand };
    if (kept !== undefined && innerKept !== undefined && kept <= innerKept) {
      return { instruction: { ...instruction, operand: inner.operand } };
    }
  }
  if (kept === undefined || inner?.op !== "binary" || inner.operator !== "and") return undefined;
  // A mask that has all the bits that are kept is none.
  const whole = (1n << BigInt(kept)) - 1n;
  const mask = know.constantOf(inner.right);
  if (mask === undefined || (mask & whole) !== whole) return undefined;
  return { instruction: { ...instruction, operand: inner.left } };
}

function simplifyComparison(instruction: CompareInstruction, know: Simplifying): Simplified {
  const { comparison, left, right, place, isSigned } = instruction;
  const [a, b] = [know.constantOf(left), know.constantOf(right)];
  const truth = (isTrue: boolean): Simplified => ({
    value: know.constant(isTrue ? 1n : 0n, place, "boolean"),
  });
  if (a !== undefined && b !== undefined) return truth(evaluateComparison(comparison, a, b, isSigned));
  if (left === right) return truth(evaluateComparison(comparison, 0n, 0n));
  if (a !== undefined) {
    return { instruction: { ...instruction, comparison: MIRRORED[comparison], left: right, right: left } };
  }
  if (b === undefined) return undefined;
  const inner = know.definitionOf(left);
  if (left.type === "boolean")
    return simplifyTruth(instruction, (b === 1n) === (comparison === "equal"), inner, know);
  const isEquality = comparison === "equal" || comparison === "unequal";
  if (isSigned === false && !isEquality) return unsignedOrder(instruction, b, know);
  if (!isEquality) return undefined;
  if (inner?.op === "select") {
    return compareChoice(instruction, inner, b, know);
  }
  if (inner?.op !== "binary" || inner.domain !== "word") return undefined;
  const moved = know.constantOf(inner.right);
  if ((inner.operator === "add" || inner.operator === "xor") && moved !== undefined) {
    const other = BigInt.asIntN(64, inner.operator === "add" ? b - moved : b ^ moved);
    return { instruction: { ...instruction, left: inner.left, right: know.constant(other, place) } };
  }
  if (b === 0n && (inner.operator === "xor" || inner.operator === "subtract")) {
    return { instruction: { ...instruction, left: inner.left, right: inner.right } };
  }
  return undefined;
}

/** A comparison of one of two values, of which at least one is constant: what it says of that is known. */
function compareChoice(
  instruction: CompareInstruction,
  choice: SelectInstruction,
  b: bigint,
  know: Simplifying,
): Simplified {
  const { comparison, place, isSigned, result } = instruction;
  const { condition } = choice;
  const truthOf = (value: Value): boolean | undefined => {
    const constant = know.constantOf(value);
    return constant === undefined ? undefined : evaluateComparison(comparison, constant, b, isSigned);
  };
  const [atTrue, atFalse] = [truthOf(choice.ifTrue), truthOf(choice.ifFalse)];
  const truth = (isTrue: boolean | undefined): Value => know.constant(isTrue ? 1n : 0n, place, "boolean");
  if (atTrue === undefined && atFalse === undefined) return undefined;
  if (atTrue !== undefined && atFalse !== undefined) {
    if (atTrue === atFalse) return { value: truth(atTrue) };
    if (atTrue) return { value: condition };
    return {
      instruction: {
        op: "compare",
        place,
        result,
        comparison: "equal",
        left: condition,
        right: truth(false),
      },
    };
  }
  const varying = atTrue === undefined ? choice.ifTrue : choice.ifFalse;
  const asked = know.newValue("boolean");
  const before: Instruction = { ...instruction, result: asked, left: varying };
  const [ifTrue, ifFalse] = atTrue === undefined ? [asked, truth(atFalse)] : [truth(atTrue), asked];
  return { before, instruction: { op: "select", place, result, condition, ifTrue, ifFalse } };
}

/** `value` where it is asked for itself, else what is true when it is not. */
function simplifyTruth(
  instruction: CompareInstruction,
  isItself: boolean,
  inner: Instruction | undefined,
  know: Simplifying,
): Simplified {
  const { comparison, left, place } = instruction;
  if (comparison !== "equal" && comparison !== "unequal") return undefined;
  if (isItself) return { value: left };
  if (inner?.op === "compare") {
    const opposite: Instruction = {
      ...inner,
      place,
      result: instruction.result,
      comparison: OPPOSITE[inner.comparison],
    };
    return { instruction: opposite };
  }
  const zero = know.constant(0n, place, "boolean");
  if (comparison === "equal" && instruction.right === zero) return undefined;
  return { instruction: { ...instruction, comparison: "equal", right: zero } };
}

/** Orders of words next to 0 are equalities. */
function unsignedOrder(instruction: CompareInstruction, b: bigint, know: Simplifying): Simplified {
  const { comparison, place } = instruction;
  const edge = comparison === "less" || comparison === "greaterOrEqual" ? 1n : 0n;
  if (b !== edge)
    return b === 0n ? { value: know.constant(comparison === "less" ? 0n : 1n, place, "boolean") } : undefined;
  const isZero = comparison === "less" || comparison === "lessOrEqual";
  const zero = know.constant(0n, place);
  return { instruction: { ...instruction, comparison: isZero ? "equal" : "unequal", right: zero } };
}

function simplifySelect(instruction: SelectInstruction, know: Simplifying): Simplified {
  const { condition, ifTrue, ifFalse, place, result } = instruction;
  const known = know.constantOf(condition);
  if (known !== undefined) return { value: known === 0n ? ifFalse : ifTrue };
  if (ifTrue === ifFalse) return { value: ifTrue };
  const floor = floorOf(instruction, know);
  if (floor !== undefined) return floor;
  const inner = know.definitionOf(condition);
  const isNot = inner?.op === "compare" && inner.left.type === "boolean" && inner.comparison === "equal";
  if (isNot && know.constantOf(inner.right) === 0n) {
    return { instruction: { ...instruction, condition: inner.left, ifTrue: ifFalse, ifFalse: ifTrue } };
  }
  if (result.type !== "boolean") return undefined;
  if (ifTrue === condition)
    return { instruction: { ...instruction, ifTrue: know.constant(1n, place, "boolean") } };
  if (ifFalse === condition)
    return { instruction: { ...instruction, ifFalse: know.constant(0n, place, "boolean") } };
  const [a, b] = [know.constantOf(ifTrue), know.constantOf(ifFalse)];
  if (a === 1n && b === 0n) return { value: condition };
  if (a !== 0n || b !== 1n) return undefined;
  const zero = know.constant(0n, place, "boolean");
  return { instruction: { op: "compare", place, result, comparison: "equal", left: condition, right: zero } };
}

/** Elements at a constant index are plain accesses; what a table of constants has is known. */
function simplifyAccess(instruction: Instruction, know: Simplifying): Simplified {
  if (instruction.op === "loadElement" || instruction.op === "storeElement") {
    const index = know.constantOf(instruction.index);
    if (index === undefined || index < 0n || index >= BigInt(instruction.count)) return undefined;
    const { place, bytes } = instruction;
    const plain = { place, at: Number(index) * bytes, bytes, order: "native" } as const;
    if (instruction.op === "storeElement") {
      return { instruction: { op: "store", to: instruction.to, value: instruction.value, ...plain } };
    }
    // There is no plain access that keeps the sign.
    if (instruction.isSigned && know.definitionOf(instruction.from)?.op !== "table") return undefined;
    const load: LoadInstruction = {
      op: "load",
      result: instruction.result,
      from: instruction.from,
      ...plain,
    };
    if (!instruction.isSigned) return { instruction: load };
    const value = tableValue(load, know);
    return value === undefined ? undefined : { value: know.constant(BigInt.asIntN(bytes * 8, value), place) };
  }
  if (instruction.op !== "load") return undefined;
  const value = tableValue(instruction, know);
  return value === undefined ? undefined : { value: know.constant(value, instruction.place) };
}

function tableValue({ from, at, bytes, order }: LoadInstruction, know: Simplifying): bigint | undefined {
  const table = know.definitionOf(from);
  if (table?.op !== "table" || at + bytes > table.bytes.length) return undefined;
  let value = 0n;
  for (const byte of table.bytes.subarray(at, at + bytes).toReversed()) value = (value << 8n) | BigInt(byte);
  return order === "native" ? value : swap(value, bytes);
}
