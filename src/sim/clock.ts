/**
 * A clock that stands still until a test moves it; timers run in the order of their times, equal times in the
 * order in which they were asked for, and promises settle in between.
 * @module
 */
import type { Clock, Timer } from "#base/clock.ts";
import { LimitExceededError } from "#base/errors.ts";
import { after, type Duration, type Instant, instant } from "#base/time.ts";

/** Open timers a clock holds; one more is refused with LimitExceededError. */
export const TIMER_COUNT_MAX = 100_000;

/** Timers that run at one instant before the program under test is taken for one that never rests. */
export const INSTANT_RUN_COUNT_MAX = 10_000;

/** How many turns of the microtask queue `settle` waits: enough for promise chains of that depth. */
const SETTLE_TURN_COUNT = 100;

interface Entry {
  readonly at: Instant;
  readonly sequence: number;
  readonly action: () => void;
}

export class SimClock implements Clock {
  #now: Instant;
  #sequence = 0;
  /** Sorted, the earliest last, so that taking it is cheap. */
  readonly #entries: Entry[] = [];

  /** Starts at `start`, 2026-01-01T00:00Z unless told otherwise. */
  constructor(start: Instant = instant(1_767_225_600_000)) {
    this.#now = start;
  }

  now(): Instant {
    return this.#now;
  }

  /** Timers that are waiting. */
  get timerCount(): number {
    return this.#entries.length;
  }

  /** @throws LimitExceededError when {@link TIMER_COUNT_MAX} timers are waiting. */
  after(delay: Duration, action: () => void): Timer {
    if (this.#entries.length >= TIMER_COUNT_MAX) {
      throw new LimitExceededError(`Cannot set a timer: ${TIMER_COUNT_MAX} are waiting`);
    }
    const at = after(this.#now, Math.max(0, delay) as Duration);
    const entry: Entry = { at, sequence: this.#sequence++, action };
    this.#entries.splice(this.#placeOf(entry), 0, entry);
    return {
      cancel: () => {
        const place = this.#placeOf(entry);
        if (this.#entries[place] === entry) this.#entries.splice(place, 1);
      },
    };
  }

  /**
   * Moves time forward by `duration` and runs what becomes due on the way, each timer at its own time, with
   * promises settled before, between and after. An error thrown by a timer rejects the promise.
   * @throws LimitExceededError after {@link INSTANT_RUN_COUNT_MAX} timers without time passing.
   */
  async advance(duration: Duration): Promise<void> {
    const end = after(this.#now, duration);
    await this.settle();
    let runCount = 0;
    for (let next = this.#entries.at(-1); next && next.at <= end; next = this.#entries.at(-1)) {
      runCount = next.at > this.#now ? 1 : runCount + 1;
      if (runCount > INSTANT_RUN_COUNT_MAX) {
        throw new LimitExceededError(
          `Cannot advance the clock: ${INSTANT_RUN_COUNT_MAX} timers ran at ${this.#now} and more are due`,
        );
      }
      this.#entries.pop();
      if (next.at > this.#now) this.#now = next.at;
      next.action();
      await this.settle();
    }
    if (end > this.#now) this.#now = end;
  }

  /** Lets promises that can settle do so, without moving time. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < SETTLE_TURN_COUNT; turn++) await undefined;
  }

  /** The index of `entry`, or where it belongs. */
  #placeOf(entry: Entry): number {
    let low = 0;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const other = this.#entries[middle] as Entry;
      const isLater = other.at > entry.at || (other.at === entry.at && other.sequence > entry.sequence);
      if (isLater) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
