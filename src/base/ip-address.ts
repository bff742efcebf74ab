/**
 * IPv4 and IPv6 addresses and prefixes as values; on the wire CBOR tags 52 and 54 (RFC 9164).
 * @module
 */
import { MalformedMessageError } from "./errors.ts";

export const IPV4_BYTES = 4;
export const IPV6_BYTES = 16;

/** Four or sixteen bytes and their text; immutable, and equal values have equal texts. */
export class IpAddress {
  readonly bytes: Uint8Array;
  #text: string | undefined;

  /** @throws MalformedMessageError unless there are 4 or 16 bytes. */
  constructor(bytes: Uint8Array) {
    if (bytes.length !== IPV4_BYTES && bytes.length !== IPV6_BYTES) {
      throw new MalformedMessageError(`Cannot make an IP address: ${bytes.length} bytes, neither 4 nor 16`);
    }
    // Not slice(): a Buffer's shares its memory.
    this.bytes = Uint8Array.from(bytes);
  }

  get family(): 4 | 6 {
    return this.bytes.length === IPV4_BYTES ? 4 : 6;
  }

  /** Dotted for IPv4; for IPv6 the canonical form of RFC 5952. */
  toString(): string {
    this.#text ??= this.family === 4 ? this.bytes.join(".") : formatIpv6(this.bytes);
    return this.#text;
  }

  toJSON(): string {
    return this.toString();
  }

  equals(other: IpAddress): boolean {
    return this.toString() === other.toString();
  }

  /** The IPv4 address as an unsigned 32-bit integer; 0 for IPv6. */
  toUint32(): number {
    if (this.family !== 4) return 0;
    const [a = 0, b = 0, c = 0, d = 0] = this.bytes;
    return ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
  }

  static fromUint32(value: number): IpAddress {
    return new IpAddress(Uint8Array.of(value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255));
  }
}

/** An address and how many of its leading bits count; the bits behind them are zero. */
export class IpPrefix {
  readonly address: IpAddress;
  /** 0 to 32 for IPv4, 0 to 128 for IPv6. */
  readonly lengthBits: number;

  /** @throws MalformedMessageError when the length is outside the family's range. */
  constructor(address: IpAddress, lengthBits: number) {
    const limit = address.bytes.length * 8;
    if (!Number.isInteger(lengthBits) || lengthBits < 0 || lengthBits > limit) {
      throw new MalformedMessageError(
        `Cannot make a prefix of ${address}: length ${lengthBits} outside 0..${limit}`,
      );
    }
    this.address = new IpAddress(maskBytes(address.bytes, lengthBits));
    this.lengthBits = lengthBits;
  }

  contains(address: IpAddress): boolean {
    if (address.family !== this.address.family) return false;
    const masked = maskBytes(address.bytes, this.lengthBits);
    return masked.every((byte, index) => byte === this.address.bytes[index]);
  }

  toString(): string {
    return `${this.address}/${this.lengthBits}`;
  }

  toJSON(): string {
    return this.toString();
  }
}

/**
 * The IP address of a text (`192.0.2.1`, `2001:db8::1`) or of 4 or 16 bytes.
 * @throws MalformedMessageError on anything else, zone identifiers included.
 */
export function ip(from: string | Uint8Array): IpAddress {
  if (typeof from !== "string") return new IpAddress(from);
  const bytes = from.includes(":") ? parseIpv6(from) : parseIpv4(from);
  if (!bytes)
    throw new MalformedMessageError(
      `Cannot parse IP address: '${from}' is not like 192.0.2.1 or 2001:db8::1`,
    );
  return new IpAddress(bytes);
}

/**
 * The prefix of a text such as `192.0.2.0/24`.
 * @throws MalformedMessageError on anything else.
 */
export function prefix(text: string): IpPrefix {
  const match = /^([^/]+)\/(\d{1,3})$/.exec(text);
  if (!match?.[1]) throw new MalformedMessageError(`Cannot parse prefix: '${text}' is not like 192.0.2.0/24`);
  return new IpPrefix(ip(match[1]), Number(match[2]));
}

function maskBytes(bytes: Uint8Array, lengthBits: number): Uint8Array {
  return bytes.map((byte, index) => {
    const kept = Math.min(8, Math.max(0, lengthBits - index * 8));
    return byte & (0xff00 >> kept) & 0xff;
  });
}

function parseIpv4(text: string): Uint8Array | undefined {
  const parts = text.split(".");
  // No leading zeros: some readers take them as octal (RFC 6943 §3.1.1).
  if (
    parts.length !== IPV4_BYTES ||
    !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) <= 255)
  ) {
    return undefined;
  }
  return Uint8Array.from(parts, Number);
}

function parseIpv6(text: string): Uint8Array | undefined {
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const head = parseGroups(halves[0] ?? "");
  const tail = halves.length === 2 ? parseGroups(halves[1] ?? "") : [];
  if (!head || !tail) return undefined;
  const missing = IPV6_BYTES - head.length - tail.length;
  if (halves.length === 2 ? missing < 2 : missing !== 0) return undefined;
  return Uint8Array.from([...head, ...new Array<number>(missing).fill(0), ...tail]);
}

/** The bytes of colon-separated groups, the last of which may be a dotted IPv4 address (RFC 4291 §2.2). */
function parseGroups(text: string): number[] | undefined {
  if (text === "") return [];
  const groups = text.split(":");
  const bytes: number[] = [];
  for (const [index, group] of groups.entries()) {
    if (index === groups.length - 1 && group.includes(".")) {
      const dotted = parseIpv4(group);
      if (!dotted) return undefined;
      bytes.push(...dotted);
    } else {
      if (!/^[0-9a-f]{1,4}$/i.test(group)) return undefined;
      const value = Number.parseInt(group, 16);
      bytes.push(value >> 8, value & 255);
    }
  }
  return bytes;
}

/** RFC 5952 §4: lower case, no leading zeros, the longest run of two or more zero groups as `::`. */
function formatIpv6(bytes: Uint8Array): string {
  const groups = Array.from({ length: 8 }, (_, index) => {
    return ((bytes[index * 2] as number) << 8) | (bytes[index * 2 + 1] as number);
  });
  const run = longestZeroRun(groups);
  const text = (part: readonly number[]): string => part.map((group) => group.toString(16)).join(":");
  if (run.length < 2) return text(groups);
  return `${text(groups.slice(0, run.start))}::${text(groups.slice(run.start + run.length))}`;
}

function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  let start = 0;
  for (const [index, group] of groups.entries()) {
    if (group !== 0) start = index + 1;
    else if (index + 1 - start > best.length) best = { start, length: index + 1 - start };
  }
  return best;
}
