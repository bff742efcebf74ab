/**
 * How a test run looks: one line a file as it ends, a failure in full right there, and at the end every
 * failure and every skipped test again by name, closed by the plain line that counts them.
 * @module
 */
import type { FileResult } from "./run-file.ts";

/** What a run came to. */
export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** Adds up the files. */
export function count(results: readonly FileResult[]): Counts {
  return {
    passed: results.reduce((total, one) => total + one.passed, 0),
    failed: results.reduce((total, one) => total + one.failures.length, 0),
    skipped: results.reduce((total, one) => total + one.skips.length, 0),
  };
}

/** The line of one file, followed by its failures and, where there are any, by what it printed. */
export function fileReport(result: FileResult, root: string): string {
  const { passed, failed, skipped } = count([result]);
  const counts = [`${passed} passed`];
  if (failed > 0) counts.push(`${failed} failed`);
  if (skipped > 0) counts.push(`${skipped} skipped`);
  const head = `${failed > 0 ? "FAIL" : "ok  "} ${result.file}`;
  const lines = [`${head}  (${counts.join(", ")}, ${(result.durationMs / 1000).toFixed(1)} s)`];
  for (const failure of result.failures) {
    lines.push(`  ✗ ${failure.name}`);
    if (failure.text !== "") lines.push(indent(withoutNoise(failure.text, root), 6));
  }
  if (failed > 0 && result.output !== "") lines.push("  it printed:", indent(result.output, 6));
  return `${lines.join("\n")}\n`;
}

/** What a person reads last: skipped tests with their reasons, unsteady files, failures by name, and the counts. */
export function closingReport(
  results: readonly FileResult[],
  durationMs: number,
  unsteady: readonly string[] = [],
): string {
  const lines: string[] = [""];
  const section = (title: string, entries: readonly string[]): void => {
    if (entries.length > 0) lines.push(title, ...entries.map((entry) => `  ${entry}`));
  };
  section(
    "Skipped:",
    results.flatMap((result) =>
      result.skips.map((skip) => `${result.file}: ${skip.name}\n      ${skip.text}`),
    ),
  );
  section(
    "Slowest files:",
    results
      .filter((result) => result.durationMs > 10_000)
      .sort((a, b) => b.durationMs - a.durationMs)
      .map((result) => `${(result.durationMs / 1000).toFixed(1).padStart(6)} s  ${result.file}`),
  );
  section("Unsteady: failed at first, and passed when run again alone:", unsteady);
  section(
    "Failed:",
    results.flatMap((result) => result.failures.map((failure) => `${result.file}: ${failure.name}`)),
  );
  lines.push(
    `${results.length} files in ${(durationMs / 1000).toFixed(1)} s`,
    "",
    closingLine(count(results)),
  );
  return `${lines.join("\n")}\n`;
}

/** `N passed, N failed`, and `, N skipped` where some were. */
function closingLine({ passed, failed, skipped }: Counts): string {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`;
}

/** An error without the frames of Node and of libraries, paths as in the checkout. */
function withoutNoise(text: string, root: string): string {
  return text
    .split("\n")
    .filter((line) => !/^\s+at .*(\(node:|at node:|node_modules\/)/.test(line))
    .join("\n")
    .replaceAll(`file://${root}/`, "")
    .replaceAll(`${root}/`, "");
}

function indent(text: string, width: number): string {
  return text.trimEnd().replaceAll(/^/gm, " ".repeat(width));
}
