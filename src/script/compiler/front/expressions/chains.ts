/**
 * Chains of properties, elements and calls, with `?.`: where one link is undefined, the whole chain is.
 * @module
 */
import type TypeScript from "typescript";
import type { Front } from "../front.ts";
import type { Lowered } from "../lowered.ts";
import { type Arrival, WayEnded } from "../path.ts";
import { callMethod, callValue } from "./calls.ts";
import { constantIn, describe } from "./constants.ts";
import { element } from "./lists.ts";
import { symbolValue } from "./names.ts";
import { property } from "./properties.ts";
import { fieldAt } from "./tables.ts";
import { getElement } from "./typed-arrays.ts";

type Link =
  | TypeScript.PropertyAccessExpression
  | TypeScript.ElementAccessExpression
  | TypeScript.CallExpression;

const NONE: Lowered = { kind: "undefined" };

/** Lowers a chain from its outermost link. */
export function chain(front: Front, node: Link): Lowered {
  const absent: Arrival[] = [];
  const arrivals: Arrival[] = [];
  try {
    const value = link(front, node, absent);
    if (absent.length === 0) return value;
    arrivals.push({ way: front.leave(), value });
  } catch (error) {
    // A link that is never there leaves the ways on which it is not.
    if (!(error instanceof WayEnded) || absent.length === 0) throw error;
  }
  const joined = front.meet([...arrivals, ...absent]);
  if (joined === undefined) throw new WayEnded();
  return joined;
}

function isLink(front: Front, node: TypeScript.Node): node is Link {
  const { ts } = front;
  return (
    ts.isPropertyAccessExpression(node) || ts.isElementAccessExpression(node) || ts.isCallExpression(node)
  );
}

/** What stands left of a link; ways on which it is undefined are put aside. */
function inner(front: Front, node: TypeScript.Expression, absent: Arrival[]): Lowered {
  // Parentheses end a chain.
  if (isLink(front, node) && front.ts.isOptionalChain(node)) {
    return front.at(node, () => link(front, node, absent));
  }
  const { ts } = front;
  if (ts.isNonNullExpression(node)) return inner(front, node.expression, absent);
  return front.expression(node);
}

function link(front: Front, node: Link, absent: Arrival[]): Lowered {
  const { ts } = front;
  if (ts.isCallExpression(node)) return call(front, node, absent);
  const own = moduleMember(front, node);
  if (own !== undefined) return own;
  const receiver = thereOf(front, node, inner(front, node.expression, absent), absent);
  return member(front, node, receiver);
}

/** A property or an element of something. */
function member(
  front: Front,
  node: TypeScript.PropertyAccessExpression | TypeScript.ElementAccessExpression,
  receiver: Lowered,
): Lowered {
  if (front.ts.isPropertyAccessExpression(node)) return property(front, node, receiver, node.name.text);
  return index(front, node, receiver, front.expression(node.argumentExpression));
}

/** `receiver[index]`. */
export function index(front: Front, node: TypeScript.Node, receiver: Lowered, at: Lowered): Lowered {
  const known = constantIn(front, at)?.value;
  if (typeof known === "string") return property(front, node, receiver, known);
  return front.each(receiver, (one) => {
    if (one.kind === "list") return element(front, node, one.elements, at);
    if (one.kind === "array") return getElement(front, node, one, at);
    if (one.kind === "record" && known !== undefined) return property(front, node, one, String(known));
    if (one.kind === "record" && at.kind === "integer" && !at.isBig) return fieldAt(front, node, one, at);
    if (one.kind === "record" && (at.kind === "choice" || at.kind === "optional"))
      return front.each(at, (key) => index(front, node, one, key));
    if (one.kind === "bytes") return front.parts.packet.call(front, node, one, "at", [at]);
    return front.refuse(node, {
      code: "kernel-field",
      why: `only lists, typed arrays and objects of constants have elements at an index that varies, and this is ${describe(front, one)}`,
      instead: one.kind === "record" ? "use numbers for keys, or a switch" : "read it by its name",
    });
  });
}

/** With `?.`, puts aside the ways on which there is nothing. */
function thereOf(front: Front, node: Link, value: Lowered, absent: Arrival[]): Lowered {
  if (node.questionDotToken === undefined) return value;
  return there(front, value, absent);
}

function there(front: Front, value: Lowered, absent: Arrival[]): Lowered {
  if (value.kind === "undefined") {
    absent.push({ way: front.leave(), value: NONE });
    throw new WayEnded();
  }
  if (value.kind === "choice") {
    return front.choose(
      value.condition,
      () => there(front, value.ifTrue, absent),
      () => there(front, value.ifFalse, absent),
    );
  }
  if (value.kind !== "optional") return value;
  return front.choose(
    value.isThere,
    () => there(front, value.inner, absent),
    () => there(front, NONE, absent),
  );
}

/** Something of a namespace: `import * as ports from "../ports.ts"`. */
function moduleMember(front: Front, node: TypeScript.Expression): Lowered | undefined {
  const { ts, checker } = front;
  if (!ts.isPropertyAccessExpression(node) || !ts.isIdentifier(node.expression)) return undefined;
  const symbol = checker.getSymbolAtLocation(node.expression);
  const declaration = symbol?.declarations?.[0];
  if (declaration === undefined || !ts.isNamespaceImport(declaration)) return undefined;
  const { text } = declaration.parent.parent.moduleSpecifier as TypeScript.StringLiteral;
  const found = checker.getSymbolAtLocation(node.name);
  return text.startsWith(".") && found !== undefined ? symbolValue(front, node, found) : undefined;
}

function call(front: Front, node: TypeScript.CallExpression, absent: Arrival[]): Lowered {
  const { ts } = front;
  if (node.expression.kind === ts.SyntaxKind.ImportKeyword) {
    return front.refuse(node, {
      code: "kernel-async",
      why: "modules are not loaded while packets pass",
      instead: "import at the start of the module",
    });
  }
  const callee = calleeOf(node.expression, front);
  if (isLink(front, callee) && !ts.isCallExpression(callee) && moduleMember(front, callee) === undefined) {
    const receiver = front.at(callee, () =>
      thereOf(front, callee, inner(front, callee.expression, absent), absent),
    );
    if (ts.isPropertyAccessExpression(callee) && node.questionDotToken === undefined) {
      const given = parametersOf(front, node);
      return callMethod(front, node, receiver, callee.name.text, given);
    }
    const found = thereOf(front, node, member(front, callee, receiver), absent);
    return callValue(front, node, found, parametersOf(front, node));
  }
  const found = thereOf(front, node, inner(front, callee, absent), absent);
  // What user space will call is not compiled.
  const count = found.kind === "builtin" && found.name === "script.handOver" ? 2 : undefined;
  // Inside of BigInt.asUintN(64, …) sums may be more than 64 bits.
  return callValue(front, node, found, parametersOf(front, node, count));
}

function calleeOf(node: TypeScript.Expression, front: Front): TypeScript.Expression {
  const { ts } = front;
  return ts.isParenthesizedExpression(node) || ts.isNonNullExpression(node)
    ? calleeOf(node.expression, front)
    : node;
}

function parametersOf(front: Front, node: TypeScript.CallExpression, count?: number): Lowered[] {
  const { ts } = front;
  const isWrapping = isWrap(front, node);
  return node.arguments.slice(0, count).flatMap((argument, index): Lowered[] => {
    if (ts.isSpreadElement(argument)) {
      const list = front.expression(argument.expression);
      if (list.kind === "list") return [...list.elements];
      return front.refuse(argument, {
        code: "kernel-spread",
        why: `only lists whose elements are known can be spread, and this is ${describe(front, list)}`,
        instead: "write the arguments one by one",
      });
    }
    if (!isWrapping || index !== 1) return [front.expression(argument)];
    front.bigDomain = "wrap";
    try {
      return [front.expression(argument)];
    } finally {
      front.bigDomain = "bigint";
    }
  });
}

/** BigInt.asUintN and BigInt.asIntN of 64 bits or less: what is lost above does not count. */
function isWrap(front: Front, node: TypeScript.CallExpression): boolean {
  const { ts } = front;
  const { expression } = node;
  if (!ts.isPropertyAccessExpression(expression) || !/^as(Ui|I)ntN$/.test(expression.name.text)) return false;
  if (!ts.isIdentifier(expression.expression) || expression.expression.text !== "BigInt") return false;
  const [bits] = node.arguments;
  if (bits === undefined) return false;
  const known = constantIn(front, front.expression(bits))?.value;
  return typeof known === "number" && known <= 64;
}
