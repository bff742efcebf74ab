/**
 * What a function returns: inlined ones to whoever called them, the script itself to the kernel.
 * @module
 */
import type TypeScript from "typescript";
import type { Value } from "../../ir/ir.ts";
import { VerdictCode } from "../../ir/ir.ts";
import { branches, goOn } from "../expressions/conditions.ts";
import { describe } from "../expressions/constants.ts";
import type { Front } from "../front.ts";
import { type Lowered, MARK_CODE } from "../lowered.ts";
import { refuseVerdict } from "../surroundings/script-calls.ts";
import { bare } from "../syntax.ts";

const NONE: Lowered = { kind: "undefined" };

/** `return …`. */
export function returnStatement(
  front: Front,
  node: TypeScript.Node,
  expression: TypeScript.Expression | undefined,
): void {
  const frame = front.frames.at(-1);
  const { ts } = front;
  if (frame?.returns !== undefined) {
    const value = expression === undefined ? NONE : front.expression(expression);
    frame.returns.push({ way: front.leave(), value });
    return;
  }
  const inner = expression === undefined ? undefined : bare(ts, expression);
  if (inner !== undefined && ts.isConditionalExpression(inner)) {
    const { ifTrue, ifFalse } = branches(front, inner.condition);
    if (goOn(front, ifTrue)) front.guarded(() => returnStatement(front, inner.whenTrue, inner.whenTrue));
    if (goOn(front, ifFalse)) front.guarded(() => returnStatement(front, inner.whenFalse, inner.whenFalse));
    return;
  }
  const value = inner === undefined ? NONE : front.expression(inner);
  front.at(inner ?? node, () => finish(front, inner ?? node, value));
}

/** Returns to the kernel, on all ways that a value stands for. */
export function finish(front: Front, node: TypeScript.Node, value: Lowered): void {
  if (value.kind === "undefined") end(front, front.constant(VerdictCode.continue), undefined);
  else if (value.kind === "verdict") end(front, value.code, value.mark);
  else if (value.kind === "optional" || value.kind === "choice") {
    const condition = value.kind === "optional" ? value.isThere : value.condition;
    const { ifTrue, ifFalse } = front.fork(condition);
    if (ifTrue !== undefined) {
      front.go(ifTrue);
      finish(front, node, value.kind === "optional" ? value.inner : value.ifTrue);
    }
    if (ifFalse !== undefined) {
      front.go(ifFalse);
      finish(front, node, value.kind === "optional" ? NONE : value.ifFalse);
    }
  } else if (value.kind === "builtin" && value.name === "script.repeat") {
    refuseVerdict(front, node, "the kernel's programs cannot send a packet round again");
  } else {
    front.refuse(node, {
      code: "kernel-verdict",
      why: `a script answers a verdict or nothing, and this is ${describe(front, value)}`,
      instead: "return accept, drop, verdict.continue or mark(n)",
    });
  }
}

function end(front: Front, code: Value, mark: Value | undefined): void {
  const known = front.known(code);
  if (known === BigInt(MARK_CODE) || (known === undefined && mark !== undefined)) {
    endMarked(front, code, mark ?? front.constant(0));
    return;
  }
  if (known === undefined && !front.redirectCodes.has(code)) {
    front.report.accepts = true;
    if (front.target.statistics) {
      endByCode(front, code);
      return;
    }
  }
  if (known === BigInt(VerdictCode.accept)) front.report.accepts = true;
  leave(front, code, nameOf(known));
}

function nameOf(code: bigint | undefined): string {
  return ["drop", "accept", "continue"][Number(code ?? -1n)] ?? "redirect";
}

/** A verdict that is known only now is told apart, so that each is counted. */
function endByCode(front: Front, code: Value): void {
  for (const name of ["drop", "accept", "continue"] as const) {
    const { ifTrue, ifFalse } = front.fork(front.compare("equal", code, VerdictCode[name]));
    if (ifTrue !== undefined) {
      front.go(ifTrue);
      leave(front, front.constant(VerdictCode[name]), name);
    }
    if (ifFalse === undefined) return;
    front.go(ifFalse);
    if (name !== "continue" || front.redirectCodes.size > 0) continue;
    leave(front, front.constant(VerdictCode.continue), "continue");
    return;
  }
  leave(front, code, "redirect");
}

function endMarked(front: Front, code: Value, mark: Value): void {
  const { ifTrue, ifFalse } = front.fork(front.compare("equal", code, MARK_CODE));
  if (ifTrue !== undefined) {
    front.go(ifTrue);
    front.emit.append({ op: "setMark", value: mark });
    leave(front, front.constant(VerdictCode.continue), "mark");
  }
  if (ifFalse !== undefined) {
    front.go(ifFalse);
    end(front, code, undefined);
  }
}

function leave(front: Front, verdict: Value, counter: string): void {
  for (const action of front.returning) action.flush(front);
  if (front.target.statistics) {
    front.emit.append({ op: "count", counter, value: front.constant(1) });
  }
  front.builder.end({ op: "return", place: front.place, verdict });
}
