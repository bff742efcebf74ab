/**
 * Takes out what moving registers to the stack has made needless: loads of what a register still holds, and
 * stores that nobody reads. To be done when registers are chosen.
 * @module
 */
import {
  AccessMode,
  AccessSize,
  Arithmetic,
  FRAME_POINTER,
  InstructionClass,
  SOURCE_REGISTER,
} from "#wire/ebpf.ts";
import { removeDeadCode } from "./dead-code.ts";
import {
  effectsOf,
  type MachineBlock,
  type MachineFunction,
  type MachineInstruction,
  type Register,
  successorsOf,
} from "./machine.ts";

/** What each place on the stack is held by. */
type Holders = Map<number, Register>;

/** Changes the function in place; `objectBytes` of its stack are not for registers. */
export function cleanSpills(machine: MachineFunction, objectBytes: number): void {
  for (let count = Number.POSITIVE_INFINITY; ; ) {
    keepHeld(machine, objectBytes);
    removeDeadStores(machine, objectBytes);
    removeDeadCode(machine);
    const left = machine.blocks.reduce((sum, { instructions }) => sum + instructions.length, 0);
    if (left >= count) break;
    count = left;
  }
  packSlots(machine, objectBytes);
}

const SLOT_BYTES = 8;
const LOAD = InstructionClass.loadX | AccessMode.memory | AccessSize[8];
const STORE = InstructionClass.storeX | AccessMode.memory | AccessSize[8];
const STORE_CONSTANT = InstructionClass.store | AccessMode.memory | AccessSize[8];
const MOVE = InstructionClass.alu64 | Arithmetic.move | SOURCE_REGISTER;

function slotLoaded({ code, source, offset }: MachineInstruction, objectBytes: number): number | undefined {
  return code === LOAD && source === FRAME_POINTER && offset < -objectBytes ? offset : undefined;
}

function slotStored(
  { code, destination, offset }: MachineInstruction,
  objectBytes: number,
): number | undefined {
  return (code === STORE || code === STORE_CONSTANT) && destination === FRAME_POINTER && offset < -objectBytes
    ? offset
    : undefined;
}

/** Loads of what a register holds become copies, or nothing. */
function keepHeld(machine: MachineFunction, objectBytes: number): void {
  const predecessors = new Map<MachineBlock, MachineBlock[]>();
  for (const block of machine.blocks) {
    for (const next of successorsOf(block.end))
      predecessors.set(next, [...(predecessors.get(next) ?? []), block]);
  }
  const ends = new Map<MachineBlock, Holders>();
  for (const block of machine.blocks) {
    const [before, ...others] = predecessors.get(block) ?? [];
    const known = before !== undefined && others.length === 0 ? ends.get(before) : undefined;
    const holders: Holders = new Map(known);
    block.instructions = block.instructions.flatMap((instruction) =>
      keptOf(instruction, holders, objectBytes),
    );
    ends.set(block, holders);
  }
}

function keptOf(
  instruction: MachineInstruction,
  holders: Holders,
  objectBytes: number,
): MachineInstruction[] {
  const loaded = slotLoaded(instruction, objectBytes);
  const { destination, source, place } = instruction;
  if (loaded !== undefined) {
    const holder = holders.get(loaded);
    if (holder === destination) return [];
    forget(holders, destination);
    if (holder === undefined) {
      holders.set(loaded, destination);
      return [instruction];
    }
    return [{ code: MOVE, destination, source: holder, offset: 0, immediate: 0, place }];
  }
  const stored = slotStored(instruction, objectBytes);
  if (stored !== undefined) {
    if (instruction.code === STORE_CONSTANT) holders.delete(stored);
    else if (holders.get(stored) === source) return [];
    else holders.set(stored, source);
    return [instruction];
  }
  for (const register of effectsOf(instruction).defines) forget(holders, register);
  return [instruction];
}

function forget(holders: Holders, register: Register): void {
  for (const [slot, holder] of holders) if (holder === register) holders.delete(slot);
}

/** Goes through a block from its end back, with the places that are read later. */
function walkBack(
  block: MachineBlock,
  starts: ReadonlyMap<MachineBlock, ReadonlySet<number>>,
  objectBytes: number,
  visit: (instruction: MachineInstruction, live: ReadonlySet<number>) => void = () => undefined,
): Set<number> {
  const live = new Set<number>();
  for (const next of successorsOf(block.end)) for (const slot of starts.get(next) ?? []) live.add(slot);
  for (const instruction of block.instructions.toReversed()) {
    visit(instruction, live);
    const stored = slotStored(instruction, objectBytes);
    if (stored !== undefined) live.delete(stored);
    const loaded = slotLoaded(instruction, objectBytes);
    if (loaded !== undefined) live.add(loaded);
  }
  return live;
}

/** The places that are read later from the start of each block on. */
function liveSlots(
  machine: MachineFunction,
  objectBytes: number,
): ReadonlyMap<MachineBlock, ReadonlySet<number>> {
  const starts = new Map<MachineBlock, ReadonlySet<number>>();
  for (let isChanged = true; isChanged; ) {
    isChanged = false;
    for (const block of machine.blocks.toReversed()) {
      const live = walkBack(block, starts, objectBytes);
      if (live.size === (starts.get(block)?.size ?? -1)) continue;
      starts.set(block, live);
      isChanged = true;
    }
  }
  return starts;
}

function removeDeadStores(machine: MachineFunction, objectBytes: number): void {
  const starts = liveSlots(machine, objectBytes);
  for (const block of machine.blocks) {
    const kept: MachineInstruction[] = [];
    walkBack(block, starts, objectBytes, (instruction, live) => {
      const stored = slotStored(instruction, objectBytes);
      if (stored === undefined || live.has(stored)) kept.push(instruction);
    });
    block.instructions = kept.toReversed();
  }
}

/** Lets registers that are not on the stack at the same time share their places. */
function packSlots(machine: MachineFunction, objectBytes: number): void {
  const conflicts = new Map<number, Set<number>>();
  const starts = liveSlots(machine, objectBytes);
  for (const block of machine.blocks) {
    walkBack(block, starts, objectBytes, (instruction, live) => {
      const stored = slotStored(instruction, objectBytes);
      if (stored === undefined) return;
      conflicts.set(stored, conflicts.get(stored) ?? new Set());
      for (const other of live) {
        if (other === stored) continue;
        conflicts.get(stored)?.add(other);
        conflicts.set(other, (conflicts.get(other) ?? new Set()).add(stored));
      }
    });
  }
  const places = new Map<number, number>();
  for (const slot of [...conflicts.keys()].toSorted((one, other) => other - one)) {
    const taken = new Set(Array.from(conflicts.get(slot) ?? [], (other) => places.get(other)));
    let place = -objectBytes - SLOT_BYTES;
    while (taken.has(place)) place -= SLOT_BYTES;
    places.set(slot, place);
  }
  machine.frame.bytes = Math.max(objectBytes, ...Array.from(places.values(), (place) => -place));
  for (const { instructions } of machine.blocks) {
    for (const [index, instruction] of instructions.entries()) {
      const slot = slotLoaded(instruction, objectBytes) ?? slotStored(instruction, objectBytes);
      const offset = slot === undefined ? undefined : places.get(slot);
      if (offset !== undefined) instructions[index] = { ...instruction, offset };
    }
  }
}
