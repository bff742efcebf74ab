/**
 * MAC addresses (EUI-48) as values; on the wire CBOR tag 48 (RFC 9542 §2.4).
 * @module
 */
import { MalformedMessageError } from "./errors.ts";
import { formatHex, parseHex } from "./hex.ts";

export const MAC_BYTES = 6;

/** Six bytes and their text; immutable, and equal values have equal texts. */
export class MacAddress {
  readonly bytes: Uint8Array;
  #text: string | undefined;

  /** @throws MalformedMessageError unless there are exactly six bytes. */
  constructor(bytes: Uint8Array) {
    if (bytes.length !== MAC_BYTES) {
      throw new MalformedMessageError(`Cannot make a MAC address: ${bytes.length} bytes, not ${MAC_BYTES}`);
    }
    // Not slice(): a Buffer's shares its memory.
    this.bytes = Uint8Array.from(bytes);
  }

  /** Lower case with colons: `02:00:00:00:00:01`. */
  toString(): string {
    this.#text ??= formatHex(this.bytes, ":");
    return this.#text;
  }

  toJSON(): string {
    return this.toString();
  }

  equals(other: MacAddress): boolean {
    return this.toString() === other.toString();
  }
}

const MAC_TEXT =
  /^([0-9a-f]{2})[:-]?([0-9a-f]{2})[:-]?([0-9a-f]{2})[:-]?([0-9a-f]{2})[:-]?([0-9a-f]{2})[:-]?([0-9a-f]{2})$/i;

/**
 * The MAC address of a text such as `02:00:00:00:00:01`, `02-00-…` or `0200…`, or of six bytes.
 * @throws MalformedMessageError on anything else.
 */
export function mac(from: string | Uint8Array): MacAddress {
  if (typeof from !== "string") return new MacAddress(from);
  const match = MAC_TEXT.exec(from);
  if (!match) {
    throw new MalformedMessageError(`Cannot parse MAC address: '${from}' is not like 02:00:00:00:00:01`);
  }
  return new MacAddress(parseHex(match.slice(1).join("")));
}
