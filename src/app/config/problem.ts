/**
 * What is wrong with a configuration file: where, which key, what was seen, and the fix.
 * @module
 */
import { ConfigurationError } from "#base/errors.ts";

export interface Problem {
  /** From 1; 0 when the whole file is meant. */
  readonly line: number;
  readonly column: number;
  /** `dhcpd.lease`, `dhcpd.routers[1]`; empty for the file itself. */
  readonly key: string;
  readonly seen: string;
  readonly fix: string;
}

/** `FILE:LINE:COLUMN: KEY: what was seen; the fix`, as editors and terminals make links of. */
export function formatProblem(file: string, problem: Problem): string {
  const place = problem.line > 0 ? `${file}:${problem.line}:${problem.column}` : file;
  const key = problem.key === "" ? "" : `${problem.key}: `;
  return `${place}: ${key}${problem.seen}; ${problem.fix}`;
}

/** Everything that is wrong with one file, in the order of its lines. */
export class BadConfigurationError extends ConfigurationError {
  override readonly code: string = "bad-configuration";
  readonly file: string;
  readonly problems: readonly Problem[];

  constructor(file: string, problems: readonly Problem[]) {
    const count = problems.length === 1 ? "one mistake" : `${problems.length} mistakes`;
    const lines = problems.map((problem) => `  ${formatProblem(file, problem)}`);
    super(`Cannot use configuration ${file}: ${count}\n${lines.join("\n")}`);
    this.file = file;
    this.problems = problems;
  }
}
