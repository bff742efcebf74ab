/**
 * Prefixes of addresses as people and other programs write them: `10.0.0.0/8`, `2001:db8::/32`, or an address alone.
 * @module
 */
import { formatIpv4, formatIpv6, ipv4Address, ipv6Address } from "#packet/address.ts";

export interface AddressPrefix {
  /** 32 bits as a number, 128 bits as a bigint; what lies behind the prefix is as it was written. */
  readonly address: number | bigint;
  /** 0 to 32 or 128. */
  readonly bits: number;
}

/** `undefined` when the text is no prefix of the family. */
export function parsePrefix(text: string, isIpv6: boolean): AddressPrefix | undefined {
  const bitsMax = isIpv6 ? 128 : 32;
  const [, address = "", length = String(bitsMax)] = /^([0-9a-fA-F:.]+)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const bits = Number(length);
  if (bits > bitsMax) return undefined;
  try {
    return { address: isIpv6 ? ipv6Address(address) : ipv4Address(address), bits };
  } catch {
    return undefined;
  }
}

/** With its length, also when that is the whole address. */
export function formatPrefix(address: number | bigint | string | Uint8Array, bits: number): string {
  const text = typeof address === "bigint" ? formatIpv6(address) : formatIpv4(Number(address));
  return `${text}/${bits}`;
}
