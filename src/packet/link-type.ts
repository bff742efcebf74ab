/**
 * Where the network layer begins in a captured frame, by the capture's link type (the LINKTYPE_ values of
 * draft-ietf-opsawg-pcaplinktype). Ethernet is left to its own view. Nothing is read outside of the frame, and
 * nothing throws: what is not understood, or too short, is "other".
 * @module
 */

/** The link types that are understood. */
export const LinkType = {
  /** Four bytes of address family in the order of the machine that captured. */
  null: 0,
  ethernet: 1,
  ppp: 9,
  /** The number of raw IP on most systems, which should never have come into a file but has. */
  rawHere: 12,
  /** The same on OpenBSD. */
  rawOpenBsd: 14,
  /** PPP in HDLC-like frames (RFC 1662). */
  pppSerial: 50,
  /** PPP with the header of a PPPoE session (RFC 2516) in front. */
  pppEther: 51,
  raw: 101,
  ciscoHdlc: 104,
  /** The same as null, in network order. */
  loop: 108,
  /** What Linux gives for "any" interface: 16 bytes. */
  linuxCooked: 113,
  ipv4: 228,
  ipv6: 229,
  /** The same with the interface's index: 20 bytes. */
  linuxCooked2: 276,
} as const;

/** What a frame begins with. */
export type StartLayer = "ethernet" | "ipv4" | "ipv6" | "other";

/** The answer of {@link findStart}, which the caller may use again and again. */
export class FrameStart {
  layer: StartLayer = "other";
  /** Where the layer begins, from the frame's begin on; 0 for "other". */
  offsetBytes = 0;
}

/** One frame. */
export interface Frame {
  readonly linkType: number;
  readonly bytes: Uint8Array;
  /** Where in `bytes` the frame begins. */
  readonly offset: number;
  readonly capturedBytes: number;
}

const ETHER_TYPE_IPV4 = 0x0800;
const ETHER_TYPE_IPV6 = 0x86dd;
/** The tags of VLANs (802.1Q, 802.1ad), which a cooked frame may have as well. */
const ETHER_TYPE_VLAN = 0x8100;
const ETHER_TYPE_PROVIDER_VLAN = 0x88a8;
/** More tags than anybody uses. */
const TAG_COUNT_MAX = 4;
/** Protocols of PPP (RFC 1332, RFC 5072). */
const PPP_IPV4 = 0x21;
const PPP_IPV6 = 0x57;
/** Version, type, code, session and length. */
const PPPOE_HEADER_BYTES = 6;
/** The device is a netlink socket, and the protocol a netlink family. */
const ARPHRD_NETLINK = 824;

/** Says in `start` where the network layer of `frame` begins; a capture's record is such a frame. */
export function findStart(frame: Frame, start: FrameStart): FrameStart {
  start.layer = "other";
  start.offsetBytes = 0;
  const { bytes, offset } = frame;
  const end = endOf(frame);
  switch (frame.linkType) {
    case LinkType.ethernet:
      start.layer = "ethernet";
      return start;
    case LinkType.null:
    case LinkType.loop:
      return begin(start, 4, end - offset, familyLayer(bytes, offset, end));
    case LinkType.raw:
    case LinkType.rawHere:
    case LinkType.rawOpenBsd:
      return begin(start, 0, end - offset, versionLayer(bytes, offset, end));
    case LinkType.ipv4:
      return begin(start, 0, end - offset, "ipv4");
    case LinkType.ipv6:
      return begin(start, 0, end - offset, "ipv6");
    case LinkType.linuxCooked:
      if (uint16(bytes, offset + 2, end) === ARPHRD_NETLINK) return start;
      return beginEtherType(start, frame, COOKED);
    case LinkType.linuxCooked2:
      if (uint16(bytes, offset + 8, end) === ARPHRD_NETLINK) return start;
      return beginEtherType(start, frame, COOKED_2);
    case LinkType.ciscoHdlc:
      return beginEtherType(start, frame, CISCO);
    case LinkType.ppp:
    case LinkType.pppSerial:
      return beginPpp(start, frame, 0);
    case LinkType.pppEther:
      // Code 0 is session data; the others are discovery.
      if (uint16(bytes, offset, end) !== 0x1100) return start;
      return beginPpp(start, frame, PPPOE_HEADER_BYTES);
    default:
      return start;
  }
}

/** A layer of which not one byte is there is none. */
function begin(start: FrameStart, at: number, lengthBytes: number, layer: StartLayer): FrameStart {
  if (layer === "other" || at >= lengthBytes) return start;
  start.layer = layer;
  start.offsetBytes = at;
  return start;
}

interface EtherTypePlace {
  readonly typeAt: number;
  /** Where what it names begins. */
  readonly nextAt: number;
}
const COOKED: EtherTypePlace = { typeAt: 14, nextAt: 16 };
const COOKED_2: EtherTypePlace = { typeAt: 0, nextAt: 20 };
const CISCO: EtherTypePlace = { typeAt: 2, nextAt: 4 };

function beginEtherType(start: FrameStart, frame: Frame, { typeAt, nextAt }: EtherTypePlace): FrameStart {
  const { bytes, offset } = frame;
  const end = endOf(frame);
  let type = uint16(bytes, offset + typeAt, end);
  let at = nextAt;
  for (let tags = 0; tags < TAG_COUNT_MAX; tags++) {
    if (type !== ETHER_TYPE_VLAN && type !== ETHER_TYPE_PROVIDER_VLAN) break;
    type = uint16(bytes, offset + at + 2, end);
    at += 4;
  }
  const layer = type === ETHER_TYPE_IPV4 ? "ipv4" : type === ETHER_TYPE_IPV6 ? "ipv6" : "other";
  return begin(start, at, end - offset, layer);
}

/** RFC 1661 §2: address and control may be left out, and so may the high byte of the protocol when it is 0. */
function beginPpp(start: FrameStart, frame: Frame, at: number): FrameStart {
  const { bytes, offset } = frame;
  const end = endOf(frame);
  const first = uint16(bytes, offset + at, end);
  if (at === 0 && (first === 0x0f00 || first === 0x8f00)) return beginEtherType(start, frame, CISCO);
  const protocolAt = first === 0xff03 ? at + 2 : at;
  const wide = uint16(bytes, offset + protocolAt, end);
  // An odd byte is a protocol's last one.
  const isShort = ((wide >> 8) & 1) === 1;
  const protocol = isShort ? wide >> 8 : wide;
  const layer = protocol === PPP_IPV4 ? "ipv4" : protocol === PPP_IPV6 ? "ipv6" : "other";
  return begin(start, protocolAt + (isShort ? 1 : 2), end - offset, layer);
}

function endOf({ bytes, offset, capturedBytes }: Frame): number {
  return Math.min(offset + capturedBytes, bytes.length);
}

/** By the family of the machine that captured: IPv4 is 2 everywhere; IPv6 differs. */
function familyLayer(bytes: Uint8Array, at: number, end: number): StartLayer {
  if (at + 4 > end) return "other";
  const high = uint16(bytes, at, end);
  const low = uint16(bytes, at + 2, end);
  // Families are small: one half is 0, and which one says the order.
  const family = high === 0 ? low : low === 0 ? (high >> 8) | ((high & 0xff) << 8) : 0;
  switch (family) {
    case 2:
      return "ipv4";
    case 10: // Linux
    case 24: // NetBSD, OpenBSD, BSD/OS
    case 28: // FreeBSD, DragonFly
    case 30: // Darwin
      return "ipv6";
    default:
      return "other";
  }
}

function versionLayer(bytes: Uint8Array, at: number, end: number): StartLayer {
  if (at >= end) return "other";
  const version = (bytes[at] as number) >> 4;
  return version === 4 ? "ipv4" : version === 6 ? "ipv6" : "other";
}

/** Two bytes in network order; 0 where they are not in the frame. */
function uint16(bytes: Uint8Array, at: number, end: number): number {
  return at + 2 <= end ? ((bytes[at] as number) << 8) | (bytes[at + 1] as number) : 0;
}
