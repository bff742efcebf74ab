/**
 * Names that a declaration or a parameter binds, also by taking objects and lists apart.
 * @module
 */
import type TypeScript from "typescript";
import type { Front } from "../front.ts";
import type { Lowered } from "../lowered.ts";
import { property } from "./properties.ts";

/** What is done with each name. */
export type Bind = (name: TypeScript.Identifier, value: Lowered) => void;

/** Binds all names of a pattern. */
export function bindPattern(front: Front, name: TypeScript.BindingName, value: Lowered, bind: Bind): void {
  const { ts } = front;
  if (ts.isIdentifier(name)) bind(name, value);
  else if (value.kind === "refused") {
    for (const element of name.elements) {
      if (!ts.isOmittedExpression(element)) bindPattern(front, element.name, value, bind);
    }
  } else if (ts.isObjectBindingPattern(name)) bindObject(front, name, value, bind);
  else bindList(front, name, value, bind);
}

function bindObject(
  front: Front,
  pattern: TypeScript.ObjectBindingPattern,
  value: Lowered,
  bind: Bind,
): void {
  const { ts } = front;
  const taken = new Set<string>();
  for (const element of pattern.elements) {
    if (element.dotDotDotToken !== undefined) {
      bindPattern(front, element.name, restOf(front, element, value, taken), bind);
      continue;
    }
    const key = element.propertyName ?? element.name;
    if (!ts.isIdentifier(key) && !ts.isStringLiteral(key)) {
      refusePattern(front, element);
      continue;
    }
    taken.add(key.text);
    const field = front.at(element, () => property(front, element, value, key.text));
    bindPattern(front, element.name, orInitializer(front, field, element.initializer), bind);
  }
}

function restOf(
  front: Front,
  element: TypeScript.BindingElement,
  value: Lowered,
  taken: ReadonlySet<string>,
): Lowered {
  if (value.kind !== "record") return refusePattern(front, element);
  const fields = [...front.fieldsOf(value)].filter(([name]) => !taken.has(name));
  return { kind: "record", fields: new Map(fields) };
}

function bindList(front: Front, pattern: TypeScript.ArrayBindingPattern, value: Lowered, bind: Bind): void {
  const { ts } = front;
  const list = front.present(value);
  if (list.kind !== "list") {
    refusePattern(front, pattern);
    return;
  }
  for (const [index, element] of pattern.elements.entries()) {
    if (ts.isOmittedExpression(element)) continue;
    const one: Lowered =
      element.dotDotDotToken === undefined
        ? (list.elements[index] ?? { kind: "undefined" })
        : { kind: "list", elements: list.elements.slice(index) };
    bindPattern(front, element.name, orInitializer(front, one, element.initializer), bind);
  }
}

/** What a default makes of a value: it stands in for undefined. */
export function orInitializer(
  front: Front,
  value: Lowered,
  initializer: TypeScript.Expression | undefined,
): Lowered {
  if (initializer === undefined) return value;
  if (value.kind === "undefined") return front.expression(initializer);
  if (value.kind !== "optional") return value;
  return front.choose(
    value.isThere,
    () => value.inner,
    () => front.expression(initializer),
  );
}

function refusePattern(front: Front, node: TypeScript.Node): never {
  return front.refuse(node, {
    code: "kernel-pattern",
    why: "only objects and lists whose parts are known one by one can be taken apart",
    instead: "read the fields one after the other",
  });
}
