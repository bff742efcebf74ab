/**
 * How the examples write things for people, and when.
 * @module
 */
import type { Duration, FlowEnd, FlowMonitor } from "metanet/flow";

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

/**
 * Calls `show` a `period` after the first call of what it returns, and so on: never while nothing happens, for a capture may
 * have years in it.
 */
export function showAfter<Context>(
  monitor: FlowMonitor<Context>,
  period: Duration,
  show: () => void,
): () => void {
  let waits = false;
  return () => {
    if (waits) return;
    waits = true;
    monitor.setTimer(period, () => {
      waits = false;
      show();
    });
  };
}

/** Prints a line to standard output. */
export function printLine(line: string): void {
  process.stdout.write(`${line}\n`);
}
