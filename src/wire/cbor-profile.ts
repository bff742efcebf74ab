/**
 * The limits, numbers and errors of the CBOR profile (RFC 8949, RFC 9164, RFC 9542) that messages are written in.
 * @module
 */
import { ConfigurationError, MalformedMessageError } from "#base/errors.ts";

/** The most tuples of one message. */
export const TUPLE_COUNT_MAX = 1024;
/** The longest tag of a tuple, in bytes; the shortest has one. */
export const TAG_BYTES_MAX = 64;
/** The most scalars in one list. */
export const LIST_COUNT_MAX = 65_536;
/** The most bytes of one body, and the default for a whole frame. */
export const BODY_BYTES_MAX = 1_048_576;

/** CBOR's major types (RFC 8949 §3.1), as the upper three bits of an item's first byte. */
export const MAJOR = {
  uint: 0x00,
  negint: 0x20,
  bytes: 0x40,
  text: 0x60,
  array: 0x80,
  tag: 0xc0,
  simple: 0xe0,
} as const;

/** The registered CBOR tags of the profile. */
export const CBOR_TAG = {
  /** Seconds since 1970, integer or float (RFC 8949 §3.4.2). */
  time: 1,
  /** A MAC address as a byte string (RFC 9542 §2.4). */
  mac: 48,
  /** An IPv4 address, or a prefix as `[length, bytes]` (RFC 9164 §3). */
  ip4: 52,
  /** The same for IPv6. */
  ip6: 54,
} as const;

/** The farthest time, in milliseconds on either side of 1970: the end of the year 9999, as far as RFC 3339 goes. */
export const TIME_MAX = 253_402_300_799_999;

/** Printable ASCII without `/`, `:` and `*`, which addresses and patterns need. */
const TAG_TEXT = /^[ -)+-.0-9;-~]{1,64}$/;

/** Whether `text` can be the tag of a tuple. */
export function isTupleTag(text: string): boolean {
  return TAG_TEXT.test(text);
}

/** A message's bytes break the profile: at which byte, and why. */
export class MalformedTuplesError extends MalformedMessageError {
  /** Byte of the body at which reading stopped. */
  readonly offset: number;
  /** What was seen there, without the offset. */
  readonly reason: string;

  constructor(offset: number, reason: string) {
    super(`Cannot decode message: ${reason} at byte ${offset}`);
    this.offset = offset;
    this.reason = reason;
  }
}

/** A message holds something that the profile has no form for; its maker is to blame. */
export class UnencodableError extends ConfigurationError {
  override readonly code = "unencodable";
}
