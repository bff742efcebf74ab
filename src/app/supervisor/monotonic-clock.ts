/**
 * A clock that is never set back: pauses and patience must not change when somebody corrects the machine's time.
 * @module
 */
import type { Clock, Timer } from "#base/clock.ts";
import { type Duration, type Instant, instant } from "#base/time.ts";
import { LinuxClock } from "#linux/clock.ts";

export class MonotonicClock implements Clock {
  readonly #timers = new LinuxClock();

  now(): Instant {
    return instant(performance.timeOrigin + performance.now());
  }

  after(delay: Duration, action: () => void): Timer {
    return this.#timers.after(delay, action);
  }
}
