/**
 * Bigints of up to 128 bits, as two halves: what can be done with them exactly.
 * @module
 */
import type TypeScript from "typescript";
import type { Value } from "../../ir/ir.ts";
import type { Front } from "../front.ts";
import type { Lowered } from "../lowered.ts";

interface Halves {
  readonly high: Value;
  readonly low: Value;
}

const BITS = { "&": "and", "|": "or", "^": "xor" } as const;

/** An operation of which at least one operand, or the result, has more than 64 bits. */
export function wideOperation(
  front: Front,
  node: TypeScript.Node,
  operator: string,
  left: Lowered,
  right: Lowered,
): Lowered {
  if (operator === "<<" || operator === ">>") return shift(front, node, operator, left, right);
  if (operator === "&" || operator === "|" || operator === "^") {
    const [one, other] = [halvesOf(front, node, left), halvesOf(front, node, right)];
    const high = front.binary(BITS[operator], one.high, other.high, "bigint");
    const low = front.binary(BITS[operator], one.low, other.low, "bigint");
    return narrowed(front, { high, low });
  }
  if (operator === "+") return sum(front, halvesOf(front, node, left), halvesOf(front, node, right));
  return front.refuse(node, {
    code: "kernel-wide",
    why: `${operator} on bigints of more than 64 bits is not there in the kernel: they can be compared, assigned, added, combined with & | ^, and shifted by constants`,
    instead: "take a half of it first: BigInt.asUintN(64, x) or x >> 64n",
  });
}

/** The sum of the upper halves has to fit: more than 128 bits are told where they may come. */
function sum(front: Front, one: Halves, other: Halves): Lowered {
  front.report.wideSums.add(front.place);
  const low = front.unary("unsigned64", front.binary("add", one.low, other.low, "wrap"));
  const isCarried = front.compare("less", low, one.low);
  const carry = front.select(isCarried, front.constant(1), front.constant(0));
  const high = front.binary("add", front.binary("add", one.high, other.high, "bigint"), carry, "bigint");
  return narrowed(front, { high, low });
}

/** The halves of a bigint that is not negative. */
export function halvesOf(front: Front, node: TypeScript.Node, lowered: Lowered): Halves {
  if (lowered.kind === "wide") return lowered;
  if (lowered.kind === "integer" && lowered.isBig) return front.toWide(lowered.value);
  return front.refuse(node, {
    code: "kernel-operand",
    why: "a bigint meets something that is none",
    instead: "turn it into a bigint with BigInt(…)",
  });
}

function shift(
  front: Front,
  node: TypeScript.Node,
  operator: "<<" | ">>",
  left: Lowered,
  right: Lowered,
): Lowered {
  const count = right.kind === "integer" ? front.known(right.value) : undefined;
  if (count === undefined || count < 0n) {
    return front.refuse(node, {
      code: "kernel-shift",
      why: "bigints are shifted by constants only: what is known only when a packet comes could make any number of bits",
      instead: "shift by a constant",
    });
  }
  const { high, low } = halvesOf(front, node, left);
  if (operator === ">>") {
    if (count >= 128n) return big(front.constant(0));
    if (count >= 64n) return big(right64(front, high, count - 64n));
    if (count === 0n) return left;
    const carried = front.binary("shiftLeft", high, Number(64n - count), "wrap");
    const lower = front.binary("or", right64(front, low, count), carried, "bigint");
    return narrowed(front, { high: right64(front, high, count), low: lower });
  }
  if (count < 64n) {
    if (count === 0n) return left;
    const carried = front.binary("shiftRight", low, Number(64n - count), "wrap");
    const factor = front.constant(1n << count);
    const upper = front.binary("or", front.binary("multiply", high, factor, "bigint"), carried, "bigint");
    return narrowed(front, { high: upper, low: front.binary("shiftLeft", low, Number(count), "wrap") });
  }
  if (front.known(high) !== 0n || count >= 128n) {
    return front.refuse(node, {
      code: "kernel-wide",
      why: "shifted to the left this may have more than 128 bits",
      instead: "shift a bigint of 64 bits by 64n to 127n to make an upper half, as in (high << 64n) | low",
    });
  }
  if (count > 64n) {
    const least = front.constant(1n << (count - 64n));
    return { kind: "wide", high: front.binary("multiply", low, least, "bigint"), low: front.constant(0) };
  }
  return { kind: "wide", high: low, low: front.constant(0) };
}

function right64(front: Front, value: Value, count: bigint): Value {
  return count === 0n ? value : front.binary("shiftRight", value, Number(count), "bigint");
}

function big(value: Value): Lowered {
  return { kind: "integer", value, isBig: true };
}

function narrowed(front: Front, { high, low }: Halves): Lowered {
  return front.known(high) === 0n ? big(low) : { kind: "wide", high, low };
}

/** Whether two are equal. */
export function wideEqual(front: Front, node: TypeScript.Node, left: Lowered, right: Lowered): Value {
  const [one, other] = [halvesOf(front, node, left), halvesOf(front, node, right)];
  const isHigh = front.compare("equal", one.high, other.high);
  return front.emit.both(isHigh, front.compare("equal", one.low, other.low));
}

/** How two compare. */
export function wideOrder(
  front: Front,
  node: TypeScript.Node,
  comparison: "less" | "lessOrEqual" | "greater" | "greaterOrEqual",
  left: Lowered,
  right: Lowered,
): Value {
  const [one, other] = [halvesOf(front, node, left), halvesOf(front, node, right)];
  const isSame = front.compare("equal", one.high, other.high);
  const byLow = front.compare(comparison, one.low, other.low);
  const byHigh = front.compare(comparison, one.high, other.high);
  return front.select(isSame, byLow, byHigh);
}
