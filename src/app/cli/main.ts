/**
 * The entry of the `metanet` command: runs it and turns what went wrong into a sentence and an exit code.
 * @module
 */
import { CommanderError } from "commander";
import { MetanetError } from "#base/errors.ts";
import { EXIT, exitCodeOf } from "./exit-code.ts";
import { buildProgram } from "./program.ts";
import { processTerminal, type Terminal } from "./terminal.ts";

/** Runs one command line; the exit code says how it went. */
export async function main(args: readonly string[], terminal: Terminal): Promise<number> {
  try {
    const program = await buildProgram(terminal, args);
    await program.parseAsync(args, { from: "user" });
    return Number(process.exitCode ?? EXIT.ok);
  } catch (error) {
    // Commander has written its message, or the help page that was asked for.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    terminal.note(describeError(error, args.includes("--json")));
    return exitCodeOf(error);
  }
}

/** One sentence for people, one line of JSON for programs; a defect of ours keeps its stack. */
function describeError(error: unknown, json: boolean): string {
  const known = error instanceof MetanetError;
  if (json) {
    const code = known ? error.code : "internal";
    return JSON.stringify({
      error: { code, message: error instanceof Error ? error.message : String(error) },
    });
  }
  if (known) return `metanet: ${error.message}`;
  return `metanet: Cannot go on: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`;
}

process.exitCode = await main(process.argv.slice(2), processTerminal());
