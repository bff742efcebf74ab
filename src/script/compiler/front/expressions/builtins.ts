/**
 * Functions of the language: those of Math, Number, BigInt and a few others.
 * @module
 */
import type TypeScript from "typescript";
import type { UnaryOperator, Value } from "../../ir/ir.ts";
import type { Front } from "../front.ts";
import type { Lowered } from "../lowered.ts";
import { argumentNode, constantValue, integerOf } from "./arguments.ts";
import { truthy } from "./conditions.ts";
import { boolean, constantIn, describe, lowerConstant } from "./constants.ts";
import { refuseQuotient } from "./operators.ts";
import { inOrder } from "./tables.ts";
import { newArray } from "./typed-arrays.ts";

/** One call of a function of the language. */
interface Call {
  readonly front: Front;
  readonly node: TypeScript.Node;
  readonly parameters: readonly Lowered[];
}

type Quotient = Extract<Lowered, { readonly kind: "quotient" }>;

const NONE: Lowered = { kind: "undefined" };

const FUNCTIONS: Readonly<Record<string, (call: Call) => Lowered>> = {
  "Math.abs": ({ front, node, parameters }) => {
    const value = integerOf(front, argumentNode(front, node, 0), parameters[0] ?? NONE);
    const negated = front.binary("subtract", front.constant(0), value);
    const size = front.select(front.compare("less", value, 0), negated, value);
    return number(front.emit.assume(size, 0, Number.MAX_SAFE_INTEGER));
  },
  "Math.ceil": (call) => rounded(call, "up"),
  "Math.clz32": ({ front, node, parameters }) => {
    const value = integerOf(front, argumentNode(front, node, 0), parameters[0] ?? NONE);
    return number(leadingZeros(front, front.unary("unsigned32", value)));
  },
  "Math.floor": (call) => rounded(call, "down"),
  "Math.imul": ({ front, node, parameters }) => {
    const [left, right] = [0, 1].map((index) =>
      integerOf(front, argumentNode(front, node, index), parameters[index] ?? NONE),
    ) as [Value, Value];
    return number(front.binary("multiply32", left, right));
  },
  "Math.max": (call) => extreme(call, "maximum"),
  "Math.min": (call) => extreme(call, "minimum"),
  "Math.random": ({ front, node }) =>
    front.refuse(node, {
      code: "kernel-global",
      why: "the kernel has chance of its own",
      instead: "use context.randomInteger(limit), or context.random() < 0.01",
    }),
  "Math.round": (call) => rounded(call, undefined),
  "Math.sign": ({ front, node, parameters }) => {
    const value = integerOf(front, argumentNode(front, node, 0), parameters[0] ?? NONE);
    const one = front.select(front.compare("greater", value, 0), front.constant(1), front.constant(0));
    return number(front.select(front.compare("less", value, 0), front.constant(-1), one));
  },
  "Math.trunc": (call) => rounded(call, "to zero"),
  Number: toNumber,
  "Number.isInteger": isWhole,
  "Number.isSafeInteger": isWhole,
  "Number.isFinite": isWhole,
  "Number.isNaN": ({ front }) => boolean(front, false),
  BigInt: toBigint,
  "BigInt.asIntN": (call) => wrapped(call, true),
  "BigInt.asUintN": (call) => wrapped(call, false),
  Boolean: ({ front, node, parameters }) => ({
    kind: "boolean",
    value: truthy(front, node, parameters[0] ?? NONE),
  }),
  "Object.entries": (call) => ({
    kind: "list",
    elements: fieldsIn(call).map(([name, value]) => ({
      kind: "list",
      elements: [{ kind: "text", text: name }, value],
    })),
  }),
  "Object.freeze": ({ parameters }) => parameters[0] ?? NONE,
  "Object.keys": (call) => ({
    kind: "list",
    elements: fieldsIn(call).map(([name]) => ({ kind: "text", text: name })),
  }),
  "Object.values": (call) => ({ kind: "list", elements: fieldsIn(call).map(([, value]) => value) }),
  "Array.of": ({ parameters }) => ({ kind: "list", elements: parameters }),
  "Array.isArray": ({ front, parameters }) => boolean(front, parameters[0]?.kind === "list"),
  "Array.from": arrayFrom,
};

/** `Uint8Array.of(…)`. */
const ARRAY_OF = /^((?:Ui|I)nt(?:8|16|32)Array)\.of$/;

/** A call of a function of the language; `undefined` for what is none. */
export function builtinCall(
  front: Front,
  node: TypeScript.Node,
  name: string,
  parameters: readonly Lowered[],
): Lowered {
  const array = ARRAY_OF.exec(name)?.[1];
  if (array !== undefined) {
    const list: Lowered = { kind: "list", elements: parameters };
    return newArray(front, node, array, [list]) ?? NONE;
  }
  const lower = Object.hasOwn(FUNCTIONS, name) ? FUNCTIONS[name] : undefined;
  if (lower !== undefined) {
    const folded = fold(front, name, parameters);
    return folded ?? lower({ front, node, parameters });
  }
  const folded = fold(front, name, parameters);
  if (folded !== undefined) return folded;
  return front.refuse(node, {
    code: "kernel-global",
    why: `${name} is there in user space only`,
    instead: name.startsWith("Math.")
      ? "calculate with whole numbers; Math has abs, ceil, clz32, floor, imul, max, min, round, sign and trunc in the kernel"
      : "use numbers, bigints, booleans and what metanet/script has",
  });
}

/** What functions of constants give: those of Math, and conversions. */
function fold(front: Front, name: string, parameters: readonly Lowered[]): Lowered | undefined {
  if (name === "Math.random") return undefined;
  const constants = parameters.map((one) => constantIn(front, one));
  if (constants.length === 0 || constants.includes(undefined)) return undefined;
  const values = constants.map((one) => one?.value);
  const [object = "", member] = name.split(".");
  if (!["Math", "Number", "BigInt"].includes(object)) return undefined;
  if (values.some((value) => typeof value === "object")) return undefined;
  const holder = { Math, Number, BigInt }[object as "Math" | "Number" | "BigInt"] as unknown as Record<
    string,
    unknown
  >;
  const callee = (member === undefined ? holder : holder[member]) as unknown;
  if (typeof callee !== "function") return undefined;
  try {
    return lowerConstant(front, Reflect.apply(callee, holder, values));
  } catch {
    // Not for such arguments: TypeScript says so, or the function's own refusal does.
    return undefined;
  }
}

function number(value: Value): Lowered {
  return { kind: "integer", value, isBig: false };
}

/** Bits above the highest one of 32: half of what is left is looked at, five times. */
function leadingZeros(front: Front, value: Value): Value {
  let count = front.constant(32);
  let rest = value;
  for (const bits of [16, 8, 4, 2, 1]) {
    const upper = front.binary("shiftRightUnsigned32", rest, bits);
    const isAbove = front.compare("unequal", upper, 0);
    count = front.select(isAbove, front.binary("subtract", count, bits), count);
    rest = front.select(isAbove, upper, rest);
  }
  return front.emit.assume(front.binary("subtract", count, rest), 0, 32);
}

/** Math.round: halves go up, so it is Math.floor(a / b + 1 / 2), which is that of (2 a + b) / (2 b). */
function nearest(front: Front, { dividend, divisor }: Quotient): Value {
  const twice = front.binary("add", front.binary("multiply", dividend, 2), divisor);
  return floored(front, twice, front.binary("multiply", divisor, 2));
}

/** The next whole number down. The rest has the dividend's sign: unlike the divisor's, towards zero was up. */
function floored(front: Front, dividend: Value, divisor: Value): Value {
  const whole = front.binary("divide", dividend, divisor);
  const isBelow = differentSigns(front, front.binary("remainder", dividend, divisor), divisor);
  return front.select(isBelow, front.emit.binary("add", whole, front.constant(-1)), whole);
}

/** Math.floor and its like: of a division what it is, of a whole number the same. */
function rounded({ front, node, parameters }: Call, way: "up" | "down" | "to zero" | undefined): Lowered {
  const place = argumentNode(front, node, 0);
  return front.each(parameters[0] ?? NONE, (one) => {
    if (one.kind === "integer" && !one.isBig) return one;
    if (one.kind !== "quotient") return number(integerOf(front, place, one));
    if (one.isRandom) return refuseQuotient(front, one, place);
    if (way === undefined) return number(nearest(front, one));
    if (way === "down") return number(floored(front, one.dividend, one.divisor));
    const whole = front.binary("divide", one.dividend, one.divisor);
    return number(way === "to zero" ? whole : ceiled(front, one, whole));
  });
}

/** The next whole number up, of a quotient and what is left of it towards zero. */
function ceiled(front: Front, { dividend, divisor }: Quotient, whole: Value): Value {
  const isAbove = sameSigns(front, front.binary("remainder", dividend, divisor), divisor);
  return front.select(isAbove, front.emit.binary("add", whole, front.constant(1)), whole);
}

function differentSigns(front: Front, rest: Value, divisor: Value): Value {
  const isNegative = front.compare("less", divisor, 0);
  return front.select(isNegative, front.compare("greater", rest, 0), front.compare("less", rest, 0));
}

function sameSigns(front: Front, rest: Value, divisor: Value): Value {
  const isNegative = front.compare("less", divisor, 0);
  return front.select(isNegative, front.compare("less", rest, 0), front.compare("greater", rest, 0));
}

function extreme({ front, node, parameters }: Call, operator: "minimum" | "maximum"): Lowered {
  const never = operator === "minimum" ? Infinity : -Infinity;
  const values = parameters.flatMap((one, index): Value[] =>
    // Whatever else there is, it is less, or more, than this: what many begin with.
    one.kind === "fraction" && one.value === never
      ? []
      : [integerOf(front, argumentNode(front, node, index), one)],
  );
  const [first, ...others] = values;
  if (first === undefined) return { kind: "fraction", value: never };
  return number(others.reduce((result, one) => front.binary(operator, result, one), first));
}

function toNumber({ front, node, parameters }: Call): Lowered {
  const place = argumentNode(front, node, 0);
  return front.each(parameters[0] ?? NONE, (one) => {
    if (one.kind === "integer") return number(one.isBig ? front.emit.within(one.value, "number") : one.value);
    if (one.kind === "boolean") {
      return number(front.select(one.value, front.constant(1), front.constant(0)));
    }
    if (one.kind === "quotient") return one;
    return front.refuse(place, {
      code: "kernel-range",
      why: `a number is exact up to 2^53 - 1, and this is ${describe(front, one)}`,
      instead: "take some of its bits first: Number(BigInt.asUintN(32, x))",
    });
  });
}

function toBigint({ front, node, parameters }: Call): Lowered {
  return front.each(parameters[0] ?? NONE, (one) => {
    if (one.kind === "wide") return one;
    if (one.kind === "integer") return { ...one, isBig: true };
    if (one.kind === "boolean") {
      const value = front.select(one.value, front.constant(1), front.constant(0));
      return { kind: "integer", value, isBig: true };
    }
    return { kind: "integer", value: integerOf(front, argumentNode(front, node, 0), one), isBig: true };
  });
}

function isWhole({ front, parameters }: Call): Lowered {
  const [one = NONE] = parameters;
  if (one.kind === "optional") return { kind: "boolean", value: one.isThere };
  return boolean(front, one.kind === "integer" && !one.isBig);
}

const WIDTHS: Readonly<Record<string, UnaryOperator>> = {
  "true 8": "signed8",
  "true 16": "signed16",
  "true 32": "signed32",
  "true 64": "signed64",
  "false 8": "unsigned8",
  "false 16": "unsigned16",
  "false 32": "unsigned32",
  "false 64": "unsigned64",
};

/** BigInt.asUintN and BigInt.asIntN. */
function wrapped({ front, node, parameters }: Call, isSigned: boolean): Lowered {
  const bits = constantValue(
    front,
    argumentNode(front, node, 0),
    parameters[0] ?? NONE,
    "how many bits are kept",
  ) as number;
  return front.each(parameters[1] ?? NONE, (one) => {
    if (one.kind === "wide" && !isSigned && bits >= 128) return one;
    if (one.kind === "wide" && !isSigned && bits > 64) {
      const kept = front.constant(2n ** BigInt(bits - 64) - 1n);
      return { kind: "wide", high: front.binary("and", one.high, kept, "bigint"), low: one.low };
    }
    const place = argumentNode(front, node, 1);
    if (one.kind === "wide" && bits <= 64)
      return { kind: "integer", value: cut(front, one.low, bits, isSigned), isBig: true };
    if (one.kind !== "integer" || !one.isBig || bits > 64) {
      return front.refuse(place, {
        code: "kernel-operand",
        why: `${bits} bits of a bigint are wanted here, and this is ${describe(front, one)}`,
        instead: "give a bigint: BigInt(x)",
      });
    }
    return { kind: "integer", value: cut(front, one.value, bits, isSigned), isBig: true };
  });
}

function cut(front: Front, value: Value, bits: number, isSigned: boolean): Value {
  if (bits <= 0) return front.constant(0);
  const known = WIDTHS[`${isSigned} ${bits}`];
  if (known !== undefined) return front.unary(known, value);
  if (!isSigned) {
    return front.binary("and", value, front.constant(2n ** BigInt(bits) - 1n), "bigint");
  }
  const up = front.binary("shiftLeft", value, 64 - bits, "wrap");
  return front.binary("shiftRightSigned", up, 64 - bits, "bigint");
}

function fieldsIn({ front, node, parameters }: Call): [string, Lowered][] {
  const [one = NONE] = parameters;
  if (one.kind === "record") return inOrder(front.fieldsOf(one));
  return front.refuse(argumentNode(front, node, 0), {
    code: "kernel-operand",
    why: `an object whose fields are known is wanted here, and this is ${describe(front, one)}`,
    instead: "name the fields one by one",
  });
}

function arrayFrom({ front, node, parameters }: Call): Lowered {
  const [from = NONE, callee] = parameters;
  const length = from.kind === "record" ? front.fieldsOf(from).get("length") : undefined;
  const count = length === undefined ? undefined : constantIn(front, length)?.value;
  const elements =
    from.kind === "list" || from.kind === "set"
      ? from.elements
      : Array.from({ length: Number(count ?? 0) }, () => NONE);
  if (from.kind !== "list" && from.kind !== "set" && typeof count !== "number") {
    return front.refuse(argumentNode(front, node, 0), {
      code: "kernel-list",
      why: "how long this list is has to be known when the script is compiled",
      instead: "write it down: Array.from({ length: 8 }, …)",
    });
  }
  if (callee === undefined) return { kind: "list", elements };
  return {
    kind: "list",
    elements: elements.map((one, index) => front.call(callee, [one, lowerConstant(front, index) ?? NONE])),
  };
}
