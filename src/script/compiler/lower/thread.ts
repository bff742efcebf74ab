/**
 * Jump threading: who comes to a block from where its branch is already decided goes on directly. The front end makes a
 * presence flag of every optional value, and branches on it; from the way that set it the flag is known, and in the end
 * nobody asks for it any more.
 * @module
 */

import { constantIn, exactly, type Range } from "../analyse/range.ts";
import { decideComparison, type Ranges } from "../analyse/ranges.ts";
import { transferBinary, transferUnary } from "../analyse/transfer.ts";
import { type Entrance, Graph } from "../ir/graph.ts";
import type { Block, Edge, Instruction, Terminator, Value } from "../ir/ir.ts";
import {
  isPure,
  mapEdges,
  mapOperands,
  mapTerminator,
  operandsOf,
  resultOf,
  withResult,
} from "../ir/visit.ts";
import type { Editor } from "./editor.ts";
import { type Copies, repairValues } from "./ssa.ts";

/** Instructions that may be copied for one way that is threaded. */
const COPIED_MAX = 8;
/** A function grows by no more than this because of threading: factor and addend of its instructions. */
const GROWTH_FACTOR = 2;
const GROWTH_ADDEND = 500;

/** Threads what can be; `true` when something was. Ranges help where they are still good. */
export function threadJumps(editor: Editor, ranges?: Ranges): boolean {
  const threader = new Threader(editor, ranges);
  let isChanged = false;
  let left = editor.size * (GROWTH_FACTOR - 1) + GROWTH_ADDEND;
  const graph = new Graph(editor.function);
  for (const block of graph.order) {
    if (block === editor.function.entry || graph.isHead(block)) continue;
    if (left < 0) break;
    // Earlier threads have changed edges: this block's own are as they are now.
    const entrances = graph.entrances(block).flatMap(({ from }) => currentEntrances(from, block));
    const isThreaded = threader.thread(block, unique(entrances));
    if (isThreaded) left -= (block.instructions.length + 1) * entrances.length;
    isChanged ||= isThreaded;
  }
  return isChanged;
}

function currentEntrances(from: Block, to: Block): readonly Entrance[] {
  const { terminator } = from;
  const edges =
    terminator.op === "jump"
      ? [terminator.edge]
      : terminator.op === "branch"
        ? [terminator.ifTrue, terminator.ifFalse]
        : terminator.op === "open"
          ? [terminator.absent]
          : [];
  return edges.filter((edge) => edge.to === to).map((edge) => ({ from, edge }));
}

function unique(entrances: readonly Entrance[]): readonly Entrance[] {
  const edges = new Set<Edge>();
  return entrances.filter(({ edge }) => !edges.has(edge) && edges.add(edge));
}

/** A copy of a block for one way into it. */
interface Copy {
  readonly block: Block;
  readonly values: ReadonlyMap<Value, Value>;
}

class Threader {
  readonly #editor: Editor;
  readonly #ranges: Ranges | undefined;

  constructor(editor: Editor, ranges: Ranges | undefined) {
    this.#editor = editor;
    this.#ranges = ranges;
  }

  thread(block: Block, entrances: readonly Entrance[]): boolean {
    const { terminator, instructions } = block;
    if (instructions.length > COPIED_MAX) return false;
    if (terminator.op === "return") return this.#copyReturn(block, entrances);
    if (terminator.op !== "branch" || !instructions.every(isPure)) return false;
    if (instructions.some(({ op }) => op === "slot" || op === "lookUp" || op === "ask")) return false;
    const ways = entrances.flatMap((entrance) => {
      const known = this.#conditionFrom(block, terminator.condition, entrance);
      return known === undefined
        ? []
        : [{ entrance, taken: known === 0n ? terminator.ifFalse : terminator.ifTrue }];
    });
    if (ways.length === 0) return false;
    // Before the numbers are checked every calculation stays behind the conditions it was written behind.
    if (this.#ranges !== undefined) this.#hoist(block);
    const copies = ways.map(({ entrance, taken }) =>
      this.#copy(block, entrance, { op: "jump", place: terminator.place, edge: taken }),
    );
    this.#repair(block, copies);
    return true;
  }

  /**
   * Brings what does not depend on the way to before the ways part, so that it stays one value and is not made once on
   * each. What is needed on one of them only sinks to it again in the end.
   */
  #hoist(block: Block): void {
    const own = new Set<Value | undefined>([...block.parameters, ...block.instructions.map(resultOf)]);
    const hoisted: Instruction[] = [];
    const kept: Instruction[] = [];
    for (const instruction of block.instructions) {
      const { op } = instruction;
      const isCalculation = op === "binary" || op === "unary" || op === "compare" || op === "select";
      if (isCalculation && !operandsOf(instruction).some((operand) => own.has(operand))) {
        hoisted.push(instruction);
        own.delete(instruction.result);
      } else kept.push(instruction);
    }
    if (hoisted.length === 0) return;
    // Threads before this one have changed the graph.
    new Graph(this.#editor.function).dominator(block)?.instructions.push(...hoisted);
    block.instructions = kept;
  }

  /** Where the verdict depends on the way, each way returns by itself: that is no longer than to jump. */
  #copyReturn(block: Block, entrances: readonly Entrance[]): boolean {
    const { terminator } = block;
    if (terminator.op !== "return" || !block.parameters.includes(terminator.verdict)) return false;
    if (block.instructions.length > 2) return false;
    const ways = entrances.filter(
      ({ from }) => from.terminator.op === "jump" || block.instructions.length === 0,
    );
    for (const entrance of ways) this.#copy(block, entrance, terminator);
    return ways.length > 0;
  }

  /** Makes the copy, and leads this way to it. */
  #copy(block: Block, { from, edge }: Entrance, terminator: Terminator): Copy {
    const values = new Map<Value, Value>();
    for (const [index, parameter] of block.parameters.entries()) {
      const passed = edge.with[index];
      if (passed !== undefined) values.set(parameter, passed);
    }
    const map = (value: Value): Value => values.get(value) ?? value;
    const instructions: Instruction[] = [];
    for (const instruction of block.instructions) {
      let copy = mapOperands(instruction, map);
      const result = resultOf(instruction);
      if (result !== undefined) {
        const copied = this.#editor.value(result.type);
        values.set(result, copied);
        copy = withResult(copy, copied);
        this.#editor.define(copy);
      }
      instructions.push(copy);
    }
    const copied = this.#editor.block([], instructions, mapTerminator(terminator, map));
    const other: Edge = { to: copied, with: [] };
    from.terminator = mapEdges(from.terminator, (one) => (one === edge ? other : one));
    return { block: copied, values };
  }

  #repair(block: Block, copies: readonly Copy[]): void {
    if (copies.length === 0) return;
    const values = new Map<Value, Copies>();
    const made = [...block.parameters, ...block.instructions.map(resultOf)];
    for (const value of made) {
      if (value === undefined) continue;
      const by = new Map<Block, Value>([[block, value]]);
      for (const copy of copies) by.set(copy.block, copy.values.get(value) ?? value);
      values.set(value, by);
    }
    repairValues(this.#editor, values);
  }

  /** What is known of a value on this way; a comparison that was made before may be decided only here. */
  #rangeOver(value: Value, from: Block, edge: Edge): Range | undefined {
    const ranges = this.#ranges;
    // Edges that passes have made are not known yet; where they come from is.
    const over = (one: Value): Range | undefined => ranges?.over(one, from, edge) ?? ranges?.at(one, from);
    const own = over(value);
    if (ranges === undefined || value.type !== "boolean" || constantIn(own) !== undefined) return own;
    const definition = this.#editor.definitionOf(value);
    if (definition?.op !== "compare") return own;
    const known = decideComparison(definition, { rangeOf: over });
    return known === undefined ? own : exactly(known ? 1n : 0n);
  }

  /** What the condition is for those who come this way. */
  #conditionFrom(block: Block, condition: Value, { from, edge }: Entrance): bigint | undefined {
    const made = new Set(block.instructions.map(resultOf));
    const rangeOf = (value: Value): Range | undefined => {
      const index = block.parameters.indexOf(value);
      const passed = index < 0 ? value : edge.with[index];
      if (passed === undefined) return undefined;
      const constant = this.#editor.constantOf(passed);
      if (constant !== undefined) return exactly(constant);
      const definition = made.has(passed) ? this.#editor.definitionOf(passed) : undefined;
      if (definition !== undefined) return rangeMade(definition, rangeOf);
      return toldBy(from, edge, passed) ?? this.#rangeOver(passed, from, edge);
    };
    return constantIn(rangeOf(condition));
  }
}

/** What the branch itself says of its condition. */
function toldBy({ terminator }: Block, edge: Edge, value: Value): Range | undefined {
  if (terminator.op !== "branch" || terminator.condition !== value) return undefined;
  return terminator.ifTrue.to === terminator.ifFalse.to
    ? undefined
    : exactly(edge === terminator.ifTrue ? 1n : 0n);
}

function rangeMade(definition: Instruction, rangeOf: (value: Value) => Range | undefined): Range | undefined {
  switch (definition.op) {
    case "binary": {
      const [left, right] = [rangeOf(definition.left), rangeOf(definition.right)];
      return left === undefined || right === undefined ? undefined : transferBinary(definition, left, right);
    }
    case "unary": {
      const operand = rangeOf(definition.operand);
      return operand === undefined ? undefined : transferUnary(definition.operator, operand);
    }
    case "compare": {
      const known = decideComparison(definition, { rangeOf });
      return known === undefined ? undefined : exactly(known ? 1n : 0n);
    }
    default:
      return undefined;
  }
}
