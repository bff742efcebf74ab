/**
 * ICMP (RFC 792) and ICMPv6 (RFC 4443) as flows. Requests and replies that carry an identifier have it as both ports, so
 * that they are one flow. Those that belong together without one (router and neighbour discovery, listener queries)
 * have their type and their counterpart's as ports, as Zeek does it. All others (errors above all) have type and code.
 * @module
 */
import { Step } from "./cursor.ts";
import type { Layers } from "./layers.ts";

/** Type, code and checksum, without which there is no message. */
const ICMP_BYTES_MIN = 4;
/** What nearly all have. */
const ICMP_BYTES = 8;

/** By ICMP's type: {@link IDENTIFIED}, the counterpart's type, or {@link ALONE}. */
const IDENTIFIED = -2;
const ALONE = -1;
const COUNTERPARTS = table([
  [0, IDENTIFIED], // echo reply and request
  [8, IDENTIFIED],
  [13, IDENTIFIED], // time stamp
  [14, IDENTIFIED],
  [15, IDENTIFIED], // information (RFC 792)
  [16, IDENTIFIED],
  [17, IDENTIFIED], // address mask (RFC 950)
  [18, IDENTIFIED],
  [37, IDENTIFIED], // domain name (RFC 1788)
  [38, IDENTIFIED],
  [42, IDENTIFIED], // extended echo (RFC 8335)
  [43, IDENTIFIED],
  [9, 10], // router advertisement and solicitation (RFC 1256)
  [10, 9],
]);
const COUNTERPARTS_6 = table([
  [128, IDENTIFIED], // echo
  [129, IDENTIFIED],
  [160, IDENTIFIED], // extended echo (RFC 8335)
  [161, IDENTIFIED],
  [144, IDENTIFIED], // home agent discovery and mobile prefixes (RFC 6275)
  [145, IDENTIFIED],
  [146, IDENTIFIED],
  [147, IDENTIFIED],
  [130, 131], // multicast listener query and report (RFC 2710)
  [131, 130],
  [133, 134], // router solicitation and advertisement (RFC 4861)
  [134, 133],
  [135, 136], // neighbour solicitation and advertisement
  [136, 135],
  [139, 140], // node information (RFC 4620)
  [140, 139],
]);

/** The message at `at`, which goes to `end` by its IP header. */
export function decodeIcmp(layers: Layers, at: number, end: number, isVersion6: boolean): Step {
  const { bytes, frameEnd } = layers;
  const lengthBytes = end - at;
  if (lengthBytes < ICMP_BYTES_MIN || at + ICMP_BYTES_MIN > frameEnd) {
    layers.problem = "malformed";
    return Step.failed;
  }
  const type = bytes[at] as number;
  const code = bytes[at + 1] as number;
  const headerBytes = Math.min(lengthBytes, ICMP_BYTES);
  layers.icmpType = type;
  layers.icmpCode = code;
  layers.transportHeaderBytes = headerBytes;
  layers.payloadOffset = at + headerBytes;
  layers.payloadBytes = lengthBytes - headerBytes;
  const counterpart = (isVersion6 ? COUNTERPARTS_6 : COUNTERPARTS)[type] as number;
  if (counterpart === IDENTIFIED) {
    const isThere = lengthBytes >= 6 && at + 6 <= frameEnd;
    const identifier = isThere ? layers.view.getUint16(at + 4) : 0;
    layers.sourcePort = identifier;
    layers.targetPort = identifier;
  } else {
    layers.sourcePort = type;
    layers.targetPort = counterpart === ALONE ? code : counterpart;
  }
  return Step.done;
}

function table(entries: readonly (readonly [type: number, counterpart: number])[]): Int16Array {
  const counterparts = new Int16Array(256).fill(ALONE);
  for (const [type, counterpart] of entries) counterparts[type] = counterpart;
  return counterparts;
}
