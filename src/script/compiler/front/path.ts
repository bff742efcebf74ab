/**
 * Ways through a function while it is being lowered: what its variables are there, and which conditions are known.
 * @module
 */
import type { Block, Value } from "../ir/ir.ts";
import type { Lowered } from "./lowered.ts";

/** What is known on one way. */
export class PathState {
  /** By symbol, by record that was written to, or by key of another part of the compiler. */
  readonly variables: Map<object, Lowered>;
  /** Conditions that have been tested on the way here. */
  readonly facts: Map<Value, boolean>;

  constructor(
    variables: ReadonlyMap<object, Lowered> = new Map(),
    facts: ReadonlyMap<Value, boolean> = new Map(),
  ) {
    this.variables = new Map(variables);
    this.facts = new Map(facts);
  }

  clone(): PathState {
    return new PathState(this.variables, this.facts);
  }
}

/** The end of a way that has been left, to be gone on with. */
export interface Way {
  readonly block: Block;
  /** The block is not in the function yet. */
  readonly isNew: boolean;
  readonly state: PathState;
}

/** A way and what it brings to where it meets others. */
export interface Arrival {
  readonly way: Way;
  readonly value: Lowered;
}

/** Nothing comes behind here: the way has returned or failed. Caught where ways meet. */
export class WayEnded extends Error {}

/** What was refused is known already, and depends on something that was refused before. */
export class AlreadyRefused extends Error {}

/** Why a boolean that was joined is what it is: its value on each of the ways, and what was known there. */
export type BooleanOrigin = readonly {
  readonly value: Value;
  readonly facts: ReadonlyMap<Value, boolean>;
}[];

/** What follows from conditions: negations, and joined booleans of which only one way can be meant. */
export class Implications {
  /** Conditions by their negations, which are made where the condition is there: the other way round is not so. */
  readonly #negated = new Map<Value, Value>();
  readonly #negations = new Map<Value, Value[]>();
  readonly #origins = new Map<Value, BooleanOrigin>();
  readonly #both = new Map<Value, readonly [Value, Value]>();
  readonly #known: (value: Value) => bigint | undefined;

  constructor(known: (value: Value) => bigint | undefined) {
    this.#known = known;
  }

  /** `negation` has just been made of a condition. */
  negate(condition: Value, negation: Value): void {
    this.#negated.set(negation, condition);
    const known = this.#negations.get(condition);
    if (known === undefined) this.#negations.set(condition, [negation]);
    else known.push(negation);
  }

  /** What a value was made of as its negation: it is there wherever the value is. */
  negationOf(value: Value): Value | undefined {
    return this.#negated.get(value);
  }

  joined(result: Value, origin: BooleanOrigin): void {
    this.#origins.set(result, origin);
  }

  /** `result` is true where both are. */
  both(result: Value, one: Value, other: Value): void {
    this.#both.set(result, [one, other]);
  }

  /** Adds that a condition is known, and what follows from it. */
  assume(facts: Map<Value, boolean>, condition: Value, truth: boolean): void {
    if (facts.get(condition) === truth || this.#known(condition) !== undefined) return;
    facts.set(condition, truth);
    const negated = this.#negated.get(condition);
    const opposites = [
      ...(negated === undefined ? [] : [negated]),
      ...(this.#negations.get(condition) ?? []),
    ];
    for (const opposite of opposites) this.assume(facts, opposite, !truth);
    const both = this.#both.get(condition);
    if (both !== undefined && truth) for (const one of both) this.assume(facts, one, true);
    const possible = (this.#origins.get(condition) ?? []).filter((origin) => {
      const known = this.#known(origin.value) ?? origin.facts.get(origin.value);
      return known === undefined || Boolean(known) === truth;
    });
    const [only] = possible;
    if (possible.length !== 1 || only === undefined) return;
    for (const [value, isTrue] of only.facts) if (!facts.has(value)) facts.set(value, isTrue);
    this.assume(facts, only.value, truth);
  }
}
