/**
 * Where commands write: results to standard output, everything about them to standard error. Colour only on
 * terminals that want it (https://no-color.org).
 * @module
 */
import { reasonOf } from "../capture-file-open.ts";
import { EXIT } from "./exit-code.ts";
import { type Cell, formatTable } from "./table.ts";

export interface Terminal {
  /** A result: one line, or several. */
  out(text: string): void;
  /** About the result, for people; programs read standard output only. */
  note(text: string): void;
  /** A table of a result, as wide as the terminal. */
  table(headings: readonly string[], rows: readonly (readonly Cell[])[]): void;
  /** Bytes that a reader has not taken yet; a slow reader must not fill our memory. */
  readonly waitingBytes: number;
  /** Somebody is looking, so that progress and hints are welcome. */
  readonly interactive: boolean;
  readonly colour: boolean;
}

/**
 * The process's own streams. A reader that went away ends the program quietly, as it does every filter; a disk that is
 * full ends it with a sentence.
 */
export function processTerminal(): Terminal {
  const { stdout, stderr, env } = process;
  const colour = stdout.isTTY === true && !env.NO_COLOR && env.TERM !== "dumb";
  stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit();
    stderr.write(`metanet: Cannot write standard output: ${reasonOf(error)}\n`);
    process.exit(EXIT.failed);
  });
  const out = (text: string): void => void stdout.write(`${text}\n`);
  return {
    out,
    note: (text) => void stderr.write(`${text}\n`),
    table: (headings, rows) => {
      const width = stdout.isTTY ? stdout.columns : undefined;
      out(formatTable(headings, rows, { width, colour }).join("\n"));
    },
    get waitingBytes() {
      return stdout.writableLength;
    },
    interactive: stdout.isTTY === true,
    colour,
  };
}
