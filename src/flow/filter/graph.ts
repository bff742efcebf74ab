/**
 * A condition as a graph of comparisons, each with a way on for yes and for no, down to accept or reject. Ways whose
 * answer is known from comparisons before lead on at once, as in the optimiser of McCanne and Jacobson, "The BSD Packet
 * Filter" (1993). Both makers of code start from this graph, so they agree on which reads are done.
 * @module
 */
import { type Comparison, type Condition, holds } from "./condition.ts";
import type { Value } from "./value.ts";

/** What a filter comes to. */
export interface Leaf {
  readonly kind: "leaf";
  readonly accepts: boolean;
}

/** One comparison. */
export interface Node {
  readonly kind: "node";
  readonly comparison: Comparison;
  readonly left: Value;
  readonly right: Value;
  whenTrue: Target;
  whenFalse: Target;
}

export type Target = Node | Leaf;

export const ACCEPT: Leaf = { kind: "leaf", accepts: true };
export const REJECT: Leaf = { kind: "leaf", accepts: false };

/** Steps back to look for a comparison's answer: longer ways would cost more time than they save. */
const FACTS_MAX = 400;
/** Rounds of simplification: each makes the graph smaller or is the last. */
const ROUNDS_MAX = 10;

/** The first comparison, or what every packet comes to. */
export function graphOf(condition: Condition): Target {
  let root = new Builder().build(condition, ACCEPT, REJECT);
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const didThread = thread(root);
    const { target, didMerge } = merge(root);
    root = target;
    if (!didThread && !didMerge) break;
  }
  return root;
}

/** Every node before those that it leads to. Yes comes before no. */
export function inOrder(root: Target): readonly Node[] {
  const order: Node[] = [];
  const seen = new Set<Target>();
  // A stack of our own: a filter of thousands of terms is as deep.
  const stack: [Node, number][] = [];
  const visit = (target: Target): void => {
    if (target.kind === "leaf" || seen.has(target)) return;
    seen.add(target);
    stack.push([target, 0]);
  };
  visit(root);
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    const [node, step] = top;
    top[1]++;
    if (step === 0) visit(node.whenFalse);
    else if (step === 1) visit(node.whenTrue);
    else {
      order.push(node);
      stack.pop();
    }
  }
  return order.reverse();
}

class Builder {
  readonly #nodes = new Map<string, Node>();
  readonly #ids = new Map<Target, number>();

  build(condition: Condition, whenTrue: Target, whenFalse: Target): Target {
    switch (condition.kind) {
      case "constant":
        return condition.value ? whenTrue : whenFalse;
      case "not":
        return this.build(condition.term, whenFalse, whenTrue);
      case "and":
        return condition.terms.reduceRight((next, term) => this.build(term, next, whenFalse), whenTrue);
      case "or":
        return condition.terms.reduceRight((next, term) => this.build(term, whenTrue, next), whenFalse);
      case "compare":
        return this.node(condition.comparison, condition.left, condition.right, whenTrue, whenFalse);
    }
  }

  /** Equal nodes are one; one that leads to the same place either way is none. */
  node(comparison: Comparison, left: Value, right: Value, whenTrue: Target, whenFalse: Target): Target {
    if (whenTrue === whenFalse) return whenTrue;
    const key = `${comparison}${left.id}:${right.id}:${this.#id(whenTrue)}:${this.#id(whenFalse)}`;
    let node = this.#nodes.get(key);
    if (node === undefined) {
      node = { kind: "node", comparison, left, right, whenTrue, whenFalse };
      this.#nodes.set(key, node);
    }
    return node;
  }

  #id(target: Target): number {
    let id = this.#ids.get(target);
    if (id === undefined) {
      id = this.#ids.size;
      this.#ids.set(target, id);
    }
    return id;
  }
}

/** The answers that hold at a place whichever way led there: the last one, and those before. */
interface Facts {
  readonly node: Node;
  readonly answer: boolean;
  readonly before: Facts | undefined;
  /** The last one before that is of another value: long lists ask the same one again and again. */
  readonly other: Facts | undefined;
  readonly depth: number;
}

function thread(root: Target): boolean {
  const facts = new Map<Node, Facts | undefined>();
  let didChange = false;
  const arrive = (target: Target, known: Facts): void => {
    if (target.kind === "leaf") return;
    facts.set(target, facts.has(target) ? common(facts.get(target), known) : known);
  };
  if (root.kind === "node") facts.set(root, undefined);
  for (const node of inOrder(root)) {
    // Nobody leads here any more.
    if (!facts.has(node)) continue;
    const before = facts.get(node);
    const depth = (before?.depth ?? 0) + 1;
    const other = before?.node.left === node.left ? before.other : before;
    const yes: Facts = { node, answer: true, before, other, depth };
    const no: Facts = { node, answer: false, before, other, depth };
    const whenTrue = follow(node.whenTrue, yes);
    const whenFalse = follow(node.whenFalse, no);
    if (whenTrue !== node.whenTrue || whenFalse !== node.whenFalse) didChange = true;
    node.whenTrue = whenTrue;
    node.whenFalse = whenFalse;
    arrive(whenTrue, yes);
    arrive(whenFalse, no);
  }
  return didChange;
}

function common(one: Facts | undefined, two: Facts | undefined): Facts | undefined {
  let left = one;
  let right = two;
  while (left !== undefined && right !== undefined && left !== right) {
    if (left.node === right.node && left.answer === right.answer) return left;
    if (left.depth >= right.depth) left = left.before;
    else right = right.before;
  }
  return left === right ? left : undefined;
}

function follow(target: Target, known: Facts): Target {
  let at = target;
  while (at.kind === "node") {
    const answer = answerOf(at, known);
    if (answer === undefined) break;
    at = answer ? at.whenTrue : at.whenFalse;
  }
  return at;
}

/** What the comparison comes to where the facts hold. */
function answerOf(asked: Node, known: Facts): boolean | undefined {
  let facts: Facts | undefined = known;
  for (let count = 0; facts !== undefined && count < FACTS_MAX; count++) {
    const { node, answer }: Facts = facts;
    if (node.left !== asked.left) {
      facts = facts.other;
      continue;
    }
    facts = facts.before;
    if (node.right === asked.right && node.comparison === asked.comparison) return answer;
    const isKnown = answer && node.comparison === "=" && node.right.kind === "constant";
    if (isKnown && node.right.kind === "constant" && asked.right.kind === "constant") {
      return holds(asked.comparison, node.right.value, asked.right.value);
    }
  }
  return undefined;
}

/** The same graph with equal nodes as one, built from its end. */
function merge(root: Target): { readonly target: Target; readonly didMerge: boolean } {
  const builder = new Builder();
  const made = new Map<Node, Target>();
  const order = inOrder(root);
  const now = (target: Target): Target => (target.kind === "leaf" ? target : (made.get(target) ?? target));
  for (const node of [...order].reverse()) {
    const { comparison, left, right, whenTrue, whenFalse } = node;
    made.set(node, builder.node(comparison, left, right, now(whenTrue), now(whenFalse)));
  }
  const target = now(root);
  return { target, didMerge: inOrder(target).length !== order.length };
}
