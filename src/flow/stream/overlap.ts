/**
 * Which of two segments a receiver keeps where they overlap above what it has in order, by the boundaries that the
 * segments had when they came: the one that came first, `[oldStart, oldEnd)`, or the one that comes now,
 * `[newStart, newEnd)`. After Novak and Sturges, "Target-Based TCP Stream Reassembly" (2007); the method is that of
 * Shankar and Paxson, "Active Mapping: Resisting NIDS Evasion Without Altering Traffic" (2003).
 *
 * | policy | the new segment's bytes are kept where | systems |
 * | --- | --- | --- |
 * | `first` | never | Windows Vista and later |
 * | `last` | always | Cisco IOS |
 * | `bsd` | it begins before | FreeBSD, NetBSD, OpenBSD, AIX, Mac OS X of that time |
 * | `windows` | it begins before | Windows 95 to XP and Server 2003 |
 * | `linux` | it begins before; or at the same byte and ends later | Linux since 2.4 |
 * | `old-linux` | it begins before; or at the same byte and does not end earlier | Linux to 2.2 |
 * | `solaris` | it ends later; or at the same byte and does not begin later | Solaris 8 to 10, HP-UX 11 |
 *
 * Linux does one thing more that the paper does not have: since 3.4 a segment that begins where another ends becomes one
 * with it ({@link joinsBehind}), so that a third one that begins at the seam begins inside and loses. It does so where
 * the memory of the two packets allows it: always for small ones, up to 17 in a row for full ones. Where bytes behind the
 * seam were there before, the shape of its search tree decides. Here a segment whose first byte is new always joins, and
 * no other does; `test/lab/overlap-linux.test.ts` asks the running kernel.
 * @module
 */
import type { OverlapPolicy } from "../policy.ts";

/** A policy as a number, for the switch on the path of packets. */
export type OverlapCode = 0 | 1 | 2 | 3 | 4 | 5;

const CODES: Readonly<Record<OverlapPolicy, OverlapCode>> = {
  first: 0,
  last: 1,
  bsd: 2,
  windows: 2,
  linux: 3,
  "old-linux": 4,
  solaris: 5,
};

export function overlapCode(policy: OverlapPolicy): OverlapCode {
  return CODES[policy];
}

/** Whether the boundaries of segments decide anything: if not, they need not be remembered. */
export function needsBoundaries(code: OverlapCode): boolean {
  return code >= 2;
}

/** Whether a segment that begins where another ends becomes one segment with it. */
export function joinsBehind(code: OverlapCode): boolean {
  return code === 3;
}

/** Whether the new segment's bytes replace those of the old one where they overlap. */
export function newSegmentWins(
  code: OverlapCode,
  newStart: number,
  newEnd: number,
  oldStart: number,
  oldEnd: number,
): boolean {
  switch (code) {
    case 0:
      return false;
    case 1:
      return true;
    case 2:
      return newStart < oldStart;
    case 3:
      return newStart < oldStart || (newStart === oldStart && newEnd > oldEnd);
    case 4:
      return newStart < oldStart || (newStart === oldStart && newEnd >= oldEnd);
    default:
      return newEnd > oldEnd || (newEnd === oldEnd && newStart <= oldStart);
  }
}
