/**
 * Loops: short ones are written out round by round, with what is known in each; longer ones stay loops, whose variables
 * become parameters of their head.
 * @module
 */
import type TypeScript from "typescript";
import { bindPattern } from "../expressions/bind.ts";
import { type Branches, branches, goOn } from "../expressions/conditions.ts";
import { describe, integer } from "../expressions/constants.ts";
import { entryList } from "../expressions/tables.ts";
import { getElement } from "../expressions/typed-arrays.ts";
import type { Target } from "../frame.ts";
import type { Front } from "../front.ts";
import type { Lowered } from "../lowered.ts";
import type { Arrival } from "../path.ts";
import { type Induction, inductionOf, ROUND_COUNT_MAX } from "./induction.ts";
import { type LoopParts, realLoop } from "./real-loop.ts";
import { declare, declareAll } from "./statement-block.ts";
import { attempt, tentatively } from "./trial.ts";

const NONE: Lowered = { kind: "undefined" };

/** Rounds that are written out whatever they do. */
const FEW_ROUNDS = 4;
/** Rounds of a loop that is written out where that takes little; in each of them more may be known than in others. */
const SHORT_ROUNDS = 32;
/** Instructions that a loop which could stay one may take written out. */
const WRITTEN_OUT_MAX = 200;
/** The same for one that cannot stay a loop. */
const WRITTEN_OUT_LIMIT = 30_000;

/** `for (let i = 0; i < 8; i++)`. */
export function forLoop(front: Front, node: TypeScript.ForStatement, label: string | undefined): void {
  inScope(front, () => {
    const { initializer } = node;
    if (initializer !== undefined) {
      if (front.ts.isVariableDeclarationList(initializer)) declareAll(front, initializer);
      else front.expression(initializer);
    }
    const induction = inductionOf(front, node);
    if (induction === undefined) freeLoop(front, forParts(front, node, label, undefined));
    else countedLoop(front, node, label, induction);
  });
}

/** `while (condition)`, and `do … while (condition)`. */
export function whileLoop(
  front: Front,
  node: TypeScript.WhileStatement | TypeScript.DoStatement,
  label: string | undefined,
): void {
  const isTestedLast = front.ts.isDoStatement(node);
  const isTrue = (): Branches => branches(front, node.expression);
  freeLoop(front, {
    node,
    label,
    induction: undefined,
    condition: isTestedLast ? () => always(front) : isTrue,
    body: () => front.statement(node.statement),
    update: (exits) => {
      if (!isTestedLast) return true;
      const { ifTrue, ifFalse } = isTrue();
      exits.push(...ifFalse.map((way): Arrival => ({ way, value: NONE })));
      return goOn(front, ifTrue);
    },
  });
}

function always(front: Front): Branches {
  return { ifTrue: [front.leave()], ifFalse: [] };
}

/**
 * A loop whose head does not tell how often it goes round: whether it ends is proved by the ranges of its variables.
 * One whose variables have no form in common is written out, as long as what ends it is known at compile time.
 */
function freeLoop(front: Front, parts: LoopParts): void {
  if (attempt(front, () => realLoop(front, parts))) return;
  const before = front.builder.count;
  const isDone = attempt(front, () => {
    writeOut(front, parts, () => {
      if (front.builder.count - before > WRITTEN_OUT_LIMIT) refuseEndless(front, parts.node);
    });
  });
  if (!isDone) realLoop(front, parts);
}

function refuseEndless(front: Front, node: TypeScript.Node): never {
  return front.refuse(node, {
    code: "kernel-loop",
    why: "how often this loop goes round cannot be seen, and the kernel wants to know that it ends",
    instead: "count rounds up to a constant: for (let i = 0; i < 16 && more; i++)",
  });
}

function forParts(
  front: Front,
  node: TypeScript.ForStatement,
  label: string | undefined,
  induction: Induction | undefined,
): LoopParts {
  const { condition, incrementor } = node;
  return {
    node,
    label,
    induction,
    condition: () => (condition === undefined ? always(front) : branches(front, condition)),
    body: () => front.statement(node.statement),
    update: () => {
      if (incrementor !== undefined) front.expression(incrementor);
      return true;
    },
  };
}

function countedLoop(
  front: Front,
  node: TypeScript.ForStatement,
  label: string | undefined,
  induction: Induction,
): void {
  const { roundsMax } = induction;
  const { condition } = node;
  if (roundsMax !== undefined && roundsMax > ROUND_COUNT_MAX) {
    front.refuse(condition ?? node, {
      code: "kernel-loop",
      why: `this loop goes round ${roundsMax} times, at most ${ROUND_COUNT_MAX} for a packet`,
      instead: "make it shorter",
    });
  }
  const parts = forParts(front, node, label, induction);
  const size = roundsMax === undefined ? Number.POSITIVE_INFINITY : sizeOfRound(front, parts) * roundsMax;
  const isShort = roundsMax !== undefined && roundsMax <= SHORT_ROUNDS && size <= WRITTEN_OUT_MAX;
  if (isShort || (roundsMax !== undefined && roundsMax <= FEW_ROUNDS)) {
    writeOut(front, parts);
    return;
  }
  const isDone = attempt(front, () => realLoop(front, parts));
  if (isDone) return;
  if (size <= WRITTEN_OUT_LIMIT) writeOut(front, parts);
  else realLoop(front, parts);
}

/** Instructions of the first round, roughly what each will take. */
function sizeOfRound(front: Front, parts: LoopParts): number {
  const before = front.builder.count;
  tentatively(front, () => {
    round(front, parts, []);
    return undefined;
  });
  return front.builder.count - before;
}

/** One round: the condition, the body, the update. Whether it can go on behind it. */
function round(front: Front, parts: LoopParts, exits: Arrival[]): boolean {
  const { ifTrue, ifFalse } = parts.condition();
  exits.push(...ifFalse.map((way): Arrival => ({ way, value: NONE })));
  if (!goOn(front, ifTrue)) return false;
  const target: Target = { label: parts.label, breaks: exits, continues: [] };
  const targets = front.frames.at(-1)?.targets;
  targets?.push(target);
  parts.body();
  targets?.pop();
  if (front.builder.isOpen) target.continues?.push({ way: front.leave(), value: NONE });
  if (front.meet(target.continues ?? []) === undefined) return false;
  return parts.update(exits);
}

function writeOut(front: Front, parts: LoopParts, check: () => void = () => undefined): void {
  const exits: Arrival[] = [];
  for (let count = 0; count <= ROUND_COUNT_MAX; count++) {
    check();
    if (!round(front, parts, exits)) break;
    // What was refused in one round would be in all others.
    if (front.report.isRefused) {
      if (front.builder.isOpen) exits.push({ way: front.leave(), value: NONE });
      break;
    }
  }
  front.meet(exits);
}

/** `for (const one of list)`, and `for (const name in object)`. */
export function listLoop(
  front: Front,
  node: TypeScript.ForOfStatement | TypeScript.ForInStatement,
  label: string | undefined,
): void {
  const { ts } = front;
  const given = front.present(front.expression(node.expression));
  const list = ts.isForInStatement(node)
    ? front.at(node.expression, () => front.call({ kind: "builtin", name: "Object.keys" }, [given]))
    : given;
  const elements = elementsOf(front, node.expression, list);
  const exits: Arrival[] = [];
  let index = 0;
  for (; index < elements.length; index++) {
    const element = elements[index];
    const isGoing = inScope(front, () =>
      round(
        front,
        {
          node,
          label,
          induction: undefined,
          condition: () => always(front),
          body: () => {
            const { initializer } = node;
            if (!ts.isVariableDeclarationList(initializer)) refuseTarget(front, initializer);
            else {
              for (const { name } of initializer.declarations) {
                bindPattern(front, name, element?.() ?? NONE, (one, value) => declare(front, one, value));
              }
            }
            front.statement(node.statement);
          },
          update: () => true,
        },
        exits,
      ),
    );
    if (!isGoing || front.report.isRefused) break;
  }
  if (front.builder.isOpen) exits.push({ way: front.leave(), value: NONE });
  front.meet(exits);
}

function refuseTarget(front: Front, node: TypeScript.Node): never {
  return front.refuse(node, {
    code: "kernel-loop",
    why: "a loop over a list declares its variable",
    instead: "write for (const one of list)",
  });
}

/** What a loop goes over. */
function elementsOf(front: Front, node: TypeScript.Expression, list: Lowered): readonly (() => Lowered)[] {
  if (list.kind === "table") return elementsOf(front, node, entryList(list.entries));
  if (list.kind === "list" || list.kind === "set") {
    const { elements } = list;
    return Array.from({ length: elements.length }, (_, index) => () => elements[index] ?? NONE);
  }
  if (list.kind === "text") {
    return [...list.text].map((text) => (): Lowered => ({ kind: "text", text }));
  }
  if (list.kind === "array") {
    return Array.from(
      { length: list.count },
      (_, index) => (): Lowered => getElement(front, node, list, integer(front, index)),
    );
  }
  return front.refuse(node, {
    code: "kernel-loop",
    why: `a loop goes over a list whose elements are known, and this is ${describe(front, list)}`,
    instead: "go over a constant list, or count: for (let i = 0; i < 16; i++)",
  });
}

/** What is declared within is gone behind. */
function inScope<T>(front: Front, action: () => T): T {
  const before = front.scope;
  const scope = new Set<TypeScript.Symbol>();
  front.scope = scope;
  try {
    return action();
  } finally {
    front.scope = before;
    if (front.builder.isOpen) for (const symbol of scope) front.state.variables.delete(symbol);
  }
}
