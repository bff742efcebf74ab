/**
 * Interval analysis: the range of every value of a function, and narrower ones behind the branches that tell more.
 *
 * Blocks are gone through in order, again and again until nothing changes. What a loop carries along grows with every
 * round; where its rounds can be counted (`loop-bounds.ts`) the sum is known at once, elsewhere it is widened to the
 * next landmark and narrowed again afterwards.
 * @module
 */
import { evaluateComparison, MIRRORED } from "../ir/arithmetic.ts";
import { Graph, type Loop } from "../ir/graph.ts";
import type {
  Block,
  Comparison,
  Edge,
  Instruction,
  IrFunction,
  PacketFact,
  Terminator,
  Value,
} from "../ir/ir.ts";
import { edgesOf, resultOf } from "../ir/visit.ts";
import { LoopBounds } from "./loop-bounds.ts";
import {
  ANY_RANGE,
  asWord,
  BOOLEAN_RANGE,
  constantIn,
  exactly,
  hull,
  intersect,
  isSameRange,
  isWithin,
  type Range,
  rangeOf,
  SIGNED_MOST,
  UNSIGNED_MOST,
} from "./range.ts";
import { type Comparable, type Grounds, Scope } from "./refine.ts";
import { transferBinary, transferUnary } from "./transfer.ts";

/** Rounds in which what loops carry may grow as it does; then it is widened. */
const GROWING_ROUNDS = 6;
/** Rounds after which what still grows is taken for anything, so that there is an end in any case. */
const ROUNDS_MAX = 60;
/** Rounds of narrowing after that; each is sound by itself. */
const NARROWING_ROUNDS = 3;

/** Ends of domains and fields, to which a growing range is widened. */
const LANDMARKS: readonly bigint[] = [8n, 16n, 31n, 32n, 53n, 63n, 64n].flatMap((bits) => [
  2n ** bits - 1n,
  ...(bits > 31n ? [] : [2n ** bits]),
]);

/** What the analysis has found. */
export interface Ranges {
  /** Where it is made; `undefined` for what is never made, and for what is no number. */
  of(value: Value): Range | undefined;
  /** Within a block, which may know more. */
  at(value: Value, block: Block): Range | undefined;
  /** The only number that a value can be within a block, comparisons made again with what is known there. */
  numberAt(value: Value, block: Block): bigint | undefined;
  /** On the way over an edge, which knows what its branch says. */
  over(value: Value, from: Block, edge: Edge): Range | undefined;
  /** Whether anybody ever comes there. */
  isReached(block: Block): boolean;
  isTaken(from: Block, edge: Edge): boolean;
  /** All loops, outer ones first. */
  readonly loops: readonly Loop[];
  /** How often a loop is begun anew at most, each time that it is entered; `undefined` when that is not known. */
  roundsMax(loop: Loop): number | undefined;
}

export function analyseRanges(fn: IrFunction, graph: Graph = new Graph(fn)): Ranges {
  const analysis = new Analysis(fn, graph);
  analysis.run();
  return analysis;
}

class Analysis implements Ranges {
  readonly loops: readonly Loop[];
  readonly #graph: Graph;
  readonly #ranges = new Map<Value, Range>();
  readonly #definitions = new Map<Value, Instruction>();
  readonly #grounds: Grounds = {
    of: (value) => this.#ranges.get(value),
    definitionOf: (value) => this.#definitions.get(value),
  };
  readonly #scopes = new Map<Block, Scope>();
  readonly #ways = new Map<Edge, Scope>();
  readonly #loopAt = new Map<Block, Loop>();
  readonly #bounds: LoopBounds;
  #isChanged = false;
  #phase: "growing" | "widening" | "giving-up" | "narrowing" = "growing";

  constructor(fn: IrFunction, graph: Graph) {
    this.#graph = graph;
    this.loops = graph.loops();
    for (const loop of this.loops) this.#loopAt.set(loop.head, loop);
    for (const block of fn.blocks) {
      for (const instruction of block.instructions) {
        const result = resultOf(instruction);
        if (result !== undefined) this.#definitions.set(result, instruction);
      }
    }
    const definitions = this.#definitions;
    this.#bounds = new LoopBounds({ graph, loops: this.loops, definitions, ranges: this });
  }

  of(value: Value): Range | undefined {
    return this.#ranges.get(value);
  }

  at(value: Value, block: Block): Range | undefined {
    return this.#scopes.get(block)?.rangeOf(value);
  }

  numberAt(value: Value, block: Block): bigint | undefined {
    const scope = this.#scopes.get(block);
    const known = constantIn(scope?.rangeOf(value));
    if (known !== undefined || scope === undefined || value.type !== "boolean") return known;
    const definition = this.#definitions.get(value);
    if (definition?.op !== "compare") return undefined;
    const isTrue = decideComparison(definition, scope);
    return isTrue === undefined ? undefined : isTrue ? 1n : 0n;
  }

  over(value: Value, _from: Block, edge: Edge): Range | undefined {
    return this.#ways.get(edge)?.rangeOf(value);
  }

  isReached(block: Block): boolean {
    return this.#scopes.has(block);
  }

  isTaken(_from: Block, edge: Edge): boolean {
    return this.#ways.has(edge);
  }

  roundsMax(loop: Loop): number | undefined {
    return this.#bounds.roundsMax(loop);
  }

  run(): void {
    const done = new Set<Block>();
    for (const block of this.#graph.order) {
      if (done.has(block)) continue;
      const loop = this.#loopAt.get(block);
      if (loop === undefined) this.#visit(block);
      else {
        // Whoever leads into a loop is known by now, and whoever it leads to comes after it is settled.
        const inside = this.#graph.order.filter((one) => loop.blocks.has(one));
        this.#settle(inside);
        for (const one of inside) done.add(one);
      }
    }
  }

  /** Goes round an outermost loop until nothing changes any more. */
  #settle(blocks: readonly Block[]): void {
    this.#phase = "growing";
    this.#isChanged = true;
    for (let round = 0; this.#isChanged; round++) {
      if (round > GROWING_ROUNDS) this.#phase = round > ROUNDS_MAX ? "giving-up" : "widening";
      this.#round(blocks);
    }
    this.#phase = "narrowing";
    this.#isChanged = true;
    for (let round = 0; round < NARROWING_ROUNDS && this.#isChanged; round++) this.#round(blocks);
  }

  #round(blocks: readonly Block[]): void {
    this.#isChanged = false;
    this.#bounds.forget();
    for (const block of blocks) this.#visit(block);
    this.#bounds.forget();
  }

  #visit(block: Block): void {
    const scope = this.#enter(block);
    if (scope === undefined) {
      this.#scopes.delete(block);
      for (const edge of edgesOf(block.terminator)) this.#ways.delete(edge);
      return;
    }
    for (const instruction of block.instructions) {
      const result = resultOf(instruction);
      const range = result === undefined ? undefined : rangeOfInstruction(instruction, scope);
      if (result !== undefined && range !== undefined) this.#set(result, range);
    }
    this.#scopes.set(block, scope);
    this.#leave(block.terminator, scope);
  }

  #set(value: Value, range: Range): void {
    if (isSameRange(this.#ranges.get(value), range)) return;
    this.#ranges.set(value, range);
    this.#isChanged = true;
  }

  #enter(block: Block): Scope | undefined {
    const entrances = this.#graph.entrances(block);
    const over = this.#graph.dominator(block);
    if (over === undefined) return new Scope(this.#grounds);
    const taken = entrances.filter(({ edge }) => this.#ways.has(edge));
    if (taken.length === 0) return undefined;
    for (const [index, parameter] of block.parameters.entries()) {
      if (parameter.type !== "integer" && parameter.type !== "boolean") continue;
      this.#set(parameter, this.#join(block, parameter, index) ?? ANY_RANGE);
    }
    const only = entrances.length === 1 || taken.length === 1 ? taken[0] : undefined;
    if (only !== undefined && !this.#loopAt.has(block)) return this.#ways.get(only.edge);
    const scope = new Scope(this.#grounds, this.#scopes.get(over));
    if (!this.#loopAt.has(block))
      this.#meet(
        scope,
        taken.map(({ edge }) => this.#ways.get(edge) ?? scope),
      );
    return scope;
  }

  /** What all ways into a block tell beyond what is known before they part. */
  #meet(scope: Scope, ways: readonly Scope[]): void {
    const [first, ...others] = ways;
    for (const value of first?.learnedSince(scope) ?? []) {
      let all = first?.narrowedOf(value);
      if (scope.narrowedOf(value) === all) continue;
      for (const other of others) {
        const narrowed = other.narrowedOf(value);
        all = narrowed === undefined || all === undefined ? undefined : hull(all, narrowed);
      }
      if (all !== undefined) scope.learn(value, all);
    }
  }

  #join(block: Block, parameter: Value, index: number): Range | undefined {
    const loop = this.#loopAt.get(block);
    let entering: Range | undefined;
    let coming: Range | undefined;
    for (const entrance of this.#graph.entrances(block)) {
      const value = entrance.edge.with[index];
      const way = this.#ways.get(entrance.edge);
      if (value === undefined || way === undefined) continue;
      const range = way.rangeOf(value);
      if (loop !== undefined && this.#graph.isBack(entrance)) coming = hull(coming, range);
      else entering = hull(entering, range);
    }
    if (loop === undefined || coming === undefined || entering === undefined) return hull(entering, coming);
    return this.#carried(loop, parameter, entering, coming);
  }

  /** A loop's parameter, by what it begins with and what a round makes of it. */
  #carried(loop: Loop, parameter: Value, entering: Range, coming: Range): Range | undefined {
    const before = this.#ranges.get(parameter);
    const joined = hull(entering, coming) ?? entering;
    const summed = this.#bounds.summed(loop, parameter, entering);
    if (this.#phase === "narrowing") {
      const narrowed = summed === undefined ? joined : (intersect(joined, summed) ?? joined);
      return before === undefined ? narrowed : narrower(before, narrowed);
    }
    if (summed !== undefined && this.#phase === "growing") return hull(summed, before);
    const grown = hull(joined, before) ?? joined;
    if (before === undefined || this.#phase === "growing" || isSameRange(before, grown)) return grown;
    return this.#phase === "widening" ? widen(before, grown) : ANY_RANGE;
  }

  #leave(terminator: Terminator, scope: Scope): void {
    for (const edge of edgesOf(terminator)) {
      const way = terminator.op === "branch" ? new Scope(this.#grounds, scope) : scope;
      const isOpen =
        terminator.op !== "branch" || way.assume(terminator.condition, edge === terminator.ifTrue);
      if (isOpen) this.#ways.set(edge, way);
      else this.#ways.delete(edge);
    }
  }
}

/** Both are known; of words that is no more than one of them when they speak of different readings. */
function narrower(before: Range, now: Range): Range {
  const all = hull(before, now) ?? now;
  return all.most - all.least > UNSIGNED_MOST ? before : (intersect(before, now) ?? before);
}

/** To the next landmark on the side that has grown. */
function widen(before: Range, grown: Range): Range {
  const most =
    grown.most > before.most ? (LANDMARKS.find((mark) => mark >= grown.most) ?? grown.most) : grown.most;
  if (grown.least >= before.least) return rangeOf(grown.least, most);
  const below = LANDMARKS.find((mark) => -mark - 1n <= grown.least);
  return rangeOf(below === undefined ? grown.least : -below - 1n, most);
}

const FACT_RANGES: Readonly<Record<PacketFact, Range>> = {
  // The longest aggregates that Linux makes have 524,280 bytes, and headers.
  length: rangeOf(0n, 2n ** 20n - 1n),
  mark: rangeOf(0n, 2n ** 32n - 1n),
  etherType: rangeOf(0n, 2n ** 16n - 1n),
  segmentBytes: rangeOf(0n, 2n ** 16n - 1n),
  tag: rangeOf(0n, 1n),
  inInterface: rangeOf(0n, 2n ** 31n - 1n),
  outInterface: rangeOf(0n, 2n ** 31n - 1n),
};

/** The kernel's answers: 0, or an error's number below it (MAX_ERRNO is 4095). */
const ANSWER_RANGE: Range = rangeOf(-4095n, 0n);

/** What an instruction results in; `undefined` for what is no number, or is made of what is never made. */
function rangeOfInstruction(instruction: Instruction, scope: Scope): Range | undefined {
  switch (instruction.op) {
    case "constant":
      return instruction.result.type === "pointer" || instruction.result.type === "entry"
        ? undefined
        : exactly(instruction.value);
    case "binary": {
      const [left, right] = [scope.rangeOf(instruction.left), scope.rangeOf(instruction.right)];
      return left === undefined || right === undefined ? undefined : transferBinary(instruction, left, right);
    }
    case "unary": {
      const operand = scope.rangeOf(instruction.operand);
      return operand === undefined ? undefined : transferUnary(instruction.operator, operand);
    }
    case "compare": {
      const known = decideComparison(instruction, scope);
      return known === undefined ? BOOLEAN_RANGE : exactly(known ? 1n : 0n);
    }
    case "isFound":
      return BOOLEAN_RANGE;
    case "select":
      return selectRange(instruction, scope);
    case "assume": {
      const operand = scope.rangeOf(instruction.operand);
      const assumed = rangeOf(instruction.least, instruction.most);
      return operand === undefined ? undefined : (intersect(operand, assumed) ?? assumed);
    }
    case "fact":
      return FACT_RANGES[instruction.fact];
    case "load":
      return unsignedOf(instruction.bytes);
    case "loadElement":
      return instruction.isSigned ? signedOf(instruction.bytes) : unsignedOf(instruction.bytes);
    case "atomicAdd":
    case "atomicExchange":
      return rangeOf(0n, UNSIGNED_MOST);
    case "update":
    case "remove":
    case "resize":
      return ANSWER_RANGE;
    case "sum":
      return unsignedOf(2);
    case "ask":
      return instruction.what === "random" ? unsignedOf(4) : rangeOf(0n, 2n ** 63n - 1n);
    case "redirect":
      return unsignedOf(4);
    default:
      return undefined;
  }
}

function unsignedOf(bytes: number): Range {
  return rangeOf(0n, (1n << BigInt(8 * bytes)) - 1n);
}

function signedOf(bytes: number): Range {
  const half = 1n << BigInt(8 * bytes - 1);
  return rangeOf(-half, half - 1n);
}

function selectRange(
  { condition, ifTrue, ifFalse }: { condition: Value; ifTrue: Value; ifFalse: Value },
  scope: Scope,
): Range | undefined {
  const known = constantIn(scope.rangeOf(condition));
  if (known !== undefined) return scope.rangeOf(known === 0n ? ifFalse : ifTrue);
  const range = (isTrue: boolean): Range | undefined => {
    const way = new Scope({
      of: (value) => scope.rangeOf(value),
      definitionOf: (value) => scope.definitionOf(value),
    });
    return way.assume(condition, isTrue) ? way.rangeOf(isTrue ? ifTrue : ifFalse) : undefined;
  };
  return hull(range(true), range(false));
}

/** Whether the ranges alone decide a comparison. */
export function decideComparison(
  {
    comparison,
    left,
    right,
    isSigned,
  }: { comparison: Comparison; left: Value; right: Value; isSigned?: boolean },
  ranges: Comparable,
): boolean | undefined {
  const [a, b] = [ranges.rangeOf(left), ranges.rangeOf(right)];
  if (a === undefined || b === undefined) return undefined;
  if (left === right) return evaluateComparison(comparison, 0n, 0n);
  const [x, y] = isSigned === undefined ? [a, b] : [asWord(a, isSigned), asWord(b, isSigned)];
  const byRanges = decide(comparison, x, y) ?? decide(MIRRORED[comparison], y, x);
  if (byRanges !== undefined || ranges.mostAbove === undefined) return byRanges;
  // What is known of differences is of signed numbers.
  const isSignless = isWithin(x, 0n, SIGNED_MOST) && isWithin(y, 0n, SIGNED_MOST);
  if (isSigned === false && !isSignless) return undefined;
  return decideByDifference(comparison, ranges.mostAbove(left, right), ranges.mostAbove(right, left));
}

/** By the most that the left side can be above the right one, and the other way round. */
function decideByDifference(
  comparison: Comparison,
  above: bigint | undefined,
  below: bigint | undefined,
): boolean | undefined {
  const isLess = above !== undefined && above < 0n;
  const isGreater = below !== undefined && below < 0n;
  const isAtMost = above !== undefined && above <= 0n;
  const isAtLeast = below !== undefined && below <= 0n;
  const either = (yes: boolean, no: boolean): boolean | undefined => (yes ? true : no ? false : undefined);
  switch (comparison) {
    case "less":
      return either(isLess, isAtLeast);
    case "lessOrEqual":
      return either(isAtMost, isGreater);
    case "greater":
      return either(isGreater, isAtMost);
    case "greaterOrEqual":
      return either(isAtLeast, isLess);
    case "equal":
      return either(isAtMost && isAtLeast, isLess || isGreater);
    case "unequal":
      return either(isLess || isGreater, isAtMost && isAtLeast);
  }
}

function decide(comparison: Comparison, left: Range, right: Range): boolean | undefined {
  switch (comparison) {
    case "equal":
    case "unequal": {
      if (intersect(left, right) === undefined) return comparison === "unequal";
      const isOne = constantIn(left) !== undefined && constantIn(left) === constantIn(right);
      return isOne ? comparison === "equal" : undefined;
    }
    case "less":
      if (left.most < right.least) return true;
      return left.least >= right.most ? false : undefined;
    case "lessOrEqual":
      if (left.most <= right.least) return true;
      return left.least > right.most ? false : undefined;
    default:
      return undefined;
  }
}
