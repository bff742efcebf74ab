/**
 * What is known of values behind a branch: its condition holds there, or does not.
 * @module
 */
import { MIRRORED, OPPOSITE } from "../ir/arithmetic.ts";
import type {
  BinaryInstruction,
  BinaryOperator,
  CompareInstruction,
  Comparison,
  Instruction,
  SelectInstruction,
  UnaryInstruction,
  Value,
} from "../ir/ir.ts";
import {
  asWord,
  constantIn,
  exactly,
  intersect,
  isSameRange,
  isWithin,
  type Range,
  rangeOf,
  SIGNED_LEAST,
  SIGNED_MOST,
  UNSIGNED_MOST,
} from "./range.ts";
import { exactRange, transferUnary } from "./transfer.ts";

/** Chains of definitions are followed no further: `a + 4 < 20` is one step. */
const DEPTH_MAX = 6;

/** What a comparison can be decided by. */
export interface Comparable {
  rangeOf(value: Value): Range | undefined;
  /** The most that `left` can be above `right`; `undefined` when that is not known. */
  mostAbove?(left: Value, right: Value): bigint | undefined;
}

/** What a scope asks of the analysis. */
export interface Grounds {
  /** The range of a value where it is made; `undefined` for what is not known to be ever made. */
  of(value: Value): Range | undefined;
  definitionOf(value: Value): Instruction | undefined;
}

/** Scopes that are asked one after the other before what they know is copied into one. */
const LAYERS_MAX = 16;

/**
 * What is known in a block beyond where values are made; it is never changed once others build on it. Each is a layer
 * over that of the block before, which it does not copy: most know a thing or two more.
 */
export class Scope implements Comparable {
  readonly #grounds: Grounds;
  readonly #ranges: Map<Value, Range>;
  /** The most that one value can be above another, by both. */
  readonly #differences: Map<Value, Map<Value, bigint>>;
  readonly #outer: Scope | undefined;
  readonly #layers: number;

  constructor(grounds: Grounds, outer?: Scope) {
    this.#grounds = grounds;
    // What knows nothing by itself is left out of the chain.
    const over = outer?.isPlain === true ? outer.#outer : outer;
    const isCopied = over !== undefined && over.#layers >= LAYERS_MAX;
    this.#outer = isCopied ? undefined : over;
    this.#layers = this.#outer === undefined ? 1 : this.#outer.#layers + 1;
    this.#ranges = isCopied ? new Map(over.narrowed()) : new Map();
    this.#differences = isCopied ? over.#allDifferences() : new Map();
  }

  /** Whether it knows nothing that the scope below does not know. */
  get isPlain(): boolean {
    return this.#ranges.size === 0 && this.#differences.size === 0;
  }

  /** The values of which more is known than where they are made; of one that is told twice the last counts. */
  *narrowed(): Iterable<readonly [Value, Range]> {
    if (this.#outer !== undefined) yield* this.#outer.narrowed();
    yield* this.#ranges;
  }

  /** The values of which something was learned since another scope, that this one builds on; perhaps more. */
  *learnedSince(outer: Scope): Iterable<Value> {
    const end = outer.isPlain ? outer.#outer : outer;
    for (let scope: Scope | undefined = this; scope !== undefined && scope !== end; scope = scope.#outer) {
      yield* scope.#ranges.keys();
    }
  }

  /** What is known of a value beyond where it is made. */
  narrowedOf(value: Value): Range | undefined {
    for (let scope: Scope | undefined = this; scope !== undefined; scope = scope.#outer) {
      const range = scope.#ranges.get(value);
      if (range !== undefined) return range;
    }
    return undefined;
  }

  /** `undefined` for what is not known to be ever made. */
  rangeOf(value: Value): Range | undefined {
    const base = this.#grounds.of(value);
    const narrowed = this.narrowedOf(value);
    if (narrowed === undefined || base === undefined) return base;
    return intersect(base, narrowed) ?? narrowed;
  }

  /** Takes over what all ways here know of a value. */
  learn(value: Value, range: Range): void {
    this.#ranges.set(value, range);
  }

  #allDifferences(): Map<Value, Map<Value, bigint>> {
    const all =
      this.#outer === undefined ? new Map<Value, Map<Value, bigint>>() : this.#outer.#allDifferences();
    for (const [left, known] of this.#differences) {
      all.set(left, new Map([...(all.get(left) ?? []), ...known]));
    }
    return all;
  }

  #differenceOf(left: Value, right: Value): bigint | undefined {
    for (let scope: Scope | undefined = this; scope !== undefined; scope = scope.#outer) {
      const difference = scope.#differences.get(left)?.get(right);
      if (difference !== undefined) return difference;
    }
    return undefined;
  }

  /** The most that `left` can be above `right`, by what branches have compared; `undefined` when none has. */
  mostAbove(left: Value, right: Value): bigint | undefined {
    const [a, b] = [this.#linear(left), this.#linear(right)];
    if (a === undefined || b === undefined) return undefined;
    const known = a.base === b.base ? 0n : this.#differenceOf(a.base, b.base);
    return known === undefined ? undefined : known + a.offset - b.offset;
  }

  /** A value as another one and a constant, when neither can go round at 2^63. */
  #linear(value: Value): { readonly base: Value; readonly offset: bigint } | undefined {
    let base = value;
    let offset = 0n;
    for (let step = 0; step < DEPTH_MAX; step++) {
      const range = this.rangeOf(base);
      if (range === undefined || !isWithin(range, SIGNED_LEAST, SIGNED_MOST)) return undefined;
      const definition = this.#grounds.definitionOf(base);
      if (definition?.op !== "binary") break;
      const { operator, left, right } = definition;
      if (operator !== "add" && operator !== "subtract") break;
      const [a, b] = [this.rangeOf(left), this.rangeOf(right)];
      const by = constantIn(b);
      if (a === undefined || b === undefined || by === undefined) break;
      if (!isWithin(a, SIGNED_LEAST, SIGNED_MOST)) break;
      if (!isWithin(exactRange(definition, a, b), SIGNED_LEAST, SIGNED_MOST)) break;
      offset += operator === "add" ? by : -by;
      base = left;
    }
    return { base, offset };
  }

  /** Remembers that one value is above another by no more than so much. */
  #relate(left: Value, right: Value, most: bigint): void {
    const [a, b] = [this.#linear(left), this.#linear(right)];
    if (a === undefined || b === undefined || a.base === b.base) return;
    const difference = most - a.offset + b.offset;
    const known = this.#differenceOf(a.base, b.base);
    if (known !== undefined && known <= difference) return;
    const own = this.#differences.get(a.base) ?? new Map<Value, bigint>();
    this.#differences.set(a.base, own.set(b.base, difference));
  }

  definitionOf(value: Value): Instruction | undefined {
    return this.#grounds.definitionOf(value);
  }

  /** Narrows what the condition says; `false` when it cannot be so, and nobody comes here. */
  assume(condition: Value, isTrue: boolean, depth = 0): boolean {
    if (!this.narrow(condition, exactly(isTrue ? 1n : 0n), depth)) return false;
    const definition = this.#grounds.definitionOf(condition);
    if (definition === undefined || depth >= DEPTH_MAX) return true;
    if (definition.op === "compare") return this.#assumeComparison(definition, isTrue, depth);
    if (definition.op !== "binary" || condition.type !== "boolean") return true;
    const isBoth = definition.operator === "and" || definition.operator === "and32";
    const isNeither = definition.operator === "or" || definition.operator === "or32";
    if (!(isTrue ? isBoth : isNeither)) return true;
    const { left, right } = definition;
    return this.assume(left, isTrue, depth + 1) && this.assume(right, isTrue, depth + 1);
  }

  /** Narrows a value, and what it was made of; `false` when nothing is left. */
  narrow(value: Value, to: Range, depth = 0): boolean {
    const known = this.rangeOf(value);
    if (known === undefined) return true;
    const narrowed = intersect(known, to);
    if (narrowed === undefined) return false;
    if (isSameRange(narrowed, known)) return true;
    this.#ranges.set(value, narrowed);
    const definition = this.#grounds.definitionOf(value);
    return (
      definition === undefined || depth >= DEPTH_MAX || this.#narrowOperands(definition, narrowed, depth + 1)
    );
  }

  #assumeComparison(comparison: CompareInstruction, isTrue: boolean, depth: number): boolean {
    const { left, right, isSigned } = comparison;
    const holds = isTrue ? comparison.comparison : OPPOSITE[comparison.comparison];
    if (left.type === "boolean") return this.#assumeBooleans(left, right, holds, depth);
    const [a, b] = [this.#read(left, isSigned), this.#read(right, isSigned)];
    if (a === undefined || b === undefined) return true;
    if (isSigned !== false || (isWithin(a, 0n, SIGNED_MOST) && isWithin(b, 0n, SIGNED_MOST))) {
      this.#remember(left, right, holds);
    }
    const [atLeft, atRight] = [compared(holds, a, b), compared(MIRRORED[holds], b, a)];
    if (atLeft === undefined || atRight === undefined) return false;
    return this.#settle(left, atLeft, depth) && this.#settle(right, atRight, depth);
  }

  #remember(left: Value, right: Value, holds: Comparison): void {
    const isLess = holds === "less" || holds === "lessOrEqual" || holds === "equal";
    const isGreater = holds === "greater" || holds === "greaterOrEqual" || holds === "equal";
    if (isLess) this.#relate(left, right, holds === "less" ? -1n : 0n);
    if (isGreater) this.#relate(right, left, holds === "greater" ? -1n : 0n);
  }

  #assumeBooleans(left: Value, right: Value, holds: Comparison, depth: number): boolean {
    if (holds !== "equal" && holds !== "unequal") return true;
    for (const [one, other] of [
      [left, right],
      [right, left],
    ] as const) {
      const known = constantIn(this.rangeOf(other));
      if (known === undefined) continue;
      return this.assume(one, (known === 1n) === (holds === "equal"), depth + 1);
    }
    return true;
  }

  /** A value's range as the comparison takes it. */
  #read(value: Value, isSigned: boolean | undefined): Range | undefined {
    const range = this.rangeOf(value);
    return range === undefined || isSigned === undefined ? range : asWord(range, isSigned);
  }

  /** What a comparison of words says is in its own reading, which may be another than what was known. */
  #settle(value: Value, range: Range, depth: number): boolean {
    const known = this.rangeOf(value);
    if (known === undefined || isWithin(range, known.least, known.most))
      return this.narrow(value, range, depth);
    if (range.most - range.least < known.most - known.least) this.#ranges.set(value, range);
    return true;
  }

  /** Where only one of two values fits it was taken. */
  #narrowChoice({ condition, ifTrue, ifFalse }: SelectInstruction, result: Range, depth: number): boolean {
    const [yes, no] = [this.rangeOf(ifTrue), this.rangeOf(ifFalse)];
    if (yes === undefined || no === undefined) return true;
    const [mayBeTrue, mayBeFalse] = [mayMeet(yes, result), mayMeet(no, result)];
    if (mayBeTrue === mayBeFalse) return true;
    if (!this.assume(condition, mayBeTrue, depth)) return false;
    const taken = mayBeTrue ? ifTrue : ifFalse;
    if (taken.type === "boolean") {
      const known = constantIn(result);
      return known === undefined || this.assume(taken, known === 1n, depth);
    }
    return this.narrow(taken, result, depth);
  }

  #narrowOperands(definition: Instruction, result: Range, depth: number): boolean {
    if (definition.op === "assume") return this.narrow(definition.operand, result, depth);
    if (definition.op === "select") return this.#narrowChoice(definition, result, depth);
    if (definition.op === "unary") {
      const operand = this.rangeOf(definition.operand);
      return (
        operand === undefined ||
        !isKept(definition, operand) ||
        this.narrow(definition.operand, result, depth)
      );
    }
    if (definition.op !== "binary") return true;
    const [left, right] = [this.rangeOf(definition.left), this.rangeOf(definition.right)];
    if (left === undefined || right === undefined) return true;
    if (mayGoRound(definition, exactRange(definition, left, right), result)) return true;
    const [newLeft, newRight] = operandsFor(definition, result, left, right);
    if (newLeft !== undefined && !this.narrow(definition.left, newLeft, depth)) return false;
    return newRight === undefined || this.narrow(definition.right, newRight, depth);
  }
}

/** Whether two ranges may be of one number; as words they may also meet in another reading. */
function mayMeet(one: Range, other: Range): boolean {
  if (intersect(one, other) !== undefined) return true;
  return intersect(asWord(one, false), asWord(other, false)) !== undefined;
}

/** Whether an operation leaves all that its operand may be as it is. */
function isKept({ operator }: UnaryInstruction, operand: Range): boolean {
  return !operator.startsWith("swap") && isSameRange(transferUnary(operator, operand), operand);
}

/** Of words that go round at 2^64 a narrower result says nothing of the operands. */
function mayGoRound({ domain }: BinaryInstruction, exact: Range, result: Range): boolean {
  if (domain !== "word" && domain !== "wrap") return false;
  return exact.most - exact.least > UNSIGNED_MOST || !isWithin(result, exact.least, exact.most);
}

/** What the left side may be where the comparison holds; `undefined` when it cannot hold. */
function compared(holds: Comparison, left: Range, right: Range): Range | undefined {
  switch (holds) {
    case "equal":
      return intersect(left, right);
    case "unequal":
      return without(left, constantIn(right));
    case "less":
      return between(left, left.least, right.most - 1n);
    case "lessOrEqual":
      return between(left, left.least, right.most);
    case "greater":
      return between(left, right.least + 1n, left.most);
    case "greaterOrEqual":
      return between(left, right.least, left.most);
  }
}

function between(range: Range, least: bigint, most: bigint): Range | undefined {
  return least > most ? undefined : intersect(range, rangeOf(least, most));
}

function without(range: Range, value: bigint | undefined): Range | undefined {
  if (value === range.least) return between(range, range.least + 1n, range.most);
  return value === range.most ? between(range, range.least, range.most - 1n) : range;
}

type Operands = readonly [left: Range | undefined, right: Range | undefined];

/** What the operands may be when the result is within a range. */
function operandsFor({ operator }: BinaryInstruction, result: Range, left: Range, right: Range): Operands {
  switch (operator) {
    case "add":
      return [
        rangeOf(result.least - right.most, result.most - right.least),
        rangeOf(result.least - left.most, result.most - left.least),
      ];
    case "subtract":
      return [
        rangeOf(result.least + right.least, result.most + right.most),
        rangeOf(left.least - result.most, left.most - result.least),
      ];
    case "maximum":
      return [upTo(left, result.most), upTo(right, result.most)];
    case "minimum":
      return [from(left, result.least), from(right, result.least)];
    case "and":
      return left.least >= 0n && right.least >= 0n
        ? [masked(left, right, result), masked(right, left, result)]
        : [undefined, undefined];
    case "or":
      return left.least >= 0n && right.least >= 0n
        ? [upTo(left, result.most), upTo(right, result.most)]
        : [undefined, undefined];
    default:
      return [scaledOperand(operator, result, left, constantIn(right)), undefined];
  }
}

function upTo(range: Range, most: bigint): Range | undefined {
  return most >= range.least ? rangeOf(range.least, most) : undefined;
}

/** One side of an `and`: where the other is a constant, bits that the result has not got are in neither. */
function masked(range: Range, other: Range, result: Range): Range | undefined {
  if (result.least > range.most) return undefined;
  const mask = constantIn(other);
  const bits = mask === undefined ? range.bits : range.bits & (result.bits | ~mask);
  return rangeOf(result.least, range.most, bits);
}

function from(range: Range, least: bigint): Range | undefined {
  return least <= range.most ? rangeOf(least, range.most) : undefined;
}

/** The left side of a multiplication, division or shift by a constant. */
function scaledOperand(
  operator: BinaryOperator,
  result: Range,
  left: Range,
  by: bigint | undefined,
): Range | undefined {
  if (by === undefined || by < 0n || left.least < 0n || result.least < 0n) return undefined;
  const isShift = operator.startsWith("shift");
  if ((isShift && by > 31n) || (!isShift && by === 0n)) return undefined;
  const factor = isShift ? 1n << by : by;
  switch (operator) {
    case "multiply":
    case "shiftLeft":
      return smaller((result.least + factor - 1n) / factor, result.most / factor);
    case "divide":
    case "shiftRight":
    case "shiftRightSigned":
      return rangeOf(result.least * factor, result.most * factor + factor - 1n);
    case "shiftRight32":
    case "shiftRightUnsigned32":
      return left.most >= 1n << 31n
        ? undefined
        : rangeOf(result.least * factor, result.most * factor + factor - 1n);
    default:
      return undefined;
  }
}

function smaller(least: bigint, most: bigint): Range | undefined {
  return least <= most ? rangeOf(least, most) : undefined;
}
