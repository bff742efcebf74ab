/**
 * Values that are known at compile time, as JavaScript has them, and back.
 * @module
 */
import type { Front } from "../front.ts";
import type { Lowered } from "../lowered.ts";

const WORD_MAX = 2n ** 64n;
const WIDE_MAX = 2n ** 128n;

/** A constant, in a box because it may be `undefined`. */
export interface Constant {
  readonly value: unknown;
}

/** What a lowered value is at compile time; `undefined` when that is not known. */
export function constantIn(front: Front, lowered: Lowered): Constant | undefined {
  switch (lowered.kind) {
    case "undefined":
      return { value: undefined };
    case "text":
      return { value: lowered.text };
    case "fraction":
      return { value: lowered.value };
    case "integer": {
      const known = front.known(lowered.value);
      return known === undefined ? undefined : { value: lowered.isBig ? known : Number(known) };
    }
    case "boolean": {
      const truth = front.truth(lowered.value);
      return truth === undefined ? undefined : { value: truth };
    }
    case "wide": {
      const [high, low] = [front.known(lowered.high), front.known(lowered.low)];
      return high === undefined || low === undefined ? undefined : { value: (high << 64n) | low };
    }
    case "list": {
      const elements = lowered.elements.map((element) => constantIn(front, element));
      return elements.includes(undefined) ? undefined : { value: elements.map((one) => one?.value) };
    }
    case "record": {
      const fields = [...front.fieldsOf(lowered)].map(
        ([name, field]) => [name, constantIn(front, field)] as const,
      );
      if (fields.some(([, field]) => field === undefined)) return undefined;
      return { value: Object.fromEntries(fields.map(([name, field]) => [name, field?.value])) };
    }
    default:
      return undefined;
  }
}

/** A value of JavaScript as the front end has it; `undefined` for what it cannot have. */
export function lowerConstant(front: Front, value: unknown): Lowered | undefined {
  switch (typeof value) {
    case "undefined":
      return { kind: "undefined" };
    case "number":
      if (!Number.isSafeInteger(value)) return { kind: "fraction", value };
      return { kind: "integer", value: front.constant(value), isBig: false };
    case "bigint":
      return lowerBigint(front, value);
    case "boolean":
      return { kind: "boolean", value: front.constant(value) };
    case "string":
      return { kind: "text", text: value };
    case "object":
      return value === null ? undefined : lowerObject(front, value);
    default:
      return undefined;
  }
}

function lowerBigint(front: Front, value: bigint): Lowered | undefined {
  if (value >= -WORD_MAX / 2n && value < WORD_MAX) {
    return { kind: "integer", value: front.constant(value), isBig: true };
  }
  if (value < 0n || value >= WIDE_MAX) return undefined;
  return { kind: "wide", high: front.constant(value >> 64n), low: front.constant(BigInt.asUintN(64, value)) };
}

function lowerObject(front: Front, value: object): Lowered | undefined {
  if (Array.isArray(value)) {
    const elements = value.map((element) => lowerConstant(front, element));
    return elements.includes(undefined) ? undefined : { kind: "list", elements: elements as Lowered[] };
  }
  const fields = Object.entries(value).map(([name, field]) => [name, lowerConstant(front, field)] as const);
  if (fields.some(([, field]) => field === undefined)) return undefined;
  return { kind: "record", fields: new Map(fields as [string, Lowered][]) };
}

/** A number or bigint as the front end has it. */
export function integer(front: Front, value: number | bigint): Lowered {
  return { kind: "integer", value: front.constant(value), isBig: typeof value === "bigint" };
}

export function boolean(front: Front, value: boolean): Lowered {
  return { kind: "boolean", value: front.constant(value) };
}

/** What a lowered value is called in messages. */
export function describe(front: Front, lowered: Lowered): string {
  const constant = constantIn(front, lowered);
  if (constant !== undefined && typeof constant.value !== "object") return `the ${nameOf(constant.value)}`;
  return KINDS[lowered.kind];
}

function nameOf(value: unknown): string {
  if (value === undefined) return "value undefined";
  if (typeof value === "string") return `text ${JSON.stringify(value)}`;
  return `${typeof value} ${String(value)}${typeof value === "bigint" ? "n" : ""}`;
}

const KINDS: Readonly<Record<Lowered["kind"], string>> = {
  integer: "a number",
  wide: "a bigint of 128 bits",
  boolean: "a boolean",
  fraction: "a number with a fraction",
  text: "a text",
  undefined: "undefined",
  optional: "something that may be undefined",
  verdict: "a verdict",
  packet: "the packet",
  context: "the context",
  bus: "the bus",
  view: "a header",
  protocol: "a protocol",
  map: "a map",
  counter: "a counter",
  record: "an object",
  list: "a list",
  array: "a typed array",
  bytes: "bytes of the packet",
  function: "a function",
  builtin: "a function",
  method: "a method",
  choice: "one of several things",
  quotient: "a number with a fraction",
  set: "a set",
  table: "a map of constants",
  refused: "something that has been refused",
};
