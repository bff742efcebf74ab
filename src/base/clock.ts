/**
 * The clock as an interface: pure layers are told the time, and ask to be woken. `linux/` answers with the
 * machine's clock, `sim/` with one that tests move by hand.
 * @module
 */
import type { Duration, Instant } from "./time.ts";

/** A wake-up that has been asked for. */
export interface Timer {
  /** Forgets the wake-up; harmless when it has happened already. */
  cancel(): void;
}

export interface Clock {
  /** Wall-clock time. */
  now(): Instant;
  /** Calls `action` once, `delay` from now; never before this call returns. */
  after(delay: Duration, action: () => void): Timer;
}
