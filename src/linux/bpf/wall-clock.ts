/**
 * How far the wall clock is from the kernel's TAI clock, which programs in the kernel read. It is a whole number of
 * seconds, 0 on a machine that nobody told of leap seconds; steps of the wall clock move both.
 * @module
 */
import { native } from "../native.ts";

/** From time.h. */
const CLOCK_REALTIME = 0;
const CLOCK_TAI = 11;
/** Seconds that two readings of the wall clock around one of the other may be apart. */
const PAUSE_MAX = 0.1;
const ATTEMPT_COUNT_MAX = 50;

/** CLOCK_REALTIME less CLOCK_TAI, in nanoseconds. */
export function wallClockOffset(): bigint {
  const { clockSeconds } = native();
  for (let attempt = 1; ; attempt++) {
    const before = clockSeconds(CLOCK_REALTIME);
    const other = clockSeconds(CLOCK_TAI);
    const pause = clockSeconds(CLOCK_REALTIME) - before;
    if ((pause >= 0 && pause <= PAUSE_MAX) || attempt === ATTEMPT_COUNT_MAX) {
      return BigInt(Math.round(before - other)) * 1_000_000_000n;
    }
  }
}
