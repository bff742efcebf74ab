/**
 * A compiled program as people read it: its instructions below the lines of the script that they come from.
 * @module
 */
import type { ProgramImage, Relocation } from "#io/kernel-programs.ts";
import type { CompiledScript } from "#script/compiler/compiled.ts";
import { decodeEbpf } from "#wire/ebpf.ts";
import { formatInstruction, isWide } from "#wire/ebpf-text.ts";

/** The lines of one program, with what it is for in front. */
export function* listProgram({ image, target, facts }: CompiledScript): Iterable<string> {
  const count = image.instructions.length / 8;
  const where = [target.attach, target.family, `packets from their ${target.first} header`];
  yield `; ${image.name} for ${where.filter((word) => word !== undefined).join(", ")}: ${count} instructions`;
  for (const { name, kind, keyBytes, valueBytes, countMax } of image.maps) {
    yield `; map ${name}: ${kind}, ${countMax} of ${keyBytes} + ${valueBytes} bytes`;
  }
  for (const { address, bytes } of facts.events) yield `; event ${address}: ${bytes} bytes`;
  yield* instructionsOf(image);
}

function* instructionsOf(image: ProgramImage): Iterable<string> {
  const instructions = decodeEbpf(image.instructions);
  const lines = new Map(image.lines.map((line) => [line.at, line]));
  const names = new Map(image.relocations.map((relocation) => [relocation.at, nameOf(relocation)]));
  let last = "";
  for (let at = 0; at < instructions.length; at++) {
    const instruction = instructions[at];
    if (instruction === undefined) return;
    const line = lines.get(at);
    const told = line === undefined ? last : `; ${line.file}:${line.line} ${line.text.trim()}`;
    if (told !== last) yield told;
    last = told;
    const next = isWide(instruction) ? instructions[at + 1] : undefined;
    yield `${String(at).padStart(5)}: ${formatInstruction(instruction, next, names.get(at))}`;
    if (next !== undefined) at++;
  }
}

function nameOf(relocation: Relocation): string | undefined {
  switch (relocation.kind) {
    case "map":
      return relocation.map;
    case "kernel-field":
      return `${relocation.structure}.${relocation.field}`;
    case "kernel-function":
    case "interface":
      return relocation.name;
    case "kernel-type":
      return relocation.structure;
    case "clock":
      return undefined;
  }
}
