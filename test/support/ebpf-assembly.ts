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
  PseudoCall,
  SOURCE_REGISTER,
} from "#wire/ebpf.ts";

/** Instructions, and what the loader is to put into the first of them. */
export interface Piece {
  readonly instructions: readonly EbpfInstruction[];
  readonly relocation?: RelocationTarget;
}

type RelocationTarget = Relocation extends infer R ? (R extends Relocation ? Omit<R, "at"> : never) : never;
type Size = 1 | 2 | 4 | 8;
type Operation = keyof typeof Arithmetic;

const one = (
  code: number,
  fields: Partial<EbpfInstruction> = {},
): { instructions: readonly EbpfInstruction[] } => ({
  instructions: [{ code, destination: 0, source: 0, offset: 0, immediate: 0, ...fields }],
});

/** `register = register OPERATION value`, on 64 bits. */
export const withConstant = (operation: Operation, register: number, value: number): Piece =>
  one(InstructionClass.alu64 | Arithmetic[operation], { destination: register, immediate: value });
/** `register = register OPERATION other`; an `offset` of 1 makes a division signed. */
export const withRegister = (
  operation: Operation,
  register: number,
  other: number,
  { is32 = false, offset = 0 }: { readonly is32?: boolean; readonly offset?: number } = {},
): Piece => {
  const kind = is32 ? InstructionClass.alu : InstructionClass.alu64;
  return one(kind | Arithmetic[operation] | SOURCE_REGISTER, {
    destination: register,
    source: other,
    offset,
  });
};
export const set = (register: number, value: number): Piece => withConstant("move", register, value);
export const copy = (register: number, from: number): Piece => withRegister("move", register, from);
export const add = (register: number, value: number): Piece => withConstant("add", register, value);
export const addRegister = (register: number, from: number): Piece => withRegister("add", register, from);

export const load = (size: Size, register: number, from: number, offset: number): Piece =>
  one(InstructionClass.loadX | AccessMode.memory | AccessSize[size], {
    destination: register,
    source: from,
    offset,
  });
export const store = (size: Size, base: number, offset: number, from: number): Piece =>
  one(InstructionClass.storeX | AccessMode.memory | AccessSize[size], {
    destination: base,
    source: from,
    offset,
  });
export const storeConstant = (size: Size, base: number, offset: number, value: number): Piece =>
  one(InstructionClass.store | AccessMode.memory | AccessSize[size], {
    destination: base,
    offset,
    immediate: value,
  });
export const atomic = (base: number, offset: number, from: number, operation: number): Piece =>
  one(InstructionClass.storeX | AccessMode.atomic | AccessSize[8], {
    destination: base,
    source: from,
    offset,
    immediate: operation,
  });
export const atomicAdd = (base: number, offset: number, from: number): Piece =>
  atomic(base, offset, from, Atomic.add);

/** Skips so many instructions (a 64-bit constant counts as two) when it holds. */
export const jumpIf = (
  comparison: keyof typeof Jump,
  register: number,
  other: { readonly register: number } | { readonly constant: number },
  count: number,
): Piece => {
  const code = InstructionClass.jump | Jump[comparison];
  return "constant" in other
    ? one(code, { destination: register, offset: count, immediate: other.constant })
    : one(code | SOURCE_REGISTER, { destination: register, source: other.register, offset: count });
};
/** Skips so many instructions when the register has the value. */
export const skipIf = (register: number, value: number, count: number): Piece =>
  jumpIf("equal", register, { constant: value }, count);
/** Skips so many instructions when the register is greater than the other. */
export const skipIfGreater = (register: number, other: number, count: number): Piece =>
  jumpIf("greater", register, { register: other }, count);

export const call = (helper: keyof typeof Helper): Piece =>
  one(InstructionClass.jump | Jump.call, { immediate: Helper[helper] });
export const callKernel = (name: string): Piece => ({
  ...one(InstructionClass.jump | Jump.call, { source: PseudoCall.kernelFunction }),
  relocation: { kind: "kernel-function", name },
});
export const exit = (): Piece => one(InstructionClass.jump | Jump.exit);
/** Returns a constant. */
export const answer = (verdict: number): readonly Piece[] => [set(0, verdict), exit()];
export const stackPlace = (register: number, offset: number): readonly Piece[] => [
  copy(register, FRAME_POINTER),
  add(register, offset),
];

/** Any 64-bit constant. */
export const constant64 = (register: number, value: bigint): Piece => {
  const half = (part: bigint): number => Number(BigInt.asIntN(32, part));
  return {
    instructions: [
      ...one(InstructionClass.load | AccessSize[8], { destination: register, immediate: half(value) })
        .instructions,
      ...one(0, { immediate: half(value >> 32n) }).instructions,
    ],
  };
};
const filledIn = (register: number, relocation: RelocationTarget): Piece => ({
  ...constant64(register, 0n),
  relocation,
});
export const mapAddress = (register: number, map: string): Piece =>
  filledIn(register, { kind: "map", map, isValue: false, offset: 0 });
export const mapValue = (register: number, map: string, offset = 0): Piece =>
  filledIn(register, { kind: "map", map, isValue: true, offset });
export const clockOffset = (register: number): Piece => filledIn(register, { kind: "clock" });
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
