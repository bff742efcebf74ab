/**
 * The bytes of a datagram that have come so far: pieces in order that do not overlap, each of one fragment. How they are
 * joined when another one comes is the target's choice, see `overlap.ts`.
 * @module
 */
import type { FragmentPolicy } from "../policy.ts";
import { keepsOld } from "./overlap.ts";

/** The bytes from `offset` to `end` of the datagram, in memory of their own. */
export interface Piece {
  readonly offset: number;
  readonly end: number;
  readonly bytes: Uint8Array;
}

/** What a new fragment met. */
export class Meeting {
  /** Bytes that were there already. */
  overlapBytes = 0;
  /** Whether one of them was another one. */
  isDifferent = false;
  /** Whether all of them lay in one run of pieces without a hole. */
  isInside = false;
}

/** Says in `meeting` what of `offset` to `end` is there, compared with `data`, which begins at `offset`. */
export function meet(
  pieces: readonly Piece[],
  offset: number,
  end: number,
  data: Uint8Array,
  meeting: Meeting,
): void {
  meeting.overlapBytes = 0;
  meeting.isDifferent = false;
  for (const piece of pieces) {
    const from = Math.max(piece.offset, offset);
    const to = Math.min(piece.end, end);
    if (from >= to) continue;
    meeting.overlapBytes += to - from;
    for (let at = from; at < to && !meeting.isDifferent; at++) {
      if (piece.bytes[at - piece.offset] !== data[at - offset]) meeting.isDifferent = true;
    }
  }
  meeting.isInside = meeting.overlapBytes === end - offset;
}

/**
 * The pieces with those of a new fragment among them, whose `data` is copied. Pieces of which nothing is lost are the same
 * objects as before; others have only what is left of them, so that nobody holds more memory than it counts.
 */
export function join(
  pieces: readonly Piece[],
  offset: number,
  data: Uint8Array,
  policy: FragmentPolicy,
): Piece[] {
  const end = offset + data.length;
  const joined: Piece[] = [];
  // Where what is left of the new fragment begins.
  let next = offset;
  const put = (to: number): void => {
    if (next < to) joined.push({ offset: next, end: to, bytes: data.slice(next - offset, to - offset) });
    next = Math.max(next, to);
  };
  for (const piece of pieces) {
    if (piece.offset >= end) put(end);
    if (piece.end <= offset || piece.offset >= end) {
      joined.push(piece);
    } else if (keepsOld(policy, piece.offset, piece.end, offset, end)) {
      put(piece.offset);
      joined.push(piece);
      next = piece.end;
    } else {
      if (piece.offset < offset) joined.push(part(piece, piece.offset, offset));
      if (piece.end > end) {
        put(end);
        joined.push(part(piece, end, piece.end));
      }
    }
  }
  put(end);
  return joined;
}

function part({ offset, bytes }: Piece, from: number, end: number): Piece {
  return { offset: from, end, bytes: bytes.slice(from - offset, end - offset) };
}

/** Whether `pieces` go from 0 to `end` without a hole. */
export function isWhole(pieces: readonly Piece[], end: number): boolean {
  let next = 0;
  for (const piece of pieces) {
    if (piece.offset !== next) return false;
    next = piece.end;
  }
  return next === end;
}

/** The pieces up to `end`. */
export function cut(pieces: readonly Piece[], end: number): Piece[] {
  const kept: Piece[] = [];
  for (const piece of pieces) {
    if (piece.offset < end) kept.push(piece.end <= end ? piece : part(piece, piece.offset, end));
  }
  return kept;
}
