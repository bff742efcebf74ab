/**
 * What passes need while they rewrite a function: who makes a value, new values and blocks, and constants, which all
 * stand at the function's start, each once.
 * @module
 */
import type { Block, Instruction, IrFunction, Terminator, Value, ValueType } from "../ir/ir.ts";
import { replaceValues, resultOf } from "../ir/visit.ts";
import type { Place } from "../place.ts";

/** One function while it is rewritten. */
export class Editor {
  readonly function: IrFunction;
  readonly #definitions = new Map<Value, Instruction>();
  readonly #constants = new Map<string, Value>();

  /** Brings all constants to the start. */
  constructor(fn: IrFunction) {
    this.function = fn;
    const replacements = new Map<Value, Value>();
    const pool: Instruction[] = [];
    for (const block of fn.blocks) {
      const rest: Instruction[] = [];
      for (const instruction of block.instructions) {
        if (instruction.op !== "constant") {
          rest.push(instruction);
          continue;
        }
        const key = keyOf(instruction.result.type, instruction.value, instruction.isAbsent);
        const known = this.#constants.get(key);
        if (known !== undefined) replacements.set(instruction.result, known);
        else {
          this.#constants.set(key, instruction.result);
          this.#definitions.set(instruction.result, instruction);
          pool.push(instruction);
        }
      }
      block.instructions = rest;
    }
    fn.entry.instructions = [...pool, ...fn.entry.instructions];
    replaceValues(fn, replacements);
    this.refresh();
  }

  /** Finds out anew who makes what. */
  refresh(): void {
    this.#definitions.clear();
    this.#constants.clear();
    for (const block of this.function.blocks) {
      for (const instruction of block.instructions) this.define(instruction);
    }
  }

  /** Remembers an instruction that has taken another's place, or is new. */
  define(instruction: Instruction): void {
    const result = resultOf(instruction);
    if (result === undefined) return;
    this.#definitions.set(result, instruction);
    if (instruction.op === "constant") {
      this.#constants.set(keyOf(result.type, instruction.value, instruction.isAbsent), result);
    }
  }

  /** `undefined` for parameters. */
  definitionOf(value: Value): Instruction | undefined {
    return this.#definitions.get(value);
  }

  /** The number that a value always is. */
  constantOf(value: Value): bigint | undefined {
    const definition = this.#definitions.get(value);
    return definition?.op === "constant" ? definition.value : undefined;
  }

  /** Whether a value stands for something that is not there. */
  isAbsent(value: Value): boolean {
    const definition = this.#definitions.get(value);
    return definition?.op === "constant" && definition.isAbsent === true;
  }

  /** A value that is always this number; its instruction is at the function's start. */
  constant(value: bigint, place: Place, type: ValueType = "integer"): Value {
    const key = keyOf(type, value);
    const known = this.#constants.get(key);
    if (known !== undefined) return known;
    const result = this.value(type);
    const instruction: Instruction = { op: "constant", place, result, value };
    this.function.entry.instructions.unshift(instruction);
    this.define(instruction);
    return result;
  }

  value(type: ValueType): Value {
    return { type, id: this.function.idCount++ };
  }

  /** A block behind all others; `Graph` has the order in which they come. */
  block(parameters: Value[], instructions: Instruction[], terminator: Terminator): Block {
    const block: Block = { id: this.function.idCount++, parameters, instructions, terminator };
    this.function.blocks.push(block);
    return block;
  }

  /** How many instructions there are, terminators too. */
  get size(): number {
    return this.function.blocks.reduce((sum, { instructions }) => sum + instructions.length + 1, 0);
  }
}

function keyOf(type: ValueType, value: bigint, isAbsent = false): string {
  return `${type} ${isAbsent ? "absent" : value}`;
}
