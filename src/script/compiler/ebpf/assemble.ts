/**
 * From blocks with chosen registers to a row of instructions: their order, the jumps between them, the
 * relocations and the lines.
 * @module
 */
import { InvariantError } from "#base/errors.ts";
import type { ProgramLine, Relocation } from "#io/kernel-programs.ts";
import { type EbpfInstruction, encodeEbpf, InstructionClass, Jump } from "#wire/ebpf.ts";
import type { Place } from "../place.ts";
import { inverseOf, type MachineBlock, type MachineEnd, type MachineInstruction } from "./machine.ts";

/** What a program consists of, but for its name and maps. */
export interface AssembledProgram {
  readonly instructions: Uint8Array;
  readonly relocations: readonly Relocation[];
  readonly lines: readonly ProgramLine[];
}

const EXIT = InstructionClass.jump | Jump.exit;
const TOO_OFTEN = InstructionClass.jump | Jump.tooOften;
const GO_TO = InstructionClass.jump | Jump.always;

/** The row that is being written; jumps get their distances when all blocks have a place. */
class Assembler {
  readonly instructions: EbpfInstruction[] = [];
  readonly relocations: Relocation[] = [];
  readonly lines: ProgramLine[] = [];
  readonly starts = new Map<MachineBlock, number>();
  readonly #jumps: { readonly at: number; readonly to: MachineBlock }[] = [];
  readonly #lineText: (place: Place) => string;
  #place: Place | undefined;

  constructor(lineText: (place: Place) => string) {
    this.#lineText = lineText;
  }

  append(instruction: MachineInstruction): void {
    this.#mark(instruction.place);
    const at = this.instructions.length;
    const { code, destination, source, offset, immediate, upper, relocation } = instruction;
    this.instructions.push({ code, destination, source, offset, immediate });
    if (upper !== undefined) {
      this.instructions.push({ code: 0, destination: 0, source: 0, offset: 0, immediate: upper });
    }
    if (relocation !== undefined) this.relocations.push({ ...relocation, at });
  }

  end(end: MachineEnd, next: MachineBlock | undefined): void {
    this.#mark(end.place);
    if (end.kind === "exit") this.#plain(EXIT);
    else if (end.kind === "jump") this.#goTo(end.to, next);
    else if (end.ifTrue === end.ifFalse) this.#goTo(end.ifTrue, next);
    else if (end.kind === "guard") this.#guard(end, next);
    else this.#branch(end, next);
  }

  #branch(end: MachineEnd & { kind: "branch" }, next: MachineBlock | undefined): void {
    const inverse = inverseOf(end.code);
    const isInverted = end.ifTrue === next && inverse !== undefined;
    const to = isInverted ? end.ifFalse : end.ifTrue;
    this.#jumps.push({ at: this.instructions.length, to });
    const { left: destination, right: source = 0, immediate } = end;
    this.instructions.push({
      code: isInverted ? inverse : end.code,
      destination,
      source,
      offset: 0,
      immediate,
    });
    if (!isInverted) this.#goTo(end.ifFalse, next);
  }

  #guard({ ifTrue, ifFalse }: MachineEnd & { kind: "guard" }, next: MachineBlock | undefined): void {
    this.#jumps.push({ at: this.instructions.length, to: ifTrue });
    this.#plain(TOO_OFTEN);
    this.#goTo(ifFalse, next);
  }

  #goTo(to: MachineBlock, next: MachineBlock | undefined): void {
    if (to === next) return;
    this.#jumps.push({ at: this.instructions.length, to });
    this.#plain(GO_TO);
  }

  #plain(code: number): void {
    this.instructions.push({ code, destination: 0, source: 0, offset: 0, immediate: 0 });
  }

  #mark(place: Place): void {
    const last = this.#place;
    if (place.file === last?.file && place.line === last.line && place.column === last.column) return;
    this.#place = place;
    const { file, line, column } = place;
    this.lines.push({ at: this.instructions.length, file, line, column, text: this.#lineText(place) });
  }

  resolve(): void {
    for (const { at, to } of this.#jumps) {
      const offset = (this.starts.get(to) as number) - at - 1;
      if (offset !== (offset << 16) >> 16) {
        throw new InvariantError(`Cannot assemble: a jump over ${offset} instructions, at most 32767`);
      }
      this.instructions[at] = { ...(this.instructions[at] as EbpfInstruction), offset };
    }
  }
}

/** Puts blocks into a row, in the order given. */
export function assemble(
  blocks: readonly MachineBlock[],
  lineText: (place: Place) => string,
): AssembledProgram {
  const assembler = new Assembler(lineText);
  for (const [index, block] of blocks.entries()) {
    assembler.starts.set(block, assembler.instructions.length);
    for (const instruction of block.instructions) assembler.append(instruction);
    assembler.end(block.end, blocks[index + 1]);
  }
  assembler.resolve();
  const { relocations, lines } = assembler;
  return { instructions: encodeEbpf(assembler.instructions), relocations, lines };
}
