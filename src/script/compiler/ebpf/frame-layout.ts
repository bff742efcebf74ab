/**
 * Where on the stack a function's memory stands: what is not needed at the same time shares its place.
 * @module
 */
import { livenessOf, RegisterSet } from "./liveness.ts";
import {
  effectsOf,
  FIRST_VIRTUAL,
  type FrameObject,
  isMove,
  type MachineBlock,
  type MachineFunction,
  type Register,
  successorsOf,
  usesOfEnd,
} from "./machine.ts";

/** From the first to the last instruction of a block that touches an object. */
interface Span {
  readonly first: number;
  readonly last: number;
}

type Spans = ReadonlyMap<FrameObject, Span>;

/**
 * Gives every object its place, and writes it into the instructions. To be done before registers are
 * chosen.
 */
export function layOutFrame(machine: MachineFunction): void {
  const { objects } = machine.frame;
  const conflicts = conflictsOf(machine, spansOf(machine));
  const placed: FrameObject[] = [];
  for (const object of objects.toSorted((one, other) => other.bytes - one.bytes)) {
    const taken = placed.filter((other) => conflicts.get(object)?.has(other));
    object.at = -placeOf(object.bytes, taken) - object.bytes;
    placed.push(object);
  }
  machine.frame.bytes = Math.max(0, ...objects.map(({ at }) => -at));
  for (const block of machine.blocks) {
    block.instructions = block.instructions.map((instruction) => {
      const { object } = instruction;
      if (object === undefined) return instruction;
      const isArithmetic = (instruction.code & 4) !== 0;
      return isArithmetic
        ? { ...instruction, immediate: instruction.immediate + object.at }
        : { ...instruction, offset: instruction.offset + object.at };
    });
  }
}

/** The lowest depth at which so many bytes overlap none of those. */
function placeOf(bytes: number, taken: readonly FrameObject[]): number {
  const ends = [0, ...taken.map(({ at }) => -at)].toSorted((one, other) => one - other);
  const isFree = (depth: number): boolean =>
    taken.every((other) => depth >= -other.at || depth + bytes <= -other.at - other.bytes);
  return ends.find(isFree) ?? 0;
}

/** Which registers may point into which objects. */
function holdersOf(machine: MachineFunction): ReadonlyMap<Register, ReadonlySet<FrameObject>> {
  const held = new Map<Register, Set<FrameObject>>();
  const add = (register: Register, object: FrameObject): boolean => {
    const set = held.get(register) ?? new Set();
    held.set(register, set);
    const isNew = !set.has(object);
    set.add(object);
    return isNew;
  };
  for (const object of machine.frame.objects) for (const holder of object.holders) add(holder, object);
  for (let isChanged = true; isChanged; ) {
    isChanged = false;
    for (const { instructions } of machine.blocks) {
      for (const instruction of instructions) {
        const { destination, source } = instruction;
        if (!isMove(instruction) || destination < FIRST_VIRTUAL) continue;
        for (const object of held.get(source) ?? []) isChanged = add(destination, object) || isChanged;
      }
    }
  }
  return held;
}

function spansOf(machine: MachineFunction): ReadonlyMap<MachineBlock, Spans> {
  const held = holdersOf(machine);
  const spans = new Map<MachineBlock, Spans>();
  for (const [block, live] of livenessOf(machine)) {
    const touched = new Map<FrameObject, Span>();
    const touch = (object: FrameObject, at: number): void => {
      const { first = at, last = at } = touched.get(object) ?? {};
      touched.set(object, { first: Math.min(first, at), last: Math.max(last, at) });
    };
    const touchHeld = (at: number): void => {
      for (const [register, objects] of held) {
        if (live.has(register)) for (const object of objects) touch(object, at);
      }
    };
    const count = block.instructions.length;
    let nextCall = count;
    for (const use of usesOfEnd(block.end)) live.add(use);
    touchHeld(count);
    for (const [back, instruction] of block.instructions.toReversed().entries()) {
      const at = count - 1 - back;
      const { uses, defines } = effectsOf(instruction);
      if (instruction.argumentCount !== undefined) nextCall = at;
      if (instruction.object !== undefined) {
        touch(instruction.object, at);
        // What a call is told of it touches as well.
        if (instruction.destination < FIRST_VIRTUAL) touch(instruction.object, nextCall);
      }
      for (const register of defines) live.delete(register);
      for (const register of uses) live.add(register);
      touchHeld(at);
    }
    spans.set(block, touched);
  }
  return spans;
}

/** Objects that are touched before and again afterwards, at one point at least, by both. */
function conflictsOf(
  machine: MachineFunction,
  spans: ReadonlyMap<MachineBlock, Spans>,
): ReadonlyMap<FrameObject, ReadonlySet<FrameObject>> {
  const { objects } = machine.frame;
  const { blocks } = machine;
  const before = spread(machine, spans, (block) => successorsOf(block.end));
  const predecessors = new Map<MachineBlock, MachineBlock[]>(blocks.map((block) => [block, []]));
  for (const block of blocks) for (const next of successorsOf(block.end)) predecessors.get(next)?.push(block);
  const after = spread(machine, spans, (block) => predecessors.get(block) ?? []);
  const conflicts = new Map<FrameObject, Set<FrameObject>>(objects.map((object) => [object, new Set()]));
  for (const block of blocks) {
    const live: { object: FrameObject; first: number; last: number }[] = [];
    for (const [index, object] of objects.entries()) {
      const span = spans.get(block)?.get(object);
      const wasTouched = before.get(block)?.has(index) === true;
      const willBeTouched = after.get(block)?.has(index) === true;
      if (span === undefined && !(wasTouched && willBeTouched)) continue;
      const first = wasTouched ? -1 : (span?.first ?? -1);
      const last = willBeTouched ? Number.POSITIVE_INFINITY : (span?.last ?? -1);
      live.push({ object, first, last });
    }
    for (const one of live) {
      for (const other of live) {
        const isApart = one.last < other.first || other.last < one.first;
        if (one !== other && !isApart) conflicts.get(one.object)?.add(other.object);
      }
    }
  }
  return conflicts;
}

/** For each block the objects that are touched somewhere from which `next` leads there. */
function spread(
  { blocks, frame }: MachineFunction,
  spans: ReadonlyMap<MachineBlock, Spans>,
  next: (block: MachineBlock) => readonly MachineBlock[],
): ReadonlyMap<MachineBlock, RegisterSet> {
  const numbers = new Map(frame.objects.map((object, index) => [object, index]));
  const arriving = new Map(blocks.map((block) => [block, new RegisterSet(frame.objects.length)]));
  for (let isChanged = true; isChanged; ) {
    isChanged = false;
    for (const block of blocks) {
      const own = (arriving.get(block) as RegisterSet).copy();
      for (const object of spans.get(block)?.keys() ?? []) own.add(numbers.get(object) as number);
      for (const one of next(block)) if (arriving.get(one)?.addAll(own) === true) isChanged = true;
    }
  }
  return arriving;
}
