/**
 * What the compiler has to say about a script: where, what does not fit, why, and what to write instead.
 * @module
 */
import type { Place } from "./place.ts";

/** A reason why a function cannot run in the kernel, or not at one of its places. */
export interface CompileProblem {
  /** `kernel-…`, stable, for programs and for the manual. */
  readonly code: string;
  readonly place: Place;
  /** Characters that the construct takes from its place on, within the line; for the marker under it. */
  readonly length: number;
  /** The construct as the script has it, in one line. */
  readonly construct: string;
  /** Why it does not fit, one sentence without an end stop. */
  readonly why: string;
  /** What to write instead, likewise. */
  readonly instead: string;
}

/** Raised inside of the compiler, and caught at its border: a function has one such reason or several. */
export class CompileError extends Error {
  readonly problem: CompileProblem;

  constructor(problem: CompileProblem) {
    super(`${problem.construct}: ${problem.why}; ${problem.instead}`);
    this.problem = problem;
  }
}
