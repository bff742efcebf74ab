/**
 * Goes through a function from dominators to what they dominate, simplifies each instruction, and takes what has been
 * calculated on every way before instead of calculating it again.
 * @module
 */
import { Graph } from "../ir/graph.ts";
import type { Block, Instruction, Value } from "../ir/ir.ts";
import { mapOperands, mapTerminator, operandsOf, replaceValues, resultOf } from "../ir/visit.ts";
import type { Place } from "../place.ts";
import type { Editor } from "./editor.ts";
import { type Simplifying, simplify } from "./simplify.ts";

/** Rules are applied to one instruction no more often than this: each makes it shorter, so there is an end before. */
const STEPS_MAX = 16;

export interface NumberingOptions {
  /** Bits that may be 1 in a word, where that is known. */
  readonly bitsOf?: (value: Value) => bigint | undefined;
  /** The only number that a value can be, where that is known. */
  readonly numberOf?: (value: Value) => bigint | undefined;
  /** The only number that it can be within a block. */
  readonly numberAt?: (value: Value, block: Block) => bigint | undefined;
  /** Whether equal calculations are joined; not while ranges are still to be found, which differ from place to place. */
  readonly joins: boolean;
}

/** `true` when something has changed. */
export function numberValues(editor: Editor, options: NumberingOptions): boolean {
  return new Numbering(editor, options).run();
}

class Numbering {
  readonly #editor: Editor;
  readonly #joins: boolean;
  readonly #numberOf: NumberingOptions["numberOf"];
  readonly #numberAt: NumberingOptions["numberAt"];
  readonly #know: Simplifying;
  readonly #replacements = new Map<Value, Value>();
  /** What has been calculated on every way to the block that is gone through, by what it is. */
  readonly #known = new Map<string, Value>();
  readonly #graph: Graph;
  readonly #varying: ReadonlySet<string>;
  #isChanged = false;

  constructor(editor: Editor, options: NumberingOptions) {
    this.#editor = editor;
    this.#joins = options.joins;
    this.#numberOf = options.numberOf;
    this.#numberAt = options.numberAt;
    this.#graph = new Graph(editor.function);
    const { bitsOf } = options;
    this.#know = {
      definitionOf: (value) => editor.definitionOf(value),
      constantOf: (value) => editor.constantOf(value),
      constant: (value, place, type) => editor.constant(value, place, type),
      newValue: (type) => editor.value(type),
      bitsOf: (value) => bitsOf?.(value) ?? 2n ** 64n - 1n,
    };
    const ops = new Set(
      editor.function.blocks.flatMap(({ instructions }) => instructions.map(({ op }) => op)),
    );
    const varying = new Set<string>();
    if (ops.has("setMark")) varying.add("mark");
    if (ops.has("resize")) varying.add("length");
    this.#varying = varying;
  }

  run(): boolean {
    this.#visit(this.#editor.function.entry);
    replaceValues(this.#editor.function, this.#replacements);
    if (this.#isChanged) this.#editor.refresh();
    return this.#isChanged;
  }

  #visit(block: Block): void {
    // Constants that are made on the way are put at the entry's start: the list that is gone through is a copy.
    const before = block.instructions;
    const kept: Instruction[] = [];
    const learned: string[] = [];
    block.instructions = [];
    for (const original of before) {
      const instruction = mapOperands(original, (value) => this.#here(value, block, original.place));
      const simplified = this.#simplify(instruction, kept);
      if (simplified !== undefined) this.#keep(simplified, kept, learned);
    }
    block.instructions.push(...kept);
    const { place } = block.terminator;
    block.terminator = mapTerminator(block.terminator, (value) => this.#here(value, block, place));
    for (const child of this.#graph.children(block)) this.#visit(child);
    // What was calculated here is not known to blocks that this one does not dominate.
    for (const key of learned) this.#known.delete(key);
  }

  /** A value as it is known in a block: behind `if (x === 6)` an x is 6. */
  #here(value: Value, block: Block, place: Place): Value {
    const last = this.#last(value);
    if (this.#numberAt === undefined || (last.type !== "integer" && last.type !== "boolean")) return last;
    if (this.#editor.constantOf(last) !== undefined) return last;
    const number = this.#numberAt(last, block);
    if (number === undefined) return last;
    this.#isChanged = true;
    return this.#editor.constant(number, place, last.type);
  }

  readonly #last = (value: Value): Value => {
    let last = value;
    for (let next = this.#replacements.get(last); next !== undefined; next = this.#replacements.get(last))
      last = next;
    return last;
  };

  /** A calculation that has one result only, by its range. */
  #onlyNumber(instruction: Instruction): { readonly result: Value; readonly constant: Value } | undefined {
    const { op, place } = instruction;
    if (op !== "binary" && op !== "unary" && op !== "compare" && op !== "select") return undefined;
    const { result } = instruction;
    const number = this.#numberOf?.(result);
    return number === undefined
      ? undefined
      : { result, constant: this.#editor.constant(number, place, result.type) };
  }

  /** What is left of an instruction; `undefined` when its result is another value. */
  #simplify(instruction: Instruction, kept: Instruction[]): Instruction | undefined {
    const known = this.#onlyNumber(instruction);
    if (known !== undefined) {
      this.#isChanged = true;
      this.#replacements.set(known.result, known.constant);
      return undefined;
    }
    let current = mapOperands(instruction, this.#last);
    for (let step = 0; step < STEPS_MAX; step++) {
      const simplified = simplify(current, this.#know);
      if (simplified === undefined) break;
      this.#isChanged = true;
      if ("value" in simplified) {
        const result = resultOf(current);
        if (result !== undefined) this.#replacements.set(result, this.#last(simplified.value));
        return undefined;
      }
      const { before } = simplified;
      if (before !== undefined) {
        const first = mapOperands(before, this.#last);
        kept.push(first);
        this.#editor.define(first);
      }
      current = mapOperands(simplified.instruction, this.#last);
    }
    if (current !== instruction) this.#editor.define(current);
    return current;
  }

  #keep(instruction: Instruction, kept: Instruction[], learned: string[]): void {
    const result = resultOf(instruction);
    const key = this.#joins ? this.#keyOf(instruction) : undefined;
    if (key === undefined || result === undefined) {
      kept.push(instruction);
      return;
    }
    const same = this.#known.get(key);
    if (same === undefined) {
      this.#known.set(key, result);
      learned.push(key);
      kept.push(instruction);
    } else {
      this.#isChanged = true;
      this.#replacements.set(result, same);
    }
  }

  /** Equal for what has the same result wherever it stands. */
  #keyOf(instruction: Instruction): string | undefined {
    const operands = operandsOf(instruction)
      .map(({ id }) => id)
      .join();
    switch (instruction.op) {
      case "binary":
        return `${instruction.operator} ${instruction.domain} ${instruction.isSigned} ${operands}`;
      case "unary":
        return `${instruction.operator} ${operands}`;
      case "compare":
        return `${instruction.comparison} ${instruction.isSigned} ${operands}`;
      case "isFound":
      case "select":
        return `${instruction.op} ${operands}`;
      case "fact":
        return this.#varying.has(instruction.fact) ? undefined : `fact ${instruction.fact}`;
      case "table":
        return `table ${instruction.bytes.join()}`;
      default:
        return undefined;
    }
  }
}
