/**
 * Equality and order of lowered values.
 * @module
 */
import type TypeScript from "typescript";
import type { Comparison, Value } from "../../ir/ir.ts";
import type { Front } from "../front.ts";
import type { Lowered } from "../lowered.ts";
import { constantIn, describe } from "./constants.ts";
import { refuseQuotient } from "./operators.ts";
import { wideEqual, wideOrder } from "./wide.ts";

export type Order = "less" | "lessOrEqual" | "greater" | "greaterOrEqual";

/** `===`. */
export function equality(front: Front, node: TypeScript.Node, left: Lowered, right: Lowered): Value {
  if (left.kind === "choice" || right.kind === "choice") return eachEqual(front, node, left, right);
  if (left.kind === "undefined" || right.kind === "undefined") {
    return absence(front, left.kind === "undefined" ? right : left);
  }
  if (left.kind === "optional" && right.kind === "optional") {
    const same = front.select(
      right.isThere,
      equality(front, node, left.inner, right.inner),
      front.constant(false),
    );
    return front.select(left.isThere, same, front.not(right.isThere));
  }
  if (left.kind === "optional") {
    return front.emit.both(left.isThere, equality(front, node, left.inner, right));
  }
  if (right.kind === "optional") {
    return front.emit.both(right.isThere, equality(front, node, left, right.inner));
  }
  return plainEquality(front, node, left, right);
}

function eachEqual(front: Front, node: TypeScript.Node, left: Lowered, right: Lowered): Value {
  const [choice, other] = left.kind === "choice" ? [left, right] : [right, left];
  if (choice.kind !== "choice") throw new TypeError("Cannot compare each: there is no choice");
  const result = front.choose(
    choice.condition,
    () => ({ kind: "boolean", value: equality(front, node, choice.ifTrue, other) }),
    () => ({ kind: "boolean", value: equality(front, node, choice.ifFalse, other) }),
  );
  return result.kind === "boolean" ? result.value : front.constant(false);
}

/** Whether it is undefined. */
function absence(front: Front, lowered: Lowered): Value {
  if (lowered.kind === "optional") return front.not(lowered.isThere);
  return front.constant(lowered.kind === "undefined");
}

function plainEquality(front: Front, node: TypeScript.Node, left: Lowered, right: Lowered): Value {
  const [one, other] = [constantIn(front, left), constantIn(front, right)];
  if (one !== undefined && other !== undefined && typeof one.value !== "object") {
    return front.constant(one.value === other.value);
  }
  const kinds = new Set([left.kind, right.kind]);
  const isBig = (lowered: Lowered): boolean =>
    lowered.kind === "wide" || (lowered.kind === "integer" && lowered.isBig);
  if (left.kind === "integer" && right.kind === "integer" && left.isBig === right.isBig) {
    return front.compare("equal", left.value, right.value);
  }
  if (kinds.has("wide") && isBig(left) && isBig(right)) return wideEqual(front, node, left, right);
  if (left.kind === "boolean" && right.kind === "boolean") {
    return front.compare("equal", left.value, right.value);
  }
  if (left.kind === "verdict" && right.kind === "verdict") {
    if (left.mark === undefined && right.mark === undefined) {
      return front.compare("equal", left.code, right.code);
    }
  } else if (isPrimitive(left) && isPrimitive(right)) {
    if (left.kind === "quotient") return refuseQuotient(front, left, node);
    if (right.kind === "quotient") return refuseQuotient(front, right, node);
    return front.constant(false);
  } else if (isPrimitive(left) || isPrimitive(right)) return front.constant(false);
  return front.refuse(node, {
    code: "kernel-identity",
    why: `this asks whether two objects are the same one (${describe(front, left)} and ${describe(front, right)}), and the kernel has no objects`,
    instead: "compare a field of each, such as left.start === right.start",
  });
}

function isPrimitive({ kind }: Lowered): boolean {
  return ["integer", "wide", "boolean", "text", "fraction", "quotient", "undefined"].includes(kind);
}

/** `<` and its like. */
export function order(
  front: Front,
  node: TypeScript.Node,
  comparison: Order,
  left: Lowered,
  right: Lowered,
): Lowered {
  return front.each(left, (one) =>
    front.each(right, (other) => ({
      kind: "boolean",
      value: plainOrder(front, node, comparison, one, other),
    })),
  );
}

const TURNED: Readonly<Record<Order, Order>> = {
  less: "greater",
  lessOrEqual: "greaterOrEqual",
  greater: "less",
  greaterOrEqual: "lessOrEqual",
};

function plainOrder(
  front: Front,
  node: TypeScript.Node,
  comparison: Order,
  left: Lowered,
  right: Lowered,
): Value {
  const [one, other] = [constantIn(front, left), constantIn(front, right)];
  if (one !== undefined && other !== undefined) {
    return front.constant(COMPARE[comparison](one.value as number, other.value as number));
  }
  if (left.kind === "quotient" || right.kind === "quotient") {
    return onQuotient(front, node, comparison, left, right);
  }
  if (right.kind === "fraction" && left.kind === "integer") {
    return withFraction(front, comparison, left.value, right.value);
  }
  if (left.kind === "fraction" && right.kind === "integer") {
    return withFraction(front, TURNED[comparison], right.value, left.value);
  }
  if (left.kind === "wide" || right.kind === "wide") return wideOrder(front, node, comparison, left, right);
  if (left.kind === "integer" && right.kind === "integer") {
    return front.compare(comparison, left.value, right.value);
  }
  return front.refuse(node, {
    code: "kernel-operand",
    why: `numbers and bigints can be compared in order, not ${describe(front, left.kind === "integer" ? right : left)}`,
    instead: "compare a number of it, or ask for equality with ===",
  });
}

/** A whole number and one with a fraction, or beyond what is exact, compare as with the next whole one. */
function withFraction(front: Front, comparison: Order, value: Value, fraction: number): Value {
  if (!Number.isFinite(fraction)) {
    const isLess = comparison === "less" || comparison === "lessOrEqual";
    return front.constant(!Number.isNaN(fraction) && fraction > 0 === isLess);
  }
  const isUp = comparison === "less" || comparison === "greaterOrEqual";
  const whole = BigInt(isUp ? Math.ceil(fraction) : Math.floor(fraction));
  if (whole > 2n ** 63n || whole < -(2n ** 63n)) {
    return front.constant(whole > 0n === (comparison === "less" || comparison === "lessOrEqual"));
  }
  return front.compare(comparison, value, front.constant(whole));
}

/**
 * Chance is compared with a constant: how it is rounded does not matter there. A division is compared with a whole
 * number: it is less when the next whole number down is, it is more when the next one up is. No number is so large that
 * JavaScript's rounding could make a whole one of a quotient that is none.
 */
function onQuotient(
  front: Front,
  node: TypeScript.Node,
  comparison: Order,
  left: Lowered,
  right: Lowered,
): Value {
  const isTurned = left.kind !== "quotient";
  const [quotient, other] = isTurned ? [right, left] : [left, right];
  const way = isTurned ? TURNED[comparison] : comparison;
  if (quotient.kind !== "quotient") throw new TypeError("Cannot compare a quotient: there is none");
  const divisor = front.known(quotient.divisor);
  if (quotient.isRandom) {
    const limit = constantIn(front, other);
    if (typeof limit?.value !== "number" || divisor === undefined)
      return refuseQuotient(front, quotient, node);
    return withFraction(front, way, quotient.dividend, limit.value * Number(divisor));
  }
  if (other.kind !== "integer" || other.isBig) return refuseQuotient(front, quotient, node);
  const isUp = way === "lessOrEqual" || way === "greater";
  const round = `Math.${isUp ? "ceil" : "floor"}`;
  const whole = front.call({ kind: "builtin", name: round }, [quotient]);
  if (whole.kind !== "integer") throw new TypeError("Cannot round a quotient: it gave no number");
  return front.compare(way, whole.value, other.value);
}

const COMPARE: Readonly<Record<Order, (left: number, right: number) => boolean>> = {
  less: (left, right) => left < right,
  lessOrEqual: (left, right) => left <= right,
  greater: (left, right) => left > right,
  greaterOrEqual: (left, right) => left >= right,
};

/** The comparison of an operator's text. */
export const ORDERS: Readonly<Record<string, Order & Comparison>> = {
  "<": "less",
  "<=": "lessOrEqual",
  ">": "greater",
  ">=": "greaterOrEqual",
};
