/**
 * The time of the packets: it goes from one packet's stamp to the next and never back, so that a capture is followed as
 * the link was. What is due between two packets happens before the later one is looked at.
 * @module
 */
import type { Timer } from "#base/clock.ts";
import type { FlowTable } from "./table/flow-table.ts";
import type { Expired } from "./table/timer-wheel.ts";
import { TimerQueue } from "./timer-queue.ts";

/** Timers that may wait at once, unless the maker says otherwise. */
export const TIMER_COUNT_MAX = 1_048_576;

/** An action that sets itself again must let time pass, in milliseconds. */
const DELAY_MIN = 1;

/** The last instant that a Date can hold, in the year 275760: later stamps count as this one. */
const TIME_MAX = 8.64e15;

/** Where everybody reads the time, in milliseconds since 1970. */
export interface Time {
  now: number;
}

/** The clock of one engine; time stands still but for {@link FlowClock.advance}. */
export class FlowClock {
  /** How many times a packet's stamp was earlier than one before: such packets happen now. */
  backwardCount = 0;
  readonly #table: FlowTable;
  readonly #expired: Expired;
  readonly #timers: TimerQueue;
  #time: Time = { now: 0 };
  /** Before then nothing is due. */
  #quietUntil = Number.NEGATIVE_INFINITY;
  /** Whether the table is telling of flows. */
  #isExpiring = false;
  /** Whether any packet has said what time it is, and whether timers wait for the first one to say so. */
  #isStarted = false;
  #hasEarlyTimers = false;

  /** @param expired is told of flows that time out, as by {@link FlowTable.advance}. */
  constructor(table: FlowTable, expired: Expired, timerCountMax: number = TIMER_COUNT_MAX) {
    this.#table = table;
    this.#expired = expired;
    this.#timers = new TimerQueue(timerCountMax);
  }

  /** How many timers wait. */
  get timerCount(): number {
    return this.#timers.count;
  }

  /**
   * Calls `action` once, when `at` has come, and at least a millisecond from now: never before this call returns.
   * @throws LimitExceededError when too many timers wait.
   */
  set(at: number, action: () => void): Timer {
    const soonest = this.#time.now + DELAY_MIN;
    const due = Number.isNaN(at) ? soonest : Math.max(at, soonest);
    const timer = this.#timers.set(due, action);
    if (due < this.#quietUntil) this.#quietUntil = due;
    if (this.#isExpiring) this.#table.pause(due);
    return timer;
  }

  /**
   * Calls `action` once, `delay` milliseconds from now, as {@link set}; before the first packet, from that one on.
   * @throws LimitExceededError when too many timers wait.
   */
  after(delay: number, action: () => void): Timer {
    if (!this.#isStarted) this.#hasEarlyTimers = true;
    return this.set(this.#time.now + delay, action);
  }

  /**
   * It is `to`, by a packet: before that, flows time out and timers fire in the order of their times, flows up to a tick
   * late, and `time` is always what their time is. A `to` that is not later than `time` changes nothing.
   */
  advance(to: number, time: Time): void {
    if (!(to > time.now)) {
      if (to < time.now) this.backwardCount++;
      return;
    }
    if (to < this.#quietUntil) time.now = to;
    else this.#pass(Math.min(to, TIME_MAX), time);
  }

  #pass(to: number, time: Time): void {
    this.#time = time;
    const timers = this.#timers;
    if (!this.#isStarted) {
      this.#isStarted = true;
      if (this.#hasEarlyTimers) timers.shift(to);
    }
    for (;;) {
      const at = Math.min(timers.nextAt, to);
      this.#expire(at);
      // A flow that timed out may have led to an earlier timer.
      if (timers.nextAt < at) continue;
      this.#reach(at);
      const action = timers.due(at);
      if (action !== undefined) action();
      else if (at === to) break;
    }
    this.#quietUntil = Math.min(timers.nextAt, this.#table.quietUntil);
  }

  #expire(until: number): void {
    this.#isExpiring = true;
    try {
      this.#table.advance(until, this.#tell);
    } finally {
      this.#isExpiring = false;
    }
  }

  #reach(at: number): void {
    if (at > this.#time.now) this.#time.now = at;
  }

  readonly #tell: Expired = (row, deadline) => {
    this.#reach(deadline);
    this.#expired(row, deadline);
  };
}
