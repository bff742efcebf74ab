/**
 * Scripts that write to packets, and frames to try them on: what the compiler's tests and those in the kernel have in common.
 * @module
 */
import { build } from "#packet/build.ts";
import { dns } from "#packet/dns.ts";
import { ethernet } from "#packet/ethernet.ts";
import { icmp } from "#packet/icmp.ts";
import { icmpv6 } from "#packet/icmpv6.ts";
import { ipv4 } from "#packet/ipv4.ts";
import { ipv6 } from "#packet/ipv6.ts";
import { tcp } from "#packet/tcp.ts";
import { udp } from "#packet/udp.ts";
import { vlan } from "#packet/vlan.ts";
import { PACKETS, type Where } from "./agreement.ts";

const frame = ethernet.header({ source: "02:00:00:00:00:01", destination: "02:00:00:00:00:02" });
const ip4 = ipv4.header({ source: "10.0.0.1", destination: "192.0.2.255", timeToLive: 63 });
const ip6 = ipv6.header({ source: "2001:db8::1", destination: "2001:db8::2:3" });
const ports = { sourcePort: 4660, destinationPort: 53 };
const data = Uint8Array.from({ length: 25 }, (_, index) => index * 37);
const options = Uint8Array.of(1, 2, 4, 5, 180, 3, 3, 7, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0);

/** A packet whose checksum, or whose first address, is one of the two zeros. */
function edged(bytes: Uint8Array, at: number, ...values: readonly number[]): Uint8Array {
  const changed = Uint8Array.from(bytes);
  changed.set(values, at);
  return changed;
}

const onUdp = build(frame, ip4, udp.header(ports), data).toBytes();
const onTcp = build(frame, ip4, tcp.header(ports, options), data).toBytes();
const onUdp6 = build(frame, ip6, udp.header(ports), data).toBytes();
/** A routing header with one address left: the pseudo header has another destination (RFC 8200 §8.1). */
const routed = Uint8Array.of(
  ...onUdp6.subarray(0, 14 + 6),
  43,
  ...onUdp6.subarray(14 + 7, 14 + 40),
  ...[17, 2, 0, 1, 0, 0, 0, 0],
  ...Array.from({ length: 16 }, (_, index) => index),
  ...onUdp6.subarray(14 + 40),
);

export const FRAMES_TO_WRITE: readonly Uint8Array[] = [
  onUdp,
  onTcp,
  onUdp6,
  routed,
  edged(routed, 14 + 42, 9),
  build(frame, ip6, tcp.header({ ...ports, syn: true }), data).toBytes(),
  build(frame, vlan.header({}), ip4, udp.header(ports), dns.header({ identifier: 7 }), data).toBytes(),
  build(frame, ip4, icmp.header({ type: 8, identifier: 5, sequence: 6 }), data).toBytes(),
  build(frame, ip6, icmpv6.header({ type: 128, identifier: 5 }), data).toBytes(),
  build(frame, ip4, udp.header({ ...ports, checksum: 0 }), data).toBytes(),
  build(frame, ipv4.header({ protocol: 136 }), data).toBytes(),
  edged(onUdp, 14 + 20 + 6, 0xff, 0xff),
  edged(onTcp, 14 + 20 + 16, 0xff, 0xff),
  edged(onTcp, 14 + 20 + 16, 0, 0),
  edged(onTcp, 14 + 10, 0xff, 0xff),
  edged(onTcp, 14 + 10, 0xff, 0xff, 0xff, 0xff, 0, 1),
  edged(onTcp, 14 + 20 + 14, 0xff, 0xff, 0xff, 0xff),
  edged(onUdp, 14 + 6, 0x20, 7),
];

/** What a script writes. */
export const WRITES: readonly [name: string, body: string, where?: Where][] = [
  ["IPv4's source", 'const p = packet.payload(ipv4); if (p) p.source = "10.7.0.1";'],
  [
    "both addresses",
    "const p = packet.payload(ipv4); if (p) { p.source = 0x01020304; p.destination = p.source ^ 0xffff; }",
  ],
  ["the first half of an address", "const p = packet.payload(ipv4); if (p) p.source &= 0xffff;"],
  [
    "the second half of an address",
    "const p = packet.payload(ipv4); if (p) p.destination = Math.floor(p.destination / 65536) * 65536 + 65535;",
  ],
  ["the time to live", "const p = packet.payload(ipv4); if (p) p.timeToLive--;"],
  [
    "fields of few bits",
    "const p = packet.payload(ipv4); if (p) { p.dscp = 63; p.ecn = 5; p.dontFragment = !p.dontFragment; p.identification = 70000; }",
  ],
  ["IPv4's checksum", "const p = packet.payload(ipv4); if (p) { p.checksum = 0; p.timeToLive = 1; }"],
  [
    "ports",
    "const u = packet.payload(ipv4)?.payload(udp); if (u) { u.sourcePort = 53; u.destinationPort += 1; }",
  ],
  ["a port that stays", "const u = packet.payload(ipv4)?.payload(tcp); if (u) u.sourcePort = 4660;"],
  [
    "fields of TCP",
    "const t = packet.payload(ipv4)?.payload(tcp); if (t) { t.sequence = t.sequence ^ 0x8000ffff; t.syn = true; t.window = 0; t.urgentPointer = 0; }",
  ],
  [
    "the same as user space at a hook",
    'const p = packet.payload(ipv4); const u = p?.payload(udp); if (u) { u.sourcePort = 99; p.destination = "1.2.3.4"; }',
    PACKETS,
  ],
  [
    "IPv4's protocol",
    "const p = packet.payload(ipv4); if (p) { p.protocol = p.protocol === 17 ? 6 : p.protocol === 6 ? 17 : 4; p.timeToLive = 9; if (p.payload(udp)) p.source = 7; }",
  ],
  [
    "IPv6's next header",
    "const p = packet.payload(ipv6); if (p) { p.nextHeader = p.nextHeader === 17 ? 6 : p.nextHeader === 6 ? 17 : 58; const again = packet.payload(ipv6); if (again) again.source = 7n; if (again?.payload(udp)) return drop; }",
  ],
  ["IPv6's source", 'const p = packet.payload(ipv6); if (p) p.source = "2001:db8::ffff";'],
  [
    "IPv6's destination",
    "const p = packet.payload(ipv6); if (p) { p.destination = p.source; p.hopLimit -= 1; p.flowLabel = 0xfffff; p.trafficClass = 256; }",
  ],
  [
    "IPv6's addresses as numbers",
    "const p = packet.payload(ipv6); if (p) p.source = 0x2001_0db8_0000_0000_0000_0000_0000_ffffn;",
  ],
  [
    "MAC addresses",
    'const e = packet.payload(ethernet); if (e) { e.source = e.destination; e.destination = "02:ff:00:00:00:09"; }',
  ],
  [
    "tags",
    "const v = packet.payload(vlan); if (v) { v.identifier = 4095; v.dropEligible = true; v.priority = 9; }",
  ],
  [
    "ARP",
    'const a = packet.payload(arp); if (a) { a.operation = 2; a.targetMac = a.senderMac; a.target = "9.8.7.6"; }',
  ],
  ["ICMP", "const i = packet.payload(ipv4)?.payload(icmp); if (i) { i.type = 0; i.identifier = 77; }"],
  ["ICMPv6", "const i = packet.payload(ipv6)?.payload(icmpv6); if (i) { i.type = 129; i.mtu = 77; }"],
  [
    "what UDP carries",
    "const d = packet.payload(ipv4)?.payload(udp)?.payload(dns); if (d) { d.identifier = 1; d.responseCode = 3; d.isResponse = true; }",
  ],
  [
    "bytes of a payload",
    "const d = packet.payload(ipv4)?.payload(udp)?.payload(); if (d?.setUint8(3, 300)) d.setUint16(6, 0x1234); d?.setUint32(8, 1); d?.setUint8(24, 7);",
  ],
  [
    "bytes at odd places",
    "const d = packet.payload(ipv4)?.payload(tcp)?.payload(); d?.setUint16(3, 0x1234); d?.setUint32(9, 0xffffffff); d?.setUint8(d.lengthBytes - 1, 7); d?.setUint8(d.lengthBytes, 7);",
  ],
  [
    "slices at odd places",
    "const d = packet.payload(ipv4)?.payload(udp)?.payload().slice(5)?.slice(2, 9); d?.setUint16(3, 0x1234); d?.setUint8(4, 1);",
  ],
  [
    "offsets that vary",
    "const d = packet.payload(ipv4)?.payload(udp)?.payload(); if (d) for (let at = 0; at < 6; at++) d.setUint8(at * 5, at);",
  ],
  [
    "options of TCP",
    "const t = packet.payload(ipv4)?.payload(tcp); if (t !== undefined && (t.maximumSegmentSize ?? 0) > 1400) t.maximumSegmentSize = 1400;",
  ],
  [
    "more options of TCP",
    "const t = packet.payload(ipv4)?.payload(tcp); if (t?.timestamp !== undefined && t.lengthBytes > 0) { t.timestamp = 7; t.timestampEcho = 0xffffffff; } if (t?.windowScale === 7) t.windowScale = 3;",
  ],
  [
    "on some ways only",
    'const p = packet.payload(ipv4); const u = p?.payload(udp); if (p && p.timeToLive > 5) { p.source = "1.1.1.1"; if (u && u.sourcePort > 5) { u.sourcePort = 5; return accept; } } else if (u) { u.destinationPort = 9; return drop; }',
  ],
  [
    "what find() finds",
    "const u = packet.find(udp); if (u) u.sourcePort = 1; const t = packet.find(tcp); if (t) t.destinationPort = 2;",
  ],
  [
    "ports in a loop",
    "const u = packet.payload(ipv4)?.payload(udp); if (u) for (let at = 0; at < 3; at++) u.sourcePort = u.sourcePort * 3;",
  ],
];

/** The script of a case. */
export function writeScript(body: string): string {
  return `export const options = { tunnels: false };\nexport function f(packet: Packet) {\n${body}\n}`;
}
