/**
 * What is between a link's header and IP: tags of VLANs (802.1Q, 802.1ad), provider backbones (802.1ah), LLC and SNAP,
 * PPPoE (RFC 2516), PPP (RFC 1661), MPLS (RFC 3032) and Ethernet in MPLS (RFC 4448).
 * @module
 */
import { type Cursor, Step } from "./cursor.ts";
import { addTunnel, addVlan, TAG_COUNT_MAX, TunnelKind } from "./encapsulation.ts";
import type { Layers } from "./layers.ts";

export const EtherType = {
  ipv4: 0x0800,
  vlan: 0x8100,
  ipv6: 0x86dd,
  providerVlan: 0x88a8,
  /** What was used for outer tags before 802.1ad. */
  oldVlan: 0x9100,
  oldVlan2: 0x9200,
  backbone: 0x88e7,
  pppoe: 0x8864,
  mpls: 0x8847,
  mplsMulticast: 0x8848,
  ethernet: 0x6558,
  ppp: 0x880b,
  arp: 0x0806,
  fabricPath: 0x8903,
  /** A mirrored frame in GRE, behind ERSPAN's header of version 1 or 2, which is its type II or III. */
  mirrored: 0x88be,
  mirroredLater: 0x22eb,
} as const;

const ETHERNET_BYTES = 14;
/** Smaller numbers are lengths (IEEE 802.3). */
const ETHER_TYPE_MIN = 1536;
/** In the place of a type: 802.2 begins here. Linux gives it for frames of "any" interface. */
export const ETHER_TYPE_LLC = 4;
const SNAP = 0xaaaa;
const SNAP_BYTES = 8;
const PPP_IPV4 = 0x21;
const PPP_IPV6 = 0x57;
const PPP_MPLS = 0x281;
const PPP_ADDRESS_CONTROL = 0xff03;
const IPV4_BYTES_MIN = 20;
const IPV6_BYTES = 40;

/** The Ethernet header at the cursor. */
export function decodeEthernet(layers: Layers, cursor: Cursor): Step {
  const { at } = cursor;
  if (at + ETHERNET_BYTES > layers.frameEnd) return notIp(layers);
  const type = layers.view.getUint16(at + 12);
  cursor.at = at + ETHERNET_BYTES;
  if (type < ETHER_TYPE_MIN) {
    cursor.limit = Math.min(cursor.limit, cursor.at + type);
    cursor.etherType = ETHER_TYPE_LLC;
  } else {
    cursor.etherType = type;
  }
  return Step.etherType;
}

/** What `Cursor.etherType` says is at the cursor, with all tags that it begins with. */
export function decodeEtherType(layers: Layers, cursor: Cursor): Step {
  for (let tags = 0; tags <= TAG_COUNT_MAX; tags++) {
    switch (cursor.etherType) {
      case EtherType.ipv4:
        return Step.ipv4;
      case EtherType.ipv6:
        return Step.ipv6;
      case EtherType.vlan:
      case EtherType.providerVlan:
      case EtherType.oldVlan:
      case EtherType.oldVlan2:
        if (!decodeTag(layers, cursor)) return notIp(layers);
        break;
      case ETHER_TYPE_LLC:
        if (!decodeLlc(layers, cursor)) return notIp(layers);
        break;
      case EtherType.pppoe:
        return decodePppoe(layers, cursor);
      case EtherType.mpls:
      case EtherType.mplsMulticast:
        return decodeMpls(layers, cursor);
      case EtherType.backbone:
        return decodeBackbone(layers, cursor);
      case EtherType.fabricPath:
        // Two bytes of Cisco's FabricPath, then the frame that was there before.
        cursor.at += 2;
        return Step.ethernet;
      case EtherType.ethernet:
        return Step.ethernet;
      case EtherType.ppp:
        return Step.ppp;
      default:
        return notIp(layers);
    }
  }
  layers.problem = "too-deep";
  return Step.failed;
}

function decodeTag(layers: Layers, cursor: Cursor): boolean {
  const { at } = cursor;
  if (at + 4 > layers.frameEnd) return false;
  const id = layers.view.getUint16(at) & 0xfff;
  if (layers.vlan < 0) layers.vlan = id;
  if (cursor.keyVlan) addVlan(layers, id);
  setType(layers, cursor, at + 2);
  return true;
}

/** The type at `at`, or the length in its place, and the cursor behind it. */
function setType(layers: Layers, cursor: Cursor, at: number): void {
  const type = layers.view.getUint16(at);
  cursor.etherType = type < ETHER_TYPE_MIN ? ETHER_TYPE_LLC : type;
  cursor.at = at + 2;
  if (type < ETHER_TYPE_MIN) cursor.limit = Math.min(cursor.limit, cursor.at + type);
}

/** IEEE 802.2 with SNAP, as RFC 1042 has it; the code of the organisation says nothing about IP. */
function decodeLlc(layers: Layers, cursor: Cursor): boolean {
  const { at } = cursor;
  const { view } = layers;
  if (at + SNAP_BYTES > layers.frameEnd || at + SNAP_BYTES > cursor.limit) return false;
  if (view.getUint16(at) !== SNAP || view.getUint8(at + 2) !== 3) return false;
  const type = view.getUint16(at + 6);
  if (type < ETHER_TYPE_MIN) return false;
  cursor.etherType = type;
  cursor.at = at + SNAP_BYTES;
  return true;
}

/** Of a provider backbone: priority and the service's 24 bits, then a customer's frame. */
function decodeBackbone(layers: Layers, cursor: Cursor): Step {
  const { at } = cursor;
  if (at + 4 > layers.frameEnd) return notIp(layers);
  if (cursor.keyTunnel) addTunnel(layers, TunnelKind.backbone, layers.view.getUint32(at) & 0xffffff);
  cursor.at = at + 4;
  return Step.ethernet;
}

function decodePppoe(layers: Layers, cursor: Cursor): Step {
  const { at } = cursor;
  const { view } = layers;
  // Version 1, type 1; code 0 is session data.
  if (at + 6 > layers.frameEnd || view.getUint16(at) !== 0x1100) return notIp(layers);
  const end = at + 6 + view.getUint16(at + 4);
  if (end > cursor.limit) {
    layers.problem = "malformed";
    return Step.failed;
  }
  if (cursor.keyTunnel) addTunnel(layers, TunnelKind.pppoe, view.getUint16(at + 2));
  cursor.at = at + 6;
  cursor.limit = end;
  return Step.ppp;
}

/** PPP at the cursor; RFC 1661 §6: address and control, and the protocol's upper byte when 0, may be left out. */
export function decodePpp(layers: Layers, cursor: Cursor): Step {
  const { frameEnd, view } = layers;
  let { at } = cursor;
  if (at + 4 > frameEnd) return notIp(layers);
  if (view.getUint16(at) === PPP_ADDRESS_CONTROL) at += 2;
  let protocol = view.getUint16(at);
  // An odd byte is a protocol's last one.
  if ((protocol & 0x100) !== 0) {
    protocol >>= 8;
    at++;
  } else {
    at += 2;
  }
  cursor.at = at;
  if (protocol === PPP_IPV4) return Step.ipv4;
  if (protocol === PPP_IPV6) return Step.ipv6;
  if (protocol !== PPP_MPLS) return notIp(layers);
  cursor.etherType = EtherType.mpls;
  return Step.etherType;
}

/** To behind the last label. What is there only its first bits tell; RFC 4928 has the rules of the guess. */
function decodeMpls(layers: Layers, cursor: Cursor): Step {
  const { view, frameEnd, bytes } = layers;
  let { at } = cursor;
  let isBottom = false;
  for (let count = 0; !isBottom; count++) {
    if (count === TAG_COUNT_MAX) {
      layers.problem = "too-deep";
      return Step.failed;
    }
    if (at + 4 > frameEnd) return notIp(layers);
    isBottom = (view.getUint8(at + 2) & 1) !== 0;
    at += 4;
  }
  if (at >= frameEnd) return notIp(layers);
  cursor.at = at;
  const nibble = (bytes[at] as number) >> 4;
  if (nibble === 4 && isLikeIpv4(layers, at, cursor.limit)) return Step.ipv4;
  if (nibble === 6 && isLikeIpv6(layers, at, cursor.limit)) return Step.ipv6;
  // RFC 4385: a pseudowire's control word begins with 0; without it the frame begins with an address.
  if (nibble === 0 && hasEthernet(layers, at + 4)) cursor.at = at + 4;
  else if (!hasEthernet(layers, at)) return notIp(layers);
  return Step.ethernet;
}

function isLikeIpv4({ bytes, view, frameEnd }: Layers, at: number, limit: number): boolean {
  if (at + IPV4_BYTES_MIN > frameEnd || ((bytes[at] as number) & 15) < 5) return false;
  const lengthBytes = view.getUint16(at + 2);
  return lengthBytes >= IPV4_BYTES_MIN && at + lengthBytes <= limit;
}

function isLikeIpv6({ view, frameEnd }: Layers, at: number, limit: number): boolean {
  return at + IPV6_BYTES <= frameEnd && at + IPV6_BYTES + view.getUint16(at + 4) <= limit;
}

/** Whether a frame at `at` would have a type that leads to IP, or is ARP. */
function hasEthernet({ view, frameEnd }: Layers, at: number): boolean {
  if (at + ETHERNET_BYTES > frameEnd) return false;
  switch (view.getUint16(at + 12)) {
    case EtherType.ipv4:
    case EtherType.ipv6:
    case EtherType.vlan:
    case EtherType.providerVlan:
    case EtherType.oldVlan:
    case EtherType.oldVlan2:
    case EtherType.mpls:
    case EtherType.pppoe:
    case EtherType.arp:
      return true;
    default:
      return false;
  }
}

function notIp(layers: Layers): Step {
  layers.problem = "not-ip";
  return Step.failed;
}
