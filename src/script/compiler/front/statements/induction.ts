/**
 * How often a `for` loop goes round, as far as its head tells.
 * @module
 */
import type TypeScript from "typescript";
import { constantIn } from "../expressions/constants.ts";
import type { Front } from "../front.ts";
import { assigns, bare } from "../syntax.ts";
import { tentatively } from "./trial.ts";

/** A variable that counts rounds. */
export interface Induction {
  readonly symbol: TypeScript.Symbol;
  readonly step: number;
  /** The value that it begins with, and the rounds that the head allows; `undefined` when not known at compile time. */
  readonly start: number | undefined;
  readonly roundsMax: number | undefined;
}

/** Rounds that are counted; more is too long for a packet. */
export const ROUND_COUNT_MAX = 65_536;

/** The variable that counts the rounds of a loop, whose initializer has been lowered. */
export function inductionOf(front: Front, node: TypeScript.ForStatement): Induction | undefined {
  const { ts } = front;
  if (node.condition === undefined || node.incrementor === undefined) return undefined;
  const step = stepOf(front, bare(ts, node.incrementor));
  if (step === undefined || step.by === 0) return undefined;
  if (assigns(front, node.statement, step.symbol)) return undefined;
  const limit = conjuncts(front, node.condition)
    .map((one) => limitOf(front, one, step.symbol))
    .find((one) => one !== undefined);
  if (limit === undefined || !leadsThere(limit.operator, step.by)) return undefined;
  const value = front.state.variables.get(step.symbol);
  const start = value === undefined ? undefined : constantIn(front, value)?.value;
  const base = { symbol: step.symbol, step: step.by };
  if (typeof start !== "number" || limit.value === undefined) {
    return { ...base, start: undefined, roundsMax: undefined };
  }
  return { ...base, start, roundsMax: roundsOf(start, step.by, limit.operator, limit.value) };
}

interface Step {
  readonly symbol: TypeScript.Symbol;
  readonly by: number;
}

/** `i++`, `i += 2` and the like. */
function stepOf(front: Front, node: TypeScript.Expression): Step | undefined {
  const { ts, checker } = front;
  const { SyntaxKind } = ts;
  if (ts.isPostfixUnaryExpression(node) || ts.isPrefixUnaryExpression(node)) {
    const symbol = ts.isIdentifier(node.operand) ? checker.getSymbolAtLocation(node.operand) : undefined;
    const by = { [SyntaxKind.PlusPlusToken]: 1, [SyntaxKind.MinusMinusToken]: -1 }[node.operator as number];
    return symbol === undefined || by === undefined ? undefined : { symbol, by };
  }
  if (!ts.isBinaryExpression(node) || !ts.isIdentifier(node.left)) return undefined;
  const symbol = checker.getSymbolAtLocation(node.left);
  const sign = { [SyntaxKind.PlusEqualsToken]: 1, [SyntaxKind.MinusEqualsToken]: -1 }[
    node.operatorToken.kind as number
  ];
  const by = constantOf(front, node.right);
  if (symbol === undefined || sign === undefined || by === undefined) return undefined;
  return { symbol, by: sign * by };
}

/** A number that is known, looked for without a trace. */
function constantOf(front: Front, node: TypeScript.Expression): number | undefined {
  const value = tentatively(front, () => constantIn(front, front.expression(node))?.value);
  return typeof value === "number" && Number.isSafeInteger(value) ? value : undefined;
}

function conjuncts(front: Front, condition: TypeScript.Expression): TypeScript.Expression[] {
  const { ts } = front;
  const node = bare(ts, condition);
  if (ts.isBinaryExpression(node) && node.operatorToken.kind === ts.SyntaxKind.AmpersandAmpersandToken) {
    return [...conjuncts(front, node.left), ...conjuncts(front, node.right)];
  }
  return [node];
}

interface Limit {
  readonly operator: string;
  readonly value: number | undefined;
}

const TURNED: Readonly<Record<string, string>> = {
  "<": ">",
  "<=": ">=",
  ">": "<",
  ">=": "<=",
  "!==": "!==",
};

/** `i < 8`, `8 > i`. */
function limitOf(front: Front, node: TypeScript.Expression, symbol: TypeScript.Symbol): Limit | undefined {
  const { ts, checker } = front;
  if (!ts.isBinaryExpression(node)) return undefined;
  const text = node.operatorToken.getText();
  if (TURNED[text] === undefined) return undefined;
  const isCounter = (one: TypeScript.Expression): boolean =>
    ts.isIdentifier(bare(ts, one)) && checker.getSymbolAtLocation(bare(ts, one)) === symbol;
  if (isCounter(node.left)) return { operator: text, value: constantOf(front, node.right) };
  if (isCounter(node.right)) return { operator: TURNED[text] ?? text, value: constantOf(front, node.left) };
  return undefined;
}

function leadsThere(operator: string, step: number): boolean {
  if (operator === "!==") return true;
  return operator.startsWith("<") === step > 0;
}

function roundsOf(start: number, step: number, operator: string, limit: number): number | undefined {
  const distance = (limit - start) * Math.sign(step);
  const by = Math.abs(step);
  if (operator === "!==") return distance < 0 || distance % by !== 0 ? undefined : distance / by;
  const isInclusive = operator.endsWith("=");
  if (distance < 0) return 0;
  return isInclusive ? Math.floor(distance / by) + 1 : Math.ceil(distance / by);
}
