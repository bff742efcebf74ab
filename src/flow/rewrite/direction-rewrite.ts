/**
 * One direction of a flow whose bytes may be changed: the edits, how far it was forwarded, and what waits.
 * @module
 */
import type { Timer } from "#base/clock.ts";
import { HeldSegments } from "./held-segments.ts";
import { type StreamEdit, StreamEdits } from "./stream-edits.ts";

/** Segments of a flow's own that wait for the packet at hand, or for their acknowledgement; one more is refused. */
export const OWN_COUNT_MAX = 256;

/** A segment that a monitor has sent in the name of an end. */
export interface OwnSegment {
  readonly edit: StreamEdit;
  retryCount: number;
  timer: Timer | undefined;
}

export class DirectionRewrite {
  readonly edits: StreamEdits = new StreamEdits();
  readonly held: HeldSegments = new HeldSegments();
  /** Original bytes below this offset have been forwarded and cannot be changed any more; -1 while that is not known. */
  mark = -1;
  /** Whether its FIN has been forwarded: it stands at {@link mark}. */
  isFinished = false;
  /** What the receiver waits for, as a new offset; -1 while it has acknowledged nothing. */
  acknowledged = -1;
  /** The acknowledgement of the packet at hand, until it is known to be taken. */
  saidAcknowledged = -1;
  /** What a monitor wants to send behind the packet at hand. */
  waiting: Uint8Array[] = [];
  /** What it has sent and is not acknowledged. */
  own: OwnSegment[] = [];

  /** Where the next byte goes, as a new offset. */
  get newMark(): number {
    return this.edits.toNew(Math.max(0, this.mark));
  }
}
