/**
 * What is behind the IP header: TCP (RFC 9293), UDP (RFC 768), UDP-Lite (RFC 3828), SCTP, DCCP, ICMP, tunnels.
 * @module
 */

import type { Cursor } from "./cursor.ts";
import * as cursors from "./cursor.ts";
import * as etherTypes from "./ether-type.ts";
import { decodeIcmp } from "./icmp.ts";
import type { Layers } from "./layers.ts";
import * as layer from "./layers.ts";

// The module's own, so that the compiler has their numbers; imported ones it looks up each time.
const { Step } = cursors;
const { EtherType } = etherTypes;
const { IpProtocol } = layer;

const TCP_BYTES_MIN = 20;
const UDP_BYTES = 8;
const SCTP_BYTES = 12;
const DCCP_BYTES_MIN = 12;
const DCCP = 33;
/** MPLS in IP (RFC 4023), and Ethernet in it (RFC 8986 §10.1). */
const MPLS_IN_IP = 137;
const ETHERNET_IN_IP = 143;
/** More does not fit into UDP's length field. */
const UDP_LENGTH_MAX = 65_535;

/** UDP ports of tunnels: VXLAN (IANA's and Linux's), Geneve, GTP-U, Teredo, L2TP, MPLS. */
export const TunnelPort = {
  vxlan: 4789,
  vxlanLinux: 8472,
  geneve: 6081,
  gtp: 2152,
  teredo: 3544,
  l2tp: 1701,
  /** RFC 7510. */
  mpls: 6635,
} as const;

/**
 * The transport at `at`, which goes to `end` by its IP header. Everything between is the transport's; only a tunnel that
 * shall be opened is not the end of the walk.
 */
export function decodeTransport(
  layers: Layers,
  cursor: Cursor,
  protocol: number,
  at: number,
  end: number,
): cursors.Step {
  layers.protocol = protocol;
  layers.transportOffset = at;
  let step: cursors.Step;
  if (protocol === IpProtocol.tcp) step = decodeTcp(layers, at, end);
  else if (protocol === IpProtocol.udp) step = decodeUdp(layers, cursor, at, end);
  else step = decodeOther(layers, cursor, protocol, at, end);
  const captured = layers.frameEnd - layers.payloadOffset;
  const { payloadBytes } = layers;
  layers.capturedPayloadBytes = captured >= payloadBytes ? payloadBytes : Math.max(captured, 0);
  return step;
}

/** The data of a fragment, which has no transport; of the first one the ports where they are. */
export function decodeFragmentData(layers: Layers, protocol: number, at: number, end: number): cursors.Step {
  const there = layers.frameEnd - at;
  layers.protocol = protocol;
  layers.transportOffset = at;
  layers.transportHeaderBytes = 0;
  layers.payloadOffset = at;
  layers.payloadBytes = end - at;
  layers.capturedPayloadBytes = there >= end - at ? end - at : Math.max(there, 0);
  const hasPorts = protocol === IpProtocol.tcp || protocol === IpProtocol.udp || isPortProtocol(protocol);
  const canRead = hasPorts && layers.fragmentOffset === 0 && layers.capturedPayloadBytes >= 4;
  layers.sourcePort = canRead ? layers.view.getUint16(at) : 0;
  layers.targetPort = canRead ? layers.view.getUint16(at + 2) : 0;
  return Step.done;
}

function decodeTcp(layers: Layers, at: number, end: number): cursors.Step {
  const { view } = layers;
  if (at + TCP_BYTES_MIN > layers.frameEnd) return malformed(layers);
  const word = view.getUint16(at + 12);
  const headerBytes = (word >> 12) << 2;
  const payloadOffset = at + headerBytes;
  if (headerBytes < TCP_BYTES_MIN || payloadOffset > end) return malformed(layers);
  layers.sourcePort = view.getUint16(at);
  layers.targetPort = view.getUint16(at + 2);
  layers.sequence = view.getInt32(at + 4);
  layers.acknowledgement = view.getInt32(at + 8);
  layers.flags = word & 0xff;
  layers.window = view.getUint16(at + 14);
  layers.urgentPointer = view.getUint16(at + 18);
  layers.transportHeaderBytes = headerBytes;
  layers.payloadOffset = payloadOffset;
  layers.payloadBytes = end - payloadOffset;
  return Step.done;
}

function decodeUdp(layers: Layers, cursor: Cursor, at: number, end: number): cursors.Step {
  const { view } = layers;
  if (at + UDP_BYTES > layers.frameEnd) return malformed(layers);
  const room = end - at;
  let lengthBytes = view.getUint16(at + 4);
  // RFC 2675 §4: a length of 0 is that of a jumbogram; offloads of more than 64 KiB have it as well.
  if (lengthBytes === 0 && (layers.version === 6 || room > UDP_LENGTH_MAX)) lengthBytes = room;
  if (lengthBytes < UDP_BYTES || lengthBytes > room) return malformed(layers);
  const sourcePort = view.getUint16(at);
  const targetPort = view.getUint16(at + 2);
  layers.sourcePort = sourcePort;
  layers.targetPort = targetPort;
  layers.transportHeaderBytes = UDP_BYTES;
  layers.payloadOffset = at + UDP_BYTES;
  layers.payloadBytes = lengthBytes - UDP_BYTES;
  if (layers.tunnelCount < cursor.tunnelCountMax && mayBeTunnel(sourcePort, targetPort)) {
    cursor.at = at + UDP_BYTES;
    cursor.limit = at + lengthBytes;
    return Step.udpTunnel;
  }
  return Step.done;
}

/** L2TP, Teredo and GTP have the port at either end, the others only at the target. */
function mayBeTunnel(sourcePort: number, targetPort: number): boolean {
  switch (targetPort) {
    case TunnelPort.vxlan:
    case TunnelPort.vxlanLinux:
    case TunnelPort.geneve:
    case TunnelPort.gtp:
    case TunnelPort.teredo:
    case TunnelPort.l2tp:
    case TunnelPort.mpls:
      return true;
    default:
      return (
        sourcePort === TunnelPort.teredo || sourcePort === TunnelPort.l2tp || sourcePort === TunnelPort.gtp
      );
  }
}

function decodeOther(
  layers: Layers,
  cursor: Cursor,
  protocol: number,
  at: number,
  end: number,
): cursors.Step {
  layers.sourcePort = 0;
  layers.targetPort = 0;
  layers.transportHeaderBytes = 0;
  layers.payloadOffset = at;
  layers.payloadBytes = end - at;
  switch (protocol) {
    case IpProtocol.icmp:
      return decodeIcmp(layers, at, end, false);
    case IpProtocol.icmpv6:
      return decodeIcmp(layers, at, end, true);
    case IpProtocol.udpLite:
      return decodePorts(layers, at, end, UDP_BYTES);
    case IpProtocol.sctp:
      return decodePorts(layers, at, end, SCTP_BYTES);
    case DCCP:
      return decodePorts(layers, at, end, DCCP_BYTES_MIN);
    case IpProtocol.ipv4:
    case IpProtocol.ipv6:
    case IpProtocol.gre:
      if (layers.tunnelCount >= cursor.tunnelCountMax) return Step.done;
      cursor.at = at;
      cursor.limit = end;
      if (protocol === IpProtocol.gre) return Step.gre;
      return protocol === IpProtocol.ipv4 ? Step.ipv4InIp : Step.ipv6InIp;
    case MPLS_IN_IP:
    case ETHERNET_IN_IP:
      if (layers.tunnelCount >= cursor.tunnelCountMax) return Step.done;
      cursor.at = at;
      cursor.limit = end;
      cursor.etherType = protocol === MPLS_IN_IP ? EtherType.mpls : EtherType.ethernet;
      return Step.linkInIp;
    default:
      return Step.done;
  }
}

function isPortProtocol(protocol: number): boolean {
  return protocol === IpProtocol.sctp || protocol === IpProtocol.udpLite || protocol === DCCP;
}

/** Two ports, and for the rest what the smallest header has. */
function decodePorts(layers: Layers, at: number, end: number, headerBytes: number): cursors.Step {
  if (at + headerBytes > end || at + headerBytes > layers.frameEnd) return malformed(layers);
  layers.sourcePort = layers.view.getUint16(at);
  layers.targetPort = layers.view.getUint16(at + 2);
  layers.transportHeaderBytes = headerBytes;
  layers.payloadOffset = at + headerBytes;
  layers.payloadBytes = end - at - headerBytes;
  return Step.done;
}

function malformed(layers: Layers): cursors.Step {
  layers.problem = "malformed";
  return Step.failed;
}
