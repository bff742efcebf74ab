/**
 * What views were made from, where views of several ways become one.
 * @module
 */
import type { Value } from "../ir/ir.ts";
import type { OuterView } from "./lowered.ts";

type Outers = readonly OuterView[] | undefined;

/** The form that two lists have in common; `undefined` when they have none. */
export function commonOuters(one: Outers, other: Outers): Outers {
  if (one === undefined || other === undefined || one.length !== other.length) return undefined;
  return one.every((outer, index) => isLike(outer, other[index] as OuterView)) ? one : undefined;
}

function isLike(one: OuterView, other: OuterView): boolean {
  if (one.kind !== "header" || other.kind !== "header") return one.kind === other.kind;
  return one.protocol === other.protocol;
}

/** The values that a list is made of, in a form that it fits. */
export function outerValues(outers: Outers, form: Outers): readonly Value[] {
  if (form === undefined) return [];
  return (outers ?? form).flatMap(valuesOf);
}

function valuesOf(outer: OuterView): readonly Value[] {
  if (outer.kind === "ip") return [outer.start4, outer.start6];
  return outer.kind === "header" ? [outer.start, outer.end] : [];
}

/** The list with other values, which come in the order of {@link outerValues}. */
export function outersWith(form: Outers, next: (old: Value) => Value): Outers {
  return form?.map((outer) => {
    if (outer.kind === "ip") {
      const start4 = next(outer.start4);
      return { kind: "ip", start4, start6: next(outer.start6) };
    }
    if (outer.kind === "bytes") return outer;
    const start = next(outer.start);
    return { ...outer, start, end: next(outer.end) };
  });
}
