/**
 * Addresses as packets have them: unsigned integers, so that reading one allocates nothing and comparing two is
 * one instruction. IPv4 has 32 bits, a MAC address 48, both plain numbers; IPv6 has 128, a bigint.
 * @module
 */

import { MalformedMessageError } from "#base/errors.ts";
import { type IpAddress, ip } from "#base/ip-address.ts";
import { type MacAddress, mac } from "#base/mac-address.ts";

/** What an IPv4 field takes: 0 to 2^32 - 1, `192.0.2.1`, or the address as a value. */
export type Ipv4Input = number | string | IpAddress;
/** What an IPv6 field takes: 0 to 2^128 - 1, `2001:db8::1`, or the address as a value. */
export type Ipv6Input = bigint | string | IpAddress;
/** What a MAC field takes: 0 to 2^48 - 1, `02:00:00:00:00:01`, or the address as a value. */
export type MacInput = number | string | MacAddress;

/**
 * The IPv4 address as packets have it: `ipv4Address("192.0.2.1") === 0xc0000201`.
 * @throws MalformedMessageError when the text is no IPv4 address.
 */
export function ipv4Address(from: Ipv4Input): number {
  if (typeof from === "number") return from >>> 0;
  const address = typeof from === "string" ? ip(from) : from;
  if (address.family !== 4) throw new MalformedMessageError(`Cannot use ${address} as an IPv4 address`);
  return address.toUint32();
}

/**
 * The IPv6 address as packets have it, a bigint of 128 bits.
 * @throws MalformedMessageError when the text is no IPv6 address.
 */
export function ipv6Address(from: Ipv6Input): bigint {
  if (typeof from === "bigint") return BigInt.asUintN(128, from);
  const address = typeof from === "string" ? ip(from) : from;
  if (address.family !== 6) throw new MalformedMessageError(`Cannot use ${address} as an IPv6 address`);
  return address.bytes.reduce((value, byte) => (value << 8n) | BigInt(byte), 0n);
}

/**
 * The MAC address as packets have it, a number of 48 bits.
 * @throws MalformedMessageError when the text is no MAC address.
 */
export function macAddress(from: MacInput): number {
  if (typeof from === "number") return from;
  const address = typeof from === "string" ? mac(from) : from;
  return address.bytes.reduce((value, byte) => value * 256 + byte, 0);
}

/** `192.0.2.1` for 0xc0000201. */
export function formatIpv4(address: number): string {
  return `${address >>> 24}.${(address >>> 16) & 255}.${(address >>> 8) & 255}.${address & 255}`;
}

/** The canonical text (RFC 5952) of an IPv6 address. */
export function formatIpv6(address: bigint): string {
  const bytes = new Uint8Array(16);
  for (let at = 15, rest = address; at >= 0; at--, rest >>= 8n) bytes[at] = Number(rest & 255n);
  return ip(bytes).toString();
}

/** `02:00:00:00:00:01` for 0x020000000001. */
export function formatMac(address: number): string {
  const digits = address.toString(16).padStart(12, "0");
  return digits.replace(/..(?!$)/g, "$&:");
}

/** Texts that {@link remembering} keeps: a script's packets have few addresses, source and destination by turns. */
const REMEMBERED_COUNT_MAX = 8;

/** Turns what a field takes into a number, remembering the last texts, which in a script are nearly always the same. */
export function remembering<I, T>(convert: (from: I) => T): (from: I) => T {
  const texts: I[] = [];
  const results: T[] = [];
  let next = 0;
  return (from) => {
    if (typeof from !== "string") return convert(from);
    const known = texts.indexOf(from);
    if (known >= 0) return results[known] as T;
    const result = convert(from);
    texts[next] = from;
    results[next] = result;
    next = (next + 1) % REMEMBERED_COUNT_MAX;
    return result;
  };
}
