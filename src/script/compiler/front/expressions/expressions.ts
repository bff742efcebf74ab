/**
 * Expressions, by what they are.
 * @module
 */
import type TypeScript from "typescript";
import type { Front } from "../front.ts";
import type { Lowered } from "../lowered.ts";
import { isAssignment } from "../syntax.ts";
import { assign, increment } from "./assignments.ts";
import { chain } from "./chains.ts";
import { equality, ORDERS, order } from "./comparisons.ts";
import { branches, chooseBy, conditionValue, logical, orElse } from "./conditions.ts";
import { boolean, describe, integer, lowerConstant } from "./constants.ts";
import { listLiteral, newExpression, objectLiteral, templateText } from "./literals.ts";
import { identifier } from "./names.ts";
import { type ArithmeticText, arithmetic } from "./operators.ts";

/** Lowers an expression. */
export function expression(front: Front, node: TypeScript.Expression): Lowered {
  const { ts } = front;
  if (ts.isBinaryExpression(node)) return binary(front, node);
  if (ts.isParenthesizedExpression(node)) return front.expression(node.expression);
  if (ts.isPrefixUnaryExpression(node)) return prefix(front, node);
  const domain = front.bigDomain;
  front.bigDomain = "bigint";
  try {
    return other(front, node);
  } finally {
    front.bigDomain = domain;
  }
}

function other(front: Front, node: TypeScript.Expression): Lowered {
  const { ts } = front;
  if (ts.isIdentifier(node)) return identifier(front, node);
  if (ts.isNumericLiteral(node)) return lowerConstant(front, Number(node.text)) ?? integer(front, 0);
  if (ts.isBigIntLiteral(node)) return bigLiteral(front, node);
  if (ts.isStringLiteralLike(node)) return { kind: "text", text: node.text };
  if (
    ts.isPropertyAccessExpression(node) ||
    ts.isElementAccessExpression(node) ||
    ts.isCallExpression(node)
  ) {
    return chain(front, node);
  }
  if (ts.isConditionalExpression(node)) {
    return chooseBy(
      front,
      branches(front, node.condition),
      () => front.expression(node.whenTrue),
      () => front.expression(node.whenFalse),
    );
  }
  if (ts.isPostfixUnaryExpression(node)) {
    const step = node.operator === ts.SyntaxKind.PlusPlusToken ? "+" : "-";
    return increment(front, node, node.operand, step, false);
  }
  if (
    ts.isAsExpression(node) ||
    ts.isSatisfiesExpression(node) ||
    ts.isNonNullExpression(node) ||
    ts.isTypeAssertionExpression(node)
  ) {
    return front.expression(node.expression);
  }
  if (ts.isArrowFunction(node) || ts.isFunctionExpression(node)) {
    return { kind: "function", declaration: node, environment: undefined };
  }
  if (ts.isObjectLiteralExpression(node)) return objectLiteral(front, node);
  if (ts.isArrayLiteralExpression(node)) return listLiteral(front, node);
  if (ts.isTemplateExpression(node)) return templateText(front, node);
  if (ts.isNewExpression(node)) return newExpression(front, node);
  if (ts.isTypeOfExpression(node)) return typeName(front, node, front.expression(node.expression));
  if (ts.isVoidExpression(node)) {
    front.expression(node.expression);
    return { kind: "undefined" };
  }
  return keyword(front, node);
}

function keyword(front: Front, node: TypeScript.Expression): Lowered {
  const { SyntaxKind } = front.ts;
  switch (node.kind) {
    case SyntaxKind.TrueKeyword:
      return boolean(front, true);
    case SyntaxKind.FalseKeyword:
      return boolean(front, false);
    case SyntaxKind.NullKeyword:
      return front.refuse(node, {
        code: "kernel-null",
        why: "null is not used here",
        instead: "write undefined",
      });
    case SyntaxKind.AwaitExpression:
      return front.refuse(node, {
        code: "kernel-async",
        why: "the kernel decides about a packet at once and waits for nothing",
        instead: "hand the packet over to user space: return handOver(packet, context, inspect)",
      });
    case SyntaxKind.RegularExpressionLiteral:
      return front.refuse(node, {
        code: "kernel-text",
        why: "the kernel has no texts to match with a regular expression",
        instead: "compare numbers or bytes",
      });
    case SyntaxKind.ThisKeyword:
      return front.refuse(node, {
        code: "kernel-this",
        why: "functions are put where they are called, and there is no this",
        instead: "pass what the function needs as arguments",
      });
    default:
      return front.refuse(node, {
        code: "kernel-expression",
        why: `${readable(SyntaxKind[node.kind])} is not in the language that the kernel runs`,
        instead: "see docs/kernel-scripts.md for what is, or run the script in user space",
      });
  }
}

/** `a class expression` for ClassExpression. */
function readable(kind: string | undefined): string {
  const words = (kind ?? "this").replace(/([a-z])([A-Z])/g, "$1 $2").toLowerCase();
  return `${/^[aeiou]/.test(words) ? "an" : "a"} ${words}`;
}

function bigLiteral(front: Front, node: TypeScript.BigIntLiteral): Lowered {
  const value = BigInt(node.text.slice(0, -1));
  const lowered = lowerConstant(front, value);
  if (lowered !== undefined) return lowered;
  return front.refuse(node, {
    code: "kernel-range",
    why: "this has more than 128 bits",
    instead: "use bigints of up to 128 bits, an IPv6 address's length",
  });
}

function typeName(front: Front, node: TypeScript.Node, lowered: Lowered): Lowered {
  if (lowered.kind === "choice" || lowered.kind === "optional") {
    const [condition, ifTrue, ifFalse] =
      lowered.kind === "choice"
        ? [lowered.condition, lowered.ifTrue, lowered.ifFalse]
        : [lowered.isThere, lowered.inner, { kind: "undefined" } as const];
    return front.choose(
      condition,
      () => typeName(front, node, ifTrue),
      () => typeName(front, node, ifFalse),
    );
  }
  return { kind: "text", text: nameOfType(lowered) };
}

function nameOfType(lowered: Lowered): string {
  switch (lowered.kind) {
    case "integer":
      return lowered.isBig ? "bigint" : "number";
    case "wide":
      return "bigint";
    case "fraction":
    case "quotient":
    case "verdict":
      return "number";
    case "text":
      return "string";
    case "boolean":
    case "undefined":
    case "function":
      return lowered.kind;
    case "builtin":
    case "method":
      return "function";
    default:
      return "object";
  }
}

function prefix(front: Front, node: TypeScript.PrefixUnaryExpression): Lowered {
  const { SyntaxKind } = front.ts;
  switch (node.operator) {
    case SyntaxKind.ExclamationToken:
      return conditionValue(front, node);
    case SyntaxKind.PlusPlusToken:
      return increment(front, node, node.operand, "+", true);
    case SyntaxKind.MinusMinusToken:
      return increment(front, node, node.operand, "-", true);
    case SyntaxKind.PlusToken: {
      const operand = front.expression(node.operand);
      return front.call({ kind: "builtin", name: "Number" }, [operand]);
    }
    case SyntaxKind.MinusToken:
      return negated(front, node, front.expression(node.operand));
    default: {
      const operand = front.expression(node.operand);
      const isBig = operand.kind === "wide" || (operand.kind === "integer" && operand.isBig);
      if (isBig) return arithmetic(front, node, "-", integer(front, -1n), operand);
      return arithmetic(front, node, "^", operand, integer(front, -1));
    }
  }
}

function negated(front: Front, node: TypeScript.Node, operand: Lowered): Lowered {
  if (operand.kind === "fraction") return lowerConstant(front, -operand.value) ?? operand;
  const isBig = operand.kind === "wide" || (operand.kind === "integer" && operand.isBig);
  return arithmetic(front, node, "-", integer(front, isBig ? 0n : 0), operand);
}

const ARITHMETIC: ReadonlySet<string> = new Set([
  "+",
  "-",
  "*",
  "/",
  "%",
  "**",
  "&",
  "|",
  "^",
  "<<",
  ">>",
  ">>>",
]);

/** Operators that are exact modulo 2^64 when their operands are. */
const MODULAR: ReadonlySet<string> = new Set(["+", "-", "*", "&", "|", "^", "<<"]);

function binary(front: Front, node: TypeScript.BinaryExpression): Lowered {
  const { ts } = front;
  const text = node.operatorToken.getText();
  if (ARITHMETIC.has(text)) {
    const domain = front.bigDomain;
    if (!MODULAR.has(text)) front.bigDomain = "bigint";
    try {
      const left = front.expression(node.left);
      return arithmetic(front, node, text as ArithmeticText, left, front.expression(node.right));
    } finally {
      front.bigDomain = domain;
    }
  }
  const domain = front.bigDomain;
  front.bigDomain = "bigint";
  try {
    if (isAssignment(ts, node.operatorToken.kind)) return assign(front, node);
    return logicalOrCompare(front, node, text);
  } finally {
    front.bigDomain = domain;
  }
}

function logicalOrCompare(front: Front, node: TypeScript.BinaryExpression, text: string): Lowered {
  switch (text) {
    case "&&":
      return logical(front, node, true);
    case "||":
      return logical(front, node, false);
    case "??":
      return orElse(front, front.expression(node.left), () => front.expression(node.right));
    case ",":
      front.expression(node.left);
      return front.expression(node.right);
    case "===":
    case "!==":
    case "==":
    case "!=":
      return equal(front, node, text);
    default:
  }
  const comparison = ORDERS[text];
  if (comparison !== undefined) {
    const left = front.expression(node.left);
    return order(front, node, comparison, left, front.expression(node.right));
  }
  return front.refuse(node, {
    code: "kernel-operator",
    why: `${text} is not in the language that the kernel runs`,
    instead: "see docs/kernel-scripts.md for what is, or run the script in user space",
  });
}

function equal(front: Front, node: TypeScript.BinaryExpression, text: string): Lowered {
  const left = front.expression(node.left);
  const right = front.expression(node.right);
  if (text.length === 2 && !sameType(left, right)) {
    front.refuse(node, {
      code: "kernel-operator",
      why: `${text} may convert what it compares (${describe(front, left)} and ${describe(front, right)})`,
      instead: `write ${text}=`,
    });
  }
  const value = equality(front, node, left, right);
  return { kind: "boolean", value: text.startsWith("!") ? front.not(value) : value };
}

/** Where `==` is `===`. */
function sameType(left: Lowered, right: Lowered): boolean {
  if (left.kind === "integer" && right.kind === "integer") return left.isBig === right.isBig;
  return (
    left.kind === right.kind && (left.kind === "boolean" || left.kind === "wide" || left.kind === "text")
  );
}
