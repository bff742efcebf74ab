/**
 * What the kernel is told of a program's functions and lines, so that `bpftool prog dump` and the verifier's log show
 * the script.
 * @module
 */
import type { ProgramImage, ProgramLine } from "#io/kernel-programs.ts";
import { encodeProgramBtf, type ProgramBtf } from "#wire/btf.ts";
import { decodeEbpf, type EbpfInstruction, InstructionClass, Jump, PseudoCall } from "#wire/ebpf.ts";

const CALL = InstructionClass.jump | Jump.call;
/** A 64-bit constant, which takes two instructions. */
const CONSTANT = 0x18;

/** `undefined` for a program without lines, which needs none. */
export function programTypes(image: ProgramImage): ProgramBtf | undefined {
  const first = image.lines[0];
  if (!first) return undefined;
  const instructions = decodeEbpf(image.instructions);
  const starts = functionStarts(instructions);
  const name = image.name.replace(/[^a-zA-Z0-9_.]/g, "_").replace(/^[^a-zA-Z_]/, "_");
  const functions = starts.map((at) => ({ at, name: at === 0 ? name : `${name}_${at}` }));
  return encodeProgramBtf(functions, usableLines(image.lines, instructions, starts));
}

/** The program's first instruction, and those that it calls. */
function functionStarts(instructions: readonly EbpfInstruction[]): number[] {
  const starts = new Set([0]);
  for (const [at, { code, source, immediate }] of instructions.entries()) {
    if (code === CALL && source === PseudoCall.local) starts.add(at + 1 + immediate);
  }
  return [...starts].sort((one, other) => one - other);
}

/** The kernel wants them in order, one for each function's beginning, and none inside of a constant. */
function usableLines(
  lines: readonly ProgramLine[],
  instructions: readonly EbpfInstruction[],
  starts: readonly number[],
): ProgramLine[] {
  const byPlace = new Map<number, ProgramLine>();
  for (const line of lines) if (line.at < instructions.length) byPlace.set(line.at, line);
  for (const [index, at] of instructions.entries()) {
    if (at.code === CONSTANT) byPlace.delete(index + 1);
  }
  const places = [...byPlace.keys()].sort((one, other) => one - other);
  for (const at of starts) {
    if (byPlace.has(at)) continue;
    const before = byPlace.get(places.findLast((place) => place < at) ?? places[0] ?? 0);
    if (before) byPlace.set(at, { ...before, at });
  }
  return [...byPlace.values()].sort((one, other) => one.at - other.at);
}

/** The line that an instruction comes from. */
export function lineOf(lines: readonly ProgramLine[], instruction: number): ProgramLine | undefined {
  let found: ProgramLine | undefined;
  for (const line of lines) {
    if (line.at <= instruction && (!found || line.at >= found.at)) found = line;
  }
  return found;
}
