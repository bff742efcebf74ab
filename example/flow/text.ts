/**
 * How the examples write things for people.
 * @module
 */
import type { FlowEnd } from "metanet/flow";

/** `192.0.2.1:80` or `[2001:db8::1]:80`. */
export function nameOf({ address, port }: Pick<FlowEnd, "address" | "port">): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}

/** `22:13:20.001` of a time in milliseconds since 1970. */
export function timeOfDay(time: number): string {
  return new Date(time).toISOString().slice(11, 23);
}

/** Rows under headings: the columns of numbers to the right. */
export function formatTable(headings: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const all = [headings, ...rows];
  const widths = headings.map((_, column) => Math.max(...all.map((row) => (row[column] ?? "").length)));
  const isNumber = headings.map((_, column) =>
    rows.every((row) => /^-?\d*(?:\.\d+)?$/.test(row[column] ?? "")),
  );
  return all.map((row) =>
    row
      .map((cell, column) => {
        const width = widths[column] ?? 0;
        return isNumber[column] === true ? cell.padStart(width) : cell.padEnd(width);
      })
      .join("  ")
      .trimEnd(),
  );
}

/** Prints a line to standard output. */
export function printLine(line: string): void {
  process.stdout.write(`${line}\n`);
}
