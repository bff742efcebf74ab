/**
 * Arguments of functions that the compiler knows: taken as what the function wants, or refused.
 * @module
 */
import type TypeScript from "typescript";
import type { Value } from "../../ir/ir.ts";
import type { Front } from "../front.ts";
import type { Lowered } from "../lowered.ts";
import { constantIn, describe } from "./constants.ts";
import { refuseQuotient } from "./operators.ts";

/** A whole number. */
export function integerOf(front: Front, node: TypeScript.Node, lowered: Lowered): Value {
  const whole = front.each(lowered, (one) => {
    if (one.kind === "integer" && !one.isBig) return one;
    if (one.kind === "quotient") return refuseQuotient(front, one, node);
    return front.refuse(node, {
      code: "kernel-operand",
      why: `a whole number is wanted here, and this is ${describe(front, one)}`,
      instead: one.kind === "fraction" ? insteadOf(one.value) : "give a number, within 2^53 - 1 either way",
    });
  });
  if (whole.kind !== "integer") throw new TypeError("Cannot take a number: there is none");
  return whole.value;
}

function insteadOf(fraction: number): string {
  if (Number.isNaN(fraction)) return "use undefined for what is not there";
  if (!Number.isFinite(fraction)) return "begin with Number.MAX_SAFE_INTEGER, or with the first number";
  return Number.isInteger(fraction) ? "use a bigint, with an n behind the digits" : "round it";
}

/** A text that is known when the script is compiled. */
export function constantText(
  front: Front,
  node: TypeScript.Node,
  lowered: Lowered | undefined,
  what: string,
): string {
  if (lowered?.kind === "text") return lowered.text;
  return front.refuse(node, {
    code: "kernel-constant",
    why: `${what} has to be a text that is known when the script is compiled`,
    instead: "write the text here, or name a constant of the module",
  });
}

/** Something that is known when the script is compiled. */
export function constantValue(front: Front, node: TypeScript.Node, lowered: Lowered, what: string): unknown {
  const constant = constantIn(front, lowered);
  if (constant !== undefined) return constant.value;
  return front.refuse(node, {
    code: "kernel-constant",
    why: `${what} has to be known when the script is compiled`,
    instead: "write it here, or name a constant of the module",
  });
}

/** The node of a call's argument, or the call's own. */
export function argumentNode(front: Front, node: TypeScript.Node, index: number): TypeScript.Node {
  return (front.ts.isCallExpression(node) ? node.arguments[index] : undefined) ?? node;
}
