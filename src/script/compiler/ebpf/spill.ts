/**
 * Moves registers to the stack: what is read is loaded in front of where it is read, what is written is
 * stored behind. What is cheaper to make again than to load, such as a constant, is made again.
 * @module
 */
import { AccessMode, AccessSize, Arithmetic, FRAME_POINTER, InstructionClass } from "#wire/ebpf.ts";
import type { Place } from "../place.ts";
import {
  effectsOf,
  isMove,
  type MachineBlock,
  type MachineFunction,
  type MachineInstruction,
  type Register,
  successorsOf,
  usesOfEnd,
} from "./machine.ts";

export interface SpillOptions {
  /** All registers to be moved. */
  readonly registers: ReadonlySet<Register>;
  /** Registers with the same node share one place. */
  readonly nodeOf: (register: Register) => Register;
  /** Gets the registers that have to stay registers from now on. */
  readonly keep: Set<Register>;
  /**
   * Gets the registers that hold something for several uses; when there is no room for them they hold it
   * for one.
   */
  readonly shared: Set<Register>;
}

/** Rewrites the function in place. */
export function spill(machine: MachineFunction, options: SpillOptions): void {
  const spiller = new Spiller(machine, options);
  const predecessors = new Map<MachineBlock, MachineBlock[]>();
  for (const block of machine.blocks) {
    for (const next of successorsOf(block.end))
      predecessors.set(next, [...(predecessors.get(next) ?? []), block]);
  }
  for (const block of machine.blocks) {
    const [before, ...others] = predecessors.get(block) ?? [];
    spiller.rewrite(block, others.length === 0 ? before : undefined);
  }
}

class Spiller {
  readonly #machine: MachineFunction;
  readonly #options: SpillOptions;
  readonly #slots = new Map<Register, number>();
  readonly #repeats: ReadonlyMap<Register, MachineInstruction>;
  #row: MachineInstruction[] = [];
  /** Registers that hold what has been loaded, as long as it is the same. */
  #loaded = new Map<Register, Register>();
  /** Those at the ends of blocks. */
  readonly #ends = new Map<MachineBlock, Map<Register, Register>>();

  constructor(machine: MachineFunction, options: SpillOptions) {
    this.#machine = machine;
    this.#options = options;
    this.#repeats = repeatsOf(machine, options);
  }

  /** @param before the only block that leads to this one */
  rewrite(block: MachineBlock, before: MachineBlock | undefined): void {
    this.#row = [];
    this.#loaded = new Map(before === undefined ? [] : this.#ends.get(before));
    for (const instruction of block.instructions) this.#instruction(instruction);
    const { end } = block;
    if (end.kind === "branch" && usesOfEnd(end).some((register) => this.#isSpilled(register))) {
      end.left = this.#read(end.left, end.place);
      if (end.right !== undefined) end.right = this.#read(end.right, end.place);
    }
    block.instructions = this.#row;
    this.#ends.set(block, this.#loaded);
  }

  #isSpilled(register: Register): boolean {
    return this.#options.registers.has(register);
  }

  #instruction(instruction: MachineInstruction): void {
    const { uses, defines } = effectsOf(instruction);
    const isTouched = [...uses, ...defines].some((register) => this.#isSpilled(register));
    if (!isTouched) this.#row.push(instruction);
    else if (isMove(instruction)) this.#move(instruction);
    else this.#other(instruction, uses, defines);
    // Across a call a register is dear: what is needed behind it is loaded again.
    if (instruction.argumentCount !== undefined) this.#loaded.clear();
  }

  #move({ destination, source, place }: MachineInstruction): void {
    const from = this.#options.nodeOf(source);
    if (!this.#isSpilled(destination)) {
      const held = this.#loaded.get(from);
      if (held === undefined) this.#load(destination, source, place);
      else this.#row.push(moveOf(destination, held, place));
    } else if (!this.#isSpilled(source)) {
      const holder = this.#temporary(destination);
      this.#row.push(moveOf(holder, source, place));
      this.#store(destination, holder, place);
    } else if (this.#options.nodeOf(destination) !== from) {
      this.#store(destination, this.#read(source, place), place);
    }
  }

  #other(instruction: MachineInstruction, uses: readonly Register[], defines: readonly Register[]): void {
    const defined = defines.find((register) => this.#isSpilled(register));
    if (defined !== undefined && this.#repeats.has(this.#options.nodeOf(defined))) return;
    if (defined !== undefined && instruction.code === MOVE_CONSTANT && instruction.relocation === undefined) {
      this.#storeConstant(instruction);
      return;
    }
    const changed = { ...instruction };
    const { destination, source, place } = instruction;
    const isReading = (register: Register): boolean => uses.includes(register) && this.#isSpilled(register);
    const isSource = isReading(source);
    if (isSource) changed.source = this.#read(source, place, defined === source);
    if (isReading(destination)) {
      const isSame = isSource && source === destination;
      changed.destination = isSame ? changed.source : this.#read(destination, place, defined === destination);
    } else if (defined === destination) changed.destination = this.#temporary(destination);
    this.#row.push(changed);
    if (defined === undefined) return;
    this.#store(defined, defined === destination ? changed.destination : changed.source, place);
  }

  #storeConstant({ destination, immediate, place }: MachineInstruction): void {
    const node = this.#options.nodeOf(destination);
    const code = InstructionClass.store | AccessMode.memory | AccessSize[8];
    const offset = this.#slotOf(node);
    this.#row.push({ code, destination: FRAME_POINTER, source: 0, offset, immediate, place });
    this.#loaded.delete(node);
  }

  /** A register for what a spilled one holds. */
  #temporary(spilled: Register): Register {
    const register = this.#machine.registerCount++;
    (this.#isSharing(spilled) ? this.#options.shared : this.#options.keep).add(register);
    return register;
  }

  #isSharing(spilled: Register): boolean {
    return !this.#options.shared.has(spilled) && !this.#repeats.has(this.#options.nodeOf(spilled));
  }

  /** A register with the value; a fresh one when it is about to be changed. */
  #read(register: Register, place: Place, isFresh = false): Register {
    if (!this.#isSpilled(register)) return register;
    const node = this.#options.nodeOf(register);
    const held = this.#loaded.get(node);
    if (held !== undefined && !isFresh) return held;
    const temporary = this.#temporary(register);
    if (held === undefined) this.#load(temporary, register, place);
    else this.#row.push(moveOf(temporary, held, place));
    if (!isFresh && this.#isSharing(register)) this.#loaded.set(node, temporary);
    return temporary;
  }

  #load(destination: Register, spilled: Register, place: Place): void {
    const node = this.#options.nodeOf(spilled);
    const repeat = this.#repeats.get(node);
    if (repeat !== undefined) {
      this.#row.push({ ...repeat, destination, place });
      return;
    }
    const code = InstructionClass.loadX | AccessMode.memory | AccessSize[8];
    const offset = this.#slotOf(node);
    // As long as it is shared, nobody writes to its place.
    const isRepeatable = this.#options.shared.has(destination);
    this.#row.push({ code, destination, source: FRAME_POINTER, offset, immediate: 0, place, isRepeatable });
  }

  #store(spilled: Register, source: Register, place: Place): void {
    const node = this.#options.nodeOf(spilled);
    const code = InstructionClass.storeX | AccessMode.memory | AccessSize[8];
    const offset = this.#slotOf(node);
    this.#row.push({ code, destination: FRAME_POINTER, source, offset, immediate: 0, place });
    if (this.#options.shared.has(source)) this.#loaded.set(node, source);
    else this.#loaded.delete(node);
  }

  #slotOf(node: Register): number {
    const known = this.#slots.get(node);
    if (known !== undefined) return known;
    const slot = this.#machine.frame.spillSlot();
    this.#slots.set(node, slot);
    return slot;
  }
}

const MOVE_CONSTANT = InstructionClass.alu64 | Arithmetic.move;

function moveOf(destination: Register, source: Register, place: Place): MachineInstruction {
  const code = InstructionClass.alu64 | Arithmetic.move | 0x08;
  return { code, destination, source, offset: 0, immediate: 0, place };
}

/**
 * The instructions that can be repeated in place of keeping what they result in, by the nodes of their
 * results.
 */
function repeatsOf(
  machine: MachineFunction,
  { registers, nodeOf }: SpillOptions,
): ReadonlyMap<Register, MachineInstruction> {
  const repeats = new Map<Register, MachineInstruction>();
  const refused = new Set<Register>();
  for (const { instructions } of machine.blocks) {
    for (const instruction of instructions) {
      for (const register of effectsOf(instruction).defines) {
        if (!registers.has(register)) continue;
        const node = nodeOf(register);
        if (isMove(instruction) && nodeOf(instruction.source) === node) continue;
        const isGood = instruction.isRepeatable === true && !registers.has(instruction.source);
        if (isGood && !repeats.has(node)) repeats.set(node, instruction);
        else refused.add(node);
      }
    }
  }
  for (const node of refused) repeats.delete(node);
  return repeats;
}
