/**
 * The machine's own clock: wall-clock time from the system, wake-ups from the event loop.
 * @module
 */
import type { Clock, Timer } from "#base/clock.ts";
import { type Duration, type Instant, instant } from "#base/time.ts";

/** The longest delay the event loop takes at once (2^31 - 1 ms, 24.8 days); longer ones are slept in parts. */
const SLEEP_MILLISECONDS_MAX = 0x7fff_ffff;

export interface LinuxClockOptions {
  /** Whether an open timer keeps the process from ending; true unless told otherwise. */
  readonly keepsProcessAlive?: boolean;
}

/** Wall-clock time: what leases and logs speak of; the operator and NTP may set it. */
export class LinuxClock implements Clock {
  readonly #keepsProcessAlive: boolean;

  constructor(options: LinuxClockOptions = {}) {
    this.#keepsProcessAlive = options.keepsProcessAlive ?? true;
  }

  now(): Instant {
    return instant(Date.now());
  }

  after(delay: Duration, action: () => void): Timer {
    let handle: NodeJS.Timeout;
    let rest: number = Math.max(0, delay);
    const sleep = (): void => {
      const part = Math.min(rest, SLEEP_MILLISECONDS_MAX);
      rest -= part;
      handle = setTimeout(rest > 0 ? sleep : action, Math.ceil(part));
      if (!this.#keepsProcessAlive) handle.unref();
    };
    sleep();
    return { cancel: () => clearTimeout(handle) };
  }
}

/** A clock that is never set: deadlines and patience must not change when somebody corrects the machine's time. */
export class SteadyClock extends LinuxClock {
  /** Milliseconds with a fraction, beginning near wall-clock time when the process started. */
  override now(): Instant {
    return instant(performance.timeOrigin + performance.now());
  }
}
