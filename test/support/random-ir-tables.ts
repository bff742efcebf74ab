/**
 * What random functions of the intermediate form are made of.
 * @module
 */
import type { BinaryOperator, Comparison, UnaryOperator } from "#script/compiler/ir/ir.ts";

export const OPERATORS_32: readonly BinaryOperator[] = [
  "and32",
  "or32",
  "xor32",
  "shiftLeft32",
  "shiftRight32",
  "shiftRightUnsigned32",
  "multiply32",
];
export const EXACT: readonly BinaryOperator[] = [
  "add",
  "subtract",
  "minimum",
  "maximum",
  "divide",
  "remainder",
  "multiply",
];
export const COMPARISONS: readonly Comparison[] = [
  "equal",
  "unequal",
  "less",
  "lessOrEqual",
  "greater",
  "greaterOrEqual",
];
export const KEEPERS: readonly UnaryOperator[] = [
  "unsigned8",
  "unsigned16",
  "unsigned32",
  "signed8",
  "signed16",
  "signed32",
];
export const CONSTANTS: readonly bigint[] = [
  0n,
  1n,
  2n,
  3n,
  4n,
  7n,
  8n,
  15n,
  17n,
  20n,
  31n,
  64n,
  255n,
  256n,
  0x800n,
  0xffffn,
  -1n,
  -2n,
  -256n,
  0x7fff_ffffn,
  0x8000_0000n,
  0xffff_ffffn,
];
