/**
 * Where ways meet, what they bring is brought into one form: which form two values have in common, the values of the
 * intermediate form that it is made of, and how it is put together again.
 * @module
 */
import type { Value, ValueType } from "../ir/ir.ts";
import type { Lowered, LoweredView } from "./lowered.ts";
import { commonOuters, outersWith, outerValues } from "./outer-views.ts";

/** What bringing a value into a form may need, on the way it comes from. */
export interface ShapeTools {
  constant(value: bigint | boolean, type?: ValueType): Value;
  select(condition: Value, ifTrue: Value, ifFalse: Value): Value;
  /** Halves of a bigint that is not negative. */
  toWide(value: Value): { readonly high: Value; readonly low: Value };
  /** A record with what was assigned to its fields. */
  fieldsOf(record: LoweredRecord): ReadonlyMap<string, Lowered>;
}

export type LoweredRecord = Extract<Lowered, { readonly kind: "record" }>;

/** Stands in forms where a value will be. */
const BOOLEAN: Value = { type: "boolean", id: -1 };
const INTEGER: Value = { type: "integer", id: -1 };
/** Of views that were made between different changes of the packet's length. */
const NO_AGE: Value = { type: "integer", id: -1 };

/** The form that two values have in common; its values mean nothing. */
export function unify(one: Lowered, other: Lowered, tools: ShapeTools): Lowered {
  if (one === other || one.kind === "refused") return one;
  if (other.kind === "refused") return other;
  if (isMaybe(one) || isMaybe(other)) return unifyOptionals(one, other, tools);
  if (one.kind === "choice") {
    if (other.kind === "choice") return unify(unify(one, other.ifTrue, tools), other.ifFalse, tools);
    return fits(one.ifTrue, other)
      ? { ...one, ifTrue: unify(one.ifTrue, other, tools) }
      : { ...one, ifFalse: unify(one.ifFalse, other, tools) };
  }
  if (other.kind === "choice") return unify(other, one, tools);
  if (!fits(one, other)) return { kind: "choice", condition: BOOLEAN, ifTrue: one, ifFalse: other };
  return unifySame(one, other, tools);
}

function isMaybe(lowered: Lowered): boolean {
  return lowered.kind === "undefined" || lowered.kind === "optional";
}

function unifyOptionals(one: Lowered, other: Lowered, tools: ShapeTools): Lowered {
  const first = one.kind === "optional" ? one.inner : one;
  const second = other.kind === "optional" ? other.inner : other;
  if (first.kind === "undefined" && second.kind === "undefined") return first;
  const inner =
    first.kind === "undefined" ? second : second.kind === "undefined" ? first : unify(first, second, tools);
  return { kind: "optional", isThere: BOOLEAN, inner };
}

/** Whether two values are of one form, but for the widths of bigints. */
function fits(one: Lowered, other: Lowered): boolean {
  if (one === other) return true;
  if (isBig(one) && isBig(other)) return true;
  if (one.kind === "optional" || one.kind === "choice") return false;
  if (one.kind === "integer" && other.kind === "integer") return one.isBig === other.isBig;
  if (one.kind === "text" && other.kind === "text") return one.text === other.text;
  if (one.kind === "fraction" && other.kind === "fraction") return one.value === other.value;
  if (one.kind === "view" && other.kind === "view") return one.view.protocol === other.view.protocol;
  if (one.kind === "protocol" && other.kind === "protocol") return one.model === other.model;
  if (one.kind === "map" && other.kind === "map") return one.map.name === other.map.name;
  if (one.kind === "counter" && other.kind === "counter") return one.name === other.name;
  if (one.kind === "array" && other.kind === "array") return one.memory === other.memory;
  if (one.kind === "function" && other.kind === "function")
    return one.declaration === other.declaration && one.environment === other.environment;
  if (one.kind === "builtin" && other.kind === "builtin") return one.name === other.name;
  if (one.kind === "quotient" && other.kind === "quotient") return one.isRandom === other.isRandom;
  if (one.kind === "list" && other.kind === "list") return one.elements.length === other.elements.length;
  if (one.kind === "record" && other.kind === "record") return sameNames(one.fields, other.fields);
  if (one.kind === "method" && other.kind === "method") {
    return one.name === other.name && fits(one.receiver, other.receiver);
  }
  return one.kind === other.kind && one.kind !== "set" && one.kind !== "table";
}

function isBig(lowered: Lowered): boolean {
  return lowered.kind === "wide" || (lowered.kind === "integer" && lowered.isBig);
}

function sameNames(one: ReadonlyMap<string, Lowered>, other: ReadonlyMap<string, Lowered>): boolean {
  return one.size === other.size && [...one.keys()].every((name) => other.has(name));
}

function unifySame(one: Lowered, other: Lowered, tools: ShapeTools): Lowered {
  if (one.kind === "wide") return one;
  if (other.kind === "wide") return other;
  if (one.kind === "verdict" && other.kind === "verdict") {
    return { kind: "verdict", code: one.code, mark: one.mark ?? other.mark };
  }
  if (one.kind === "view" && other.kind === "view") {
    return { kind: "view", view: unifyViews(one.view, other.view) };
  }
  if (one.kind === "bytes" && other.kind === "bytes") {
    return { ...one, view: unifyViews(one.view, other.view) };
  }
  if (one.kind === "record" && other.kind === "record") {
    const [left, right] = [tools.fieldsOf(one), tools.fieldsOf(other)];
    const fields = [...left].map(
      ([name, value]) => [name, unify(value, right.get(name) ?? value, tools)] as const,
    );
    return { kind: "record", fields: new Map(fields) };
  }
  if (one.kind === "list" && other.kind === "list") {
    const elements = one.elements.map((element, index) =>
      unify(element, other.elements[index] ?? element, tools),
    );
    return { kind: "list", elements };
  }
  if (one.kind === "method" && other.kind === "method") {
    return { ...one, receiver: unify(one.receiver, other.receiver, tools) };
  }
  return one;
}

function unifyViews(one: LoweredView, other: LoweredView): LoweredView {
  const kinds = [one.covering.kind, other.covering.kind];
  const kind = kinds.includes("deep") ? "deep" : kinds.includes("some") ? "some" : "none";
  return {
    ...one,
    pointer: other.pointer && one.pointer,
    checkedBytes: Math.min(one.checkedBytes, other.checkedBytes),
    note: other.note && one.note,
    covering: { ...one.covering, kind },
    outers: commonOuters(one.outers, other.outers),
    age: one.age === other.age ? one.age : NO_AGE,
  };
}

/** The values that make up `lowered` in the form `shape`, in an order of the form's own. */
export function flattenAs(shape: Lowered, lowered: Lowered, tools: ShapeTools): Value[] {
  if (shape.kind === "optional") {
    if (lowered.kind === "undefined") return [tools.constant(false), ...zerosOf(shape.inner, tools)];
    if (lowered.kind !== "optional") return [tools.constant(true), ...flattenAs(shape.inner, lowered, tools)];
    return [lowered.isThere, ...flattenAs(shape.inner, lowered.inner, tools)];
  }
  if (shape.kind === "choice") return flattenChoice(shape, lowered, tools);
  if (shape.kind === "wide" && lowered.kind === "integer") {
    const { high, low } = tools.toWide(lowered.value);
    return [high, low];
  }
  if (shape.kind === "verdict" && lowered.kind === "verdict" && shape.mark !== undefined) {
    return [lowered.code, lowered.mark ?? tools.constant(0n)];
  }
  if (shape.kind === "view" && lowered.kind === "view") return viewValues(shape.view, lowered.view);
  if (shape.kind === "bytes" && lowered.kind === "bytes") {
    return [lowered.start, lowered.length, ...viewValues(shape.view, lowered.view)];
  }
  if (shape.kind === "record" && lowered.kind === "record") {
    const fields = tools.fieldsOf(lowered);
    return [...shape.fields].flatMap(([name, field]) => flattenAs(field, fields.get(name) ?? field, tools));
  }
  if (shape.kind === "list" && lowered.kind === "list") {
    return shape.elements.flatMap((element, index) =>
      flattenAs(element, lowered.elements[index] ?? element, tools),
    );
  }
  if (shape.kind === "method" && lowered.kind === "method") {
    return flattenAs(shape.receiver, lowered.receiver, tools);
  }
  return plainValues(lowered);
}

function flattenChoice(
  shape: Extract<Lowered, { kind: "choice" }>,
  lowered: Lowered,
  tools: ShapeTools,
): Value[] {
  const { ifTrue, ifFalse } = shape;
  if (lowered.kind === "choice") {
    if (reaches(ifTrue, lowered.ifTrue) && reaches(ifFalse, lowered.ifFalse)) {
      const [left, right] = [
        flattenAs(ifTrue, lowered.ifTrue, tools),
        flattenAs(ifFalse, lowered.ifFalse, tools),
      ];
      return [lowered.condition, ...left, ...right];
    }
    const left = flattenAs(shape, lowered.ifTrue, tools);
    const right = flattenAs(shape, lowered.ifFalse, tools);
    return left.map((value, index) => tools.select(lowered.condition, value, right[index] ?? value));
  }
  return reaches(ifTrue, lowered)
    ? [tools.constant(true), ...flattenAs(ifTrue, lowered, tools), ...zerosOf(ifFalse, tools)]
    : [tools.constant(false), ...zerosOf(ifTrue, tools), ...flattenAs(ifFalse, lowered, tools)];
}

/** Whether a value can be brought into the form. */
function reaches(shape: Lowered, lowered: Lowered): boolean {
  if (shape.kind === "choice") {
    if (lowered.kind === "choice") return reaches(shape, lowered.ifTrue) && reaches(shape, lowered.ifFalse);
    return reaches(shape.ifTrue, lowered) || reaches(shape.ifFalse, lowered);
  }
  if (shape.kind === "optional") {
    if (lowered.kind === "undefined") return true;
    return reaches(shape.inner, lowered.kind === "optional" ? lowered.inner : lowered);
  }
  return fits(shape, lowered);
}

function plainValues(lowered: Lowered): Value[] {
  switch (lowered.kind) {
    case "integer":
    case "boolean":
      return [lowered.value];
    case "wide":
      return [lowered.high, lowered.low];
    case "verdict":
      return lowered.mark === undefined ? [lowered.code] : [lowered.code, lowered.mark];
    case "quotient":
      return [lowered.dividend, lowered.divisor];
    default:
      return [];
  }
}

function viewValues(shape: LoweredView, view: LoweredView): Value[] {
  const { checksumAt, isZeroNone, oddness } = view.covering;
  const values = [view.start, view.end, view.header, checksumAt, isZeroNone, oddness];
  values.push(...outerValues(view.outers, shape.outers));
  if (shape.pointer !== undefined) values.push(view.pointer ?? INTEGER);
  if (shape.note !== undefined) values.push(view.note ?? INTEGER);
  return values;
}

/** What stands in a form that is not meant. */
function zerosOf(shape: Lowered, tools: ShapeTools): Value[] {
  const values: Value[] = [];
  rebuild(shape, (value) => {
    values.push(value.type === "boolean" ? tools.constant(false) : tools.constant(0n, value.type));
    return value;
  });
  return values;
}

/** The form with other values, which come in the order of {@link flattenAs}; told what stands in the form. */
export function rebuild(shape: Lowered, next: (old: Value) => Value): Lowered {
  switch (shape.kind) {
    case "optional": {
      const isThere = next(shape.isThere);
      return { kind: "optional", isThere, inner: rebuild(shape.inner, next) };
    }
    case "choice": {
      const condition = next(shape.condition);
      const ifTrue = rebuild(shape.ifTrue, next);
      return { kind: "choice", condition, ifTrue, ifFalse: rebuild(shape.ifFalse, next) };
    }
    case "integer":
      return { ...shape, value: next(shape.value) };
    case "boolean":
      return { ...shape, value: next(shape.value) };
    case "wide": {
      const high = next(shape.high);
      return { kind: "wide", high, low: next(shape.low) };
    }
    case "verdict": {
      const code = next(shape.code);
      return { kind: "verdict", code, mark: shape.mark && next(shape.mark) };
    }
    case "quotient": {
      const dividend = next(shape.dividend);
      return { ...shape, dividend, divisor: next(shape.divisor) };
    }
    case "view":
      return { kind: "view", view: rebuildView(shape.view, next) };
    case "bytes": {
      const start = next(shape.start);
      const length = next(shape.length);
      return { kind: "bytes", start, length, view: rebuildView(shape.view, next) };
    }
    case "record":
      return {
        kind: "record",
        fields: new Map([...shape.fields].map(([name, field]) => [name, rebuild(field, next)])),
      };
    case "list":
      return { kind: "list", elements: shape.elements.map((element) => rebuild(element, next)) };
    case "method":
      return { ...shape, receiver: rebuild(shape.receiver, next) };
    default:
      return shape;
  }
}

function rebuildView(view: LoweredView, next: (old: Value) => Value): LoweredView {
  const [start, end, header] = [next(view.start), next(view.end), next(view.header)];
  const { kind } = view.covering;
  const checksumAt = next(view.covering.checksumAt);
  const isZeroNone = next(view.covering.isZeroNone);
  const oddness = next(view.covering.oddness);
  const outers = outersWith(view.outers, next);
  const pointer = view.pointer && next(view.pointer);
  const note = view.note && next(view.note);
  const covering = { kind, checksumAt, isZeroNone, oddness };
  return { ...view, start, end, header, pointer, note, covering, outers };
}
