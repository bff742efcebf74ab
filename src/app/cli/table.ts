/**
 * Tables for people: columns as wide as their longest cell, numbers to the right, and the widest text shortened
 * when the terminal is narrower.
 * @module
 */

export interface TableStyle {
  /** Columns of the terminal; `undefined` means that nobody counts and nothing is shortened. */
  readonly width: number | undefined;
  /** Headings in bold. */
  readonly colour: boolean;
}

/** What one field of a table shows. */
export type Cell = string | number | Warning;

/** A text that somebody should look at. */
interface Warning {
  readonly warning: string;
}

/** Numbers of failures are worth a look as soon as there are any. */
export function warnAbove0(count: number): Cell {
  return count > 0 ? { warning: String(count) } : count;
}

/** A column is not shortened below this many characters. */
const COLUMN_WIDTH_MIN = 8;

const GAP = "  ";

/** The lines of a table, headings first, without white space at their ends. */
export function formatTable(
  headings: readonly string[],
  rows: readonly (readonly Cell[])[],
  style: TableStyle,
): string[] {
  const texts = rows.map((row) => row.map((cell) => printable(textOf(cell))));
  const widths = headings.map((heading, column) =>
    Math.max(heading.length, ...texts.map((row) => row[column]?.length ?? 0)),
  );
  if (style.width !== undefined) shrink(widths, style.width);
  const numeric = headings.map((_, column) => rows.length > 0 && rows.every((row) => isNumeric(row[column])));
  const line = (cells: readonly string[], row: readonly Cell[] = []): string =>
    cells
      .map((cell, column) => {
        const width = widths[column] ?? 0;
        const cut = cell.length > width ? `${cell.slice(0, width - 1)}…` : cell;
        const spaces = column === cells.length - 1 && !numeric[column] ? "" : " ".repeat(width - cut.length);
        const shown = style.colour && typeof row[column] === "object" ? `${YELLOW}${cut}${PLAIN}` : cut;
        return numeric[column] ? spaces + shown : shown + spaces;
      })
      .join(GAP)
      .trimEnd();
  const head = line(headings);
  return [
    style.colour ? `${BOLD}${head}${PLAIN}` : head,
    ...texts.map((cells, index) => line(cells, rows[index])),
  ];
}

const BOLD = "\u001b[1m";
const YELLOW = "\u001b[33m";
const PLAIN = "\u001b[0m";

function textOf(cell: Cell): string {
  return typeof cell === "object" ? cell.warning : String(cell);
}

/** Takes from the widest column until the line fits, or no column can give any more. */
function shrink(widths: number[], most: number): void {
  const total = (): number =>
    widths.reduce((sum, width) => sum + width, 0) + GAP.length * (widths.length - 1);
  while (total() > most) {
    const widest = widths.indexOf(Math.max(...widths));
    const width = widths[widest] ?? 0;
    if (width <= COLUMN_WIDTH_MIN) return;
    widths[widest] = Math.max(COLUMN_WIDTH_MIN, width - (total() - most));
  }
}

function isNumeric(cell: Cell | undefined): boolean {
  const text = typeof cell === "object" ? cell.warning : cell;
  return typeof text === "number" || text === "-" || text === "" || /^\d+$/.test(text ?? "x");
}

/** Control characters of others must not steer the reader's terminal. */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters to replace.
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, (character) => {
    if (character === "\n") return "\\n";
    return `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`;
  });
}
