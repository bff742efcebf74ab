/**
 * What a frame of a link type other than Ethernet begins with (LINKTYPE_ values of draft-ietf-opsawg-pcaplinktype).
 * @module
 */
import { type Frame, FrameStart, findStart, LinkType } from "#packet/link-type.ts";
import { type Cursor, Step } from "./cursor.ts";
import { ETHER_TYPE_LLC, EtherType } from "./ether-type.ts";
import type { Layers } from "./layers.ts";

/** The device is a netlink socket, and the protocol a netlink family. */
const ARPHRD_NETLINK = 824;
/** In the place of a type: 802.3 of Novell, which is no IP. */
const ETHER_TYPE_MIN = 1536;
const CISCO_UNICAST = 0x0f00;
const CISCO_MULTICAST = 0x8f00;
/** Used again and again. */
const start = new FrameStart();
const frame: { -readonly [Name in keyof Frame]: Frame[Name] } = {
  linkType: 0,
  bytes: new Uint8Array(0),
  offset: 0,
  capturedBytes: 0,
};

/** The first step of a frame at the cursor. */
export function startLink(layers: Layers, cursor: Cursor, linkType: number): Step {
  const { view, frameEnd } = layers;
  const { at } = cursor;
  switch (linkType) {
    case LinkType.ethernet:
      return Step.ethernet;
    case LinkType.raw:
    case LinkType.rawHere:
    case LinkType.rawOpenBsd:
      return Step.ip;
    case LinkType.ipv4:
      return Step.ipv4;
    case LinkType.ipv6:
      return Step.ipv6;
    case LinkType.null:
    case LinkType.loop:
      return startFamily(layers, cursor, linkType);
    case LinkType.linuxCooked:
      if (at + 16 > frameEnd || view.getUint16(at + 2) === ARPHRD_NETLINK) break;
      return startType(layers, cursor, at + 14, at + 16);
    case LinkType.linuxCooked2:
      if (at + 20 > frameEnd || view.getUint16(at + 8) === ARPHRD_NETLINK) break;
      return startType(layers, cursor, at, at + 20);
    case LinkType.ciscoHdlc:
      return startCisco(layers, cursor);
    case LinkType.ppp:
    case LinkType.pppSerial: {
      const first = at + 2 <= frameEnd ? view.getUint16(at) : 0;
      return first === CISCO_UNICAST || first === CISCO_MULTICAST ? startCisco(layers, cursor) : Step.ppp;
    }
    case LinkType.pppEther:
      cursor.etherType = EtherType.pppoe;
      return Step.etherType;
    default:
  }
  layers.problem = "not-ip";
  return Step.failed;
}

function startCisco(layers: Layers, cursor: Cursor): Step {
  const { at } = cursor;
  if (at + 4 <= layers.frameEnd) return startType(layers, cursor, at + 2, at + 4);
  layers.problem = "not-ip";
  return Step.failed;
}

function startType(layers: Layers, cursor: Cursor, typeAt: number, nextAt: number): Step {
  const type = layers.view.getUint16(typeAt);
  cursor.at = nextAt;
  cursor.etherType = type;
  if (type >= ETHER_TYPE_MIN || type === ETHER_TYPE_LLC) return Step.etherType;
  layers.problem = "not-ip";
  return Step.failed;
}

/** Four bytes of address family. */
function startFamily(layers: Layers, cursor: Cursor, linkType: number): Step {
  frame.linkType = linkType;
  frame.bytes = layers.bytes;
  frame.offset = cursor.at;
  frame.capturedBytes = layers.frameEnd - cursor.at;
  const { layer } = findStart(frame, start);
  cursor.at += 4;
  if (layer === "ipv4") return Step.ipv4;
  if (layer === "ipv6") return Step.ipv6;
  layers.problem = "not-ip";
  return Step.failed;
}
