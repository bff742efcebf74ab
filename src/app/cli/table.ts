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

/** A column is not shortened below this many characters. */
const COLUMN_WIDTH_MIN = 8;

const GAP = "  ";

/** The lines of a table, headings first, without white space at their ends. */
export function formatTable(
  headings: readonly string[],
  rows: readonly (readonly (string | number)[])[],
  style: TableStyle,
): string[] {
  const texts = rows.map((row) => row.map((cell) => printable(String(cell))));
  const widths = headings.map((heading, column) =>
    Math.max(heading.length, ...texts.map((row) => row[column]?.length ?? 0)),
  );
  if (style.width !== undefined) shrink(widths, style.width);
  const numeric = headings.map((_, column) => rows.length > 0 && rows.every((row) => isNumeric(row[column])));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => {
        const width = widths[column] ?? 0;
        const cut = cell.length > width ? `${cell.slice(0, width - 1)}…` : cell;
        return numeric[column] ? cut.padStart(width) : cut.padEnd(width);
      })
      .join(GAP)
      .trimEnd();
  const head = line(headings);
  return [style.colour ? `\u001b[1m${head}\u001b[0m` : head, ...texts.map(line)];
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

function isNumeric(cell: string | number | undefined): boolean {
  return typeof cell === "number" || cell === "-" || cell === "";
}

/** Control characters of others must not steer the reader's terminal. */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters to replace.
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, (character) => {
    if (character === "\n") return "\\n";
    return `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`;
  });
}
