/**
 * What an impaired link has done so far, as numbers for programs and as one line for people.
 * @module
 */
import type { DirectionState, Way } from "./impair-interface.ts";

/** Numbers of one direction since the start. */
export interface WayReport {
  readonly way: Way;
  /** Packets that came to the link. */
  readonly packets: number;
  readonly lost: number;
  readonly duplicated: number;
  readonly reordered: number;
  readonly corrupted: number;
  /** Lost because the link held as many as its limit. */
  readonly overflowed: number;
  /** Lost because this program was too slow; the impairment was another than was asked for when there are any. */
  readonly excess: number;
  /** Second copies that could not be sent: longer than the link's MTU, or without a route. */
  readonly unsent: number;
  /** Copies that have left. */
  readonly left: number;
  /** In the link now. */
  readonly waiting: number;
  /** How long copies stayed in the link, by the clock. */
  readonly delayMeanMilliseconds: number;
  readonly delayDeviationMilliseconds: number;
  readonly delayMaxMilliseconds: number;
  /** How much longer than the model said. */
  readonly lateMeanMilliseconds: number;
  readonly lateMaxMilliseconds: number;
}

/** The numbers of one direction now. */
export function reportWay({ way, direction, kernelDroppedCount }: DirectionState): WayReport {
  const { times, counts, waitingCount } = direction;
  const mean = times.delaySum / Math.max(1, times.leftCount);
  const variance = times.delaySquareSum / Math.max(1, times.leftCount) - mean * mean;
  return {
    way,
    ...counts,
    excess: times.excessCount + kernelDroppedCount(),
    unsent: times.unsentCount,
    left: times.leftCount,
    waiting: waitingCount,
    delayMeanMilliseconds: rounded(mean),
    delayDeviationMilliseconds: rounded(Math.sqrt(Math.max(0, variance))),
    delayMaxMilliseconds: rounded(times.delayMax),
    lateMeanMilliseconds: rounded(times.lateSum / Math.max(1, times.delayedCount)),
    lateMaxMilliseconds: rounded(times.lateMax),
  };
}

/** `out: 1200 packets, 12 lost (1%), 1 duplicated, delay 20.1 ± 2.9 ms, 24 in the link`. */
export function describeReport(report: WayReport): string {
  const { way, packets, delayMeanMilliseconds: mean, delayDeviationMilliseconds: deviation } = report;
  const parts = [`${packets} packets`];
  for (const name of [
    "lost",
    "duplicated",
    "reordered",
    "corrupted",
    "overflowed",
    "excess",
    "unsent",
  ] as const) {
    const count = report[name];
    if (count > 0) parts.push(`${count} ${name} (${((100 * count) / Math.max(1, packets)).toPrecision(2)}%)`);
  }
  if (mean > 0) parts.push(`delay ${mean.toFixed(2)} ± ${deviation.toFixed(2)} ms`);
  return `${way}: ${parts.join(", ")}, ${report.waiting} in the link`;
}

/** Microseconds are as fine as these times are. */
function rounded(milliseconds: number): number {
  return Number(milliseconds.toFixed(3));
}
