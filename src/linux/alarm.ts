/**
 * A wake-up at a time with fractions of a millisecond (timerfd_create(2)), where the event loop's own timers have steps
 * of one: measured late by 0.04 ms in the middle on an idle machine, without spinning.
 * @module
 */
import { type Instant, instant } from "#base/time.ts";
import { native, READABLE, type Watch } from "./native.ts";
import { translateErrors } from "./system-error.ts";

/** The longest sleep in microseconds, ten minutes; a later time is slept for in parts. */
const SLEEP_MICROSECONDS_MAX = 600_000_000;

/** One wake-up at a time, by a clock that nobody sets. */
export class Alarm {
  readonly #fd: number;
  readonly #watch: Watch;
  readonly #onRing: () => void;
  #at: Instant | undefined;
  #isClosed = false;

  /** @param onRing called at the time of {@link ringAt} or a little later, never before. @throws SystemCallError */
  constructor(onRing: () => void) {
    this.#onRing = onRing;
    this.#fd = translateErrors("make a timer", () => native().timer());
    this.#watch = native().watch(this.#fd, READABLE, () => this.#wake());
  }

  /** Milliseconds since the process started, with fractions: what {@link ringAt} takes. */
  now(): Instant {
    return instant(performance.now());
  }

  /** Rings once at `at`, at once when it is over; in place of what was asked for before. `undefined`: not at all. */
  ringAt(at: Instant | undefined): void {
    if (this.#isClosed || at === this.#at) return;
    this.#at = at;
    this.#arm();
  }

  /** Harmless twice. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    native().unwatch(this.#watch);
    native().close(this.#fd);
  }

  #wake(): void {
    if (this.#at === undefined || this.now() < this.#at) {
      this.#arm();
      return;
    }
    this.#at = undefined;
    // Until it is set again a timer that has gone off stays readable.
    this.#arm();
    this.#onRing();
  }

  #arm(): void {
    const rest = this.#at === undefined ? 0 : Math.ceil((this.#at - this.now()) * 1000);
    // 0 would stop the timer.
    const sleep = this.#at === undefined ? 0 : Math.min(Math.max(rest, 1), SLEEP_MICROSECONDS_MAX);
    native().setTimer(this.#fd, sleep);
  }
}
