/**
 * What the range of an operation's result is, given those of its operands.
 * @module
 */
import { DOMAIN_LIMITS, evaluateBinary, evaluateUnary, greater, lesser } from "../ir/arithmetic.ts";
import type { BinaryInstruction, BinaryOperator, UnaryOperator } from "../ir/ir.ts";
import {
  asWord,
  bitsUpTo,
  constantIn,
  exactly,
  isWithin,
  type Range,
  rangeOf,
  SIGNED_LEAST,
  trailingZeros,
  UNSIGNED_MOST,
  UNSIGNED_RANGE,
  wrapRange,
} from "./range.ts";

type Operation = Pick<BinaryInstruction, "operator" | "domain" | "isSigned">;

/** The range of the result as it is after the domain: cut to it where it is exact, since what is beyond is refused. */
export function transferBinary(operation: Operation, left: Range, right: Range): Range {
  const { operator, domain, isSigned = false } = operation;
  const [a, b] = [constantIn(left), constantIn(right)];
  if (a !== undefined && b !== undefined) {
    const result = evaluateBinary(operator, domain, a, b, isSigned);
    // A small word is told as it is most often meant.
    if (result !== undefined) return exactly(domain === "word" ? nearest(result, left, right) : result);
  }
  const result = exactRange(operation, left, right);
  if (operator.endsWith("32")) return result;
  if (domain === "word") return isWithin(result, SIGNED_LEAST, UNSIGNED_MOST) ? result : UNSIGNED_RANGE;
  if (domain === "wrap") return wrapRange(result, 64, false);
  const [least, most] = DOMAIN_LIMITS[domain];
  if (isWithin(result, least, most)) return result;
  return rangeOf(limit(result.least, least, most), limit(result.most, least, most), result.bits);
}

function nearest(word: bigint, left: Range, right: Range): bigint {
  return left.least < 0n || right.least < 0n ? BigInt.asIntN(64, word) : word;
}

function limit(value: bigint, least: bigint, most: bigint): bigint {
  return lesser(greater(value, least), most);
}

/** The range of what the result would be were there no domain: the checks compare it with the domain. */
export function exactRange(
  { operator, domain, isSigned = false }: Operation,
  left: Range,
  right: Range,
): Range {
  const isWord = domain === "word";
  switch (operator) {
    case "add":
      return addRange(left, right);
    case "subtract":
      return subtractRange(left, right);
    case "multiply":
      return multiplyRange(left, right);
    case "divide":
      return isWord
        ? divideRange(asWord(left, isSigned), asWord(right, isSigned), true)
        : divideRange(left, right);
    case "remainder":
      return isWord
        ? remainderRange(asWord(left, isSigned), asWord(right, isSigned))
        : remainderRange(left, right);
    case "minimum":
    case "maximum":
      return isWord
        ? orderRange(operator, asWord(left, isSigned), asWord(right, isSigned))
        : orderRange(operator, left, right);
    case "and":
      return andRange(left, right);
    case "or":
      return orRange(left, right);
    case "xor":
      return xorRange(left, right);
    case "shiftLeft":
      return shiftLeftRange(left, countRange(right, 64));
    case "shiftRight":
      return shiftRightRange(asWord(left, false), countRange(right, 64));
    case "shiftRightSigned":
      return shiftRightRange(isWord || domain === "wrap" ? asWord(left, true) : left, countRange(right, 64));
    default:
      return range32(operator, left, right);
  }
}

/** The operations on 32 bits, which take what they are given modulo 2^32. */
function range32(operator: BinaryOperator, left: Range, right: Range): Range {
  const [a, b] = [wrapRange(left, 32, true), wrapRange(right, 32, true)];
  const count = countRange(right, 32);
  switch (operator) {
    case "and32":
      return wrapRange(andRange(a, b), 32, true);
    case "or32":
      return wrapRange(orRange(a, b), 32, true);
    case "xor32":
      return wrapRange(xorRange(a, b), 32, true);
    case "shiftLeft32":
      return wrapRange(shiftLeftRange(left.least < 0n ? a : wrapRange(left, 32, false), count), 32, true);
    case "shiftRight32":
      return shiftRightRange(a, count);
    case "shiftRightUnsigned32":
      return shiftRightRange(wrapRange(left, 32, false), count);
    case "multiply32":
      return wrapRange(multiplyRange(left, right), 32, true);
    default:
      return UNSIGNED_RANGE;
  }
}

function countRange(range: Range, bits: number): Range {
  const most = BigInt(bits - 1);
  return isWithin(range, 0n, most) ? range : rangeOf(0n, most);
}

function orderRange(operator: "minimum" | "maximum", left: Range, right: Range): Range {
  const choose = operator === "minimum" ? lesser : greater;
  return rangeOf(choose(left.least, right.least), choose(left.most, right.most), left.bits | right.bits);
}

function addRange(left: Range, right: Range): Range {
  const [least, most] = [left.least + right.least, left.most + right.most];
  if (left.least < 0n || right.least < 0n) return rangeOf(least, most);
  // Without a common bit nothing is carried.
  if ((left.bits & right.bits) === 0n) return rangeOf(least, most, left.bits | right.bits);
  return rangeOf(
    least,
    most,
    multiplesOf(Math.min(trailingZeros(left.bits), trailingZeros(right.bits)), most),
  );
}

function subtractRange(left: Range, right: Range): Range {
  const [least, most] = [left.least - right.most, left.most - right.least];
  if (least < 0n || right.least < 0n) return rangeOf(least, most);
  return rangeOf(
    least,
    most,
    multiplesOf(Math.min(trailingZeros(left.bits), trailingZeros(right.bits)), most),
  );
}

/** The bits of numbers up to `most` whose lowest `zeros` bits are 0. */
function multiplesOf(zeros: number, most: bigint): bigint {
  return bitsUpTo(most) & ~((1n << BigInt(zeros)) - 1n);
}

function cornersOf(left: Range, right: Range, operate: (a: bigint, b: bigint) => bigint): Range {
  let least: bigint | undefined;
  let most: bigint | undefined;
  for (const a of [left.least, left.most]) {
    for (const b of [right.least, right.most]) {
      const value = operate(a, b);
      least = least === undefined ? value : lesser(least, value);
      most = most === undefined ? value : greater(most, value);
    }
  }
  return rangeOf(least ?? 0n, most ?? 0n);
}

function multiplyRange(left: Range, right: Range): Range {
  const range = cornersOf(left, right, (a, b) => a * b);
  if (range.least < 0n || left.least < 0n || right.least < 0n) return range;
  const zeros = Math.min(trailingZeros(left.bits) + trailingZeros(right.bits), 63);
  return rangeOf(range.least, range.most, multiplesOf(zeros, range.most));
}

function divideRange(left: Range, right: Range, zeroGivesZero = false): Range {
  const parts: Range[] = [];
  if (right.most > 0n) parts.push(rangeOf(greater(right.least, 1n), right.most));
  if (right.least < 0n) parts.push(rangeOf(right.least, lesser(right.most, -1n)));
  let [least, most] =
    zeroGivesZero && right.least <= 0n && right.most >= 0n ? [0n, 0n] : [undefined, undefined];
  for (const part of parts) {
    const range = cornersOf(left, part, (a, b) => a / b);
    least = least === undefined ? range.least : lesser(least, range.least);
    most = most === undefined ? range.most : greater(most, range.most);
  }
  return rangeOf(least ?? 0n, most ?? 0n);
}

function remainderRange(left: Range, right: Range): Range {
  const size = greater(right.most, -right.least);
  if (size <= 0n) return left;
  // A divisor of 0 leaves the dividend as it is, in words; elsewhere it is refused.
  const mayBeZero = right.least <= 0n && right.most >= 0n;
  const below = size - 1n;
  if (left.least >= 0n && (right.least > left.most || mayBeZero)) {
    return right.least > left.most ? left : rangeOf(0n, left.most);
  }
  const least = left.least >= 0n ? 0n : mayBeZero ? left.least : greater(left.least, -below);
  const most = left.most <= 0n ? 0n : mayBeZero ? left.most : lesser(left.most, below);
  const isPower = right.least === right.most && right.most > 0n && (right.most & below) === 0n;
  return rangeOf(least, most, isPower && left.least >= 0n ? left.bits & below : UNSIGNED_MOST);
}

function andRange(left: Range, right: Range): Range {
  if (left.least >= 0n && right.least >= 0n) {
    return rangeOf(0n, lesser(left.most, right.most), left.bits & right.bits);
  }
  if (left.least >= 0n) return rangeOf(0n, left.most, left.bits);
  if (right.least >= 0n) return rangeOf(0n, right.most, right.bits);
  return rangeOf(-bitsUpTo(-lesser(left.least, right.least) - 1n) - 1n, greater(left.most, right.most));
}

function orRange(left: Range, right: Range): Range {
  if (left.least >= 0n && right.least >= 0n) {
    const bits = left.bits | right.bits;
    return rangeOf(greater(left.least, right.least), bits, bits);
  }
  const isNegative = left.most < 0n || right.most < 0n;
  return rangeOf(
    lesser(left.least, right.least),
    isNegative ? -1n : bitsUpTo(greater(left.most, right.most)),
  );
}

function xorRange(left: Range, right: Range): Range {
  if (left.least >= 0n && right.least >= 0n) {
    const bits = left.bits | right.bits;
    return rangeOf(0n, bits, bits);
  }
  const size = [left, right].flatMap(({ least, most }) => [
    least < 0n ? -least - 1n : least,
    most < 0n ? -most - 1n : most,
  ]);
  const bits = bitsUpTo(size.reduce(greater));
  return rangeOf(-bits - 1n, bits);
}

function shiftLeftRange(left: Range, count: Range): Range {
  const range = cornersOf(left, count, (a, b) => a << b);
  if (count.least !== count.most) return rangeOf(range.least, range.most);
  return rangeOf(range.least, range.most, left.bits << count.least);
}

function shiftRightRange(left: Range, count: Range): Range {
  const range = cornersOf(left, count, (a, b) => a >> b);
  if (left.least < 0n || count.least !== count.most) return range;
  return rangeOf(range.least, range.most, left.bits >> count.least);
}

const WIDTHS: Readonly<Record<UnaryOperator, number>> = {
  unsigned8: 8,
  unsigned16: 16,
  veiled16: 16,
  veiled64: 64,
  unsigned32: 32,
  unsigned64: 64,
  signed8: 8,
  signed16: 16,
  signed32: 32,
  signed64: 64,
  swap16: 16,
  swap32: 32,
  swap64: 64,
};

export function transferUnary(operator: UnaryOperator, operand: Range): Range {
  const value = constantIn(operand);
  if (value !== undefined) return exactly(evaluateUnary(operator, value));
  if (operator === "veiled64") return operand;
  const bits = WIDTHS[operator];
  if (!operator.startsWith("swap")) return wrapRange(operand, bits, operator.startsWith("signed"));
  const most = (1n << BigInt(bits)) - 1n;
  const possible = operand.least < 0n ? most : evaluateUnary(operator, operand.bits);
  return rangeOf(0n, most, possible);
}
