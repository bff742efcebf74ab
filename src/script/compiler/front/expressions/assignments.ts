/**
 * Assignments to variables, fields of objects, elements of arrays, and fields of packets.
 * @module
 */
import type TypeScript from "typescript";
import type { Front } from "../front.ts";
import type { Lowered } from "../lowered.ts";
import type { LoweredRecord } from "../shapes.ts";
import { bare } from "../syntax.ts";
import { orInitializer } from "./bind.ts";
import { detach, isOfLoopWithin } from "./closures.ts";
import { orElse, truthy } from "./conditions.ts";
import { describe, integer } from "./constants.ts";
import { identifier } from "./names.ts";
import { type ArithmeticText, arithmetic } from "./operators.ts";
import { property } from "./properties.ts";
import { getElement, setElement } from "./typed-arrays.ts";

/** Something that can be assigned to, what it belongs to evaluated once. */
interface Place {
  read(): Lowered;
  write(value: Lowered): void;
}

/** `a = b`, `a += b` and the others; also to several at once, `[a, b] = [b, a]`. */
export function assign(front: Front, node: TypeScript.BinaryExpression): Lowered {
  const operator = node.operatorToken.getText().slice(0, -1);
  const { ts } = front;
  const left = bare(ts, node.left);
  if (operator === "" && (ts.isArrayLiteralExpression(left) || ts.isObjectLiteralExpression(left))) {
    const value = front.expression(node.right);
    front.at(node, () => takeApart(front, left, value));
    return value;
  }
  const place = placeOf(front, left);
  if (operator === "") {
    const value = front.expression(node.right);
    front.at(node, () => place.write(value));
    return value;
  }
  const before = front.at(node.left, () => place.read());
  const right = (): Lowered => front.expression(node.right);
  const value = front.at(node, () => {
    if (operator === "??") return orElse(front, before, right);
    if (operator === "&&") return front.choose(truthy(front, node.left, before), right, () => before);
    if (operator === "||") return front.choose(truthy(front, node.left, before), () => before, right);
    return arithmetic(front, node, operator as ArithmeticText, before, right());
  });
  front.at(node, () => place.write(value));
  return value;
}

/** `[a, b] = [b, a]`, `({ a, b: c = 3 } = object)`: one part after the other. */
function takeApart(
  front: Front,
  pattern: TypeScript.ArrayLiteralExpression | TypeScript.ObjectLiteralExpression,
  value: Lowered,
): void {
  const { ts } = front;
  if (ts.isObjectLiteralExpression(pattern)) {
    for (const part of pattern.properties) {
      if (ts.isShorthandPropertyAssignment(part)) {
        const given = property(front, part, value, part.name.text);
        put(front, part.name, orInitializer(front, given, part.objectAssignmentInitializer));
      } else if (ts.isPropertyAssignment(part) && isPlainName(front, part.name)) {
        put(front, part.initializer, property(front, part, value, part.name.text));
      } else refuseTarget(front, part);
    }
    return;
  }
  const list = front.present(value);
  if (list.kind !== "list") {
    refuseTarget(front, pattern);
    return;
  }
  for (const [index, part] of pattern.elements.entries()) {
    if (ts.isOmittedExpression(part)) continue;
    if (ts.isSpreadElement(part)) {
      put(front, part.expression, { kind: "list", elements: list.elements.slice(index) });
    } else put(front, part, list.elements[index] ?? { kind: "undefined" });
  }
}

function isPlainName(
  { ts }: Front,
  name: TypeScript.PropertyName,
): name is TypeScript.Identifier | TypeScript.StringLiteral {
  return ts.isIdentifier(name) || ts.isStringLiteral(name);
}

/** Assigns to one part of a pattern: a pattern again, with a default, or a variable, a field, an element. */
function put(front: Front, node: TypeScript.Expression, value: Lowered): void {
  const { ts } = front;
  const target = bare(ts, node);
  if (ts.isBinaryExpression(target) && target.operatorToken.kind === ts.SyntaxKind.EqualsToken) {
    put(front, target.left, orInitializer(front, value, target.right));
  } else if (ts.isArrayLiteralExpression(target) || ts.isObjectLiteralExpression(target)) {
    takeApart(front, target, value);
  } else placeOf(front, target).write(value);
}

/** `++a`, `a--`. */
export function increment(
  front: Front,
  node: TypeScript.Node,
  operand: TypeScript.Expression,
  step: "+" | "-",
  isPrefix: boolean,
): Lowered {
  const place = placeOf(front, bare(front.ts, operand));
  const before = front.at(operand, () => place.read());
  const isBig = before.kind === "integer" && before.isBig;
  const after = arithmetic(front, node, step, before, integer(front, isBig ? 1n : 1));
  place.write(after);
  return isPrefix ? after : before;
}

function placeOf(front: Front, node: TypeScript.Expression): Place {
  const { ts } = front;
  if (ts.isIdentifier(node)) return variable(front, node);
  if (ts.isPropertyAccessExpression(node)) {
    const receiver = front.expression(node.expression);
    const { text } = node.name;
    return {
      read: () => property(front, node, receiver, text),
      write: (value) => writeProperty(front, node, receiver, text, value),
    };
  }
  if (ts.isElementAccessExpression(node)) {
    const receiver = front.present(front.expression(node.expression));
    const at = front.expression(node.argumentExpression);
    if (receiver.kind === "array") {
      return {
        read: () => getElement(front, node, receiver, at),
        write: (value) => setElement(front, node, receiver, at, value),
      };
    }
    return front.refuse(node, {
      code: "kernel-list-write",
      why: `elements can be written in typed arrays only, and this is ${describe(front, receiver)}`,
      instead: "use a typed array: const seen = new Uint32Array(8)",
    });
  }
  return refuseTarget(front, node);
}

function refuseTarget(front: Front, node: TypeScript.Node): never {
  return front.refuse(node, {
    code: "kernel-assignment",
    why: "only variables, fields and elements can be assigned to, and parts of objects and lists that are known one by one",
    instead: "assign one after the other",
  });
}

function variable(front: Front, node: TypeScript.Identifier): Place {
  const { ts, checker } = front;
  const symbol = ts.isShorthandPropertyAssignment(node.parent)
    ? checker.getShorthandAssignmentValueSymbol(node.parent)
    : checker.getSymbolAtLocation(node);
  return {
    read: () => identifier(front, node),
    write: (value) => {
      if (symbol === undefined || !front.state.variables.has(symbol)) {
        // A variable of a module; its own refusal says so.
        identifier(front, node);
        return;
      }
      if (value.kind === "array") {
        front.refuse(node, {
          code: "kernel-array",
          why: "which array a variable means has to be known when the script is compiled",
          instead: "declare the array with const, and use an index to choose among its elements",
        });
      }
      const isLost = isOfLoopWithin(front, symbol.valueDeclaration);
      front.state.variables.set(symbol, detach(front, node, value, isLost));
    },
  };
}

/** `receiver.name = value`. */
function writeProperty(
  front: Front,
  node: TypeScript.Node,
  receiver: Lowered,
  name: string,
  value: Lowered,
): void {
  front.each(receiver, (one) => {
    if (one.kind === "record") writeField(front, node, one, name, value);
    else if (one.kind === "packet" || one.kind === "view" || one.kind === "bytes") {
      front.parts.packet.assign(front, node, one, name, value);
    } else {
      front.refuse(node, {
        code: "kernel-assignment",
        why: `${name} of ${describe(front, one)} cannot be assigned to`,
        instead: "assign to a variable, to a field of a header or to one of an object",
      });
    }
    return { kind: "undefined" };
  });
}

function writeField(
  front: Front,
  node: TypeScript.Node,
  record: LoweredRecord,
  name: string,
  value: Lowered,
): void {
  if (front.joinedRecords.has(record) || front.moduleRecords.has(record)) {
    front.refuse(node, {
      code: "kernel-object-write",
      why: front.moduleRecords.has(record)
        ? "objects of the module are constants in the kernel: they are not there between packets"
        : "which object this is depends on the way here, and the others would have to change with it",
      instead: "use a variable for each field that changes",
    });
  }
  const fields = new Map(front.fieldsOf(record));
  fields.set(name, detach(front, node, value, isOfLoopWithin(front, undefined)));
  front.state.variables.set(record, { kind: "record", fields });
}
