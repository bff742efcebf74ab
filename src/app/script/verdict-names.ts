/**
 * The verdicts by their names in one object.
 * @module
 */
import { accept, delayed, drop, later, mark, proceed, queue, repeat, type Verdict } from "#script/verdict.ts";

/** `verdict.continue` reads as it is meant, where `continue` alone is a keyword. */
export interface VerdictNames {
  /** The packet goes on, past the scripts that are left at this hook. */
  readonly accept: Verdict;
  /** The packet is gone. */
  readonly drop: Verdict;
  /** The packet goes on to the next script of this hook; what a function that returns nothing means as well. */
  readonly continue: Verdict;
  /** The packet goes through this hook's script once more, at most `REPEAT_COUNT_MAX` times. */
  readonly repeat: Verdict;
  /** The reader of another queue, 0 to 65535, decides. */
  readonly queue: typeof queue;
  /** The packet gets a netfilter mark, 0 to 2^32 - 1, and goes on to the next script. */
  readonly mark: typeof mark;
  /** The verdict comes by a promise. */
  readonly later: typeof later;
  /** The packet is held for a while. */
  readonly delayed: typeof delayed;
}

/** All verdicts. */
export const verdict: VerdictNames = {
  accept,
  drop,
  continue: proceed,
  repeat,
  queue,
  mark,
  later,
  delayed,
};
