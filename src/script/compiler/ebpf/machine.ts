/**
 * Machine code before its registers are chosen: eBPF's instructions over any number of virtual registers,
 * in blocks.
 * @module
 */
import { Arithmetic, InstructionClass, Jump, SOURCE_REGISTER } from "#wire/ebpf.ts";
import type { Place } from "../place.ts";

/** 0 to 10 are the machine's; those from {@link FIRST_VIRTUAL} on wait for one. */
export type Register = number;

/** Virtual registers are numbered from here. */
export const FIRST_VIRTUAL = 16;

/** A relocation of `#io/kernel-programs.ts` whose place in the program is not known yet. */
export type PendingRelocation =
  | { readonly kind: "map"; readonly map: string; readonly isValue: boolean; readonly offset: number }
  | { readonly kind: "kernel-function"; readonly name: string }
  | { readonly kind: "kernel-field"; readonly structure: string; readonly field: string }
  | { readonly kind: "kernel-type"; readonly structure: string }
  | { readonly kind: "interface"; readonly name: string }
  | { readonly kind: "clock" };

/** An instruction that is not the end of its block. */
export interface MachineInstruction {
  readonly code: number;
  destination: Register;
  source: Register;
  readonly offset: number;
  readonly immediate: number;
  /** The upper half of a 64-bit constant, which makes the instruction 16 bytes long. */
  readonly upper?: number;
  readonly place: Place;
  readonly relocation?: PendingRelocation;
  /** Of a call: how many of r1 to r5 it takes. */
  readonly argumentCount?: number;
  /** The memory on the stack that it reaches, or whose address it makes. */
  readonly object?: FrameObject;
  /** Gives the same wherever it is repeated, which is cheaper than to keep the result. */
  readonly isRepeatable?: boolean;
}

/** How a block ends. A branch compares as a conditional jump does; without `right` with the constant. */
export type MachineEnd =
  | { readonly kind: "jump"; to: MachineBlock; readonly place: Place }
  | {
      readonly kind: "branch";
      code: number;
      left: Register;
      right: Register | undefined;
      readonly immediate: number;
      ifTrue: MachineBlock;
      ifFalse: MachineBlock;
      readonly place: Place;
    }
  /** The start of a loop: leads on to `ifFalse`, and to `ifTrue` where the kernel has counted too many rounds. */
  | { readonly kind: "guard"; ifTrue: MachineBlock; ifFalse: MachineBlock; readonly place: Place }
  /** Leaves the program with what is in r0. */
  | { readonly kind: "exit"; readonly place: Place };

export interface MachineBlock {
  readonly id: number;
  instructions: MachineInstruction[];
  end: MachineEnd;
  /** How often it is run, roughly, for one run of the function. */
  weight: number;
}

/** A function; the entry is the first block. */
export interface MachineFunction {
  readonly blocks: MachineBlock[];
  /** Virtual registers are below this. */
  registerCount: number;
  readonly frame: Frame;
}

/**
 * Memory on the stack, 8-byte aligned. Instructions that reach it count from its start until it has its
 * place.
 */
export interface FrameObject {
  readonly bytes: number;
  /** Registers that point into it. */
  readonly holders: Set<Register>;
  /** From r10, when it has its place. */
  at: number;
}

/** The stack, which grows down from r10. */
export class Frame {
  readonly objects: FrameObject[] = [];
  /** Bytes that are taken, when objects have their places. */
  bytes = 0;

  object(bytes: number): FrameObject {
    const object = { bytes: 8 * Math.ceil(bytes / 8), holders: new Set<Register>(), at: 0 };
    this.objects.push(object);
    return object;
  }

  /** Room for a register, below all objects; its offset from r10. */
  spillSlot(): number {
    this.bytes += 8;
    return -this.bytes;
  }
}

/** What an instruction reads and writes. */
export interface Effects {
  readonly uses: readonly Register[];
  readonly defines: readonly Register[];
}

const CALL_DEFINES: readonly Register[] = [0, 1, 2, 3, 4, 5];
const CALL_USES: readonly Register[] = [1, 2, 3, 4, 5];
const COMPARE_EXCHANGE = 0xf1;
const FETCH = 0x01;

/** Whether it copies all of one register to another. */
export function isMove({ code, offset }: MachineInstruction): boolean {
  return code === (InstructionClass.alu64 | Arithmetic.move | SOURCE_REGISTER) && offset === 0;
}

export function effectsOf(instruction: MachineInstruction): Effects {
  const { code, destination, source, immediate } = instruction;
  switch (code & 7) {
    case InstructionClass.load:
      return { uses: [], defines: [destination] };
    case InstructionClass.loadX:
      return { uses: [source], defines: [destination] };
    case InstructionClass.store:
      return { uses: [destination], defines: [] };
    case InstructionClass.storeX:
      return effectsOfStore(code, destination, source, immediate);
    case InstructionClass.jump:
      return { uses: CALL_USES.slice(0, instruction.argumentCount ?? 0), defines: CALL_DEFINES };
    default:
      return effectsOfArithmetic(code, destination, source);
  }
}

function effectsOfStore(code: number, destination: Register, source: Register, immediate: number): Effects {
  if ((code & 0xe0) !== 0xc0) return { uses: [destination, source], defines: [] };
  if (immediate === COMPARE_EXCHANGE) return { uses: [destination, source, 0], defines: [0] };
  return { uses: [destination, source], defines: (immediate & FETCH) === 0 ? [] : [source] };
}

function effectsOfArithmetic(code: number, destination: Register, source: Register): Effects {
  const operation = code & 0xf0;
  const isUnary = operation === Arithmetic.swap || operation === Arithmetic.negate;
  const uses: Register[] = operation === Arithmetic.move ? [] : [destination];
  if (!isUnary && (code & SOURCE_REGISTER) !== 0) uses.push(source);
  return { uses, defines: [destination] };
}

/** What the end of a block reads. */
export function usesOfEnd(end: MachineEnd): readonly Register[] {
  if (end.kind === "exit") return [0];
  if (end.kind === "jump" || end.kind === "guard") return [];
  return end.right === undefined ? [end.left] : [end.left, end.right];
}

/** Where the end of a block leads. */
export function successorsOf(end: MachineEnd): readonly MachineBlock[] {
  if (end.kind === "exit") return [];
  if (end.kind === "jump") return [end.to];
  return end.ifTrue === end.ifFalse ? [end.ifTrue] : [end.ifTrue, end.ifFalse];
}

const INVERSES: ReadonlyMap<number, number> = new Map(
  [
    [Jump.equal, Jump.unequal],
    [Jump.greater, Jump.lessOrEqual],
    [Jump.greaterOrEqual, Jump.less],
    [Jump.greaterSigned, Jump.lessOrEqualSigned],
    [Jump.greaterOrEqualSigned, Jump.lessSigned],
  ].flatMap(([one, other]) => [
    [one as number, other as number],
    [other as number, one as number],
  ]),
);

/** The conditional jump that goes where this one does not; `undefined` when there is none. */
export function inverseOf(code: number): number | undefined {
  const inverse = INVERSES.get(code & 0xf0);
  return inverse === undefined ? undefined : (code & 0x0f) | inverse;
}
