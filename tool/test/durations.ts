/**
 * How long files took when somebody last wrote it down (`npm test -- --durations`): what takes long is started first,
 * so that no core is idle at the end while one file goes on.
 * @module
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { FileResult } from "./run-file.ts";

/** Seconds; below it the order does not matter. */
const WORTH_KNOWING = 4;

/** The durations of a checkout. A file that nobody knows counts as short. */
export class KnownDurations {
  readonly #path: string;
  readonly #seconds: Readonly<Record<string, number>>;

  constructor(root: string) {
    this.#path = join(root, "tool/test/durations.json");
    this.#seconds = existsSync(this.#path) ? JSON.parse(readFileSync(this.#path, "utf8")) : {};
  }

  /** The files by falling duration, and by name where it is the same. */
  longestFirst(files: readonly string[]): string[] {
    const of = (file: string): number => this.#seconds[file] ?? 0;
    return files.toSorted((a, b) => of(b) - of(a) || (a < b ? -1 : 1));
  }

  /** Writes down what a run of all files took. */
  keep(results: readonly FileResult[]): void {
    const entries = results
      .map(({ file, durationMs }): [string, number] => [file, Math.round(durationMs / 1000)])
      .filter(([, seconds]) => seconds >= WORTH_KNOWING)
      .sort(([a], [b]) => (a < b ? -1 : 1));
    writeFileSync(this.#path, `${JSON.stringify(Object.fromEntries(entries), undefined, 2)}\n`);
  }
}
