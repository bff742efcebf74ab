/**
 * What became of fragments, and how often.
 * @module
 */

/** What became of one fragment. Those behind `held` and `whole` say why it, or all of its datagram, is lost. */
export type FragmentOutcome =
  /** It is kept until the others come. */
  | "held"
  /** It was the last one missing. */
  | "whole"
  /** All of its bytes were there already: nothing is changed. */
  | "duplicate"
  /** The capture has not all of it. */
  | "truncated"
  /** No data, or one that is no multiple of 8 bytes and not the last. */
  | "bad-length"
  /** It would end behind byte 65 535 of the packet ("ping of death"). */
  | "too-long"
  /** A first fragment without the whole header of its transport, or one that begins inside of it (RFC 1858, RFC 3128). */
  | "tiny"
  /** Fragments that overlap, where the options say that such datagrams are lost (RFC 5722). */
  | "overlap"
  /** It says otherwise where the datagram ends. */
  | "end-conflict"
  /** More fragments than one datagram may have. */
  | "too-many"
  /** No room, also when the oldest datagrams have gone. */
  | "no-room"
  /** Its datagram was given up before. */
  | "given-up";

/** Counts since the table was made. */
export class FragmentStatistics {
  /** Fragments that were added, by what became of them. */
  readonly outcomes: Record<FragmentOutcome, number> = {
    held: 0,
    whole: 0,
    duplicate: 0,
    truncated: 0,
    "bad-length": 0,
    "too-long": 0,
    tiny: 0,
    overlap: 0,
    "end-conflict": 0,
    "too-many": 0,
    "no-room": 0,
    "given-up": 0,
  };
  /** Fragments of which some bytes were there already, duplicates among them. */
  overlapCount = 0;
  /** Those where a byte was another one: two receivers may see two datagrams. */
  differentCount = 0;
  /** Fragments with another TTL or hop limit than their datagram's first one to come. */
  hopLimitChangeCount = 0;
  /** Datagrams that were not whole in time. */
  timeoutCount = 0;
  /** Datagrams that went because their place was needed. */
  evictedCount = 0;
}
