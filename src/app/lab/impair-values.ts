/**
 * Times, shares and rates as tc(8) takes them, each with its unit: `20ms`, `0.1%`, `20mbit`.
 * @module
 */
import { type Duration, milliseconds } from "#base/time.ts";
import { UsageError } from "../cli/typed-value.ts";

/** A share of packets, and how much whether it happens resembles the packet before; both 0 to 1. */
export interface Share {
  readonly share: number;
  readonly correlation: number | undefined;
}

/** Milliseconds of each unit of a time. */
const TIME_UNITS: ReadonlyMap<string, number> = new Map([
  ["s", 1000],
  ["sec", 1000],
  ["secs", 1000],
  ["ms", 1],
  ["msec", 1],
  ["msecs", 1],
  ["us", 0.001],
  ["usec", 0.001],
  ["usecs", 0.001],
]);

/** Powers in front of `bit` (bits per second) and of `bps` (bytes per second, as in tc). */
const RATE_PREFIXES: ReadonlyMap<string, number> = new Map([
  ["", 1],
  ["k", 1e3],
  ["m", 1e6],
  ["g", 1e9],
  ["t", 1e12],
  ["ki", 2 ** 10],
  ["mi", 2 ** 20],
  ["gi", 2 ** 30],
  ["ti", 2 ** 40],
]);

const NUMBER = /^(\d+(?:\.\d+)?|\.\d+)([a-z%]*)$/i;

/** `20ms`, `1.5s`, `250us`, and tc's longer names. @throws UsageError that names the option. */
export function readTime(text: string, option: string): Duration {
  const [, count, unit = ""] = NUMBER.exec(text) ?? [];
  const factor = TIME_UNITS.get(unit.toLowerCase());
  if (count !== undefined && factor !== undefined) return milliseconds(Number(count) * factor);
  const seen =
    count !== undefined && unit === ""
      ? `it has no unit; write ${text}ms`
      : "it is not a time such as 20ms, 1.5s or 250us";
  throw new UsageError(`Cannot use ${option} ${text}: ${seen}`);
}

/** `1%` to a number from 0 to 1. @throws UsageError that names the option. */
export function readPercent(text: string, option: string): number {
  const [, count, unit] = NUMBER.exec(text) ?? [];
  if (count !== undefined && unit === "%" && Number(count) <= 100) return Number(count) / 100;
  const seen =
    count !== undefined && unit === ""
      ? `it has no unit; write ${text}%`
      : "it is not a share from 0% to 100% such as 0.1%";
  throw new UsageError(`Cannot use ${option} ${text}: ${seen}`);
}

/** `1%`, or `1%,25%` with a correlation. @throws UsageError that names the option. */
export function readShare(text: string, option: string): Share {
  const [share = "", correlation, ...more] = text.split(",");
  if (more.length > 0)
    throw new UsageError(`Cannot use ${option} ${text}: it takes a share and a correlation, 1%,25%`);
  return {
    share: readPercent(share, option),
    correlation: correlation === undefined ? undefined : readPercent(correlation, option),
  };
}

/**
 * Bits per second of `20mbit`, `500kbit`, or `10kbps`, which are bytes as in tc.
 * @throws UsageError that names the option.
 */
export function readRate(text: string, option: string): number {
  const [, count, unit = ""] = NUMBER.exec(text) ?? [];
  const [, prefix = "", kind] = /^([a-z]*?)(bit|bps)$/.exec(unit.toLowerCase()) ?? [];
  const factor = RATE_PREFIXES.get(prefix);
  if (count !== undefined && kind !== undefined && factor !== undefined && Number(count) > 0) {
    return Number(count) * factor * (kind === "bps" ? 8 : 1);
  }
  const seen =
    count !== undefined && unit === ""
      ? `it has no unit; write ${text}bit, ${text}kbit or ${text}mbit`
      : "it is not a rate such as 20mbit, 500kbit or 10kbps (bytes per second)";
  throw new UsageError(`Cannot use ${option} ${text}: ${seen}`);
}

/** The inverse of {@link readRate}, for people: `20mbit`. */
export function formatRate(bitsPerSecond: number): string {
  for (const [prefix, size] of [
    ["t", 1e12],
    ["g", 1e9],
    ["m", 1e6],
    ["k", 1e3],
  ] as const) {
    if (bitsPerSecond >= size) return `${Number((bitsPerSecond / size).toPrecision(4))}${prefix}bit`;
  }
  return `${Number(bitsPerSecond.toPrecision(4))}bit`;
}

/** The inverse of {@link readPercent}, for people: `0.1%`. */
export function formatPercent(share: number): string {
  return `${Number((share * 100).toPrecision(4))}%`;
}
