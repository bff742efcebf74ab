/**
 * What programs asked to be told of at a time: actions in the order of their times, those of the same time in the order
 * in which they were set.
 * @module
 */
import type { Timer } from "#base/clock.ts";
import { LimitExceededError } from "#base/errors.ts";
import { Heap } from "#base/heap.ts";

/** Below this, timers that were cancelled are left until their time comes. */
const CANCELLED_COUNT_MIN = 64;

/** Timers by time, in milliseconds since 1970. */
export class TimerQueue {
  readonly #countMax: number;
  readonly #heap = new Heap<QueuedTimer>();
  #cancelledCount = 0;

  /** @param countMax how many may wait at once. */
  constructor(countMax: number) {
    this.#countMax = countMax;
  }

  /** How many wait. */
  get count(): number {
    return this.#heap.size - this.#cancelledCount;
  }

  /** When the next one is due; infinite when none waits. */
  get nextAt(): number {
    return this.#heap.firstKey ?? Number.POSITIVE_INFINITY;
  }

  /**
   * `action` is due at `at`.
   * @throws LimitExceededError when too many wait.
   */
  set(at: number, action: () => void): Timer {
    if (this.count >= this.#countMax) {
      throw new LimitExceededError(
        `Cannot set a timer: ${this.count} wait already; cancel some, or allow for more`,
      );
    }
    const timer = new QueuedTimer(this.#cancelled, action);
    this.#heap.add(at, timer);
    return timer;
  }

  /** Takes out the next action whose time is not after `now`; `undefined` when there is none. */
  due(now: number): (() => void) | undefined {
    while (this.nextAt <= now) {
      const action = this.#heap.take()?.take();
      if (action !== undefined) return action;
      this.#cancelledCount--;
    }
    return undefined;
  }

  /** All that wait are due `duration` later than they were. */
  shift(duration: number): void {
    const waiting: (readonly [at: number, timer: QueuedTimer])[] = [];
    for (let at = this.nextAt; at !== Number.POSITIVE_INFINITY; at = this.nextAt) {
      const timer = this.#heap.take();
      if (timer !== undefined) waiting.push([at, timer]);
    }
    for (const [at, timer] of waiting) this.#heap.add(at + duration, timer);
  }

  /** Cancelled ones hold memory, so they go as soon as they are the most. */
  readonly #cancelled = (): void => {
    this.#cancelledCount++;
    if (this.#cancelledCount < CANCELLED_COUNT_MIN || this.#cancelledCount * 2 < this.#heap.size) return;
    this.#heap.keep((timer) => timer.waits);
    this.#cancelledCount = 0;
  };
}

class QueuedTimer implements Timer {
  readonly #cancelled: () => void;
  #action: (() => void) | undefined;

  constructor(cancelled: () => void, action: () => void) {
    this.#cancelled = cancelled;
    this.#action = action;
  }

  get waits(): boolean {
    return this.#action !== undefined;
  }

  take(): (() => void) | undefined {
    const action = this.#action;
    this.#action = undefined;
    return action;
  }

  cancel(): void {
    if (this.take() !== undefined) this.#cancelled();
  }
}
