/**
 * What the operations of the intermediate form result in: JavaScript's own meaning over whole numbers without an end.
 * The interpreter, the folding of constants and the tests of every pass have it from here.
 * @module
 */
import type { BinaryOperator, Comparison, Domain, UnaryOperator } from "./ir.ts";

/** Least and most of what is exact in a domain. */
export const DOMAIN_LIMITS: Readonly<Record<Domain, readonly [least: bigint, most: bigint]>> = {
  number: [-(2n ** 53n - 1n), 2n ** 53n - 1n],
  bigint: [-(2n ** 63n), 2n ** 64n - 1n],
  wrap: [0n, 2n ** 64n - 1n],
  word: [0n, 2n ** 64n - 1n],
};

/** Math.min takes no bigints. */
export function lesser(left: bigint, right: bigint): bigint {
  if (left < right) return left;
  return right;
}

export function greater(left: bigint, right: bigint): bigint {
  if (left > right) return left;
  return right;
}

function unsigned(value: bigint): bigint {
  return BigInt.asUintN(64, value);
}

function signed(value: bigint): bigint {
  return BigInt.asIntN(64, value);
}

/**
 * An operation's result; `undefined` where it has none: a division by 0, a shift count that is not one, a result that
 * leaves the domain. In the domain `word` every operation has one.
 */
export function evaluateBinary(
  operator: BinaryOperator,
  domain: Domain,
  left: bigint,
  right: bigint,
  isSigned = false,
): bigint | undefined {
  const by32 = evaluate32(operator, left, right);
  if (by32 !== undefined) return by32;
  if (domain === "word") return unsigned(evaluateWord(operator, left, right, isSigned));
  if (domain === "wrap") {
    const result = evaluateExact(operator, left, right, true);
    return result === undefined ? undefined : unsigned(result);
  }
  const result = evaluateExact(operator, left, right, false);
  const [least, most] = DOMAIN_LIMITS[domain];
  return result === undefined || result < least || result > most ? undefined : result;
}

function evaluate32(operator: BinaryOperator, left: bigint, right: bigint): bigint | undefined {
  const count = right & 31n;
  switch (operator) {
    case "and32":
      return BigInt.asIntN(32, left & right);
    case "or32":
      return BigInt.asIntN(32, left | right);
    case "xor32":
      return BigInt.asIntN(32, left ^ right);
    case "shiftLeft32":
      return BigInt.asIntN(32, left << count);
    case "shiftRight32":
      return BigInt.asIntN(32, left) >> count;
    case "shiftRightUnsigned32":
      return BigInt.asUintN(32, left) >> count;
    case "multiply32":
      return BigInt.asIntN(32, left * right);
    default:
      return undefined;
  }
}

function evaluateExact(
  operator: BinaryOperator,
  left: bigint,
  right: bigint,
  wraps: boolean,
): bigint | undefined {
  const isCount = right >= 0n && right <= 63n;
  switch (operator) {
    case "add":
      return left + right;
    case "subtract":
      return left - right;
    case "multiply":
      return left * right;
    case "divide":
      return right === 0n ? undefined : left / right;
    case "remainder":
      return right === 0n ? undefined : left % right;
    case "minimum":
      return lesser(left, right);
    case "maximum":
      return greater(left, right);
    case "and":
      return left & right;
    case "or":
      return left | right;
    case "xor":
      return left ^ right;
    case "shiftLeft":
      return isCount ? left << right : undefined;
    case "shiftRight":
      return isCount && (wraps || left >= 0n) ? unsigned(left) >> right : undefined;
    case "shiftRightSigned":
      return isCount ? (wraps ? signed(left) : left) >> right : undefined;
    default:
      return undefined;
  }
}

function evaluateWord(operator: BinaryOperator, left: bigint, right: bigint, isSigned: boolean): bigint {
  const of = isSigned ? signed : unsigned;
  const [a, b] = [of(left), of(right)];
  const count = right & 63n;
  switch (operator) {
    case "divide":
      return b === 0n ? 0n : a / b;
    case "remainder":
      return b === 0n ? a : a % b;
    case "minimum":
      return lesser(a, b);
    case "maximum":
      return greater(a, b);
    case "shiftLeft":
      return left << count;
    case "shiftRight":
      return unsigned(left) >> count;
    case "shiftRightSigned":
      return signed(left) >> count;
    default:
      return evaluateExact(operator, left, right, true) ?? 0n;
  }
}

export function evaluateUnary(operator: UnaryOperator, operand: bigint): bigint {
  switch (operator) {
    case "unsigned8":
      return BigInt.asUintN(8, operand);
    case "unsigned16":
    case "veiled16":
      return BigInt.asUintN(16, operand);
    case "unsigned32":
      return BigInt.asUintN(32, operand);
    case "unsigned64":
      return BigInt.asUintN(64, operand);
    case "signed8":
      return BigInt.asIntN(8, operand);
    case "signed16":
      return BigInt.asIntN(16, operand);
    case "signed32":
      return BigInt.asIntN(32, operand);
    case "veiled64":
      return operand;
    case "signed64":
      return BigInt.asIntN(64, operand);
    case "swap16":
      return swap(operand, 2);
    case "swap32":
      return swap(operand, 4);
    case "swap64":
      return swap(operand, 8);
  }
}

/** The lowest bytes of a value in the other order. */
export function swap(value: bigint, bytes: number): bigint {
  let result = 0n;
  for (let index = 0n; index < BigInt(bytes); index++)
    result = (result << 8n) | ((value >> (index * 8n)) & 255n);
  return result;
}

/** Without `isSigned` the values are compared as they are, else as the machine's words. */
export function evaluateComparison(
  comparison: Comparison,
  left: bigint,
  right: bigint,
  isSigned?: boolean,
): boolean {
  const of = isSigned === undefined ? (value: bigint) => value : isSigned ? signed : unsigned;
  const [a, b] = [of(left), of(right)];
  switch (comparison) {
    case "equal":
      return a === b;
    case "unequal":
      return a !== b;
    case "less":
      return a < b;
    case "lessOrEqual":
      return a <= b;
    case "greater":
      return a > b;
    case "greaterOrEqual":
      return a >= b;
  }
}

/** The comparison with its sides exchanged. */
export const MIRRORED: Readonly<Record<Comparison, Comparison>> = {
  equal: "equal",
  unequal: "unequal",
  less: "greater",
  lessOrEqual: "greaterOrEqual",
  greater: "less",
  greaterOrEqual: "lessOrEqual",
};

/** The comparison that holds where this one does not. */
export const OPPOSITE: Readonly<Record<Comparison, Comparison>> = {
  equal: "unequal",
  unequal: "equal",
  less: "greaterOrEqual",
  lessOrEqual: "greater",
  greater: "lessOrEqual",
  greaterOrEqual: "less",
};
