/**
 * The pseudo header (RFC 9293 §3.1, RFC 768, RFC 8200 §8.1): addresses, protocol and length, which the checksum of
 * a transport covers as well, though they stand in the header outside.
 * @module
 */
import { sumWords, updateChecksum } from "#base/checksum.ts";
import { finalDestinationAt } from "./ipv6-extensions.ts";
import type { View } from "./view.ts";

/** Where transports have their checksum, and whether zero means none; those whose checksum has the pseudo header. */
function checksumAt(protocol: number, isIpv6: boolean): number {
  switch (protocol) {
    case 6: // TCP
      return 16;
    case 17: // UDP
    case 33: // DCCP
    case 136: // UDP-Lite
      return 6;
    case 58: // ICMPv6
      return isIpv6 ? 2 : -1;
    default:
      return -1;
  }
}

/** Brings a change of a word of the pseudo header to the checksum of the transport behind an IP header. */
export function patchTransport(
  header: View,
  protocol: number,
  old: number,
  now: number,
  isIpv6 = false,
): void {
  const offset = checksumAt(protocol, isIpv6);
  if (offset < 0) return;
  const at = header.$header + offset;
  if (!header.$has(at, 2)) return;
  const place = header.$start + at;
  const before = header.$data.getUint16(place);
  const isUdp = protocol === 17;
  if (isUdp && before === 0) return;
  let after = updateChecksum(before, old, now);
  if (isUdp && after === 0) after = 0xffff;
  header.$data.setUint16(place, after);
  if (header.$covered) header.$tellOuter(at, before, after);
}

/**
 * The sum of the pseudo header's words that stand outside of a transport header.
 * @param header IPv4's or IPv6's; others have no pseudo header and give `undefined`
 * @param protocol the transport's number
 * @param lengthBytes of transport header and payload
 */
export function sumPseudoHeader(header: View, protocol: number, lengthBytes: number): number | undefined {
  const { name } = header.$of;
  if (name !== "ipv4" && name !== "ipv6") return undefined;
  return sumAddresses(header, name === "ipv6") + protocol + (lengthBytes >>> 16) + (lengthBytes & 0xffff);
}

function sumAddresses(header: View, isIpv6: boolean): number {
  const { $data: data, $start: start } = header;
  if (!isIpv6) return sumWords(data, start + 12, 8);
  const finalAt = finalDestinationAt(header);
  return sumWords(data, start + 8, 16) + (finalAt < 0 ? 0 : sumWords(data, start + finalAt, 16));
}
