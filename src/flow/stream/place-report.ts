/**
 * What became of a segment that was put into a stream: one object, filled again for every segment.
 * @module
 */

/** Which limit took bytes; `""` when none did. */
export type LostTo = "" | "stream-bytes" | "total-bytes" | "segments";

export class PlaceReport {
  /** Bytes that were not there before and are now. */
  newBytes: number = Number.NaN;
  /** The first byte that had come before; meaningful when {@link overlapBytes} is not 0. */
  overlapOffset: number = Number.NaN;
  /** Bytes that had come before, or were given up as a gap. */
  overlapBytes: number = Number.NaN;
  /** Of them, those that were still kept and were compared. */
  comparedBytes: number = Number.NaN;
  /** `none` without overlap; `unknown` when none of it could be compared, `same` when all that was compared is. */
  content: "same" | "different" | "unknown" | "none" = "none";
  /** The first byte that is different; meaningful for `different`. */
  differenceOffset: number = Number.NaN;
  /** Kept bytes above `next` that the policy gave to this segment, the same or not. */
  replacedBytes: number = Number.NaN;
  /** The first byte that no room was found for; meaningful when {@link lostBytes} is not 0. */
  lostOffset: number = Number.NaN;
  /** Bytes that are not kept although they are new. */
  lostBytes: number = Number.NaN;
  lostTo: LostTo = "";

  /** The numbers begin as no small integers: fields that become doubles only later cost the code compiled before. */
  constructor() {
    this.clear();
  }

  clear(): void {
    this.newBytes = 0;
    this.overlapOffset = 0;
    this.overlapBytes = 0;
    this.comparedBytes = 0;
    this.content = "none";
    this.differenceOffset = 0;
    this.replacedBytes = 0;
    this.lostOffset = 0;
    this.lostBytes = 0;
    this.lostTo = "";
  }
}
