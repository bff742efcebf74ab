/**
 * Statements, by what they are. Each that does not fit is reported, and the next one is looked at all the same.
 * @module
 */
import type TypeScript from "typescript";
import { bindPattern } from "../expressions/bind.ts";
import { branches, goOn } from "../expressions/conditions.ts";
import type { Target } from "../frame.ts";
import type { Front } from "../front.ts";
import type { Lowered } from "../lowered.ts";
import { type Arrival, type Way, WayEnded } from "../path.ts";
import { forLoop, listLoop, whileLoop } from "./loops.ts";
import { returnStatement } from "./returns.ts";
import { block, declare, declareAll } from "./statement-block.ts";
import { switchStatement } from "./switches.ts";

const NONE: Lowered = { kind: "undefined" };

/** Lowers a statement; behind one that ends the way, nothing is open. */
export function statement(front: Front, node: TypeScript.Statement): void {
  if (!front.builder.isOpen) return;
  try {
    front.at(node, () => lower(front, node, undefined));
  } catch (error) {
    if (error instanceof WayEnded) return;
    recover(front, node, error);
  }
}

/** Reports what was refused; what the statement declares is not known from here on. */
function recover(front: Front, node: TypeScript.Statement, error: unknown): void {
  front.reportRefusal(error);
  if (!front.builder.isOpen) front.builder.begin(front.builder.block());
  const { ts } = front;
  if (!ts.isVariableStatement(node)) return;
  for (const { name } of node.declarationList.declarations) {
    bindPattern(front, name, { kind: "refused" }, (one) => declare(front, one, { kind: "refused" }));
  }
}

function lower(front: Front, node: TypeScript.Statement, label: string | undefined): void {
  const { ts } = front;
  if (ts.isBlock(node)) block(front, node.statements);
  else if (ts.isVariableStatement(node)) declareAll(front, node.declarationList);
  else if (ts.isExpressionStatement(node)) front.expression(node.expression);
  else if (ts.isIfStatement(node)) ifStatement(front, node);
  else if (ts.isReturnStatement(node)) returnStatement(front, node, node.expression);
  else if (ts.isForStatement(node)) forLoop(front, node, label);
  else if (ts.isForOfStatement(node) || ts.isForInStatement(node)) listLoop(front, node, label);
  else if (ts.isWhileStatement(node) || ts.isDoStatement(node)) whileLoop(front, node, label);
  else if (ts.isSwitchStatement(node)) switchStatement(front, node, label);
  else if (ts.isBreakStatement(node)) leaveFor(front, node, "breaks");
  else if (ts.isContinueStatement(node)) leaveFor(front, node, "continues");
  else if (ts.isLabeledStatement(node)) labelled(front, node);
  else if (!isSilent(front, node)) refuseStatement(front, node);
}

/** What does nothing by itself: functions are found by their names, types are not there. */
function isSilent(front: Front, node: TypeScript.Statement): boolean {
  const { ts } = front;
  return (
    ts.isFunctionDeclaration(node) ||
    ts.isInterfaceDeclaration(node) ||
    ts.isTypeAliasDeclaration(node) ||
    ts.isEmptyStatement(node)
  );
}

function ifStatement(front: Front, node: TypeScript.IfStatement): void {
  const arrivals: Arrival[] = [];
  const run = (ways: readonly Way[], body: TypeScript.Statement | undefined): void => {
    if (!goOn(front, ways)) return;
    if (body !== undefined) front.statement(body);
    if (front.builder.isOpen) arrivals.push({ way: front.leave(), value: NONE });
  };
  const { ifTrue, ifFalse } = condition(front, node.expression);
  run(ifTrue, node.thenStatement);
  run(ifFalse, node.elseStatement);
  front.meet(arrivals);
}

/** A condition; where it does not fit, both ways are looked at for what else does not. */
function condition(
  front: Front,
  node: TypeScript.Expression,
): { readonly ifTrue: readonly Way[]; readonly ifFalse: readonly Way[] } {
  try {
    return branches(front, node);
  } catch (error) {
    if (error instanceof WayEnded) return { ifTrue: [], ifFalse: [] };
    front.reportRefusal(error);
    if (!front.builder.isOpen) front.builder.begin(front.builder.block());
    const { ifTrue, ifFalse } = front.fork(front.builder.value("boolean"));
    return { ifTrue: [ifTrue as Way], ifFalse: [ifFalse as Way] };
  }
}

/** `break` and `continue`. */
function leaveFor(
  front: Front,
  node: TypeScript.BreakOrContinueStatement,
  what: "breaks" | "continues",
): void {
  const targets = front.frames.at(-1)?.targets ?? [];
  const wanted = node.label?.text;
  const target = targets.findLast((one) => {
    if (wanted !== undefined) return one.label === wanted && one[what] !== undefined;
    return what === "continues" ? one.continues !== undefined : one.isLabelOnly !== true;
  });
  target?.[what]?.push({ way: front.leave(), value: NONE });
}

function labelled(front: Front, node: TypeScript.LabeledStatement): void {
  const { ts } = front;
  const { text } = node.label;
  const inner = node.statement;
  if (ts.isIterationStatement(inner, false) || ts.isSwitchStatement(inner)) {
    front.at(inner, () => lower(front, inner, text));
    return;
  }
  const target: Target = { label: text, breaks: [], continues: undefined, isLabelOnly: true };
  const targets = front.frames.at(-1)?.targets;
  targets?.push(target);
  front.statement(inner);
  targets?.pop();
  if (front.builder.isOpen) target.breaks.push({ way: front.leave(), value: NONE });
  front.meet(target.breaks);
}

const STATEMENTS: Readonly<Record<string, readonly [string, string]>> = {
  ThrowStatement: [
    "a packet whose script throws goes on as it came, and the kernel keeps no copy of it",
    'return a verdict, and count what is odd: context.counter("odd").add()',
  ],
  TryStatement: [
    "nothing is caught in the kernel: what fails is counted, and the packet goes by --on-error",
    "ask before: if (value === undefined) return verdict.continue",
  ],
  ClassDeclaration: ["the kernel has no objects with methods", "use functions and small objects"],
  DebuggerStatement: [
    "nobody can stop the kernel here",
    "run the script over a capture: metanet script test",
  ],
};

function refuseStatement(front: Front, node: TypeScript.Statement): never {
  const kind = front.ts.SyntaxKind[node.kind] ?? "";
  const [why, instead] = STATEMENTS[kind] ?? [
    "this statement is not in the language that the kernel runs",
    "see docs/kernel-scripts.md for what is, or run the script in user space",
  ];
  return front.refuse(node, { code: "kernel-statement", why, instead });
}
