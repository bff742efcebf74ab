/**
 * Simplifies operations on the machine's words: multiplications and divisions by powers of two, masks that take
 * nothing away, and constants that can be added up.
 * @module
 */
import { bitLength } from "../analyse/range.ts";
import { evaluateBinary } from "../ir/arithmetic.ts";
import type { BinaryInstruction, BinaryOperator, SelectInstruction, Value } from "../ir/ir.ts";
import type { Simplified, Simplifying } from "./simplify.ts";

const ALL = 2n ** 64n - 1n;

/** Of an operation of the domain `word` whose left side is no constant. */
export function simplifyWord(instruction: BinaryInstruction, know: Simplifying): Simplified {
  const constant = know.constantOf(instruction.right);
  if (constant === undefined) return undefined;
  return simplifyByConstant(instruction, constant, know) ?? joinConstants(instruction, constant, know);
}

function simplifyByConstant(instruction: BinaryInstruction, right: bigint, know: Simplifying): Simplified {
  const { operator, left, place, isSigned } = instruction;
  const other = (operator: BinaryOperator, value: bigint): Simplified => {
    const { isSigned: _, ...rest } = instruction;
    return { instruction: { ...rest, operator, right: know.constant(value, place) } };
  };
  const isPower = right > 0n && (right & (right - 1n)) === 0n;
  switch (operator) {
    case "subtract":
      return other("add", -right);
    case "multiply":
      return isPower ? other("shiftLeft", BigInt(bitLength(right) - 1)) : undefined;
    case "divide":
      return isPower && !isSigned ? other("shiftRight", BigInt(bitLength(right) - 1)) : undefined;
    case "remainder":
      return isPower && !isSigned ? other("and", right - 1n) : undefined;
    case "and":
      return simplifyMask(instruction, right, know);
    case "or":
      // All bits that are there already.
      return undefined;
    case "shiftRight":
      return know.bitsOf(left) >> (right & 63n) === 0n
        ? { value: know.constant(0n, place) }
        : dropMask(instruction, right, know);
    default:
      return undefined;
  }
}

function simplifyMask(instruction: BinaryInstruction, mask: bigint, know: Simplifying): Simplified {
  const { left, place } = instruction;
  const bits = know.bitsOf(left);
  const word = mask & ALL;
  if ((bits & ~word) === 0n) return { value: left };
  if ((bits & word) === 0n) return { value: know.constant(0n, place) };
  const inner = know.definitionOf(left);
  // What keeps the sign adds bits above, which the mask takes away again.
  if (inner?.op === "unary" && !inner.operator.startsWith("swap")) {
    const kept = Number(inner.operator.replace(/\D+/, ""));
    if (kept === 64 || word < 1n << BigInt(kept))
      return { instruction: { ...instruction, left: inner.operand } };
  }
  return undefined;
}

/** A mask before a shift that only takes away what is shifted out, or is not there. */
function dropMask(instruction: BinaryInstruction, count: bigint, know: Simplifying): Simplified {
  const inner = know.definitionOf(instruction.left);
  if (inner?.op !== "binary" || inner.operator !== "and" || inner.domain !== "word") return undefined;
  const mask = know.constantOf(inner.right);
  if (mask === undefined) return undefined;
  const shift = count & 63n;
  const lost = (know.bitsOf(inner.left) >> shift) & ~((mask & ALL) >> shift);
  return lost === 0n ? { instruction: { ...instruction, left: inner.left } } : undefined;
}

const JOINED: ReadonlySet<BinaryOperator> = new Set(["add", "and", "or", "xor"]);
const SHIFTS: ReadonlySet<BinaryOperator> = new Set(["shiftLeft", "shiftRight"]);

/** `(x + 1) + 2`, `(x >> 3) >> 4`, `(x << 8) >> 8`. */
function joinConstants(instruction: BinaryInstruction, right: bigint, know: Simplifying): Simplified {
  const { operator, left, place } = instruction;
  const inner = know.definitionOf(left);
  if (inner?.op !== "binary" || inner.domain !== "word") return undefined;
  const first = know.constantOf(inner.right);
  if (first === undefined) return undefined;
  const other = (operator: BinaryOperator, value: bigint): Simplified => ({
    instruction: { ...instruction, operator, left: inner.left, right: know.constant(value, place) },
  });
  if (operator === inner.operator && JOINED.has(operator)) {
    const joined = evaluateBinary(operator, "word", first, right);
    return joined === undefined ? undefined : other(operator, BigInt.asIntN(64, joined));
  }
  if (!SHIFTS.has(operator) || !SHIFTS.has(inner.operator)) return undefined;
  const [before, now] = [first & 63n, right & 63n];
  if (operator === inner.operator) {
    return before + now > 63n ? { value: know.constant(0n, place) } : other(operator, before + now);
  }
  if (before !== now) return undefined;
  const mask = operator === "shiftRight" ? ALL >> now : (ALL << now) & ALL;
  return other("and", BigInt.asIntN(64, mask));
}

/** A value with the same lowest bits, before masks, signs and remainders that only changed those above. */
export function lowBits(value: Value, bits: number, know: Simplifying): Value {
  const definition = know.definitionOf(value);
  const whole = (1n << BigInt(bits)) - 1n;
  if (definition?.op === "unary" && !definition.operator.startsWith("swap")) {
    return Number(definition.operator.replace(/\D+/, "")) >= bits ? definition.operand : value;
  }
  if (definition?.op !== "binary" || definition.domain !== "word") return value;
  const right = know.constantOf(definition.right);
  if (right === undefined) return value;
  if (definition.operator === "and") return (right & whole) === whole ? definition.left : value;
  const isPower = right > 0n && (right & (right - 1n)) === 0n;
  // Also of a negative dividend: the remainder is less by a multiple of the divisor.
  if (definition.operator === "remainder") return isPower && right > whole ? definition.left : value;
  return value;
}

/** `Math.floor(x / 2^k)` as the front end says it: the quotient, less 1 where a remainder is negative. */
export function floorOf(
  { condition, ifTrue, ifFalse, place, result }: SelectInstruction,
  know: Simplifying,
): Simplified {
  const quotient = know.definitionOf(ifFalse);
  const less = know.definitionOf(ifTrue);
  const test = know.definitionOf(condition);
  if (quotient?.op !== "binary" || quotient.operator !== "divide" || quotient.isSigned !== true)
    return undefined;
  if (less?.op !== "binary" || less.operator !== "add" || less.left !== ifFalse) return undefined;
  if (know.constantOf(less.right) !== -1n || test?.op !== "compare" || test.isSigned !== true)
    return undefined;
  if (test.comparison !== "less" || know.constantOf(test.right) !== 0n) return undefined;
  const rest = know.definitionOf(test.left);
  const divisor = know.constantOf(quotient.right);
  if (rest?.op !== "binary" || rest.operator !== "remainder" || rest.isSigned !== true) return undefined;
  if (rest.left !== quotient.left || rest.right !== quotient.right || divisor === undefined) return undefined;
  if (divisor <= 0n || (divisor & (divisor - 1n)) !== 0n) return undefined;
  const right = know.constant(BigInt(bitLength(divisor) - 1), place);
  const operator = "shiftRightSigned";
  return {
    instruction: { op: "binary", place, result, operator, domain: "word", left: quotient.left, right },
  };
}
