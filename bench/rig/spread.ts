/**
 * How sure a median is: where the true one lies, by the order of the values alone, whatever their distribution.
 * @module
 */

/** A median, and the limits between which the true one lies. */
export interface Spread {
  readonly median: number;
  readonly low: number;
  readonly high: number;
}

/** How likely the true median is within the limits, where there are as many values as {@link CONFIDENT_COUNT_MIN}. */
export const CONFIDENCE = 0.9;
export const CONFIDENT_COUNT_MIN = 5;

/**
 * Of the numbers among these: rounds that failed have none. All values lie within the limits when there are fewer than
 * eight; of fewer than five the confidence is less.
 */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.filter(Number.isFinite).sort((left, right) => left - right);
  const count = sorted.length;
  // Beyond either limit are `cut` values. The true median is there as often as `cut` tosses or fewer of `count` are heads.
  let cut = 0;
  while (outside(count, cut + 1) <= 1 - CONFIDENCE) cut++;
  return {
    median: ((sorted[count >> 1] ?? Number.NaN) + (sorted[(count - 1) >> 1] ?? Number.NaN)) / 2,
    low: sorted[cut] ?? Number.NaN,
    high: sorted[count - 1 - cut] ?? Number.NaN,
  };
}

/** The probability of at most `cut` heads, or at most `cut` tails, in `count` tosses. */
function outside(count: number, cut: number): number {
  let ways = 1;
  let sum = 1;
  for (let heads = 1; heads <= cut; heads++) {
    ways = (ways * (count - heads + 1)) / heads;
    sum += ways;
  }
  return Math.min(1, (2 * sum) / 2 ** count);
}
