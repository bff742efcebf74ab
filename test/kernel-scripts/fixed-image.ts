/**
 * A program with answers in place of what it asks the machine for, which changes from run to run: the time, and chance.
 * @module
 */
import type { ProgramImage } from "#io/kernel-programs.ts";
import {
  Arithmetic,
  decodeEbpf,
  type EbpfInstruction,
  encodeEbpf,
  Helper,
  InstructionClass,
  Jump,
  PseudoCall,
} from "#wire/ebpf.ts";

export interface FixedAnswers {
  /** Milliseconds since 1970. */
  readonly now: number;
  /** 0 to 2^32 - 1. */
  readonly chance: number;
}

const CALL = InstructionClass.jump | Jump.call;
const NANOSECONDS = 1_000_000n;

function asks({ code, source, immediate }: EbpfInstruction, helper: number): boolean {
  return code === CALL && source === PseudoCall.helper && immediate === helper;
}

/** Whether a program asks for any of it. */
export function asksOutside({ instructions }: ProgramImage): boolean {
  return decodeEbpf(instructions).some(
    (instruction) => asks(instruction, Helper.nanosecondsTai) || asks(instruction, Helper.random),
  );
}

/** The same program, in which the calls are constants; the clock's distance from the wall clock is the whole time. */
export function fixedImage(image: ProgramImage, { now, chance }: FixedAnswers): ProgramImage {
  const nanoseconds = BigInt(now) * NANOSECONDS;
  const clocks = new Set(image.relocations.flatMap(({ kind, at }) => (kind === "clock" ? [at] : [])));
  const answer = { destination: 0, source: 0, offset: 0 };
  const fixed = decodeEbpf(image.instructions).map((instruction, at) => {
    if (asks(instruction, Helper.nanosecondsTai))
      return { ...answer, code: InstructionClass.alu64 | Arithmetic.move, immediate: 0 };
    if (asks(instruction, Helper.random))
      return { ...answer, code: InstructionClass.alu | Arithmetic.move, immediate: chance | 0 };
    if (clocks.has(at)) return { ...instruction, immediate: Number(BigInt.asIntN(32, nanoseconds)) };
    if (clocks.has(at - 1)) return { ...instruction, immediate: Number(nanoseconds >> 32n) };
    return instruction;
  });
  const relocations = image.relocations.filter(({ kind }) => kind !== "clock");
  return { ...image, instructions: encodeEbpf(fixed), relocations };
}
