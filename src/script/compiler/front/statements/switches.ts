/**
 * `switch`, with cases that fall through.
 * @module
 */
import type TypeScript from "typescript";
import { equality } from "../expressions/comparisons.ts";
import { goOn } from "../expressions/conditions.ts";
import type { Target } from "../frame.ts";
import type { Front } from "../front.ts";
import type { Lowered } from "../lowered.ts";
import type { Way } from "../path.ts";
import { block } from "./statement-block.ts";

const NONE: Lowered = { kind: "undefined" };

/** Lowers a switch: first all comparisons, one after the other, then the bodies in their order. */
export function switchStatement(
  front: Front,
  node: TypeScript.SwitchStatement,
  label: string | undefined,
): void {
  const { ts } = front;
  const value = front.expression(node.expression);
  const { clauses } = node.caseBlock;
  const entries = clauses.map((): Way[] => []);
  let isDecided = false;
  for (const [index, clause] of clauses.entries()) {
    if (isDecided || ts.isDefaultClause(clause)) continue;
    const wanted = front.expression(clause.expression);
    const { ifTrue, ifFalse } = front.at(clause.expression, () =>
      front.fork(equality(front, clause.expression, value, wanted)),
    );
    if (ifTrue !== undefined) entries[index]?.push(ifTrue);
    if (ifFalse === undefined) isDecided = true;
    else front.go(ifFalse);
  }
  const target: Target = { label, breaks: [], continues: undefined };
  if (!isDecided) {
    const index = clauses.findIndex((clause) => ts.isDefaultClause(clause));
    if (index < 0) target.breaks.push({ way: front.leave(), value: NONE });
    else entries[index]?.push(front.leave());
  }
  const targets = front.frames.at(-1)?.targets;
  targets?.push(target);
  for (const [index, clause] of clauses.entries()) {
    // From the case before, where that has not ended.
    const ways = [...(entries[index] ?? [])];
    if (front.builder.isOpen) ways.push(front.leave());
    if (goOn(front, ways)) block(front, clause.statements);
  }
  targets?.pop();
  if (front.builder.isOpen) target.breaks.push({ way: front.leave(), value: NONE });
  front.meet(target.breaks);
}
