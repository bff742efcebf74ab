/**
 * Reads what the verifier says of a program it does not take: lines with an instruction's index, comments with the
 * script's lines, the reason, and figures at the end.
 * @module
 */
import { type ProgramImage, ProgramRefusedError } from "#io/kernel-programs.ts";
import { lineOf } from "./program-types.ts";

/** Figures, which come behind the reason. */
const FIGURES = /^(processed \d+ insns|verification time|stack depth|peak_states|mark_precise:)/;
/** `12: (85) call bpf_map_lookup_elem#1`, and with a state between: `12: R0=... (85) call`. */
const INSTRUCTION = /^(\d+): \([0-9a-f]{2}\) /;
/** Words that stand after a reason and explain nothing. */
const STATE = /^((from )?\d+( to \d+)?: (safe|R\d)|; )/;

/** `unreachable insn 4`, `jump out of range from insn 3 to 90`: found before instructions are walked. */
const NAMED = /\binsn (\d+)/;

/** What a log says in the end. */
export interface Verdict {
  readonly reason: string;
  readonly instruction: number | undefined;
}

export function readVerifierLog(log: string): Verdict {
  let instruction: number | undefined;
  let reason: string | undefined;
  for (const line of log.split("\n").map((text) => text.trim())) {
    const at = INSTRUCTION.exec(line)?.[1];
    if (at !== undefined) {
      instruction = Number(at);
      reason = undefined;
    } else if (line !== "" && !FIGURES.test(line) && !STATE.test(line)) {
      reason = line;
    }
  }
  const named = NAMED.exec(reason ?? "")?.[1];
  const found = instruction ?? (named === undefined ? undefined : Number(named));
  return { reason: reason ?? "it gave no reason", instruction: found };
}

/** The error for a program that was refused with this log. */
export function programRefused(image: ProgramImage, log: string): ProgramRefusedError {
  const { reason, instruction } = readVerifierLog(log);
  const line = instruction === undefined ? undefined : lineOf(image.lines, instruction);
  const place = line ? `${line.file}:${line.line}:${line.column} \`${line.text.trim()}\`` : undefined;
  const where = [place, instruction === undefined ? undefined : `instruction ${instruction}`];
  const stands = where.filter((one) => one !== undefined).join(", ");
  const seen = `the kernel's verifier refuses it${stands ? ` at ${stands}` : ""}: ${reason}`;
  return new ProgramRefusedError(`Cannot load ${image.name}: ${seen}`, { reason, instruction, line, log });
}
