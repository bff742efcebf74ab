/**
 * What maps do, on the kernel's maps: `get`, `set`, `add` and the others of `SharedMap`, with the same meaning. An
 * entry whose time is over is not there, though the kernel still has it.
 * @module
 */
import type TypeScript from "typescript";
import { KERNEL_MAP_NUMBER_MAX, type KernelMapLayout, kernelMapLayout } from "../../../kernel-map-layout.ts";
import type { UsedMap } from "../../compiled.ts";
import type { Value } from "../../ir/ir.ts";
import { argumentNode, integerOf } from "../expressions/arguments.ts";
import { boolean } from "../expressions/constants.ts";
import type { Front } from "../front.ts";
import type { Lowered } from "../lowered.ts";
import { withKey } from "./map-key.ts";
import { type MapMethod, mapMethod, refuseMapMethod } from "./map-methods.ts";
import { now } from "./time.ts";

const NONE: Lowered = { kind: "undefined" };

/** One call of a map's method, with its key in memory. */
interface Operation {
  readonly front: Front;
  readonly node: TypeScript.Node;
  readonly map: UsedMap;
  readonly layout: KernelMapLayout;
  readonly key: Value;
  readonly parameters: readonly Lowered[];
}

interface Method {
  readonly lower: (operation: Operation) => Lowered;
  /** Where no entry can have such a key. */
  readonly otherwise: (front: Front) => Lowered;
}

const no = (front: Front): Lowered => boolean(front, false);
const none = (): Lowered => NONE;

const METHODS: Readonly<Record<MapMethod, Method>> = {
  get: { lower: get, otherwise: none },
  has: { lower: has, otherwise: no },
  set: { lower: set, otherwise: no },
  add: { lower: add, otherwise: none },
  compareAndSet: { lower: compareAndSet, otherwise: no },
  touch: { lower: touch, otherwise: no },
  delete: { lower: remove, otherwise: no },
};

const PER_PROCESSOR: ReadonlySet<string> = new Set(["add", "delete"]);

/** `map.name(…)`. */
export function mapCall(
  front: Front,
  node: TypeScript.Node,
  map: UsedMap,
  name: string,
  parameters: readonly Lowered[],
): Lowered {
  const method = METHODS[mapMethod(front, node, name)];
  if (map.shape.perProcessor && !PER_PROCESSOR.has(name)) {
    return front.refuse(node, {
      code: "kernel-map",
      why: `map ${JSON.stringify(map.name)} has a number for each processor (perProcessor), which scripts only add to`,
      instead: "leave perProcessor out when scripts read the map",
    });
  }
  const layout = kernelMapLayout(map.shape);
  // The clock is asked in front, so that it is known on all ways behind.
  if (layout.expiresAt !== undefined) now(front);
  return withKey(
    front,
    argumentNode(front, node, 0),
    map,
    parameters[0] ?? NONE,
    (key) => method.lower({ front, node, map, layout, key, parameters }),
    () => method.otherwise(front),
  );
}

/**
 * Looks the entry up: what is done where it is there, where its time is over (the same when that is left out), and where
 * there is none.
 */
function withEntry(
  { front, map, layout, key }: Operation,
  ways: {
    readonly live: (entry: Value) => Lowered;
    readonly expired: ((entry: Value, expires: Value) => Lowered) | undefined;
    readonly missing: () => Lowered;
  },
): Lowered {
  const entry = front.builder.value("entry");
  front.emit.append({ op: "lookUp", result: entry, map: map.name, key });
  const isFound = front.builder.value("boolean");
  front.emit.append({ op: "isFound", result: isFound, entry });
  const { expiresAt } = layout;
  const { expired } = ways;
  const found = (): Lowered => {
    if (expiresAt === undefined || expired === undefined) return ways.live(entry);
    const expires = loadSigned(front, entry, expiresAt);
    return front.choose(
      front.compare("greater", expires, now(front)),
      () => ways.live(entry),
      () => expired(entry, expires),
    );
  };
  return front.choose(isFound, found, ways.missing);
}

function loadSigned(front: Front, entry: Value, at: number): Value {
  const value = front.unary("signed64", front.emit.load(entry, at, 8));
  return front.emit.assume(value, -KERNEL_MAP_NUMBER_MAX, KERNEL_MAP_NUMBER_MAX);
}

function numberIn(front: Front, entry: Value): Lowered {
  return { kind: "integer", value: loadSigned(front, entry, 0), isBig: false };
}

function get(operation: Operation): Lowered {
  const { front } = operation;
  return withEntry(operation, {
    live: (entry) => numberIn(front, entry),
    expired: none,
    missing: none,
  });
}

function has(operation: Operation): Lowered {
  const { front, map } = operation;
  if (map.shape.kind === "lru") {
    front.note(`has() of the lru map ${JSON.stringify(map.name)} counts as a use in the kernel`);
  }
  return withEntry(operation, {
    live: () => boolean(front, true),
    expired: () => no(front),
    missing: () => no(front),
  });
}

/** When an entry that is set now expires. */
function expiry({ front, map }: Operation): Value {
  return front.binary("add", now(front), map.shape.timeToLive ?? 0);
}

/** Renews and overwrites an entry in place; its bytes stay. */
function overwrite(operation: Operation, entry: Value, value: Value): void {
  operation.front.emit.store(entry, 0, 8, value);
  renew(operation, entry);
}

function renew(operation: Operation, entry: Value): void {
  const { front, layout } = operation;
  if (layout.expiresAt !== undefined) front.emit.store(entry, layout.expiresAt, 8, expiry(operation));
}

/** Bytes of an entry that is new: zeros. */
function clearBytes({ front, layout }: Operation, entry: Value): void {
  if (layout.bytesAt === undefined) return;
  for (let at = layout.bytesAt; at < layout.valueBytes; at += 8) {
    front.emit.store(entry, at, 8, front.constant(0));
  }
}

/** Puts an entry there; whether the kernel took it. */
function insert(operation: Operation, value: Value, mode: "any" | "new"): Value {
  const { front, map, layout, key } = operation;
  const memory = front.emit.scratch("value", layout.valueBytes);
  front.emit.store(memory, 0, 8, value);
  renew(operation, memory);
  clearBytes(operation, memory);
  const result = front.builder.value("integer");
  front.emit.append({ op: "update", result, map: map.name, key, value: memory, mode });
  return front.compare("equal", front.unary("signed64", result), 0);
}

/** A number that a map can hold, or what becomes of one that is too large: as when the map is full. */
function withNumber(front: Front, value: Value, action: () => Lowered, otherwise: () => Lowered): Lowered {
  const isGood = front.emit.both(
    front.compare("lessOrEqual", value, KERNEL_MAP_NUMBER_MAX),
    front.compare("greaterOrEqual", value, -KERNEL_MAP_NUMBER_MAX),
  );
  return front.choose(isGood, action, otherwise);
}

function set(operation: Operation): Lowered {
  const { front, node, map, parameters } = operation;
  const value = integerOf(front, argumentNode(front, node, 1), parameters[1] ?? NONE);
  const yes = (): Lowered => boolean(front, true);
  return withNumber(
    front,
    value,
    () => {
      if (map.shape.kind === "prefix") return { kind: "boolean", value: insert(operation, value, "any") };
      return withEntry(operation, {
        live: (entry) => {
          overwrite(operation, entry, value);
          return yes();
        },
        expired:
          operation.layout.bytesAt === undefined
            ? undefined
            : (entry) => {
                overwrite(operation, entry, value);
                clearBytes(operation, entry);
                return yes();
              },
        missing: () => ({ kind: "boolean", value: insert(operation, value, "any") }),
      });
    },
    () => no(front),
  );
}

function add(operation: Operation): Lowered {
  const { front, node, map, parameters } = operation;
  const [, given] = parameters;
  const delta =
    given === undefined || given.kind === "undefined"
      ? front.constant(1)
      : integerOf(front, argumentNode(front, node, 1), given);
  const addTo = (entry: Value): Lowered => addAtomically(operation, entry, delta);
  return withNumber(
    front,
    delta,
    () =>
      withEntry(operation, {
        live: addTo,
        expired: (entry, expires) => restart(operation, entry, expires, delta, addTo),
        missing: () => {
          if (map.shape.kind === "prefix" || map.shape.kind === "array") return NONE;
          return front.choose(
            insert(operation, delta, "new"),
            () => sum(operation, delta),
            // Somebody was faster, or there is no room.
            () => withEntry(operation, { live: addTo, expired: addTo, missing: none }),
          );
        },
      }),
    none,
  );
}

function sum({ map }: Operation, value: Value): Lowered {
  if (map.shape.perProcessor) return { kind: "builtin", name: "the sum of a map perProcessor" };
  return { kind: "integer", value, isBig: false };
}

function addAtomically(operation: Operation, entry: Value, delta: Value): Lowered {
  const { front } = operation;
  const result = front.builder.value("integer");
  front.emit.append({ op: "atomicAdd", result, to: entry, at: 0, value: delta });
  const signed = front.unary("signed64", result);
  const before = front.emit.assume(signed, -KERNEL_MAP_NUMBER_MAX, KERNEL_MAP_NUMBER_MAX);
  return sum(operation, front.binary("add", before, delta));
}

/** Begins an entry whose time is over anew; only one of those who find it so at once. */
function restart(
  operation: Operation,
  entry: Value,
  expires: Value,
  value: Value,
  otherwise: (entry: Value) => Lowered,
): Lowered {
  const { front, layout } = operation;
  return front.choose(
    exchange(front, entry, layout.expiresAt ?? 0, expires, expiry(operation)),
    () => {
      front.emit.store(entry, 0, 8, value);
      clearBytes(operation, entry);
      return sum(operation, value);
    },
    () => otherwise(entry),
  );
}

/** Whether `expected` stood there, in whose place `value` stands now. */
function exchange(front: Front, entry: Value, at: number, expected: Value, value: Value): Value {
  const result = front.builder.value("integer");
  front.emit.append({ op: "atomicExchange", result, to: entry, at, expected, value });
  return front.compare("equal", front.unary("signed64", result), expected);
}

function compareAndSet(operation: Operation): Lowered {
  const { front, node, map, parameters } = operation;
  if (map.shape.kind === "prefix") return refuseMapMethod(front, node, "compareAndSet of prefixes");
  const value = integerOf(front, argumentNode(front, node, 2), parameters[2] ?? NONE);
  const expected = parameters[1] ?? NONE;
  return withNumber(
    front,
    value,
    () => setExpected(operation, expected, value),
    () => no(front),
  );
}

function setExpected(operation: Operation, expected: Lowered, value: Value): Lowered {
  const { front, node } = operation;
  if (expected.kind === "optional") {
    return front.choose(
      expected.isThere,
      () => setExpected(operation, expected.inner, value),
      () => setExpected(operation, NONE, value),
    );
  }
  if (expected.kind === "undefined") {
    return withEntry(operation, {
      live: () => no(front),
      expired: (entry, expires) => {
        const isOurs = exchange(front, entry, operation.layout.expiresAt ?? 0, expires, expiry(operation));
        return front.choose(
          isOurs,
          () => {
            front.emit.store(entry, 0, 8, value);
            clearBytes(operation, entry);
            return boolean(front, true);
          },
          () => no(front),
        );
      },
      missing: () => ({ kind: "boolean", value: insert(operation, value, "new") }),
    });
  }
  const wanted = integerOf(front, argumentNode(front, node, 1), expected);
  return withEntry(operation, {
    live: (entry) =>
      front.choose(
        exchange(front, entry, 0, wanted, value),
        () => {
          renew(operation, entry);
          return boolean(front, true);
        },
        () => no(front),
      ),
    expired: () => no(front),
    missing: () => no(front),
  });
}

function touch(operation: Operation): Lowered {
  const { front } = operation;
  return withEntry(operation, {
    live: (entry) => {
      renew(operation, entry);
      return boolean(front, true);
    },
    expired: () => no(front),
    missing: () => no(front),
  });
}

function remove(operation: Operation): Lowered {
  const { front, map, key, layout } = operation;
  if (map.shape.kind === "array") return no(front);
  const take = (): Value => {
    const result = front.builder.value("integer");
    front.emit.append({ op: "remove", result, map: map.name, key });
    return front.compare("equal", front.unary("signed64", result), 0);
  };
  if (layout.expiresAt === undefined) return { kind: "boolean", value: take() };
  return withEntry(operation, {
    live: () => ({ kind: "boolean", value: take() }),
    expired: () => {
      take();
      return no(front);
    },
    missing: () => no(front),
  });
}
