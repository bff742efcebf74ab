/**
 * What is counted of a script, in memory that its isolate writes and others read: 64-bit floats, each stored whole,
 * with one writer for each tally.
 * @module
 */
import type { ScriptStatistics } from "./engine.ts";
import { VERDICT_KINDS, type VerdictKind } from "./verdict.ts";

/** Places of the counts. Those of verdicts follow, in the order of {@link VERDICT_KINDS}. */
export const TALLY = {
  packets: 0,
  bytes: 1,
  errors: 2,
  bypassed: 3,
  held: 4,
  sent: 5,
  deferred: 6,
  verdicts: 7,
} as const;

/** Floats of one tally. */
export const TALLY_COUNT: number = TALLY.verdicts + VERDICT_KINDS.length;
export const TALLY_BYTES: number = TALLY_COUNT * 8;

/** The place of a verdict's count. */
export const VERDICT_TALLY: Readonly<Record<VerdictKind, number>> = Object.fromEntries(
  VERDICT_KINDS.map((kind, index) => [kind, TALLY.verdicts + index]),
) as Record<VerdictKind, number>;

export type Counts = Pick<
  ScriptStatistics,
  "packets" | "bytes" | "errors" | "bypassed" | "held" | "sent" | "deferred" | "verdicts"
>;

/** The sums over several tallies: a script has one for each of its isolates. */
export function sumTallies(tallies: readonly Float64Array[]): Counts {
  const sum = (place: number): number => tallies.reduce((all, tally) => all + (tally[place] ?? 0), 0);
  const verdicts = Object.fromEntries(VERDICT_KINDS.map((kind) => [kind, sum(VERDICT_TALLY[kind])]));
  return {
    packets: sum(TALLY.packets),
    bytes: sum(TALLY.bytes),
    errors: sum(TALLY.errors),
    bypassed: sum(TALLY.bypassed),
    held: sum(TALLY.held),
    sent: sum(TALLY.sent),
    deferred: sum(TALLY.deferred),
    verdicts: verdicts as Record<VerdictKind, number>,
  };
}
