/**
 * Conditions: what counts as true, and which ways `&&`, `||`, `!` and `?:` lead.
 * @module
 */
import type TypeScript from "typescript";
import type { Value } from "../../ir/ir.ts";
import type { Front } from "../front.ts";
import type { Lowered } from "../lowered.ts";
import { type Arrival, type Way, WayEnded } from "../path.ts";
import { bare } from "../syntax.ts";
import { constantIn } from "./constants.ts";
import { refuseQuotient } from "./operators.ts";

/** Where a condition leads. */
export interface Branches {
  readonly ifTrue: readonly Way[];
  readonly ifFalse: readonly Way[];
}

const NOTHING: Lowered = { kind: "undefined" };

/** Goes on where some ways meet; whether there are any. */
export function goOn(front: Front, ways: readonly Way[]): boolean {
  return front.meet(ways.map((way): Arrival => ({ way, value: NOTHING }))) !== undefined;
}

/** Lowers a condition: the ways on which it holds and on which it does not. */
export function branches(front: Front, condition: TypeScript.Expression): Branches {
  const { ts } = front;
  const node = bare(ts, condition);
  if (ts.isPrefixUnaryExpression(node) && node.operator === ts.SyntaxKind.ExclamationToken) {
    const { ifTrue, ifFalse } = branches(front, node.operand);
    return { ifTrue: ifFalse, ifFalse: ifTrue };
  }
  if (ts.isBinaryExpression(node)) {
    const { kind } = node.operatorToken;
    if (kind === ts.SyntaxKind.AmpersandAmpersandToken) {
      const left = branches(front, node.left);
      if (!goOn(front, left.ifTrue)) return left;
      const right = second(front, node.right);
      return { ifTrue: right.ifTrue, ifFalse: [...left.ifFalse, ...right.ifFalse] };
    }
    if (kind === ts.SyntaxKind.BarBarToken) {
      const left = branches(front, node.left);
      if (!goOn(front, left.ifFalse)) return left;
      const right = second(front, node.right);
      return { ifTrue: [...left.ifTrue, ...right.ifTrue], ifFalse: right.ifFalse };
    }
  }
  const value = front.expression(node);
  return front.at(node, () => {
    const { ifTrue, ifFalse } = front.fork(truthy(front, node, value));
    return { ifTrue: ifTrue === undefined ? [] : [ifTrue], ifFalse: ifFalse === undefined ? [] : [ifFalse] };
  });
}

/** The right side of `&&` and `||`: it may end the way while the left side leads on. */
function second(front: Front, node: TypeScript.Expression): Branches {
  try {
    return branches(front, node);
  } catch (error) {
    if (error instanceof WayEnded) return { ifTrue: [], ifFalse: [] };
    throw error;
  }
}

/** One of two values by a condition. @throws WayEnded when both ways end */
export function chooseBy(
  front: Front,
  { ifTrue, ifFalse }: Branches,
  whenTrue: () => Lowered,
  whenFalse: () => Lowered,
): Lowered {
  const arrivals: Arrival[] = [];
  for (const [ways, action] of [
    [ifTrue, whenTrue],
    [ifFalse, whenFalse],
  ] as const) {
    if (!goOn(front, ways)) continue;
    front.arrive(front.leave(), arrivals, action);
  }
  const joined = front.meet(arrivals);
  if (joined === undefined) throw new WayEnded();
  return joined;
}

/** A condition as a value. */
export function conditionValue(front: Front, node: TypeScript.Expression): Lowered {
  const value = (truth: boolean): Lowered => ({ kind: "boolean", value: front.constant(truth) });
  return chooseBy(
    front,
    branches(front, node),
    () => value(true),
    () => value(false),
  );
}

/** Whether a value counts as true. */
export function truthy(front: Front, node: TypeScript.Node, lowered: Lowered): Value {
  switch (lowered.kind) {
    case "boolean":
      return lowered.value;
    case "integer":
      return front.compare("unequal", lowered.value, 0);
    case "wide":
      return front.not(
        front.emit.both(front.compare("equal", lowered.high, 0), front.compare("equal", lowered.low, 0)),
      );
    case "optional":
      return front.emit.both(lowered.isThere, truthy(front, node, lowered.inner));
    case "undefined":
    case "text":
    case "fraction":
      return front.constant(Boolean(constantIn(front, lowered)?.value));
    case "quotient":
      return refuseQuotient(front, lowered, node);
    case "verdict":
      return front.refuse(node, {
        code: "kernel-verdict-truth",
        why: "a verdict is asked whether it is true, which drop is not and the others are",
        instead: "compare it: verdict === drop",
      });
    case "choice": {
      const result = front.choose(
        lowered.condition,
        () => ({ kind: "boolean", value: truthy(front, node, lowered.ifTrue) }),
        () => ({ kind: "boolean", value: truthy(front, node, lowered.ifFalse) }),
      );
      return result.kind === "boolean" ? result.value : front.constant(false);
    }
    default:
      return front.constant(true);
  }
}

/** `left ?? right`. */
export function orElse(front: Front, left: Lowered, right: () => Lowered): Lowered {
  if (left.kind === "undefined") return right();
  if (left.kind === "choice") {
    return front.choose(
      left.condition,
      () => orElse(front, left.ifTrue, right),
      () => orElse(front, left.ifFalse, right),
    );
  }
  if (left.kind !== "optional") return left;
  return front.choose(
    left.isThere,
    () => orElse(front, left.inner, right),
    () => right(),
  );
}

/** `left && right` and `left || right` where the values count. */
export function logical(front: Front, node: TypeScript.BinaryExpression, isAnd: boolean): Lowered {
  if (isCondition(front, node.left)) {
    const left = branches(front, node.left);
    const value = (truth: boolean) => (): Lowered => ({ kind: "boolean", value: front.constant(truth) });
    const right = (): Lowered => front.expression(node.right);
    return isAnd ? chooseBy(front, left, right, value(false)) : chooseBy(front, left, value(true), right);
  }
  const left = front.expression(node.left);
  const isTrue = truthy(front, node.left, left);
  // Where an optional does not count as true it may be undefined or 0: it stays what it is.
  const right = (): Lowered => front.expression(node.right);
  return isAnd
    ? front.choose(isTrue, right, () => left)
    : front.choose(isTrue, () => (left.kind === "optional" ? left.inner : left), right);
}

/** Whether an expression is of type boolean. */
function isCondition(front: Front, node: TypeScript.Expression): boolean {
  const { flags } = front.checker.getTypeAtLocation(node);
  return (flags & front.ts.TypeFlags.BooleanLike) !== 0;
}
