/**
 * How a flow is laid out in the table's memory: 48 words of 32 bits, so that what one packet touches lies close
 * together and an idle flow costs 192 bytes. `numbers` are doubles at even words: `record.numbers[(base + Word.x) >> 1]`.
 * @module
 */

/** Words of a flow's record. */
export const RECORD_WORDS = 48;

/** Words of what is kept for each of the two directions. */
export const DIRECTION_WORDS = 14;

/** Where in a record; `base = row * RECORD_WORDS`. */
export const Word = {
  /** The client's address, four words, and the server's. */
  client: 0,
  server: 4,
  /** The client's port in the upper half, the server's in the lower. */
  ports: 8,
  /** `Layers.encapsulation`. */
  encapsulation: 9,
  /** The table's own: the next row in the same bucket, shifted left by one bit, and in that bit whether it is IPv6. */
  chain: 10,
  /** The timer wheel's own: neighbours in a slot, negative at the ends. */
  timerNext: 11,
  timerPrevious: 12,
  /** A bit for each monitor that follows the flow. */
  monitors: 13,
  /** Four bytes: IP protocol, client's state, server's state, timeout class. */
  bytes: 14,
  /** Bits of `RowFlag`, and the row's generation: see `flags.ts`. */
  flags: 15,
  /** Doubles: milliseconds since 1970. */
  firstSeen: 16,
  lastSeen: 18,
  /** Words 20 to 33 are about the client's direction, 34 to 47 about the server's. */
  directions: 20,
} as const;

/** Where in a direction's words; `at = base + Word.directions + direction * DIRECTION_WORDS`. */
export const DirectionWord = {
  /** Double: the offset of the next byte in order, from the byte behind the SYN on. */
  nextOffset: 0,
  /** Double: bytes of IP packets. */
  networkBytes: 2,
  /** Double: bytes of payloads, retransmissions included. */
  payloadBytes: 4,
  /** The sequence number of the byte at offset 0, minus 1: the SYN's. */
  initialSequence: 6,
  /** The highest sequence number sent, plus one (SND.NXT). */
  sentNext: 7,
  /** What this end has acknowledged of the other's stream (its RCV.NXT). */
  acknowledged: 8,
  /** The window this end advertised last, scaled. */
  window: 9,
  /** The timestamp the other end would echo (TS.Recent of RFC 7323). */
  timestamp: 10,
  /** Four bytes: window shift (255: none offered), flags of the end, MSS (16 bits). */
  options: 11,
  packetCount: 12,
  /** Bytes that never came; stays at 2^32 - 1. */
  missedBytes: 13,
} as const;
