/**
 * Counts of several workers as one.
 * @module
 */
import type { FlowStatistics } from "../flow.ts";
import type { WatchedFlow, WatchOrder, WatchSnapshot } from "./watch-lane.ts";

/** The counts of several engines. */
export function addStatistics(all: readonly FlowStatistics[]): FlowStatistics {
  return addCounts(all.map((each) => ({ ...each }))) as Record<keyof FlowStatistics, number>;
}

/** Counts by name. */
export function addCounts(all: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const counts of all) {
    for (const [name, count] of Object.entries(counts)) sums[name] = (sums[name] ?? 0) + count;
  }
  return sums;
}

const KEYS: Readonly<Record<WatchOrder, (flow: WatchedFlow) => number>> = {
  rate: ({ bytesPerSecond }) => bytesPerSecond,
  bytes: ({ bytes }) => bytes,
  packets: ({ packets }) => packets,
  age: ({ age }) => age,
};

/** What several workers see of one interface at one moment; at least one of them. */
export function addSnapshots(
  all: readonly WatchSnapshot[],
  order: WatchOrder,
  countMax: number,
): WatchSnapshot {
  const key = KEYS[order];
  return {
    time: Math.max(...all.map(({ time }) => time)),
    flows: all
      .flatMap(({ flows }) => flows)
      .sort((one, two) => key(two) - key(one))
      .slice(0, countMax),
    statistics: addStatistics(all.map(({ statistics }) => statistics)),
    bytes: all.reduce((sum, { bytes }) => sum + bytes, 0),
    ended: addCounts(all.map(({ ended }) => ended)),
    states: addCounts(all.map(({ states }) => states)),
  };
}
