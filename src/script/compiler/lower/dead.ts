/**
 * Takes out what nobody uses: instructions whose results go nowhere, parameters, memory that is written and never read.
 * @module
 */
import type { Block, Instruction, Value } from "../ir/ir.ts";
import { edgesOf, isPure, operandsOf, resultOf, terminatorOperand } from "../ir/visit.ts";
import { dropParameters } from "./blocks.ts";
import type { Editor } from "./editor.ts";

/** `true` when something went. */
export function dropDeadCode(editor: Editor): boolean {
  const live = new Liveness(editor).find();
  let isChanged = false;
  const dropped = new Map<Block, Set<number>>();
  for (const block of editor.function.blocks) {
    const kept = block.instructions.filter((instruction) => live.isNeeded(instruction));
    if (kept.length < block.instructions.length) {
      block.instructions = kept;
      isChanged = true;
    }
    if (live.isOpened(block)) continue;
    for (const [index, parameter] of block.parameters.entries()) {
      if (live.isLive(parameter)) continue;
      dropped.set(block, (dropped.get(block) ?? new Set()).add(index));
    }
  }
  dropParameters(editor.function, dropped);
  if (!isChanged && dropped.size === 0) return false;
  editor.refresh();
  return true;
}

class Liveness {
  readonly #editor: Editor;
  readonly #live = new Set<Value>();
  readonly #waiting: Value[] = [];
  readonly #parameters = new Map<Value, readonly [block: Block, index: number]>();
  readonly #passed = new Map<Block, (readonly Value[])[]>();
  readonly #opened = new Set<Block>();
  readonly #storesTo = new Map<Value, Instruction[]>();

  constructor(editor: Editor) {
    this.#editor = editor;
  }

  isLive(value: Value): boolean {
    return this.#live.has(value);
  }

  isOpened(block: Block): boolean {
    return this.#opened.has(block);
  }

  isNeeded(instruction: Instruction): boolean {
    const slot = this.#slotOf(instruction);
    if (slot !== undefined) return this.#live.has(slot);
    const result = resultOf(instruction);
    return !isPure(instruction) || (result !== undefined && this.#live.has(result));
  }

  find(): this {
    for (const block of this.#editor.function.blocks) this.#enter(block);
    for (let value = this.#waiting.pop(); value !== undefined; value = this.#waiting.pop())
      this.#follow(value);
    return this;
  }

  /** The slot of this function's own that an instruction writes to: in vain, unless somebody reads from it. */
  #slotOf(instruction: Instruction): Value | undefined {
    if (instruction.op !== "store" && instruction.op !== "storeElement") return undefined;
    return this.#editor.definitionOf(instruction.to)?.op === "slot" ? instruction.to : undefined;
  }

  #enter(block: Block): void {
    const { terminator, parameters, instructions } = block;
    for (const [index, parameter] of parameters.entries()) this.#parameters.set(parameter, [block, index]);
    if (terminator.op === "open") this.#opened.add(terminator.there.to);
    for (const edge of edgesOf(terminator)) {
      const passed = this.#passed.get(edge.to) ?? [];
      passed.push(edge.with);
      this.#passed.set(edge.to, passed);
    }
    const operand = terminatorOperand(terminator);
    if (operand !== undefined) this.#mark(operand);
    for (const instruction of instructions) {
      const slot = this.#slotOf(instruction);
      if (slot !== undefined) {
        const stores = this.#storesTo.get(slot) ?? [];
        stores.push(instruction);
        this.#storesTo.set(slot, stores);
      } else if (!isPure(instruction)) {
        for (const used of operandsOf(instruction)) this.#mark(used);
      }
    }
  }

  #mark(value: Value): void {
    if (this.#live.has(value)) return;
    this.#live.add(value);
    this.#waiting.push(value);
  }

  #follow(value: Value): void {
    const definition = this.#editor.definitionOf(value);
    if (definition !== undefined) for (const operand of operandsOf(definition)) this.#mark(operand);
    for (const store of this.#storesTo.get(value) ?? [])
      for (const operand of operandsOf(store)) this.#mark(operand);
    const parameter = this.#parameters.get(value);
    if (parameter === undefined) return;
    const [block, index] = parameter;
    for (const passed of this.#passed.get(block) ?? []) {
      const argument = passed[index];
      if (argument !== undefined) this.#mark(argument);
    }
  }
}
