/**
 * Time as types: a {@link Duration} is a length in milliseconds, an {@link Instant} a point in time. Both are
 * plain numbers at run time, so that arithmetic costs nothing.
 * @module
 */

declare const durationBrand: unique symbol;
declare const instantBrand: unique symbol;

/** A length of time in milliseconds; may have a fraction. */
export type Duration = number & { readonly [durationBrand]: true };

/** A point in time, in milliseconds since 1970-01-01T00:00Z. */
export type Instant = number & { readonly [instantBrand]: true };

export function milliseconds(count: number): Duration {
  return count as Duration;
}

export function seconds(count: number): Duration {
  return (count * 1000) as Duration;
}

export function minutes(count: number): Duration {
  return (count * 60_000) as Duration;
}

export function hours(count: number): Duration {
  return (count * 3_600_000) as Duration;
}

/** The point in time `epochMilliseconds` after 1970-01-01T00:00Z. */
export function instant(epochMilliseconds: number): Instant {
  return epochMilliseconds as Instant;
}

/** The point in time `duration` after `from`. */
export function after(from: Instant, duration: Duration): Instant {
  return (from + duration) as Instant;
}

/** How long from `from` to `to`; negative when `to` is earlier. */
export function between(from: Instant, to: Instant): Duration {
  return (to - from) as Duration;
}

/** A point in time as a value of a message; on the wire CBOR tag 1 (RFC 8949 §3.4.2). */
export class Timestamp {
  readonly instant: Instant;

  constructor(at: Instant) {
    this.instant = at;
  }

  /** RFC 3339 in UTC, with milliseconds. */
  toString(): string {
    return formatInstant(this.instant);
  }

  toJSON(): string {
    return this.toString();
  }
}

/** RFC 3339 in UTC, with milliseconds: `2026-11-22T01:11:42.000Z`. */
export function formatInstant(at: Instant): string {
  const dayCount = Math.floor(at / 86_400_000);
  const { year, month, day } = civilFromDays(dayCount);
  const rest = at - dayCount * 86_400_000;
  const two = (value: number): string => String(Math.floor(value)).padStart(2, "0");
  const clock = `${two(rest / 3_600_000)}:${two((rest / 60_000) % 60)}:${two((rest / 1000) % 60)}`;
  const fraction = String(Math.floor(rest % 1000)).padStart(3, "0");
  return `${String(year).padStart(4, "0")}-${two(month)}-${two(day)}T${clock}.${fraction}Z`;
}

/** The proleptic Gregorian date of a day count since 1970-01-01, by shifting the year's start to March. */
function civilFromDays(dayCount: number): { year: number; month: number; day: number } {
  const shifted = dayCount + 719_468; // days from 0000-03-01 to 1970-01-01
  const era = Math.floor(shifted / 146_097); // days in 400 years
  const dayOfEra = shifted - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra -
      Math.floor(dayOfEra / 1460) +
      Math.floor(dayOfEra / 36_524) -
      Math.floor(dayOfEra / 146_096)) /
      365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const shiftedMonth = Math.floor((5 * dayOfYear + 2) / 153);
  const month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9;
  return {
    year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0),
    month,
    day: dayOfYear - Math.floor((153 * shiftedMonth + 2) / 5) + 1,
  };
}
