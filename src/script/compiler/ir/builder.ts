/**
 * Builds functions of the intermediate form, block by block.
 * @module
 */
import { InvariantError } from "#base/errors.ts";
import type { Place } from "../place.ts";
import type { Block, Edge, Instruction, IrFunction, Terminator, Value, ValueType } from "./ir.ts";

/** See {@link FunctionBuilder.remember}. */
export interface Remembered {
  readonly blockCount: number;
  readonly current: Block | undefined;
  readonly instructionCount: number;
}

/** Makes one function; what is appended goes to the block that was begun last. */
export class FunctionBuilder {
  readonly #function: IrFunction;
  /** Instructions and ends of blocks so far, with those that were taken back. */
  count = 0;
  #current: Block | undefined;

  constructor(name: string) {
    const entry = bareBlock(0);
    this.#function = { name, entry, blocks: [entry], idCount: 1 };
    this.#current = entry;
  }

  /** A value to be the result of an instruction, or a block's parameter. */
  value(type: ValueType): Value {
    return { type, id: this.#function.idCount++ };
  }

  /** A block that nothing leads to yet, with parameters of these types. */
  block(...types: readonly ValueType[]): Block {
    const block = bareBlock(this.#function.idCount++);
    block.parameters = types.map((type) => this.value(type));
    return block;
  }

  /** From here on instructions go to this block. */
  begin(block: Block): void {
    if (block !== this.#function.entry) this.#function.blocks.push(block);
    this.#current = block;
  }

  /** Leaves the block open, to go on with it by {@link resume}. */
  suspend(): Block {
    const block = this.#current;
    if (block === undefined) throw new InvariantError("Cannot leave the block: it has ended");
    this.#current = undefined;
    return block;
  }

  /** Goes on with a block that was begun and has not ended. */
  resume(block: Block): void {
    this.#current = block;
  }

  /** Where the function stands, for {@link forget}. */
  remember(): Remembered {
    const current = this.#current;
    const instructionCount = current?.instructions.length ?? 0;
    return { blockCount: this.#function.blocks.length, current, instructionCount };
  }

  /**
   * Takes blocks and instructions back that were made since; ids are not given again. Blocks that were open then, other
   * than the last one, must not have been touched.
   */
  forget({ blockCount, current, instructionCount }: Remembered): void {
    this.#function.blocks.length = blockCount;
    this.#current = current;
    if (current !== undefined) current.instructions.length = instructionCount;
  }

  /** Whether instructions can be appended: not behind a terminator. */
  get isOpen(): boolean {
    return this.#current !== undefined;
  }

  append(instruction: Instruction): void {
    if (this.#current === undefined) throw new InvariantError("Cannot append: the block has ended");
    this.count++;
    this.#current.instructions.push(instruction);
  }

  /** Ends the block. */
  end(terminator: Terminator): void {
    if (this.#current === undefined) throw new InvariantError("Cannot end the block: it has ended");
    this.count++;
    this.#current.terminator = terminator;
    this.#current = undefined;
  }

  jump(place: Place, to: Block, ...values: readonly Value[]): void {
    this.end({ op: "jump", place, edge: { to, with: values } });
  }

  branch(place: Place, condition: Value, ifTrue: Edge, ifFalse: Edge): void {
    this.end({ op: "branch", place, condition, ifTrue, ifFalse });
  }

  /** The function, whose blocks have all ended. */
  finish(): IrFunction {
    if (this.#current !== undefined) throw new InvariantError("Cannot finish: a block has not ended");
    return this.#function;
  }
}

const NOWHERE: Place = { file: "", line: 0, column: 0 };

function bareBlock(id: number): Block {
  const terminator: Terminator = { op: "fault", place: NOWHERE, message: "a block without an end" };
  return { id, parameters: [], instructions: [], terminator };
}
