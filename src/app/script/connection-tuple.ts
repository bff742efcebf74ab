/**
 * The addresses and ports by which the connection tracker knows a packet, read from the packet as the tracker does.
 * @module
 */
import { ip } from "#base/ip-address.ts";
import { icmp } from "#packet/icmp.ts";
import { icmpv6 } from "#packet/icmpv6.ts";
import { IpProtocol, ipv4 } from "#packet/ipv4.ts";
import { ipv6 } from "#packet/ipv6.ts";
import type { Packet } from "#packet/packet.ts";
import type { View } from "#packet/view.ts";
import { type ConntrackTuple, invertTuple, isTrackedIcmp } from "#wire/conntrack.ts";

/** Where the addresses are: at these offsets, one behind the other. */
const ADDRESSES = { 4: { at: 12, lengthBytes: 4 }, 6: { at: 8, lengthBytes: 16 } } as const;
/** Protocols that begin with two ports; 33 is DCCP. */
const WITH_PORTS: ReadonlySet<number> = new Set([
  IpProtocol.tcp,
  IpProtocol.udp,
  IpProtocol.udpLite,
  IpProtocol.sctp,
  33,
]);
const TCP_FLAGS_AT = 13;
const SYN_OF_SYN_AND_ACK = 0x02;
const SYN_AND_ACK = 0x12;

/** How a packet is asked for. */
export interface TrackedPacket {
  readonly tuple: ConntrackTuple;
  /** It is an ICMP error about a packet of that connection, which went the other way. */
  readonly isError: boolean;
  /** It opens a TCP connection. */
  readonly isOpening: boolean;
}

/** `undefined` for what has no connection by its kind: fragments, neighbour discovery, headers that are cut off. */
export function trackedPacket(packet: Packet): TrackedPacket | undefined {
  return ofHeader(packet.payload(ipv4) ?? packet.payload(ipv6), false);
}

function ofHeader(header: View | undefined, isError: boolean): TrackedPacket | undefined {
  if (header === undefined) return undefined;
  if (header.is(ipv4)) {
    if (header.isFragment) return undefined;
    const message = header.payload(icmp);
    if (message?.isError) return isError ? undefined : errorAbout(message.payload(ipv4));
    return ofUpper(header, 4, header.protocol, isError);
  }
  if (!header.is(ipv6) || header.isFragment || header.upperProtocol < 0) return undefined;
  const message = header.payload(icmpv6);
  if (message?.isError) return isError ? undefined : errorAbout(message.payload(ipv6));
  return ofUpper(header, 6, header.upperProtocol, isError);
}

/** An error goes as the answers to the packet it is about. */
function errorAbout(header: View | undefined): TrackedPacket | undefined {
  const inner = ofHeader(header, true);
  return inner && { ...inner, tuple: invertTuple(inner.tuple) };
}

function ofUpper(header: View, family: 4 | 6, protocol: number, isError: boolean): TrackedPacket | undefined {
  const { at, lengthBytes } = ADDRESSES[family];
  const addresses = {
    source: ip(header.bytes(at, lengthBytes)),
    target: ip(header.bytes(at + lengthBytes, lengthBytes)),
    protocol,
  };
  const start = header.headerBytes;
  if (protocol === IpProtocol.icmp || protocol === IpProtocol.icmpv6) {
    const [type, code, id] = [header.uint8(start), header.uint8(start + 1), header.uint16(start + 4)];
    if (type === undefined || code === undefined || id === undefined) return undefined;
    // Each of the two belongs to one version of IP.
    const isOwn = (protocol === IpProtocol.icmp) === (family === 4);
    if (!isOwn || !isTrackedIcmp(protocol, type)) return undefined;
    return { tuple: { ...addresses, icmp: { type, code, id } }, isError, isOpening: false };
  }
  if (protocol === IpProtocol.gre) {
    // PPTP's calls (version 1) are known by keys that only their control connection tells.
    const flags = header.uint16(start);
    if (flags === undefined || (flags & 7) !== 0) return undefined;
    return { tuple: { ...addresses, sourcePort: 0, targetPort: 0 }, isError, isOpening: false };
  }
  if (!WITH_PORTS.has(protocol)) return { tuple: addresses, isError, isOpening: false };
  const [sourcePort, targetPort] = [header.uint16(start), header.uint16(start + 2)];
  if (sourcePort === undefined || targetPort === undefined) return undefined;
  const flags = protocol === IpProtocol.tcp ? (header.uint8(start + TCP_FLAGS_AT) ?? 0) : 0;
  const isOpening = (flags & SYN_AND_ACK) === SYN_OF_SYN_AND_ACK;
  return { tuple: { ...addresses, sourcePort, targetPort }, isError, isOpening };
}
