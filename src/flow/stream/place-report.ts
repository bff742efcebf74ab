/**
 * What became of a segment that was put into a stream: one object, filled again for every segment.
 * @module
 */

/** Which limit took bytes; `""` when none did. */
export type LostTo = "" | "stream-bytes" | "total-bytes" | "segments";

export class PlaceReport {
  /** Bytes that were not there before and are now. */
  newBytes = 0;
  /** The first byte that had come before; meaningful when {@link overlapBytes} is not 0. */
  overlapOffset = 0;
  /** Bytes that had come before, or were given up as a gap. */
  overlapBytes = 0;
  /** Of them, those that were still kept and were compared. */
  comparedBytes = 0;
  /** `none` without overlap; `unknown` when none of it could be compared, `same` when all that was compared is. */
  content: "same" | "different" | "unknown" | "none" = "none";
  /** The first byte that is different; meaningful for `different`. */
  differenceOffset = 0;
  /** Kept bytes above `next` that the policy gave to this segment, the same or not. */
  replacedBytes = 0;
  /** The first byte that no room was found for; meaningful when {@link lostBytes} is not 0. */
  lostOffset = 0;
  /** Bytes that are not kept although they are new. */
  lostBytes = 0;
  lostTo: LostTo = "";

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
