/**
 * What a filter asks of a packet of one link type: comparisons of values, joined by and, or and not. They are asked from
 * left to right and no further than needed, as a read outside of the packet ends the whole filter.
 * @module
 */
import { compute, type Value, type ValuePool } from "./value.ts";

/** `&`: whether one of the bits is set. Unsigned, as classic BPF compares. */
export type Comparison = "=" | ">" | ">=" | "&";

export type Condition =
  | { readonly kind: "constant"; readonly value: boolean }
  | {
      readonly kind: "compare";
      readonly comparison: Comparison;
      readonly left: Value;
      readonly right: Value;
    }
  | { readonly kind: "and" | "or"; readonly terms: readonly Condition[] }
  | { readonly kind: "not"; readonly term: Condition };

export const ALWAYS: Condition = { kind: "constant", value: true };
export const NEVER: Condition = { kind: "constant", value: false };

export function both(...terms: readonly Condition[]): Condition {
  return { kind: "and", terms };
}

export function either(...terms: readonly Condition[]): Condition {
  return { kind: "or", terms };
}

export function not(term: Condition): Condition {
  return { kind: "not", term };
}

/** The constant, where there is one, comes to the right. */
export function compare(comparison: Comparison, left: Value, right: Value): Condition {
  if (left.kind === "constant") {
    if (right.kind === "constant") {
      return { kind: "constant", value: holds(comparison, left.value, right.value) };
    }
    if (comparison === ">") return not(compare(">=", right, left));
    if (comparison === ">=") return not(compare(">", right, left));
    return compare(comparison, right, left);
  }
  // Bits that are all clear need no operation before the jump.
  const isZero = comparison === "=" && right.kind === "constant" && right.value === 0;
  if (isZero && left.kind === "binary" && left.operator === "&") {
    return not(compare("&", left.left, left.right));
  }
  return { kind: "compare", comparison, left, right };
}

/** Whether the value, under a mask, is a number. A mask of 0 asks nothing and reads nothing. */
export function equals(pool: ValuePool, value: Value, number: number, mask = 0xffffffff): Condition {
  if (mask === 0) return ALWAYS;
  return compare("=", pool.binary("&", value, pool.constant(mask)), pool.constant(number));
}

/** On unsigned numbers. */
export function holds(comparison: Comparison, left: number, right: number): boolean {
  switch (comparison) {
    case "=":
      return left === right;
    case ">":
      return left > right;
    case ">=":
      return left >= right;
    case "&":
      return compute("&", left, right) !== 0;
  }
}
