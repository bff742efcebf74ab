/**
 * What operations on constants give, so that they take no instructions. Nothing is decided here about values that
 * would not be exact: those stay instructions, and the analysis refuses them.
 * @module
 */
import type { BinaryOperator, Comparison, Domain, UnaryOperator } from "../ir/ir.ts";

const SAFE = BigInt(Number.MAX_SAFE_INTEGER);
const WORD = 64;

/** The result, or `undefined` when it is none that the domain has. */
export function foldBinary(
  operator: BinaryOperator,
  left: bigint,
  right: bigint,
  domain: Domain,
): bigint | undefined {
  const result = BINARY[operator](left, right);
  if (result === undefined) return undefined;
  if (domain === "wrap" || domain === "word") return BigInt.asUintN(WORD, result);
  if (domain === "number") return result >= -SAFE && result <= SAFE ? result : undefined;
  return result >= -(2n ** 63n) && result < 2n ** 64n ? result : undefined;
}

const int32 = (value: bigint): bigint => BigInt.asIntN(32, value);
const uint64 = (value: bigint): bigint => BigInt.asUintN(WORD, value);
const count32 = (value: bigint): bigint => BigInt.asUintN(5, value);
/** Bits that both signs write alike stay as the operands have them. */
const bits = (result: bigint, left: bigint, right: bigint): bigint =>
  left < 0n || right < 0n ? BigInt.asIntN(WORD, result) : uint64(result);

const BINARY: Readonly<Record<BinaryOperator, (left: bigint, right: bigint) => bigint | undefined>> = {
  add: (left, right) => left + right,
  subtract: (left, right) => left - right,
  multiply: (left, right) => left * right,
  divide: (left, right) => (right === 0n ? undefined : left / right),
  remainder: (left, right) => (right === 0n ? undefined : left % right),
  // biome-ignore lint/complexity/useMathMinMax: bigints
  minimum: (left, right) => (left < right ? left : right),
  // biome-ignore lint/complexity/useMathMinMax: bigints
  maximum: (left, right) => (left > right ? left : right),
  and: (left, right) => bits(left & right, left, right),
  or: (left, right) => bits(left | right, left, right),
  xor: (left, right) => bits(left ^ right, left, right),
  shiftLeft: (left, right) => uint64(left << right),
  shiftRight: (left, right) => uint64(left) >> right,
  shiftRightSigned: (left, right) => BigInt.asIntN(WORD, left) >> right,
  and32: (left, right) => int32(left & right),
  or32: (left, right) => int32(left | right),
  xor32: (left, right) => int32(left ^ right),
  shiftLeft32: (left, right) => int32(left << count32(right)),
  shiftRight32: (left, right) => int32(left) >> count32(right),
  shiftRightUnsigned32: (left, right) => BigInt.asUintN(32, left) >> count32(right),
  multiply32: (left, right) => int32(left * right),
};

export function foldUnary(operator: UnaryOperator, operand: bigint): bigint {
  if (operator.startsWith("swap")) return swap(operand, Number(operator.slice(4)));
  const width = Number(operator.replace(/^\D+/, ""));
  return operator.startsWith("unsigned") ? BigInt.asUintN(width, operand) : BigInt.asIntN(width, operand);
}

function swap(operand: bigint, width: number): bigint {
  let result = 0n;
  for (let at = 0n; at < BigInt(width); at += 8n) result = (result << 8n) | ((operand >> at) & 0xffn);
  return result;
}

export function foldCompare(comparison: Comparison, left: bigint, right: bigint): boolean {
  if (comparison === "equal") return left === right;
  if (comparison === "unequal") return left !== right;
  if (comparison === "less") return left < right;
  if (comparison === "lessOrEqual") return left <= right;
  if (comparison === "greater") return left > right;
  return left >= right;
}
