/**
 * JavaScript's arithmetic and bit operations on numbers and bigints.
 * @module
 */
import type TypeScript from "typescript";
import type { BinaryOperator } from "../../ir/ir.ts";
import type { Front } from "../front.ts";
import type { Lowered } from "../lowered.ts";
import { constantIn, describe, lowerConstant } from "./constants.ts";
import { wideOperation } from "./wide.ts";

/** Operators by their texts. */
export type ArithmeticText = "+" | "-" | "*" | "/" | "%" | "**" | "&" | "|" | "^" | "<<" | ">>" | ">>>";

export type LoweredInteger = Extract<Lowered, { readonly kind: "integer" }>;

const ON_NUMBERS: Readonly<Partial<Record<ArithmeticText, BinaryOperator>>> = {
  "+": "add",
  "-": "subtract",
  "*": "multiply",
  "%": "remainder",
  "&": "and32",
  "|": "or32",
  "^": "xor32",
  "<<": "shiftLeft32",
  ">>": "shiftRight32",
  ">>>": "shiftRightUnsigned32",
};

const ON_BIGINTS: Readonly<Partial<Record<ArithmeticText, BinaryOperator>>> = {
  "+": "add",
  "-": "subtract",
  "*": "multiply",
  "/": "divide",
  "%": "remainder",
  "&": "and",
  "|": "or",
  "^": "xor",
};

/** What the operator gives. */
export function arithmetic(
  front: Front,
  node: TypeScript.Node,
  operator: ArithmeticText,
  left: Lowered,
  right: Lowered,
): Lowered {
  const folded = fold(front, operator, left, right);
  if (folded !== undefined) return folded;
  return front.each(left, (one) => front.each(right, (other) => operate(front, node, operator, one, other)));
}

function operate(
  front: Front,
  node: TypeScript.Node,
  operator: ArithmeticText,
  left: Lowered,
  right: Lowered,
): Lowered {
  const folded = fold(front, operator, left, right);
  if (folded !== undefined) return folded;
  if (left.kind === "quotient" || right.kind === "quotient") {
    return onQuotient(front, node, operator, left, right);
  }
  if (left.kind === "text" || right.kind === "text") {
    return front.refuse(node, {
      code: "kernel-text",
      why: "this text is made of what is known only when a packet comes, and the kernel has no texts",
      instead: "use a number or a bigint in its place (as a key of a map, say); constant texts are fine",
    });
  }
  if (left.kind === "fraction" || right.kind === "fraction") return refuseFraction(front, node, left, right);
  if (left.kind === "wide" || right.kind === "wide") {
    return wideOperation(front, node, operator, left, right);
  }
  if (left.kind !== "integer" || right.kind !== "integer" || left.isBig !== right.isBig) {
    const what = left.kind === "integer" && right.kind !== "integer" ? right : left;
    return front.refuse(node, {
      code: "kernel-operand",
      why: `${operator} is for two numbers or two bigints here, and this has ${describe(front, what)}`,
      instead: "turn the operands into numbers first, with Number(…) or a comparison",
    });
  }
  if (left.isBig) return onBigints(front, node, operator, left, right);
  if (operator === "/") {
    return { kind: "quotient", dividend: left.value, divisor: right.value, isRandom: false, node };
  }
  const known = ON_NUMBERS[operator];
  if (known === undefined) return power(front, node, left, right);
  return { kind: "integer", value: front.binary(known, left.value, right.value), isBig: false };
}

function onBigints(
  front: Front,
  node: TypeScript.Node,
  operator: ArithmeticText,
  left: LoweredInteger,
  right: LoweredInteger,
): Lowered {
  const known = ON_BIGINTS[operator];
  const domain = front.bigDomain;
  if (known !== undefined) {
    const isExact = known === "divide" || known === "remainder";
    const value = front.binary(known, left.value, right.value, isExact ? "bigint" : domain);
    return { kind: "integer", value, isBig: true };
  }
  if (operator === "**") return power(front, node, left, right);
  const count = front.known(right.value);
  if (count === undefined || operator === ">>>") {
    return front.refuse(node, {
      code: "kernel-shift",
      why: "bigints are shifted by constants only: what is known only when a packet comes could make any number of bits",
      instead: "shift by a constant, or shift a number (x << y) of 32 bits",
    });
  }
  if (count < 0n) return onBigints(front, node, operator === "<<" ? ">>" : "<<", left, negated(front, count));
  if (operator === ">>") return shiftRight(front, left, count);
  if (count >= 64n)
    return domain === "wrap" ? lowerZero(front) : wideOperation(front, node, "<<", left, right);
  if (domain !== "wrap" && count > 0n) {
    if (front.report.wideShifts.has(node)) return wideOperation(front, node, "<<", left, right);
    front.report.shifts.set(front.place, node);
  }
  const factor = front.constant(1n << count);
  return { kind: "integer", value: front.binary("multiply", left.value, factor, domain), isBig: true };
}

function negated(front: Front, count: bigint): LoweredInteger {
  return { kind: "integer", value: front.constant(-count), isBig: true };
}

function lowerZero(front: Front): Lowered {
  return { kind: "integer", value: front.constant(0n), isBig: true };
}

/** Keeps the sign of what is negative; what is not may have all 64 bits. */
function shiftRight(front: Front, { value }: LoweredInteger, count: bigint): Lowered {
  const by = front.constant(count > 63n ? 63n : count);
  const isNegative = front.compare("less", value, 0);
  const logical = count > 63n ? front.constant(0) : front.binary("shiftRight", value, by, "wrap");
  const signed = front.binary("shiftRightSigned", value, by, "bigint");
  return { kind: "integer", value: front.select(isNegative, signed, logical), isBig: true };
}

/** Small constant exponents are multiplications. */
function power(front: Front, node: TypeScript.Node, left: LoweredInteger, right: LoweredInteger): Lowered {
  const exponent = front.known(right.value);
  if (exponent === undefined || exponent < 1n || exponent > 8n) {
    return front.refuse(node, {
      code: "kernel-power",
      why: "a power is made of multiplications, and how many is not a small constant here",
      instead: "write a constant exponent from 1 to 8, or a constant base and a table of its powers",
    });
  }
  let { value } = left;
  for (let times = 1n; times < exponent; times++) {
    value = front.binary("multiply", value, left.value, left.isBig ? front.bigDomain : "number");
  }
  return { ...left, value };
}

/** Chance times a number stays what it is; all else about fractions is refused where the division stands. */
function onQuotient(
  front: Front,
  node: TypeScript.Node,
  operator: ArithmeticText,
  left: Lowered,
  right: Lowered,
): Lowered {
  const [one, other] = left.kind === "quotient" ? [left, right] : [right, left];
  if (one.kind !== "quotient") throw new TypeError("Cannot take a quotient apart: there is none");
  const zero = constantIn(front, right);
  if (left === one && (operator === "|" || operator === ">>>" || operator === ">>") && zero?.value === 0) {
    const whole = front.binary("divide", one.dividend, one.divisor);
    const value = front.unary(operator === ">>>" ? "unsigned32" : "signed32", whole);
    return { kind: "integer", value, isBig: false };
  }
  if (operator === "*" && one.isRandom && other.kind === "integer" && !other.isBig) {
    return { ...one, dividend: front.binary("multiply", one.dividend, other.value) };
  }
  return refuseQuotient(front, one, node);
}

/** Refuses what a division gives, where it is used as it is. */
export function refuseQuotient(front: Front, quotient: Lowered, node: TypeScript.Node): never {
  if (quotient.kind !== "quotient") throw new TypeError("Cannot refuse a quotient: there is none");
  if (quotient.isRandom) {
    return front.refuse(node, {
      code: "kernel-fraction",
      why: "the kernel has no fractions, and context.random() gives one",
      instead: "compare it with a constant (context.random() < 0.01), or take context.randomInteger(limit)",
    });
  }
  return front.refuse(quotient.node, {
    code: "kernel-fraction",
    why: "the kernel has no fractions, and a division of numbers may give one",
    instead: "round it where it is made: Math.floor(a / b), Math.trunc(a / b) or (a / b) | 0",
  });
}

function refuseFraction(front: Front, node: TypeScript.Node, left: Lowered, right: Lowered): never {
  const fraction = left.kind === "fraction" ? left : right;
  const value = fraction.kind === "fraction" ? fraction.value : 0;
  if (Number.isInteger(value)) {
    return front.refuse(node, {
      code: "kernel-range",
      why: `numbers are exact up to 2^53 - 1, and ${value} is more`,
      instead: "use bigints, with an n behind the digits",
    });
  }
  return front.refuse(node, {
    code: "kernel-fraction",
    why: `the kernel has no fractions, and ${value} is ${Number.isNaN(value) ? "no number" : "one"}`,
    instead: "calculate with whole numbers: multiply first, then Math.floor(a / b)",
  });
}

/** What JavaScript makes of two constants; `undefined` when they are none. */
function fold(front: Front, operator: ArithmeticText, left: Lowered, right: Lowered): Lowered | undefined {
  const [one, other] = [constantIn(front, left), constantIn(front, right)];
  if (one === undefined || other === undefined) return undefined;
  if (typeof one.value === "object" || typeof other.value === "object") return undefined;
  if (front.bigDomain === "wrap" && typeof one.value === "bigint" && typeof other.value === "bigint") {
    if (operator === "<<" && other.value > 128n) return undefined;
    const result = OPERATORS[operator](one.value, other.value);
    return lowerConstant(front, BigInt.asUintN(64, result as bigint));
  }
  try {
    return lowerConstant(front, OPERATORS[operator](one.value, other.value));
  } catch {
    // A bigint with a number, a division of bigints by zero: what it is refused for depends on the operands.
    return undefined;
  }
}

/** The operators on whatever JavaScript takes: operands that do not go together throw. */
const OPERATORS: Readonly<Record<ArithmeticText, (left: unknown, right: unknown) => unknown>> = {
  "+": (left, right) => (left as number) + (right as number),
  "-": (left, right) => (left as number) - (right as number),
  "*": (left, right) => (left as number) * (right as number),
  "/": (left, right) => (left as number) / (right as number),
  "%": (left, right) => (left as number) % (right as number),
  "**": (left, right) => (left as number) ** (right as number),
  "&": (left, right) => (left as number) & (right as number),
  "|": (left, right) => (left as number) | (right as number),
  "^": (left, right) => (left as number) ^ (right as number),
  "<<": (left, right) => (left as number) << (right as number),
  ">>": (left, right) => (left as number) >> (right as number),
  ">>>": (left, right) => (left as number) >>> (right as number),
};
