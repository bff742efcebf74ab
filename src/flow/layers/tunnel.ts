/**
 * Headers of tunnels: IP in IP (RFC 2003, RFC 4213, RFC 2473), GRE (RFC 2784, RFC 2890), its version of PPTP
 * (RFC 2637), NVGRE (RFC 7637), ERSPAN (draft-foschiano-erspan), VXLAN (RFC 7348), Geneve (RFC 8926), GTP-U
 * (3GPP TS 29.281), Teredo (RFC 4380), L2TP (RFC 2661). What is no such header, or carries no IP, fails, and the walk takes the packet around it.
 * @module
 */
import { type Cursor, Step } from "./cursor.ts";
import { addTunnel, TunnelKind } from "./encapsulation.ts";
import { EtherType } from "./ether-type.ts";
import type { Layers } from "./layers.ts";
import { TunnelPort } from "./transport.ts";

/** Keeps the packet around the tunnel for the case that nothing is found in it. */
export function enterTunnel(layers: Layers, cursor: Cursor): void {
  cursor.outerAt = layers.networkOffset;
  cursor.outerEnd = layers.networkOffset + layers.networkBytes;
  cursor.outerStep = layers.version === 4 ? Step.ipv4 : Step.ipv6;
  cursor.outerEncapsulation = layers.encapsulation;
  cursor.outerVlan = layers.vlan;
  layers.tunnelCount++;
}

/** Goes back to the packet around the tunnel, which stays closed. */
export function leaveTunnel(layers: Layers, cursor: Cursor): Step {
  layers.problem = "";
  layers.encapsulation = cursor.outerEncapsulation;
  layers.vlan = cursor.outerVlan;
  layers.tunnelCount--;
  cursor.tunnelCountMax = layers.tunnelCount;
  cursor.at = cursor.outerAt;
  cursor.limit = cursor.outerEnd;
  cursor.outerAt = -1;
  return cursor.outerStep;
}

/** The GRE header at the cursor. */
export function decodeGre(layers: Layers, cursor: Cursor): Step {
  const { view, frameEnd } = layers;
  const { at, limit } = cursor;
  const end = Math.min(frameEnd, limit);
  if (at + 4 > end) return failed(layers);
  const flags = view.getUint16(at);
  // RFC 1701's source routes are of no use to anybody.
  if ((flags & 0x4000) !== 0) return failed(layers);
  const version = flags & 7;
  if (version > 1) return failed(layers);
  let next = at + 4;
  if ((flags & 0x8000) !== 0) next += 4;
  const keyAt = next;
  if ((flags & 0x2000) !== 0) next += 4;
  if ((flags & 0x1000) !== 0) next += 4;
  if (version === 1 && (flags & 0x80) !== 0) next += 4;
  if (next > end) return failed(layers);
  cursor.etherType = view.getUint16(at + 2);
  cursor.at = next;
  if (version === 0) {
    if (cursor.etherType === EtherType.mirrored || cursor.etherType === EtherType.mirroredLater) {
      return decodeErspan(layers, cursor, (flags & 0x1000) !== 0);
    }
    const key = (flags & 0x2000) !== 0 ? view.getUint32(keyAt) : 0;
    if (cursor.keyTunnel) addTunnel(layers, TunnelKind.gre, greKey(cursor.etherType, key));
    return Step.etherType;
  }
  // The key is the payload's length and the receiver's number of the call.
  if (cursor.etherType !== EtherType.ppp || (flags & 0x2000) === 0) return failed(layers);
  cursor.limit = next + view.getUint16(keyAt);
  if (cursor.limit > limit) return failed(layers);
  if (cursor.keyTunnel) addTunnel(layers, TunnelKind.gre, 0);
  return Step.ppp;
}

/**
 * A mirror's header, and the Ethernet frame behind it. Type I has none, and no sequence number in GRE. The session is the
 * mirror's: each direction may have its own.
 */
function decodeErspan(layers: Layers, cursor: Cursor, hasSequence: boolean): Step {
  const { view } = layers;
  const { at } = cursor;
  if (cursor.etherType === EtherType.mirroredLater) {
    if (at + 12 > endOf(layers, cursor) || view.getUint8(at) >> 4 !== 2) return failed(layers);
    const rest = view.getUint16(at + 10);
    // Frame type 0 is Ethernet; the last bit says that a subheader follows.
    if ((rest & 0x7c00) !== 0) return failed(layers);
    cursor.at = at + 12 + ((rest & 1) !== 0 ? 8 : 0);
  } else if (hasSequence) {
    if (at + 8 > endOf(layers, cursor) || view.getUint8(at) >> 4 !== 1) return failed(layers);
    cursor.at = at + 8;
  }
  if (cursor.keyTunnel) addTunnel(layers, TunnelKind.gre, 0);
  return Step.ethernet;
}

/** NVGRE has 24 bits of network and 8 of flow, which are the frame's own. */
function greKey(etherType: number, key: number): number {
  return etherType === EtherType.ethernet ? key & 0xffffff00 : key;
}

/** The payload of UDP at the cursor, by the port. */
export function decodeUdpTunnel(layers: Layers, cursor: Cursor): Step {
  switch (layers.targetPort) {
    case TunnelPort.vxlan:
    case TunnelPort.vxlanLinux:
      return decodeVxlan(layers, cursor);
    case TunnelPort.geneve:
      return decodeGeneve(layers, cursor);
    case TunnelPort.gtp:
      return decodeGtp(layers, cursor);
    case TunnelPort.teredo:
      return decodeTeredo(layers, cursor);
    case TunnelPort.l2tp:
      return decodeL2tp(layers, cursor);
    case TunnelPort.mpls:
      if (cursor.keyTunnel) addTunnel(layers, TunnelKind.linkInIp, 0);
      cursor.etherType = EtherType.mpls;
      return Step.etherType;
    default:
  }
  switch (layers.sourcePort) {
    case TunnelPort.gtp:
      return decodeGtp(layers, cursor);
    case TunnelPort.teredo:
      return decodeTeredo(layers, cursor);
    default:
      return decodeL2tp(layers, cursor);
  }
}

function decodeVxlan(layers: Layers, cursor: Cursor): Step {
  const { view } = layers;
  const { at } = cursor;
  if (at + 8 > endOf(layers, cursor)) return failed(layers);
  // Only the bit that says the network is there has a meaning; those of extensions make another header of it.
  if ((view.getUint8(at) & 0x0c) !== 0x08) return failed(layers);
  if (cursor.keyTunnel) addTunnel(layers, TunnelKind.vxlan, view.getUint32(at + 4) >>> 8);
  cursor.at = at + 8;
  return Step.ethernet;
}

function decodeGeneve(layers: Layers, cursor: Cursor): Step {
  const { view } = layers;
  const { at } = cursor;
  const end = endOf(layers, cursor);
  if (at + 8 > end) return failed(layers);
  const first = view.getUint8(at);
  const next = at + 8 + ((first & 0x3f) << 2);
  // Version 0, and not a control packet.
  if (first >> 6 !== 0 || (view.getUint8(at + 1) & 0x80) !== 0 || next > end) return failed(layers);
  if (cursor.keyTunnel) addTunnel(layers, TunnelKind.geneve, view.getUint32(at + 4) >>> 8);
  cursor.etherType = view.getUint16(at + 2);
  cursor.at = next;
  return Step.etherType;
}

function decodeGtp(layers: Layers, cursor: Cursor): Step {
  const { view } = layers;
  const { at } = cursor;
  const end = endOf(layers, cursor);
  if (at + 12 > end) return failed(layers);
  const first = view.getUint8(at);
  // Version 1 of GTP (not GTP'), and a message that is a user's packet.
  if ((first & 0xf0) !== 0x30 || view.getUint8(at + 1) !== 255) return failed(layers);
  const lengthBytes = view.getUint16(at + 2);
  if (at + 8 + lengthBytes > cursor.limit) return failed(layers);
  let next = at + 8;
  if ((first & 7) !== 0) {
    let extension = (first & 4) !== 0 ? view.getUint8(at + 11) : 0;
    next += 4;
    while (extension !== 0) {
      const extensionBytes = next < end ? view.getUint8(next) << 2 : 0;
      if (extensionBytes === 0 || next + extensionBytes > end) return failed(layers);
      next += extensionBytes;
      extension = view.getUint8(next - 1);
    }
  }
  if (cursor.keyTunnel) addTunnel(layers, TunnelKind.gtp, 0);
  cursor.at = next;
  cursor.limit = at + 8 + lengthBytes;
  return Step.ip;
}

/** RFC 4380 §5.1.1: an indication of authentication, then one of origin, then IPv6. */
function decodeTeredo(layers: Layers, cursor: Cursor): Step {
  const { view } = layers;
  const end = endOf(layers, cursor);
  let { at } = cursor;
  if (at + 4 <= end && view.getUint16(at) === 1) {
    at += 13 + view.getUint8(at + 2) + view.getUint8(at + 3);
  }
  if (at + 8 <= end && view.getUint16(at) === 0) at += 8;
  // A header whose length is the rest's: else it may be anybody's datagram.
  if (at + 40 > end || view.getUint8(at) >> 4 !== 6) return failed(layers);
  if (at + 40 + view.getUint16(at + 4) !== cursor.limit) return failed(layers);
  if (cursor.keyTunnel) addTunnel(layers, TunnelKind.teredo, 0);
  cursor.at = at;
  return Step.ipv6;
}

function decodeL2tp(layers: Layers, cursor: Cursor): Step {
  const { view } = layers;
  const { at } = cursor;
  const end = endOf(layers, cursor);
  if (at + 8 > end) return failed(layers);
  const flags = view.getUint16(at);
  // Data (not control) of version 2.
  if ((flags & 0x8000) !== 0 || (flags & 15) !== 2) return failed(layers);
  let next = at + 6;
  if ((flags & 0x4000) !== 0) {
    next += 2;
    const lengthBytes = view.getUint16(at + 2);
    if (at + lengthBytes > cursor.limit) return failed(layers);
    cursor.limit = at + lengthBytes;
  }
  if ((flags & 0x0800) !== 0) next += 4;
  if ((flags & 0x0200) !== 0) {
    if (next + 2 > end) return failed(layers);
    next += 2 + view.getUint16(next);
  }
  if (next > end) return failed(layers);
  if (cursor.keyTunnel) addTunnel(layers, TunnelKind.l2tp, 0);
  cursor.at = next;
  return Step.ppp;
}

function endOf({ frameEnd }: Layers, { limit }: Cursor): number {
  return frameEnd < limit ? frameEnd : limit;
}

function failed(layers: Layers): Step {
  layers.problem = "not-ip";
  return Step.failed;
}
