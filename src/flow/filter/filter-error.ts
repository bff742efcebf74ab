/**
 * What a filter's author is told: where in the text, what was seen, what was wanted.
 * @module
 */
import { ConfigurationError } from "#base/errors.ts";

/** What is known of a mistake in a filter. */
export interface FilterProblem {
  /** The first character is 1; 0 where the mistake is of no one place. */
  readonly column: number;
  /** What was seen, as the end of a sentence: `"tpc" is not known`. */
  readonly seen: string;
  /** What could stand there instead, or what to do. */
  readonly expected?: string | undefined;
  /** A word that was probably meant. */
  readonly suggestion?: string | undefined;
}

/** A filter that cannot be read, or that makes no sense on a link type. */
export class FilterError extends ConfigurationError {
  override readonly code: string = "filter";
  /** The first character is 1; 0 where the mistake is of no one place. */
  readonly column: number;
  /** What could stand there instead, or what to do. */
  readonly expected: string | undefined;
  /** A word that was probably meant. */
  readonly suggestion: string | undefined;

  constructor({ column, seen, expected, suggestion }: FilterProblem) {
    const place = column > 0 ? ` at column ${column}` : "";
    const wanted = expected === undefined ? "" : `; ${expected}`;
    const meant = suggestion === undefined ? "" : `; did you mean ${suggestion}?`;
    super(`Cannot compile the filter${place}: ${seen}${wanted}${meant}`);
    this.column = column;
    this.expected = expected;
    this.suggestion = suggestion;
  }
}

/** The known word that `word` is the nearest to, with at most two mistakes (one in short words). */
export function suggest(word: string, known: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = word.length > 4 ? 3 : 2;
  for (const candidate of known) {
    if (Math.abs(candidate.length - word.length) >= bestDistance) continue;
    const distance = editDistance(word.toLowerCase(), candidate);
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** Insertions, deletions, changes and swaps of neighbours. */
function editDistance(left: string, right: string): number {
  let before: number[] = [];
  let last = Array.from({ length: right.length + 1 }, (_, at) => at);
  for (let i = 1; i <= left.length; i++) {
    const row = [i];
    for (let j = 1; j <= right.length; j++) {
      const same = left[i - 1] === right[j - 1] ? 0 : 1;
      let cost = Math.min(at(last, j) + 1, at(row, j - 1) + 1, at(last, j - 1) + same);
      if (i > 1 && j > 1 && left[i - 1] === right[j - 2] && left[i - 2] === right[j - 1]) {
        cost = Math.min(cost, at(before, j - 2) + 1);
      }
      row.push(cost);
    }
    before = last;
    last = row;
  }
  return at(last, right.length);
}

function at(row: readonly number[], index: number): number {
  return row[index] ?? Number.POSITIVE_INFINITY;
}
