/**
 * How often loops go round, and what a loop's sums come to: a parameter that every round adds something between two
 * numbers to is, after so many rounds at most, within a range that can be calculated.
 * @module
 */
import { greater, lesser, MIRRORED, OPPOSITE } from "../ir/arithmetic.ts";
import type { Graph, Loop } from "../ir/graph.ts";
import type { Block, Comparison, Edge, Instruction, Value } from "../ir/ir.ts";
import { resultOf } from "../ir/visit.ts";
import { constantIn, isSameRange, type Range, rangeOf } from "./range.ts";
import { transferUnary } from "./transfer.ts";

/** What a value is more than a loop's parameter in the same round. */
interface Step {
  readonly least: bigint;
  readonly most: bigint;
}

const NO_STEP: Step = { least: 0n, most: 0n };

interface KnownRanges {
  at(value: Value, block: Block): Range | undefined;
  over(value: Value, from: Block, edge: Edge): Range | undefined;
  isTaken(from: Block, edge: Edge): boolean;
}

interface Options {
  readonly graph: Graph;
  readonly loops: readonly Loop[];
  readonly definitions: ReadonlyMap<Value, Instruction>;
  readonly ranges: KnownRanges;
}

/** Counts rounds by the ranges as they are known now; what is found is kept until it is told to forget. */
export class LoopBounds {
  readonly #options: Options;
  readonly #rounds = new Map<Loop, number | undefined>();
  readonly #blockOf: ReadonlyMap<Value, Block>;
  readonly #loopAt: ReadonlyMap<Block, Loop>;

  constructor(options: Options) {
    this.#options = options;
    this.#loopAt = new Map(options.loops.map((loop) => [loop.head, loop]));
    const blockOf = new Map<Value, Block>();
    for (const loop of options.loops) {
      for (const block of loop.blocks) {
        for (const parameter of block.parameters) blockOf.set(parameter, block);
        for (const instruction of block.instructions) {
          const result = resultOf(instruction);
          if (result !== undefined) blockOf.set(result, block);
        }
      }
    }
    this.#blockOf = blockOf;
  }

  /** Lets the rounds be counted again, because ranges have changed. */
  forget(): void {
    this.#rounds.clear();
  }

  /** How often the loop comes back to its head at most. */
  roundsMax(loop: Loop): number | undefined {
    if (this.#rounds.has(loop)) return this.#rounds.get(loop);
    // Whoever asks again while this is being found gets no answer: it would be its own reason.
    this.#rounds.set(loop, undefined);
    const { graph, ranges } = this.#options;
    const back = graph.entrances(loop.head).filter((entrance) => graph.isBack(entrance));
    // Where nobody ever comes back, there is one round, which is no coming back.
    let rounds = back.some(({ from, edge }) => ranges.isTaken(from, edge)) ? undefined : 0n;
    for (const block of loop.blocks) {
      const found = this.#roundsBy(loop, block);
      if (found !== undefined) rounds = rounds === undefined ? found : lesser(rounds, found);
    }
    const result = rounds === undefined || rounds > 2n ** 40n ? undefined : Number(rounds);
    this.#rounds.set(loop, result);
    return result;
  }

  /** The range of a loop's parameter, when each round adds to it; `undefined` when that is not all that happens to it. */
  summed(loop: Loop, parameter: Value, entering: Range): Range | undefined {
    const step = this.#stepOfRound(loop, parameter);
    if (step === undefined) return undefined;
    if (step.least === 0n && step.most === 0n) return entering;
    const rounds = this.roundsMax(loop);
    if (rounds === undefined) return undefined;
    const count = BigInt(rounds);
    const least = entering.least + lesser(0n, count * step.least);
    return rangeOf(least, entering.most + greater(0n, count * step.most));
  }

  /** By the exit at the end of this block, when every round comes past it. */
  #roundsBy(loop: Loop, block: Block): bigint | undefined {
    const { graph, definitions } = this.#options;
    const { terminator } = block;
    if (terminator.op !== "branch" || !loop.latches.every((latch) => graph.dominates(block, latch)))
      return undefined;
    // What an inner loop asks is not asked once a round.
    if (this.#innermost(block) !== loop) return undefined;
    const [staysIfTrue, staysIfFalse] = [
      loop.blocks.has(terminator.ifTrue.to),
      loop.blocks.has(terminator.ifFalse.to),
    ];
    if (staysIfTrue === staysIfFalse) return undefined;
    const condition = definitions.get(terminator.condition);
    if (condition?.op !== "compare") return undefined;
    const stays = staysIfTrue ? condition.comparison : OPPOSITE[condition.comparison];
    return (
      this.#roundsWhile(loop, block, stays, condition.left, condition.right) ??
      this.#roundsWhile(loop, block, MIRRORED[stays], condition.right, condition.left)
    );
  }

  #innermost(block: Block): Loop | undefined {
    return this.#options.loops.findLast((loop) => loop.blocks.has(block));
  }

  /** Rounds while `counter` compares so with `end`. */
  #roundsWhile(loop: Loop, block: Block, stays: Comparison, counter: Value, end: Value): bigint | undefined {
    const limit = this.#options.ranges.at(end, block);
    if (limit === undefined) return undefined;
    for (const parameter of loop.head.parameters) {
      if (parameter.type !== "integer") continue;
      const halvings = this.#halvings(loop, stays, { parameter, counter, limit });
      if (halvings !== undefined) return halvings;
      const offset = this.#step(loop, parameter, counter, new Map());
      if (offset === undefined) continue;
      const step = this.#stepOfRound(loop, parameter);
      const first = this.#entering(loop, parameter);
      if (step === undefined || first === undefined) continue;
      const begin = rangeOf(first.least + offset.least, first.most + offset.most);
      const rounds = countRounds(stays, begin, step, limit);
      if (rounds !== undefined) return rounds;
    }
    return undefined;
  }

  /** Rounds of a loop that halves a parameter in each, `n >>= 1`, and goes on while it is more than something. */
  #halvings(
    loop: Loop,
    stays: Comparison,
    {
      parameter,
      counter,
      limit,
    }: { readonly parameter: Value; readonly counter: Value; readonly limit: Range },
  ): bigint | undefined {
    const index = loop.head.parameters.indexOf(parameter);
    if (limit.least < 0n) return undefined;
    // What is 0 stays 0: it has to be enough for the end.
    if (stays === "unequal" ? constantIn(limit) !== 0n : stays !== "greater") return undefined;
    const first = this.#entering(loop, parameter);
    if (first === undefined || first.least < 0n) return undefined;
    if (counter !== parameter && !this.#isHalfOrLess(counter, parameter, first)) return undefined;
    const { graph, ranges } = this.#options;
    for (const entrance of graph.entrances(loop.head)) {
      if (!graph.isBack(entrance) || !ranges.isTaken(entrance.from, entrance.edge)) continue;
      const value = entrance.edge.with[index];
      if (value === undefined || !this.#isHalfOrLess(value, parameter, first)) return undefined;
    }
    return BigInt(first.most.toString(2).length);
  }

  #isHalfOrLess(value: Value, counter: Value, first: Range): boolean {
    const definition = this.#options.definitions.get(value);
    const block = this.#blockOf.get(value);
    if (definition?.op === "select") {
      const { ifTrue, ifFalse } = definition;
      return [ifTrue, ifFalse].every((one) => this.#isHalfOrLess(one, counter, first));
    }
    if (definition?.op !== "binary" || block === undefined || definition.left !== counter) return false;
    const by = this.#options.ranges.at(definition.right, block);
    if (by === undefined) return false;
    switch (definition.operator) {
      // On 32 bits: what has more would be cut, which is no more than itself, but may have a sign.
      case "shiftRight32":
        return by.least >= 1n && by.most <= 31n && first.most < 2n ** 31n;
      case "shiftRightUnsigned32":
        return by.least >= 1n && by.most <= 31n;
      case "shiftRight":
      case "shiftRightSigned":
        return by.least >= 1n && by.most <= 63n;
      case "divide":
        return by.least >= 2n;
      default:
        return false;
    }
  }

  /** What a parameter is when the loop is entered. */
  #entering(loop: Loop, parameter: Value): Range | undefined {
    const { graph, ranges } = this.#options;
    const index = loop.head.parameters.indexOf(parameter);
    let least: bigint | undefined;
    let most: bigint | undefined;
    for (const entrance of graph.entrances(loop.head)) {
      const value = entrance.edge.with[index];
      if (graph.isBack(entrance) || value === undefined) continue;
      const range = ranges.over(value, entrance.from, entrance.edge);
      if (range === undefined) continue;
      least = least === undefined ? range.least : lesser(least, range.least);
      most = most === undefined ? range.most : greater(most, range.most);
    }
    return least === undefined || most === undefined ? undefined : rangeOf(least, most);
  }

  /** What one round adds to a parameter. */
  #stepOfRound(loop: Loop, parameter: Value): Step | undefined {
    const index = loop.head.parameters.indexOf(parameter);
    const { graph, ranges } = this.#options;
    let all: Step | undefined;
    for (const entrance of graph.entrances(loop.head)) {
      const value = entrance.edge.with[index];
      if (!graph.isBack(entrance) || value === undefined || !ranges.isTaken(entrance.from, entrance.edge))
        continue;
      const step = this.#step(loop, parameter, value, new Map());
      if (step === undefined) return undefined;
      all = joinSteps(all, step);
    }
    return all;
  }

  /** What a value of a round is more than the parameter was when the round began. */
  #step(loop: Loop, parameter: Value, value: Value, found: Map<Value, Step | undefined>): Step | undefined {
    if (value === parameter) return NO_STEP;
    if (found.has(value)) return found.get(value);
    found.set(value, undefined);
    const block = this.#blockOf.get(value);
    if (block === undefined || !loop.blocks.has(block)) return undefined;
    const definition = this.#options.definitions.get(value);
    const step =
      definition === undefined
        ? this.#stepOfParameter(loop, parameter, value, block, found)
        : this.#stepOfInstruction(loop, parameter, definition, block, found);
    found.set(value, step);
    return step;
  }

  #stepOfInstruction(
    loop: Loop,
    parameter: Value,
    definition: Instruction,
    block: Block,
    found: Map<Value, Step | undefined>,
  ): Step | undefined {
    const follow = (value: Value): Step | undefined => this.#step(loop, parameter, value, found);
    const at = (value: Value): Range | undefined => this.#options.ranges.at(value, block);
    switch (definition.op) {
      case "assume":
        return follow(definition.operand);
      case "unary": {
        const operand = at(definition.operand);
        const isCopy =
          operand !== undefined && isSameRange(transferUnary(definition.operator, operand), operand);
        return isCopy && !definition.operator.startsWith("swap") ? follow(definition.operand) : undefined;
      }
      case "select":
        return joinKnown(follow(definition.ifTrue), follow(definition.ifFalse));
      case "binary": {
        if (definition.domain === "wrap" || definition.domain === "word") return undefined;
        const { operator, left, right } = definition;
        if (operator !== "add" && operator !== "subtract") return undefined;
        const before = follow(left);
        if (before !== undefined) return moved(before, at(right), operator);
        const behind = operator === "add" ? follow(right) : undefined;
        return behind === undefined ? undefined : moved(behind, at(left), "add");
      }
      default:
        return undefined;
    }
  }

  #stepOfParameter(
    loop: Loop,
    parameter: Value,
    value: Value,
    block: Block,
    found: Map<Value, Step | undefined>,
  ): Step | undefined {
    const { graph, ranges } = this.#options;
    const index = block.parameters.indexOf(value);
    const inner = this.#loopAt.get(block);
    let all: Step | undefined;
    for (const entrance of graph.entrances(block)) {
      const passed = entrance.edge.with[index];
      if (!ranges.isTaken(entrance.from, entrance.edge)) continue;
      if (inner !== undefined && graph.isBack(entrance)) continue;
      const step = passed === undefined ? undefined : this.#step(loop, parameter, passed, found);
      if (step === undefined) return undefined;
      all = joinSteps(all, step);
    }
    if (inner === undefined || all === undefined) return all;
    const added = this.#stepOfRound(inner, value) ?? undefined;
    if (added === undefined) return undefined;
    if (added.least === 0n && added.most === 0n) return all;
    const rounds = this.roundsMax(inner);
    if (rounds === undefined) return undefined;
    const count = BigInt(rounds);
    return {
      least: all.least + lesser(0n, count * added.least),
      most: all.most + greater(0n, count * added.most),
    };
  }
}

function joinSteps(one: Step | undefined, other: Step): Step {
  if (one === undefined) return other;
  return { least: lesser(one.least, other.least), most: greater(one.most, other.most) };
}

function joinKnown(one: Step | undefined, other: Step | undefined): Step | undefined {
  return one === undefined || other === undefined ? undefined : joinSteps(one, other);
}

function moved(step: Step, by: Range | undefined, operator: "add" | "subtract"): Step | undefined {
  if (by === undefined) return undefined;
  if (operator === "add") return { least: step.least + by.least, most: step.most + by.most };
  return { least: step.least - by.most, most: step.most - by.least };
}

/** How often a counter that begins so, and gets so much more each time, can compare so with the limit. */
function countRounds(stays: Comparison, begin: Range, step: Step, limit: Range): bigint | undefined {
  switch (stays) {
    case "less":
    case "lessOrEqual": {
      if (step.least <= 0n) return undefined;
      const end = stays === "less" ? limit.most : limit.most + 1n;
      return greater(0n, (end - begin.least + step.least - 1n) / step.least);
    }
    case "greater":
    case "greaterOrEqual": {
      if (step.most >= 0n) return undefined;
      const end = stays === "greater" ? limit.least : limit.least - 1n;
      return greater(0n, (begin.most - end - step.most - 1n) / -step.most);
    }
    case "unequal": {
      const [first, last] = [constantIn(begin), constantIn(limit)];
      if (first === undefined || last === undefined || step.least !== step.most || step.least === 0n)
        return undefined;
      const distance = last - first;
      return distance % step.least === 0n && distance / step.least >= 0n ? distance / step.least : undefined;
    }
    case "equal":
      return undefined;
  }
}
