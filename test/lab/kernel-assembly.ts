/**
 * Programs for the kernel written by hand, for tests: one function for each instruction, and images of them.
 * @module
 */
import type { KernelMapSpec, ProgramImage, Relocation } from "#io/kernel-programs.ts";
import {
  AccessMode,
  AccessSize,
  Arithmetic,
  Atomic,
  type EbpfInstruction,
  encodeEbpf,
  FRAME_POINTER,
  Helper,
  InstructionClass,
  Jump,
  SOURCE_REGISTER,
} from "#wire/ebpf.ts";

/** Instructions, and what is to be put into the first of them. */
export interface Piece {
  readonly instructions: readonly EbpfInstruction[];
  readonly relocation?: RelocationTarget;
}

type RelocationTarget = Relocation extends infer R ? (R extends Relocation ? Omit<R, "at"> : never) : never;
type Size = 1 | 2 | 4 | 8;

const one = (
  code: number,
  destination = 0,
  source = 0,
  offset = 0,
  immediate = 0,
): { instructions: EbpfInstruction[] } => ({
  instructions: [{ code, destination, source, offset, immediate }],
});

export const set = (register: number, value: number): Piece =>
  one(InstructionClass.alu64 | Arithmetic.move, register, 0, 0, value);
export const copy = (register: number, from: number): Piece =>
  one(InstructionClass.alu64 | Arithmetic.move | SOURCE_REGISTER, register, from);
export const add = (register: number, value: number): Piece =>
  one(InstructionClass.alu64 | Arithmetic.add, register, 0, 0, value);
export const addRegister = (register: number, from: number): Piece =>
  one(InstructionClass.alu64 | Arithmetic.add | SOURCE_REGISTER, register, from);
export const load = (size: Size, register: number, from: number, offset: number): Piece =>
  one(InstructionClass.loadX | AccessMode.memory | AccessSize[size], register, from, offset);
export const store = (size: Size, base: number, offset: number, from: number): Piece =>
  one(InstructionClass.storeX | AccessMode.memory | AccessSize[size], base, from, offset);
export const storeConstant = (size: Size, base: number, offset: number, value: number): Piece =>
  one(InstructionClass.store | AccessMode.memory | AccessSize[size], base, 0, offset, value);
export const atomicAdd = (base: number, offset: number, from: number): Piece =>
  one(InstructionClass.storeX | AccessMode.atomic | AccessSize[8], base, from, offset, Atomic.add);
export const call = (helper: keyof typeof Helper): Piece =>
  one(InstructionClass.jump | Jump.call, 0, 0, 0, Helper[helper]);
/** Skips so many instructions when the register has the value. */
export const skipIf = (register: number, value: number, count: number): Piece =>
  one(InstructionClass.jump | Jump.equal, register, 0, count, value);
/** Skips so many instructions when the register is greater than the other. */
export const skipIfGreater = (register: number, other: number, count: number): Piece =>
  one(InstructionClass.jump | Jump.greater | SOURCE_REGISTER, register, other, count);
export const exit = (): Piece => one(InstructionClass.jump | Jump.exit);
/** Returns a constant. */
export const answer = (verdict: number): readonly Piece[] => [set(0, verdict), exit()];
export const stackPlace = (register: number, offset: number): readonly Piece[] => [
  copy(register, FRAME_POINTER),
  add(register, offset),
];

const wide = (register: number, relocation?: RelocationTarget): Piece => ({
  instructions: [
    { code: 0x18, destination: register, source: 0, offset: 0, immediate: 0 },
    { code: 0, destination: 0, source: 0, offset: 0, immediate: 0 },
  ],
  ...(relocation && { relocation }),
});
export const mapAddress = (register: number, map: string): Piece =>
  wide(register, { kind: "map", map, isValue: false, offset: 0 });
export const mapValue = (register: number, map: string, offset = 0): Piece =>
  wide(register, { kind: "map", map, isValue: true, offset });
export const clockOffset = (register: number): Piece => wide(register, { kind: "clock" });
export const callKernel = (name: string): Piece => ({
  ...one(InstructionClass.jump | Jump.call),
  relocation: { kind: "kernel-function", name },
});
export const loadField = (
  size: Size,
  register: number,
  from: number,
  structure: string,
  field: string,
): Piece => ({
  ...load(size, register, from, 0),
  relocation: { kind: "kernel-field", structure, field },
});
export const setInterface = (register: number, name: string): Piece => ({
  ...set(register, 0),
  relocation: { kind: "interface", name },
});

export interface AssembledProgram {
  readonly name?: string;
  readonly maps?: readonly KernelMapSpec[];
  /** The text of each piece's line; every piece has a line of its own, numbered from 1, in `script.ts`. */
  readonly texts?: readonly string[];
}

/** An image of instructions in their order. */
export function assemble(
  type: ProgramImage["type"],
  pieces: readonly Piece[],
  { name = "by_hand", maps = [], texts }: AssembledProgram = {},
): ProgramImage {
  const relocations: Relocation[] = [];
  const lines: ProgramImage["lines"][number][] = [];
  let at = 0;
  for (const [index, { instructions, relocation }] of pieces.entries()) {
    if (relocation) relocations.push({ ...relocation, at } as Relocation);
    const text = texts?.[index];
    if (text !== undefined) lines.push({ at, file: "script.ts", line: index + 1, column: 3, text });
    at += instructions.length;
  }
  const instructions = encodeEbpf(pieces.flatMap((piece) => piece.instructions));
  return { name, type, instructions, relocations, maps, lines };
}
