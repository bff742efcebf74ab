/**
 * Lengths of time as people type them: `250ms`, `30s`, `10m`, `12h`, `7d`, `1h30m`.
 * @module
 */
import { MalformedMessageError } from "#base/errors.ts";
import { type Duration, milliseconds } from "#base/time.ts";

const UNITS: readonly (readonly [unit: string, milliseconds: number])[] = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1000],
  ["ms", 1],
];

/** What {@link parseDuration} takes, for schemas. */
export const DURATION_PATTERN = "^(0|(\\d+(\\.\\d+)?(ms|s|m|h|d))+)$";

/**
 * The length of time of a text: numbers with units, the larger unit first or not; `0` needs no unit.
 * @throws MalformedMessageError on anything else.
 */
export function parseDuration(text: string): Duration {
  if (!new RegExp(DURATION_PATTERN).test(text)) {
    const fix = /^\d+(\.\d+)?$/.test(text)
      ? `has no unit; write ${text}s, ${text}m or ${text}h`
      : "is not like 30s, 10m or 1h30m";
    throw new MalformedMessageError(`Cannot parse duration: '${text}' ${fix}`);
  }
  let sum = 0;
  for (const [, count, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|[smhd])/g)) {
    sum += Number(count) * (UNITS.find(([name]) => name === unit)?.[1] ?? 0);
  }
  return milliseconds(sum);
}

/** The length of time in its two largest units: `1h30m`, `250ms`; the inverse of {@link parseDuration} where exact. */
export function formatDuration(duration: Duration): string {
  let rest = Math.round(duration);
  if (rest <= 0) return "0s";
  const parts: string[] = [];
  for (const [unit, size] of UNITS) {
    const count = Math.floor(rest / size);
    // Milliseconds beside minutes are noise to a reader.
    if (count > 0 && !(unit === "ms" && duration >= 60_000)) parts.push(`${count}${unit}`);
    rest -= count * size;
    if (parts.length === 2) break;
  }
  return parts.join("");
}
