/**
 * Compares bytes of the packet as they are: what is only compared with constants, or copied, need not be turned round,
 * when the constants are instead.
 * @module
 */
import { swap } from "../ir/arithmetic.ts";
import type {
  AccessBytes,
  BinaryInstruction,
  Block,
  CompareInstruction,
  Instruction,
  LoadInstruction,
  StoreInstruction,
  Value,
} from "../ir/ir.ts";
import { forEachUse, operandsOf } from "../ir/visit.ts";
import type { Editor } from "./editor.ts";

/** `true` when an access changed its order. Of single bytes the order is called native. */
export function keepByteOrder(editor: Editor): boolean {
  return new Turner(editor).run();
}

/** Where a value is used: by an instruction, or (`undefined`) by the end of a block. */
interface Use {
  readonly block: Block;
  readonly instruction: Instruction | undefined;
}

/** Instructions that take others' places. */
type Changes = Map<Instruction, Instruction>;

class Turner {
  readonly #editor: Editor;
  readonly #uses = new Map<Value, Use[]>();
  readonly #changes: Changes = new Map();

  constructor(editor: Editor) {
    this.#editor = editor;
    for (const block of editor.function.blocks) {
      for (const instruction of block.instructions) {
        for (const operand of operandsOf(instruction)) this.#addUse(operand, { block, instruction });
      }
      forEachUse({ ...block, instructions: [] }, (value) =>
        this.#addUse(value, { block, instruction: undefined }),
      );
    }
  }

  #addUse(value: Value, use: Use): void {
    const uses = this.#uses.get(value) ?? [];
    uses.push(use);
    this.#uses.set(value, uses);
  }

  run(): boolean {
    const { blocks } = this.#editor.function;
    for (const block of blocks) {
      for (const instruction of block.instructions) this.#turn(instruction);
    }
    if (this.#changes.size === 0) return false;
    for (const block of blocks) {
      block.instructions = block.instructions.map(
        (instruction) => this.#changes.get(instruction) ?? instruction,
      );
    }
    this.#editor.refresh();
    return true;
  }

  #turn(instruction: Instruction): void {
    if ((instruction.op !== "load" && instruction.op !== "store") || instruction.order === "native") return;
    if (this.#changes.has(instruction)) return;
    if (instruction.bytes === 1) this.#changes.set(instruction, { ...instruction, order: "native" });
    else if (instruction.op === "load") this.#turnLoad(instruction);
    else this.#turnConstant(instruction);
  }

  #turnConstant(store: StoreInstruction): void {
    const constant = this.#editor.constantOf(store.value);
    if (constant === undefined) return;
    const value = this.#editor.constant(swap(constant, store.bytes), store.place);
    this.#changes.set(store, { ...store, order: "native", value });
  }

  #turnLoad(load: LoadInstruction): void {
    const changes: Changes = new Map([[load, { ...load, order: "native" }]]);
    const isAll = this.#turnUses(load.result, load.bytes, changes);
    if (!isAll || changes.size === 1) return;
    for (const [before, after] of changes) this.#changes.set(before, after);
  }

  /** Whether all that is done with a value can be done with its bytes turned round. */
  #turnUses(value: Value, bytes: AccessBytes, changes: Changes): boolean {
    for (const { instruction } of this.#uses.get(value) ?? []) {
      // What another load has changed already stands there for good.
      if (instruction === undefined || this.#changes.has(instruction)) return false;
      const turned = this.#turnUse(instruction, value, bytes);
      if (turned === undefined) return false;
      changes.set(instruction, turned);
      if (instruction.op === "binary" && !this.#turnUses(instruction.result, bytes, changes)) return false;
    }
    return true;
  }

  #turnUse(use: Instruction, value: Value, bytes: AccessBytes): Instruction | undefined {
    switch (use.op) {
      case "compare":
        return use.comparison === "equal" || use.comparison === "unequal"
          ? this.#turnRight(use, value, bytes)
          : undefined;
      case "binary":
        return ["and", "or", "xor"].includes(use.operator) ? this.#turnRight(use, value, bytes) : undefined;
      case "store":
        if (use.value !== value || use.bytes !== bytes || use.order === "native") return undefined;
        return { ...use, order: "native" };
      default:
        return undefined;
    }
  }

  /** The constant on the right side, turned round; it must have no other bytes. */
  #turnRight<Kind extends CompareInstruction | BinaryInstruction>(
    use: Kind,
    value: Value,
    bytes: AccessBytes,
  ): Kind | undefined {
    const constant = this.#editor.constantOf(use.right);
    if (use.left !== value || constant === undefined) return undefined;
    if (constant < 0n || constant >= 1n << BigInt(8 * bytes)) return undefined;
    return { ...use, right: this.#editor.constant(swap(constant, bytes), use.place) };
  }
}
