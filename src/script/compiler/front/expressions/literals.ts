/**
 * Objects, lists, texts and what `new` makes.
 * @module
 */
import type TypeScript from "typescript";
import type { Front } from "../front.ts";
import type { Lowered } from "../lowered.ts";
import { constantIn, describe } from "./constants.ts";
import { newTable } from "./tables.ts";
import { newArray } from "./typed-arrays.ts";

/** `{ … }`. */
export function objectLiteral(front: Front, node: TypeScript.ObjectLiteralExpression): Lowered {
  const { ts } = front;
  const fields = new Map<string, Lowered>();
  for (const part of node.properties) {
    if (ts.isSpreadAssignment(part)) {
      const spread = front.expression(part.expression);
      if (spread.kind !== "record") refuseSpread(front, part, spread);
      else for (const [name, value] of front.fieldsOf(spread)) fields.set(name, value);
    } else if (ts.isPropertyAssignment(part)) {
      fields.set(nameOf(front, part.name), front.expression(part.initializer));
    } else if (ts.isShorthandPropertyAssignment(part)) {
      fields.set(part.name.text, front.expression(part.name));
    } else if (ts.isMethodDeclaration(part)) {
      fields.set(nameOf(front, part.name), { kind: "function", declaration: part, environment: undefined });
    } else {
      front.refuse(part, {
        code: "kernel-accessor",
        why: "the kernel's objects have fields only, and this is an accessor",
        instead: "write a function",
      });
    }
  }
  const record: Lowered = { kind: "record", fields };
  if (front.moduleDepth > 0) front.moduleRecords.add(record);
  return record;
}

function nameOf(front: Front, name: TypeScript.PropertyName): string {
  const { ts } = front;
  if (ts.isIdentifier(name) || ts.isStringLiteralLike(name) || ts.isNumericLiteral(name)) return name.text;
  const known = ts.isComputedPropertyName(name)
    ? constantIn(front, front.expression(name.expression))?.value
    : undefined;
  if (typeof known === "string" || typeof known === "number") return String(known);
  return front.refuse(name, {
    code: "kernel-field",
    why: "the name of a field has to be known when the script is compiled",
    instead: "use a map for names that vary",
  });
}

function refuseSpread(front: Front, node: TypeScript.Node, spread: Lowered): never {
  return front.refuse(node, {
    code: "kernel-spread",
    why: `only objects and lists whose parts are known can be spread, and this is ${describe(front, spread)}`,
    instead: "write the parts one by one",
  });
}

/** `[ … ]`. */
export function listLiteral(front: Front, node: TypeScript.ArrayLiteralExpression): Lowered {
  const { ts } = front;
  const elements = node.elements.flatMap((part): Lowered[] => {
    if (ts.isOmittedExpression(part)) return [{ kind: "undefined" }];
    if (!ts.isSpreadElement(part)) return [front.expression(part)];
    const spread = front.expression(part.expression);
    if (spread.kind === "list" || spread.kind === "set") return [...spread.elements];
    return refuseSpread(front, part, spread);
  });
  return { kind: "list", elements };
}

/** A template whose parts are constants. */
export function templateText(front: Front, node: TypeScript.TemplateExpression): Lowered {
  let { text } = node.head;
  for (const { expression, literal } of node.templateSpans) {
    const constant = constantIn(front, front.expression(expression));
    if (constant === undefined || typeof constant.value === "object") {
      front.refuse(expression, {
        code: "kernel-text",
        why: "this text is made of what is known only when a packet comes, and the kernel has no texts",
        instead:
          "use a number or a bigint in its place, such as ip.source * 65_536 + udp.sourcePort for a key",
      });
    }
    text += String(constant?.value) + literal.text;
  }
  return { kind: "text", text };
}

/** `new …(…)`. */
export function newExpression(front: Front, node: TypeScript.NewExpression): Lowered {
  if (!isKnown(front, node.expression)) return refuseNew(front, node);
  const callee = front.expression(node.expression);
  const parameters = (node.arguments ?? []).map((argument) => front.expression(argument));
  if (callee.kind === "builtin") {
    const array = newArray(front, node, callee.name, parameters);
    if (array !== undefined) return array;
    const [given] = parameters;
    const table = callee.name === "Map" ? newTable(front, parameters) : undefined;
    if (table !== undefined) return table;
    if (callee.name === "Set" && (given?.kind === "list" || given?.kind === "set")) {
      return { kind: "set", elements: distinct(front, given.elements) };
    }
  }
  return refuseNew(front, node);
}

/** Without those that are there already; what is not known at compile time is told apart when it is asked for. */
function distinct(front: Front, elements: readonly Lowered[]): readonly Lowered[] {
  const seen = new Set<unknown>();
  return elements.filter((one) => {
    const constant = constantIn(front, one);
    if (constant === undefined || typeof constant.value === "object") return true;
    if (seen.has(constant.value)) return false;
    seen.add(constant.value);
    return true;
  });
}

/** Typed arrays, sets and maps; other classes are not even looked at. */
function isKnown(front: Front, callee: TypeScript.Expression): boolean {
  return front.ts.isIdentifier(callee) && /^(Map|Set|(Big)?(Ui|I)nt\d+Array)$/.test(callee.text);
}

const IN_PLACE_OF: Readonly<Record<string, string>> = {
  Array: "use a typed array of constant length: new Uint32Array(8)",
  Date: "use context.now, whole milliseconds since 1970",
  Map: 'use a map of the context, context.map("name", { countMax: 1000 }), or constants: new Map([[1, 2]])',
  WeakMap: 'use a map of the context: context.map("name", { countMax: 1000 })',
};

function refuseNew(front: Front, node: TypeScript.NewExpression): never {
  return front.refuse(node, {
    code: "kernel-new",
    why: "the kernel has no memory to make objects in",
    instead:
      IN_PLACE_OF[node.expression.getText()] ??
      "use an object literal, or a typed array of constant length (new Uint32Array(8))",
  });
}
