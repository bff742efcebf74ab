/**
 * What lowering a function has found out besides its instructions.
 * @module
 */
import type TypeScript from "typescript";
import type { EmittedEvent, UsedMap } from "../compiled.ts";
import type { Place } from "../place.ts";
import type { CompileProblem } from "../problem.ts";

/** Filled in while a function is lowered. */
export class FunctionReport {
  /** Shifts of bigints to the left whose results are taken for 64 bits, by their places. */
  readonly shifts: Map<Place, TypeScript.Node> = new Map();
  /** Where bigints of more than 64 bits are added, whose sum has to have 128 at most. */
  readonly wideSums: Set<Place> = new Set();
  /** Shifts that may give more, which has turned out before. */
  wideShifts: ReadonlySet<TypeScript.Node> = new Set();
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
