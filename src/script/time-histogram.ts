/**
 * How long something took, from 1 ns to 100 s, in shared memory of 8.5 KiB: 32 steps for each doubling, so that a
 * percentile is off by 1.6 % at most. One thread records, any other reads.
 * @module
 */
import { ConfigurationError } from "#base/errors.ts";

/** Times above this, in nanoseconds, count as this. */
export const TIME_MAX = 100_000_000_000;

const STEP_BITS = 5;
const STEPS = 2 ** STEP_BITS;
const BUCKET_COUNT = indexOf(TIME_MAX) + 1;
/** Behind the buckets: the sum of all times, the shortest (plus 1, so that 0 is none), the longest. */
const SUM_AT = BUCKET_COUNT;
const LEAST_AT = BUCKET_COUNT + 1;
const MOST_AT = BUCKET_COUNT + 2;
/** Bytes of one histogram. */
export const TIME_HISTOGRAM_BYTES: number = 8 * (BUCKET_COUNT + 3);

/** A histogram over memory of its own, or over one that another thread has written or writes. */
export class TimeHistogram {
  readonly memory: SharedArrayBuffer;
  readonly #numbers: Float64Array;

  /** @throws ConfigurationError when the memory is too small. */
  constructor(memory: SharedArrayBuffer = new SharedArrayBuffer(TIME_HISTOGRAM_BYTES)) {
    if (memory.byteLength < TIME_HISTOGRAM_BYTES) {
      throw new ConfigurationError(
        `Cannot make a histogram in ${memory.byteLength} bytes: it takes ${TIME_HISTOGRAM_BYTES}`,
      );
    }
    this.memory = memory;
    this.#numbers = new Float64Array(memory);
  }

  /** The histogram of all that several have recorded, in memory of its own. */
  static merge(histograms: readonly TimeHistogram[]): TimeHistogram {
    const merged = new TimeHistogram();
    const sums = merged.#numbers;
    for (const { memory } of histograms) {
      const numbers = new Float64Array(memory);
      for (let index = 0; index <= SUM_AT; index++) sums[index] = at(sums, index) + at(numbers, index);
      const least = at(numbers, LEAST_AT);
      if (least !== 0 && (sums[LEAST_AT] === 0 || least < at(sums, LEAST_AT))) sums[LEAST_AT] = least;
      sums[MOST_AT] = Math.max(at(sums, MOST_AT), at(numbers, MOST_AT));
    }
    return merged;
  }

  /** Counts `count` times of `nanoseconds` each; below 0 is 0, above {@link TIME_MAX} that, and no number is nothing. */
  record(nanoseconds: number, count = 1): void {
    if (Number.isNaN(nanoseconds)) return;
    const time = Math.min(Math.max(nanoseconds, 0), TIME_MAX);
    const numbers = this.#numbers;
    const index = indexOf(time);
    numbers[index] = at(numbers, index) + count;
    numbers[SUM_AT] = at(numbers, SUM_AT) + time * count;
    if (at(numbers, LEAST_AT) === 0 || time + 1 < at(numbers, LEAST_AT)) numbers[LEAST_AT] = time + 1;
    if (time > at(numbers, MOST_AT)) numbers[MOST_AT] = time;
  }

  /** How many times were recorded. */
  get count(): number {
    let count = 0;
    for (let index = 0; index < BUCKET_COUNT; index++) count += at(this.#numbers, index);
    return count;
  }

  /** The mean in nanoseconds, exact; 0 when there is none. */
  get mean(): number {
    return at(this.#numbers, SUM_AT) / Math.max(1, this.count);
  }

  /** The shortest time in nanoseconds, exact; 0 when there is none. */
  get least(): number {
    return Math.max(0, at(this.#numbers, LEAST_AT) - 1);
  }

  /** The longest time in nanoseconds, exact; 0 when there is none. */
  get most(): number {
    return at(this.#numbers, MOST_AT);
  }

  /**
   * The time in nanoseconds that `percent` of 100 recorded ones did not exceed, off by 1.6 % at most; 0 when there
   * is none. 0 gives the shortest and 100 the longest, exactly.
   */
  percentile(percent: number): number {
    const { count } = this;
    if (count === 0) return 0;
    if (percent <= 0) return this.least;
    if (percent >= 100) return this.most;
    const wanted = Math.ceil((percent / 100) * count);
    let seen = 0;
    for (let index = 0; index < BUCKET_COUNT; index++) {
      seen += at(this.#numbers, index);
      if (seen >= wanted) return Math.min(Math.max(middleOf(index), this.least), this.most);
    }
    return this.most;
  }

  /** Forgets everything; for the thread that records only. */
  clear(): void {
    this.#numbers.fill(0);
  }
}

/**
 * Below 64 ns each nanosecond has a bucket of its own; above, the highest six bits of the time choose it, whose first
 * is always 1: so 32 for each doubling.
 */
function indexOf(time: number): number {
  if (time < 2 ** 31) {
    const whole = time | 0;
    if (whole < 2 * STEPS) return whole;
    const shift = 31 - STEP_BITS - Math.clz32(whole);
    return shift * STEPS + (whole >> shift);
  }
  const upper = Math.floor(time / 2 ** 20); // 2^11 to 2^17
  const shift = 31 - STEP_BITS - Math.clz32(upper);
  return (shift + 20) * STEPS + (upper >> shift);
}

/** The middle of a bucket, in nanoseconds. */
function middleOf(index: number): number {
  if (index < 2 * STEPS) return index;
  const shift = Math.floor(index / STEPS) - 1;
  const width = 2 ** shift;
  return (index - shift * STEPS) * width + (width - 1) / 2;
}

function at(numbers: Float64Array, index: number): number {
  return numbers[index] as number;
}
