/**
 * What lowering a function has found out besides its instructions.
 * @module
 */
import type { EmittedEvent, UsedMap } from "../compiled.ts";
import type { CompileProblem } from "../problem.ts";

/** Filled in while a function is lowered. */
export class FunctionReport {
  writes = false;
  marks = false;
  redirects = false;
  accepts = false;
  /** Something does not fit, though the problem may be one that is known already. */
  isRefused = false;
  handsOverTo: string | undefined = undefined;
  readonly notes: Set<string> = new Set();
  readonly maps: Map<string, UsedMap> = new Map();
  readonly events: EmittedEvent[] = [];
  /** By place and code: a helper that is inlined twice is refused once. */
  readonly problems: Map<string, CompileProblem> = new Map();

  addProblem(problem: CompileProblem): void {
    const { file, line, column } = problem.place;
    const key = `${file}:${line}:${column} ${problem.code}`;
    if (!this.problems.has(key)) this.problems.set(key, problem);
  }
}
