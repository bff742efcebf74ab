/**
 * Which of two fragments a receiver keeps where they overlap: Novak, "Target-Based Fragmentation Reassembly" (2005),
 * after Shankar and Paxson, "Active Mapping" (2003). Each policy is a comparison of where the two begin and end.
 * @module
 */
import type { FragmentPolicy } from "../policy.ts";

/** Whether the piece that came first keeps the bytes that a new fragment has as well. Offsets are in the datagram. */
export function keepsOld(
  policy: FragmentPolicy,
  oldOffset: number,
  oldEnd: number,
  newOffset: number,
  newEnd: number,
): boolean {
  switch (policy) {
    case "first":
      return true;
    case "last":
      return false;
    case "bsd":
      return oldOffset <= newOffset;
    case "linux":
      return oldOffset < newOffset;
    case "bsd-right":
      return oldOffset > newOffset;
    // Only a fragment that begins earlier and ends later replaces; of Solaris also one that ends together with the old.
    case "windows":
      return newOffset >= oldOffset || newEnd <= oldEnd;
    default:
      return newOffset >= oldOffset || newEnd < oldEnd;
  }
}
