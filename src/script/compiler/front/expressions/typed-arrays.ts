/**
 * Typed arrays on the stack: `new Uint32Array(8)`.
 * @module
 */
import type TypeScript from "typescript";
import type { Value } from "../../ir/ir.ts";
import type { Front } from "../front.ts";
import type { Lowered } from "../lowered.ts";
import { argumentNode, integerOf } from "./arguments.ts";
import { constantIn, describe, integer } from "./constants.ts";
import { listCall, within } from "./lists.ts";
import { halvesOf } from "./wide.ts";

export type LoweredArray = Extract<Lowered, { readonly kind: "array" }>;

/** Bytes of one array: the stack has 512 in all. */
const ARRAY_BYTES_MAX = 256;

interface ElementType {
  readonly bytes: 1 | 2 | 4 | 8;
  readonly isSigned: boolean;
  readonly isBig: boolean;
}

const TYPES: Readonly<Record<string, ElementType>> = {
  Int8Array: { bytes: 1, isSigned: true, isBig: false },
  Uint8Array: { bytes: 1, isSigned: false, isBig: false },
  Int16Array: { bytes: 2, isSigned: true, isBig: false },
  Uint16Array: { bytes: 2, isSigned: false, isBig: false },
  Int32Array: { bytes: 4, isSigned: true, isBig: false },
  Uint32Array: { bytes: 4, isSigned: false, isBig: false },
  BigInt64Array: { bytes: 8, isSigned: true, isBig: true },
  BigUint64Array: { bytes: 8, isSigned: false, isBig: true },
};

/** `new Uint32Array(…)`; `undefined` for what is no typed array. */
export function newArray(
  front: Front,
  node: TypeScript.Node,
  name: string,
  parameters: readonly Lowered[],
): Lowered | undefined {
  const type = Object.hasOwn(TYPES, name) ? TYPES[name] : undefined;
  if (type === undefined) return undefined;
  const [given] = parameters;
  const list = given?.kind === "list" ? given.elements : undefined;
  const length = list?.length ?? (given === undefined ? 0 : constantIn(front, given)?.value);
  if (typeof length !== "number" || !Number.isInteger(length) || length < 1) {
    return front.refuse(node, {
      code: "kernel-array",
      why: "how long an array is has to be known when the script is compiled, and at least 1",
      instead: "write the length down: new Uint32Array(8)",
    });
  }
  if (length * type.bytes > ARRAY_BYTES_MAX) {
    return front.refuse(node, {
      code: "kernel-array",
      why: `this array takes ${length * type.bytes} bytes, and the kernel's stack has room for ${ARRAY_BYTES_MAX}`,
      instead: 'keep the numbers in a map: context.map("name", { kind: "array", countMax: … })',
    });
  }
  const constants = front.moduleDepth === 0 ? undefined : constantArray(front, type, list, length);
  if (constants !== undefined) return constants;
  // Whole words, which are cleared at once.
  const bytes = 8 * Math.ceil((length * type.bytes) / 8);
  const memory = front.emit.slot(bytes);
  for (let at = 0; at < bytes; at += 8) front.emit.store(memory, at, 8, front.constant(0));
  const array: LoweredArray = { kind: "array", memory, count: length, ...type };
  for (const [index, value] of (list ?? []).entries()) {
    setElement(front, node, array, integer(front, index), value);
  }
  return array;
}

/** An array of a module, whose elements are constants: it can only be read. */
function constantArray(
  front: Front,
  { bytes, isSigned, isBig }: ElementType,
  list: readonly Lowered[] | undefined,
  length: number,
): Lowered | undefined {
  const given = list?.map((one) => constantIn(front, one)?.value) ?? Array<number>(length).fill(0);
  if (isBig || given.some((one) => typeof one !== "number" || !Number.isSafeInteger(one))) return undefined;
  const cut = isSigned ? BigInt.asIntN : BigInt.asUintN;
  const elements = given.map((one): Lowered => integer(front, Number(cut(8 * bytes, BigInt(one as number)))));
  return { kind: "list", elements };
}

/** `array[index]`: undefined where there is none. */
export function getElement(
  front: Front,
  node: TypeScript.Node,
  { memory, count, bytes, isSigned, isBig }: LoweredArray,
  index: Lowered,
): Lowered {
  const at = integerOf(front, node, index);
  return within(front, at, count, () => {
    const value = front.builder.value("integer");
    front.emit.append({ op: "loadElement", result: value, from: memory, index: at, count, bytes, isSigned });
    return { kind: "integer", value, isBig };
  });
}

/** `array[index] = value`: nothing happens where there is no such element. */
export function setElement(
  front: Front,
  node: TypeScript.Node,
  array: LoweredArray,
  index: Lowered,
  value: Lowered,
): void {
  const { memory, count, bytes } = array;
  const at = integerOf(front, node, index);
  const stored = elementValue(front, node, array, value);
  within(front, at, count, () => {
    front.emit.append({ op: "storeElement", to: memory, index: at, count, bytes, value: stored });
    return { kind: "undefined" };
  });
}

function elementValue(front: Front, node: TypeScript.Node, array: LoweredArray, value: Lowered): Value {
  if (!array.isBig) return integerOf(front, node, value);
  const one = front.present(value);
  if (one.kind === "integer" && one.isBig) return one.value;
  if (one.kind === "wide") return halvesOf(front, node, one).low;
  return front.refuse(node, {
    code: "kernel-operand",
    why: `this array has bigints, and this is ${describe(front, one)}`,
    instead: "turn it into a bigint with BigInt(…)",
  });
}

/** `array.name(…)`. */
export function arrayCall(
  front: Front,
  node: TypeScript.Node,
  array: LoweredArray,
  name: string,
  parameters: readonly Lowered[],
): Lowered {
  if (name === "fill") {
    const value = parameters[0] ?? { kind: "undefined" };
    const [from = 0, to = array.count] = parameters
      .slice(1)
      .map((one) => constantIn(front, one)?.value as number | undefined);
    for (let index = from; index < to; index++) {
      setElement(front, argumentNode(front, node, 0), array, integer(front, index), value);
    }
    return array;
  }
  // Read when they are asked for: what a loop over them writes to the array is seen by the rounds behind.
  const read = (index: number): Lowered => getElement(front, node, array, integer(front, index));
  if (name === "entries") {
    return lazily(array.count, (index) => ({
      kind: "list",
      elements: [integer(front, index), read(index)],
    }));
  }
  if (name === "values") return lazily(array.count, read);
  if (name === "includes" || name === "indexOf" || name === "keys" || name === "at") {
    const elements = Array.from({ length: array.count }, (_, index) => read(index));
    return listCall(front, node, elements, name, parameters);
  }
  return front.refuse(node, {
    code: "kernel-array",
    why: `${name} of a typed array is there in user space only`,
    instead: "read and write its elements, or use fill, at, includes, indexOf, entries, keys, values",
  });
}

/** A list whose elements are looked at one by one, each at its time. */
function lazily(count: number, at: (index: number) => Lowered): Lowered {
  const elements: Lowered[] = Array.from({ length: count });
  for (const index of elements.keys()) {
    Object.defineProperty(elements, index, { get: () => at(index), enumerable: true });
  }
  return { kind: "list", elements };
}
