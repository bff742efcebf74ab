/**
 * eBPF by hand, for tests of whoever runs it: a list of steps becomes an image.
 * @module
 */
import type { KernelMapSpec, KernelProgramType, ProgramImage, Relocation } from "#io/kernel-programs.ts";
import {
  AccessMode,
  AccessSize,
  Arithmetic,
  type EbpfInstruction,
  encodeEbpf,
  InstructionClass,
  Jump,
  PseudoCall,
  SOURCE_REGISTER,
} from "#wire/ebpf.ts";

type Relocated = Relocation extends infer R ? (R extends { at: number } ? Omit<R, "at"> : never) : never;

/** Instructions in a row, perhaps with something that the loader puts in. */
export interface Step {
  readonly instructions: readonly EbpfInstruction[];
  readonly relocation?: Relocated;
}

function step(code: number, fields: Partial<EbpfInstruction> = {}, relocation?: Relocated): Step {
  const instruction = { code, destination: 0, source: 0, offset: 0, immediate: 0, ...fields };
  return { instructions: [instruction], ...(relocation ? { relocation } : {}) };
}

type Operation = keyof typeof Arithmetic;

/** `register = register OP constant`, on 64 bits or, with `is32`, on 32. */
export function withConstant(
  operation: Operation,
  destination: number,
  immediate: number,
  is32 = false,
): Step {
  const kind = is32 ? InstructionClass.alu : InstructionClass.alu64;
  return step(kind | Arithmetic[operation], { destination, immediate });
}

/** `destination = destination OP source`; `offset` 1 makes a division signed. */
export function withRegister(
  operation: Operation,
  destination: number,
  source: number,
  { is32 = false, offset = 0 }: { readonly is32?: boolean; readonly offset?: number } = {},
): Step {
  const kind = is32 ? InstructionClass.alu : InstructionClass.alu64;
  return step(kind | Arithmetic[operation] | SOURCE_REGISTER, { destination, source, offset });
}

export function load(bytes: 1 | 2 | 4 | 8, destination: number, source: number, offset: number): Step {
  const code = InstructionClass.loadX | AccessMode.memory | AccessSize[bytes];
  return step(code, { destination, source, offset });
}

export function store(bytes: 1 | 2 | 4 | 8, destination: number, offset: number, source: number): Step {
  const code = InstructionClass.storeX | AccessMode.memory | AccessSize[bytes];
  return step(code, { destination, source, offset });
}

export function storeConstant(
  bytes: 1 | 2 | 4 | 8,
  destination: number,
  offset: number,
  immediate: number,
): Step {
  const code = InstructionClass.store | AccessMode.memory | AccessSize[bytes];
  return step(code, { destination, offset, immediate });
}

export function atomic(destination: number, offset: number, source: number, operation: number): Step {
  const code = InstructionClass.storeX | AccessMode.atomic | AccessSize[8];
  return step(code, { destination, source, offset, immediate: operation });
}

/** Skips `offset` instructions (a 64-bit constant counts as two) when it holds. */
export function jumpIf(
  comparison: keyof typeof Jump,
  destination: number,
  other: { readonly register: number } | { readonly constant: number },
  offset: number,
): Step {
  const code = InstructionClass.jump | Jump[comparison];
  if ("constant" in other) return step(code, { destination, offset, immediate: other.constant });
  return step(code | SOURCE_REGISTER, { destination, source: other.register, offset });
}

export function callHelper(number: number): Step {
  return step(InstructionClass.jump | Jump.call, { immediate: number });
}

export function callKernel(name: string): Step {
  const relocation = { kind: "kernel-function", name } as const;
  return step(InstructionClass.jump | Jump.call, { source: PseudoCall.kernelFunction }, relocation);
}

export function exit(): Step {
  return step(InstructionClass.jump | Jump.exit);
}

/** Any 64-bit constant. */
export function constant64(destination: number, value: bigint): Step {
  const code = InstructionClass.load | AccessSize[8];
  const half = (part: bigint): number => Number(BigInt.asIntN(32, part));
  const zero = { destination: 0, source: 0, offset: 0 };
  return {
    instructions: [
      { code, destination, source: 0, offset: 0, immediate: half(value) },
      { code: 0, ...zero, immediate: half(value >> 32n) },
    ],
  };
}

/** A map, or where its only value is. */
export function mapAddress(destination: number, map: string, isValue = false): Step {
  return {
    ...constant64(destination, 0n),
    relocation: { kind: "map", map, isValue, offset: 0 } as Relocated,
  };
}

export function image(
  type: KernelProgramType,
  steps: readonly Step[],
  maps: readonly KernelMapSpec[] = [],
): ProgramImage {
  const instructions: EbpfInstruction[] = [];
  const relocations: Relocation[] = [];
  for (const { instructions: own, relocation } of steps) {
    if (relocation) relocations.push({ ...relocation, at: instructions.length } as Relocation);
    instructions.push(...own);
  }
  return { name: "by_hand", type, instructions: encodeEbpf(instructions), relocations, maps, lines: [] };
}
