/**
 * What packet scripts import, and all that an editor needs to complete them:
 *
 *     import { type Context, drop, ipv4, type Packet, tcp, verdict } from "metanet/script";
 *
 *     export function noTelnet(packet: Packet, context: Context) {
 *       if (packet.find(tcp)?.destinationPort === 23) return drop;
 *       return verdict.continue;
 *     }
 *
 * @module
 */

// Time: lengths and points of it, plain numbers of milliseconds at run time.
export {
  after,
  between,
  type Duration,
  formatInstant,
  hours,
  type Instant,
  instant,
  milliseconds,
  minutes,
  seconds,
} from "#base/time.ts";
// Addresses: numbers in packets, text for people.
export {
  formatIpv4,
  formatIpv6,
  formatMac,
  type Ipv4Input,
  type Ipv6Input,
  ipv4Address,
  ipv6Address,
  type MacInput,
  macAddress,
} from "#packet/address.ts";
// Packets, and protocols by their names; each can be given to `payload`, `find`, `as` and `is`.
export { ArpOperation, type ArpView, arp } from "#packet/arp.ts";
// New packets, made of parts.
export { BuiltPacket, build, type Part, part } from "#packet/build.ts";
// What the connection tracker knows of a packet.
export type { Connection, ConnectionState, ConnectionTuple } from "#packet/connection.ts";
export { DhcpMessage, type DhcpOption, type DhcpView, dhcp } from "#packet/dhcp.ts";
export { DnsQuestion, DnsRecord, DnsType, dns, dnsLength } from "#packet/dns.ts";
export { type EthernetView, EtherType, ethernet, macCodec } from "#packet/ethernet.ts";
// Protocols of a script's own.
export type { Codec, FieldSpec, Fields, FieldsOf, FieldValue } from "#packet/field.ts";
export { type HeadState, http } from "#packet/http.ts";
export { IcmpType, type IcmpView, icmp } from "#packet/icmp.ts";
export { Icmpv6Type, type Icmpv6View, icmpv6 } from "#packet/icmpv6.ts";
export { IpProtocol, Ipv4Option, type Ipv4View, ipv4, ipv4Codec } from "#packet/ipv4.ts";
export { type Ipv6View, ipv6, ipv6Codec } from "#packet/ipv6.ts";
export { Ipv6Extension } from "#packet/ipv6-extensions.ts";
export type { HeaderOption } from "#packet/options.ts";
export { type FirstLayer, type Hook, Packet, ReadOnlyPacketError } from "#packet/packet.ts";
export {
  type CarriedBy,
  type ChecksumSpec,
  defineProtocol,
  type Header,
  type Protocol,
  type ProtocolSpec,
  type ViewOf,
} from "#packet/protocol.ts";
export { type SackBlock, TcpOption, tcp } from "#packet/tcp.ts";
export { TftpOpcode, tftp } from "#packet/tftp.ts";
export { clientHello, type HelloState, TlsExtension, tls } from "#packet/tls.ts";
export { gre, mpls, pppoe, vxlan } from "#packet/tunnel.ts";
export { udp } from "#packet/udp.ts";
export { type ChecksumState, verifyChecksum } from "#packet/verify.ts";
export type { View } from "#packet/view.ts";
export { vlan } from "#packet/vlan.ts";
// What a script is, and what it is given besides the packet.
export type {
  Context,
  DeferOptions,
  Deferred,
  PacketScript,
  ScriptBus,
  ScriptCounter,
  ScriptIdentity,
  ScriptOptions,
  SendOptions,
} from "#script/context.ts";
// What the kernel has ways of its own for.
export { handOver, redirect } from "#script/kernel-verdicts.ts";
// Maps that scripts share by name.
export type { SharedMap } from "#script/shared-map.ts";
export type { SharedMapKey } from "#script/shared-map-key.ts";
export type { MapOptions, SharedMapKeyKind, SharedMapKind } from "#script/shared-map-layout.ts";
// Verdicts, also as `verdict.continue`, `verdict.drop` and so on.
export {
  accept,
  delayed,
  drop,
  formatVerdict,
  type Later,
  later,
  mark,
  parseVerdict,
  proceed,
  queue,
  REPEAT_COUNT_MAX,
  repeat,
  type Verdict,
  type VerdictPromise,
} from "#script/verdict.ts";
export { type VerdictNames, verdict } from "./script/verdict-names.ts";
