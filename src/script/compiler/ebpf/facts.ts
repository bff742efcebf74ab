/**
 * What the back end has found out about a function before it writes instructions.
 * @module
 */
import { Graph } from "../ir/graph.ts";
import type {
  AccessBytes,
  Block,
  CompareInstruction,
  Instruction,
  IrFunction,
  IsFoundInstruction,
  Value,
} from "../ir/ir.ts";
import { isPure, operandsOf, resultOf } from "../ir/visit.ts";
import { SeenIntervals } from "./seen.ts";
import { turnedValues } from "./turned.ts";
import { useCounts } from "./verdicts.ts";
import { weightsOf } from "./weights.ts";

/** A condition as conditional jumps take it. */
export type Condition = { readonly isInverted: boolean } & (
  | { readonly compare: CompareInstruction | IsFoundInstruction }
  /** Both of them, the second one where the first one holds; `or` is the contrary of both contraries. */
  | { readonly both: readonly [Condition, Condition] }
  /** Not 0. */
  | { readonly value: Value }
);

function inverse(condition: Condition): Condition {
  return { ...condition, isInverted: !condition.isInverted };
}

export class FunctionFacts {
  readonly graph: Graph;
  readonly weights: ReadonlyMap<Block, number>;
  /** The instructions that make values; block parameters have none. */
  readonly makers: ReadonlyMap<Value, Instruction>;
  /** The blocks whose parameters values are. */
  readonly owners: ReadonlyMap<Value, Block>;
  readonly uses: ReadonlyMap<Value, number>;
  readonly seen: SeenIntervals;
  /** Values that stay in the packet's order, and their bytes. */
  readonly turned: ReadonlyMap<Value, AccessBytes>;
  /** Values that have to be in a register, or be an address; the others become parts of what uses them. */
  readonly needed: ReadonlySet<Value>;

  constructor(fn: IrFunction) {
    const graph = new Graph(fn);
    this.graph = graph;
    this.weights = weightsOf(graph);
    const makers = new Map<Value, Instruction>();
    const owners = new Map<Value, Block>();
    for (const block of graph.order) {
      for (const parameter of block.parameters) owners.set(parameter, block);
      for (const instruction of block.instructions) {
        const result = resultOf(instruction);
        if (result !== undefined) makers.set(result, instruction);
      }
    }
    this.makers = makers;
    this.owners = owners;
    this.uses = useCounts(graph);
    this.turned = turnedValues(graph, (value) => this.constantOf(value));
    this.seen = new SeenIntervals({ graph, makers, owners, turned: this.turned });
    this.needed = this.#findNeeded();
  }

  constantOf(value: Value): bigint | undefined {
    const maker = this.makers.get(value);
    if (maker?.op === "assume") return this.constantOf(maker.operand);
    return maker?.op === "constant" ? maker.value : undefined;
  }

  /** What a branch on a value compares. */
  conditionOf(value: Value): Condition {
    const maker = this.makers.get(value);
    if (maker?.op === "isFound") return { compare: maker, isInverted: false };
    const negated = this.#negatedBy(maker);
    if (negated !== undefined) return inverse(this.conditionOf(negated));
    if (maker?.op === "compare") return { compare: maker, isInverted: false };
    return this.#joinedBy(maker) ?? { value, isInverted: false };
  }

  /** What is asked one after the other: two booleans by `and` or `or`, a choice with a constant. */
  #joinedBy(maker: Instruction | undefined): Condition | undefined {
    if (maker?.op === "binary" && maker.left.type === "boolean") {
      const { operator, left, right } = maker;
      if (operator === "and") return this.#both(this.conditionOf(left), this.conditionOf(right));
      return operator === "or" ? this.#any(this.conditionOf(left), this.conditionOf(right)) : undefined;
    }
    if (maker?.op !== "select" || maker.ifTrue.type !== "boolean") return undefined;
    const condition = this.conditionOf(maker.condition);
    if (this.constantOf(maker.ifTrue) === 1n) return this.#any(condition, this.conditionOf(maker.ifFalse));
    if (this.constantOf(maker.ifFalse) === 0n) return this.#both(condition, this.conditionOf(maker.ifTrue));
    return undefined;
  }

  #both(one: Condition, other: Condition): Condition {
    return { both: [one, other], isInverted: false };
  }

  #any(one: Condition, other: Condition): Condition {
    return { both: [inverse(one), inverse(other)], isInverted: true };
  }

  /** The boolean whose contrary an instruction makes. */
  #negatedBy(maker: Instruction | undefined): Value | undefined {
    if (maker?.op !== "compare" && maker?.op !== "binary") return undefined;
    if (maker.left.type !== "boolean") return undefined;
    const right = this.constantOf(maker.right);
    if (maker.op === "binary") return maker.operator === "xor" && right === 1n ? maker.left : undefined;
    const { comparison } = maker;
    const isNot = (comparison === "equal" && right === 0n) || (comparison === "unequal" && right === 1n);
    return isNot ? maker.left : undefined;
  }

  #findNeeded(): ReadonlySet<Value> {
    const needed = new Set<Value>();
    const needCondition = (value: Value): void => {
      needParts(this.conditionOf(value));
    };
    const needParts = (condition: Condition): void => {
      if ("value" in condition) needed.add(condition.value);
      else if ("both" in condition) for (const part of condition.both) needParts(part);
      else for (const operand of operandsOf(condition.compare)) needed.add(operand);
    };
    const needOperands = (instruction: Instruction): void => {
      if (instruction.op !== "select") {
        for (const operand of operandsOf(instruction)) needed.add(operand);
        return;
      }
      // What is chosen may be the condition itself.
      needCondition(instruction.condition);
      needed.add(instruction.ifTrue).add(instruction.ifFalse);
    };
    for (const { instructions, terminator } of this.graph.order) {
      for (const instruction of instructions) if (!isPure(instruction)) needOperands(instruction);
      if (terminator.op === "branch") needCondition(terminator.condition);
      else if (terminator.op === "open") needed.add(terminator.offset);
      else if (terminator.op === "return") needed.add(terminator.verdict);
    }
    // The set grows while it is walked through.
    for (const value of needed) {
      const maker = this.makers.get(value);
      if (maker !== undefined && isPure(maker)) needOperands(maker);
      const owner = this.owners.get(value);
      if (owner === undefined) continue;
      const index = owner.parameters.indexOf(value);
      for (const { edge } of this.graph.entrances(owner)) {
        const given = edge.with[index];
        if (given !== undefined) needed.add(given);
      }
    }
    return needed;
  }
}
