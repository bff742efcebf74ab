/**
 * What the kernel's verifier refuses, told at the script's own line. It should never happen: the compiler promises
 * programs that are taken.
 * @module
 */
import { ProgramRefusedError } from "#io/kernel-programs.ts";
import type { ScriptSpec } from "#script/engine.ts";
import { ScriptLoadError } from "#script/errors.ts";

/** Lines of the verifier's log that go along. */
const LOG_LINE_COUNT = 12;

/** The error that the loader of a script gets; others stay as they are. */
export function refusalOf(error: unknown, { name, file }: Pick<ScriptSpec, "name" | "file">): unknown {
  if (!(error instanceof ProgramRefusedError)) return error;
  const { line, reason, log } = error;
  const at = line === undefined ? file : `${line.file}:${line.line}:${line.column}`;
  const shown = line === undefined ? "" : `\n  ${line.text.trim()}`;
  const tail = log.trimEnd().split("\n").slice(-LOG_LINE_COUNT).join("\n    ");
  const place =
    line === undefined ? {} : { place: { file: line.file, line: line.line, column: line.column } };
  return new ScriptLoadError(
    `Cannot load ${name} into the kernel: its verifier refuses ${at}: ${reason}${shown}\n` +
      `  This is a mistake of MetaNet's compiler and not of the script; please report it with the script and this:\n    ${tail}\n` +
      "  Until then --engine user runs it",
    { cause: error, ...place },
  );
}
