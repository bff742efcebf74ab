/**
 * Many lines to standard output, gathered, and not faster than they are taken; and rows whose columns are as wide as the
 * first of them need, for tables that are too long to be held.
 * @module
 */
import { once } from "node:events";
import { printable } from "./table.ts";
import type { Terminal } from "./terminal.ts";

/** Characters that gather before they are written. */
const LENGTH_MAX = 128 * 1024;

export class LineOutput {
  readonly #terminal: Terminal;
  readonly #before: () => void;
  #lines: string[] = [];
  #length = 0;

  /** @param before is called before anything is written. */
  constructor(terminal: Terminal, before: () => void = () => undefined) {
    this.#terminal = terminal;
    this.#before = before;
  }

  /** @param line without its end */
  add(line: string): void {
    this.#lines.push(line);
    this.#length += line.length + 1;
    if (this.#length >= LENGTH_MAX) this.#write();
  }

  /** Writes what is there; a promise is to be awaited, for the reader is slower than we are. */
  settle(): Promise<void> | undefined {
    this.#write();
    if (!process.stdout.writableNeedDrain) return undefined;
    return once(process.stdout, "drain").then(() => undefined);
  }

  #write(): void {
    if (this.#length === 0) return;
    const text = this.#lines.join("\n");
    this.#lines = [];
    this.#length = 0;
    this.#before();
    this.#terminal.out(text);
  }
}

/** Rows that the widths are taken from. */
const SAMPLE_COUNT = 500;
/** Milliseconds that the first rows wait for others. */
const WAIT_MAX = 1000;
const GAP = "  ";

export interface RowStyle {
  readonly headings: readonly string[];
  /** Columns that stand to the right. */
  readonly numeric: readonly string[];
}

/** Rows of cells on their way to lines; a terminal folds those that are too long for it, and nothing is lost. */
export class RowOutput {
  readonly #style: RowStyle;
  readonly #numeric: readonly boolean[];
  readonly #take: (line: string) => void;
  #sample: (readonly string[])[] | undefined = [];
  #widths: readonly number[] = [];
  #waitingSince: number | undefined;

  constructor(style: RowStyle, take: (line: string) => void) {
    this.#style = style;
    this.#numeric = style.headings.map((heading) => style.numeric.includes(heading));
    this.#take = take;
  }

  add(cells: readonly string[]): void {
    if (this.#sample === undefined) this.#take(this.#line(cells));
    else {
      this.#sample.push(cells);
      if (this.#sample.length >= SAMPLE_COUNT) this.end();
    }
  }

  /** Lets go of rows that have waited so long that others are not to be expected soon: they come as they happen. */
  settle(): void {
    if (this.#sample === undefined || this.#sample.length === 0) return;
    const now = performance.now();
    this.#waitingSince ??= now;
    if (now - this.#waitingSince >= WAIT_MAX) this.end();
  }

  /** Lets go of what waits for the widths of others. */
  end(): void {
    const sample = this.#sample;
    if (sample === undefined || sample.length === 0) return;
    this.#sample = undefined;
    const { headings } = this.#style;
    this.#widths = headings.map((heading, column) =>
      sample.reduce((width, cells) => Math.max(width, cells[column]?.length ?? 0), heading.length),
    );
    this.#take(this.#line(headings));
    for (const cells of sample) this.#take(this.#line(cells));
  }

  #line(cells: readonly string[]): string {
    return cells
      .map((cell, column) => {
        const shown = printable(cell);
        const columns = this.#widths[column] ?? 0;
        return this.#numeric[column] ? shown.padStart(columns) : shown.padEnd(columns);
      })
      .join(GAP)
      .trimEnd();
  }
}
