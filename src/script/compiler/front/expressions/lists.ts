/**
 * Lists whose elements are known one by one, and sets of constants: their methods written out, and elements at an index
 * that varies.
 * @module
 */
import type TypeScript from "typescript";
import type { Value } from "../../ir/ir.ts";
import type { Front } from "../front.ts";
import type { Lowered } from "../lowered.ts";
import { argumentNode, constantValue, integerOf } from "./arguments.ts";
import { equality } from "./comparisons.ts";
import { truthy } from "./conditions.ts";
import { boolean, constantIn, integer } from "./constants.ts";

const NONE: Lowered = { kind: "undefined" };

/** Elements of a table of constants; more belong into a map. */
const TABLE_COUNT_MAX = 65_536;

/** One call of a list's method. */
interface ListCall {
  readonly front: Front;
  readonly node: TypeScript.Node;
  readonly elements: readonly Lowered[];
  readonly parameters: readonly Lowered[];
}

const METHODS: Readonly<Record<string, (call: ListCall) => Lowered>> = {
  at: (call) => element(call.front, call.node, call.elements, call.parameters[0] ?? NONE, true),
  concat: ({ elements, parameters }) => ({
    kind: "list",
    elements: [...elements, ...parameters.flatMap((one) => (one.kind === "list" ? one.elements : [one]))],
  }),
  entries: ({ front, elements }) => ({
    kind: "list",
    elements: elements.map((one, index) => ({ kind: "list", elements: [integer(front, index), one] })),
  }),
  every: (call) =>
    search(
      call,
      0,
      (isTrue) => call.front.not(isTrue),
      () => boolean(call.front, false),
      () => boolean(call.front, true),
    ),
  filter,
  find: (call) =>
    search(
      call,
      0,
      same,
      (index) => call.elements[index] ?? NONE,
      () => NONE,
    ),
  findIndex: (call) =>
    search(
      call,
      0,
      same,
      (index) => integer(call.front, index),
      () => integer(call.front, -1),
    ),
  forEach: (call) => {
    for (const index of call.elements.keys()) apply(call, index);
    return NONE;
  },
  includes,
  indexOf: (call) => indexOf(call, 0),
  join: ({ front, node, elements, parameters }) => {
    const texts = elements.map((one) =>
      String(constantValue(front, node, one, "what a text is made of") ?? ""),
    );
    const between =
      parameters[0] === undefined ? "," : constantValue(front, node, parameters[0], "the text between");
    return { kind: "text", text: texts.join(String(between)) };
  },
  keys: ({ front, elements }) => ({
    kind: "list",
    elements: elements.map((_, index) => integer(front, index)),
  }),
  map: (call) => ({ kind: "list", elements: call.elements.map((_, index) => apply(call, index)) }),
  reduce,
  slice: ({ front, node, elements, parameters }) => {
    const [from, to] = parameters.map(
      (one) => constantValue(front, node, one, "where a part of a list is") as number,
    );
    return { kind: "list", elements: elements.slice(from, to) };
  },
  some: (call) =>
    search(
      call,
      0,
      same,
      () => boolean(call.front, true),
      () => boolean(call.front, false),
    ),
  values: ({ elements }) => ({ kind: "list", elements }),
};

function same(isTrue: Value): Value {
  return isTrue;
}

/** `list.name(…)`. */
export function listCall(
  front: Front,
  node: TypeScript.Node,
  elements: readonly Lowered[],
  name: string,
  parameters: readonly Lowered[],
): Lowered {
  const method = Object.hasOwn(METHODS, name) ? METHODS[name] : undefined;
  if (method !== undefined) return method({ front, node, elements, parameters });
  return front.refuse(node, {
    code: "kernel-method",
    why: `${name} changes a list or makes one whose length is known only when a packet comes, and the kernel has no such lists`,
    instead: `use a typed array (new Uint32Array(8)) or a map; constant lists have ${Object.keys(METHODS).join(", ")}`,
  });
}

/** Calls the function that was given, with an element and its index. */
function apply({ front, elements, parameters }: ListCall, index: number): Lowered {
  const [callee = NONE] = parameters;
  return front.call(callee, [elements[index] ?? NONE, integer(front, index)]);
}

/** The first element for which the function is true, or is not. */
function search(
  call: ListCall,
  index: number,
  wanted: (isTrue: Value) => Value,
  found: (index: number) => Lowered,
  otherwise: () => Lowered,
): Lowered {
  const { front, node, elements } = call;
  if (index >= elements.length) return otherwise();
  const isTrue = wanted(truthy(front, node, apply(call, index)));
  return front.choose(
    isTrue,
    () => found(index),
    () => search(call, index + 1, wanted, found, otherwise),
  );
}

/** Conditions that follow one another without a break, for the depth of what is made of long lists. */
const RUN_LENGTH = 256;

function includes({ front, node, elements, parameters }: ListCall): Lowered {
  const [wanted = NONE] = parameters;
  const runs: Value[] = [];
  for (let start = 0; start < elements.length; start += RUN_LENGTH) {
    let isIn = front.constant(false);
    for (const one of elements.slice(start, start + RUN_LENGTH)) {
      const isEqual = equality(front, node, one, wanted);
      isIn = front.select(isEqual, front.constant(true), isIn);
    }
    runs.push(isIn);
  }
  if (runs.length === 0) return { kind: "boolean", value: front.constant(false) };
  const value = runs.reduceRight((rest, run) => front.select(run, front.constant(true), rest));
  return { kind: "boolean", value };
}

function indexOf(call: ListCall, index: number): Lowered {
  const { front, node, elements, parameters } = call;
  const one = elements[index];
  if (one === undefined) return integer(front, -1);
  return front.choose(
    equality(front, node, one, parameters[0] ?? NONE),
    () => integer(front, index),
    () => indexOf(call, index + 1),
  );
}

function filter(call: ListCall): Lowered {
  const { front, node, elements } = call;
  const kept = elements.filter((_, index) => {
    const isKept = front.truth(truthy(front, node, apply(call, index)));
    if (isKept !== undefined) return isKept;
    return front.refuse(node, {
      code: "kernel-method",
      why: "how many elements are left is known only when a packet comes, and the kernel has no lists of such lengths",
      instead: "go through the list with for (const one of list) and an if in it",
    });
  });
  return { kind: "list", elements: kept };
}

function reduce(call: ListCall): Lowered {
  const { front, elements, parameters } = call;
  const [callee = NONE, initial] = parameters;
  const [first] = elements;
  let result = initial ?? first;
  if (result === undefined) return front.fault("reduce() of an empty list without an initial value");
  for (const [index, one] of elements.entries()) {
    if (index === 0 && initial === undefined) continue;
    result = front.call(callee, [result, one, integer(front, index)]);
  }
  return result;
}

/** The element at an index: `undefined` where there is none. */
export function element(
  front: Front,
  node: TypeScript.Node,
  elements: readonly Lowered[],
  index: Lowered,
  isFromEnd = false,
): Lowered {
  const known = constantIn(front, index)?.value;
  if (typeof known === "number") return (isFromEnd ? elements.at(known) : elements[known]) ?? NONE;
  const given = integerOf(front, argumentNode(front, node, 0), index);
  const count = elements.length;
  const at = isFromEnd
    ? front.select(front.compare("less", given, 0), front.binary("add", given, count), given)
    : given;
  return within(front, at, count, () => varying(front, node, elements, at));
}

/** What stands at an index where that is within bounds, `undefined` elsewhere. */
export function within(front: Front, at: Value, count: number, action: () => Lowered): Lowered {
  const isWithin = front.emit.both(front.compare("greaterOrEqual", at, 0), front.compare("less", at, count));
  return front.choose(isWithin, action, () => NONE);
}

/** The element at an index within bounds: from a table when all are constants. */
function varying(front: Front, node: TypeScript.Node, elements: readonly Lowered[], at: Value): Lowered {
  const [first] = elements;
  const constants = elements.map((one) => constantIn(front, one)?.value);
  if (constants.every((one) => typeof one === "number" && Number.isSafeInteger(one))) {
    return {
      kind: "integer",
      value: tableLoad(
        front,
        node,
        constants.map((one) => BigInt(one as number)),
        at,
      ),
      isBig: false,
    };
  }
  if (constants.every((one) => typeof one === "boolean")) {
    const value = tableLoad(
      front,
      node,
      constants.map((one) => BigInt(one as boolean)),
      at,
    );
    return { kind: "boolean", value: front.compare("unequal", value, 0) };
  }
  if (constants.every((one) => typeof one === "bigint" && one >= 0n)) {
    const [lows, highs] = [0n, 64n].map((shift) =>
      (constants as bigint[]).map((one) => BigInt.asUintN(64, one >> shift)),
    ) as [bigint[], bigint[]];
    const low = tableLoad(front, node, lows, at);
    if (highs.every((high) => high === 0n)) return { kind: "integer", value: low, isBig: true };
    return { kind: "wide", high: tableLoad(front, node, highs, at), low };
  }
  if (first?.kind === "record" && elements.every((one) => one.kind === "record")) {
    const names = [...front.fieldsOf(first).keys()];
    const fields = names.map((name): [string, Lowered] => {
      const column = elements.map((one) =>
        one.kind === "record" ? front.fieldsOf(one).get(name) : undefined,
      );
      return [
        name,
        varying(
          front,
          node,
          column.map((one) => one ?? NONE),
          at,
        ),
      ];
    });
    return { kind: "record", fields: new Map(fields) };
  }
  return oneOf(front, elements, at, 0);
}

/** One of elements that are not constants: by comparing the index. */
function oneOf(front: Front, elements: readonly Lowered[], at: Value, index: number): Lowered {
  const one = elements[index] ?? NONE;
  if (index >= elements.length - 1) return one;
  return front.choose(
    front.compare("equal", at, index),
    () => one,
    () => oneOf(front, elements, at, index + 1),
  );
}

function tableLoad(front: Front, node: TypeScript.Node, values: readonly bigint[], at: Value): Value {
  if (values.length > TABLE_COUNT_MAX) {
    return front.refuse(node, {
      code: "kernel-too-large",
      why: `this list has ${values.length} elements, and tables of the kernel have ${TABLE_COUNT_MAX} at most`,
      instead: "keep them in a map",
    });
  }
  const isSigned = values.some((value) => value < 0n);
  const bits = [8, 16, 32, 64].find((width) =>
    values.every(
      (value) => (isSigned ? BigInt.asIntN(width, value) : BigInt.asUintN(width, value)) === value,
    ),
  );
  const elementBytes = ((bits ?? 64) / 8) as 1 | 2 | 4 | 8;
  const bytes = new Uint8Array(values.length * elementBytes);
  for (const [index, value] of values.entries()) {
    for (let byte = 0; byte < elementBytes; byte++) {
      bytes[index * elementBytes + byte] = Number(BigInt.asUintN(8, value >> BigInt(8 * byte)));
    }
  }
  const from = front.builder.value("entry");
  front.emit.append({ op: "table", result: from, bytes });
  const result = front.builder.value("integer");
  const count = values.length;
  front.emit.append({ op: "loadElement", result, from, index: at, count, bytes: elementBytes, isSigned });
  const sorted = [...values].sort((one, other) => (one < other ? -1 : one > other ? 1 : 0));
  return front.emit.assume(result, sorted[0] ?? 0n, sorted.at(-1) ?? 0n);
}

/** `set.name(…)`, of a set of constants. */
export function setCall(
  front: Front,
  node: TypeScript.Node,
  elements: readonly Lowered[],
  name: string,
  parameters: readonly Lowered[],
): Lowered {
  if (name === "has") return includes({ front, node, elements, parameters });
  return front.refuse(node, {
    code: "kernel-method",
    why: `${name} of a set is there in user space only: the kernel's sets are constants`,
    instead: "use has, or a map for what changes",
  });
}
