/**
 * Scripts that read packets, and frames to try them on: what the compiler's tests and those in the kernel have in common.
 * @module
 */
import { build } from "#packet/build.ts";
import { ethernet } from "#packet/ethernet.ts";
import { icmp } from "#packet/icmp.ts";
import { icmpv6 } from "#packet/icmpv6.ts";
import { ipv4 } from "#packet/ipv4.ts";
import { ipv6 } from "#packet/ipv6.ts";
import { tcp } from "#packet/tcp.ts";
import { gre, mpls, pppoe, vxlan } from "#packet/tunnel.ts";
import { udp } from "#packet/udp.ts";
import { vlan } from "#packet/vlan.ts";
import { DRIVER, PACKETS, type Where } from "./agreement.ts";

const frame = ethernet.header({ source: "02:00:00:00:00:01", destination: "02:00:00:00:00:02" });
const ip4 = ipv4.header({ source: "10.0.0.1", destination: "192.0.2.255", timeToLive: 63, dscp: 5, ecn: 2 });
const ip6 = ipv6.header({ source: "2001:db8::1", destination: "2001:db8::2:3", flowLabel: 0x54321 });
const ports = { sourcePort: 4660, destinationPort: 53 };
const data = Uint8Array.from({ length: 24 }, (_, index) => index * 37);
const options = Uint8Array.of(1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8, 2, 4, 5, 180, 3, 3, 7, 0);

/** A frame with so many tags; `build` makes none with so many headers. */
function tagged(count: number): Uint8Array {
  const bytes = build(frame, ip4, udp.header(ports), data).toBytes();
  const tags = Array.from({ length: count }, (_, index) => [0x81, 0, index, index * 3]).flat();
  return Uint8Array.of(...bytes.subarray(0, 12), ...tags, ...bytes.subarray(12));
}

export const FRAMES_BUILT: readonly Uint8Array[] = [
  build(frame, ip4, udp.header(ports), data).toBytes(),
  build(frame, ip4, tcp.header(ports, options), data).toBytes(),
  build(frame, ip6, udp.header(ports), data).toBytes(),
  build(frame, ip6, tcp.header({ ...ports, syn: true }), data).toBytes(),
  build(frame, vlan.header({}), vlan.header({}), ip4, udp.header(ports), data).toBytes(),
  build(frame, pppoe.header({}), ip4, udp.header(ports), data).toBytes(),
  build(frame, vlan.header({}), pppoe.header({}), ip6, udp.header(ports), data).toBytes(),
  build(frame, mpls.header({ label: 17 }), mpls.header({}), ip4, udp.header(ports), data).toBytes(),
  build(frame, ip4, gre.header({}), ip4, udp.header(ports), data).toBytes(),
  build(frame, ip4, udp.header({}), vxlan.header({ identifier: 7 }), frame, ip4, data).toBytes(),
  build(frame, ip4, icmp.header({ type: 3 }), ip4, tcp.header({ ...ports, sequence: 7 })).toBytes(),
  build(frame, ip6, icmpv6.header({ type: 2, mtu: 1280 }), ip6, udp.header(ports)).toBytes(),
  build(frame, ip6, icmpv6.header({ type: 128 }), data).toBytes(),
  build(frame, ip4, ip4, udp.header(ports), data).toBytes(),
  ...[12, 13, 14, 15, 16].map(tagged),
];

/** What a script makes its mark of. */
export const READS: readonly [name: string, text: string, where?: Where][] = [
  [
    "ports",
    "const u = packet.payload(ipv4)?.payload(udp); if (u) packet.mark = u.sourcePort * 65536 + u.destinationPort;",
  ],
  [
    "the same at a hook",
    "const u = packet.payload(ipv4)?.payload(udp); if (u) packet.mark = u.length;",
    PACKETS,
  ],
  [
    "fields of few bits",
    "const p = packet.payload(ipv4); if (p) packet.mark = p.dscp * 4096 + p.ecn * 1024 + p.version * 64 + p.headerWords;",
  ],
  [
    "booleans",
    "const p = packet.payload(ipv4); if (p?.dontFragment) packet.mark = 1; if (p?.moreFragments) packet.mark = 2; if (p?.isFragment) packet.mark = 3;",
  ],
  [
    "48 bits",
    "const e = packet.payload(ethernet); if (e) packet.mark = e.source % 65536 + (e.destination > 5 ? 65536 : 0);",
  ],
  [
    "128 bits",
    "const p = packet.payload(ipv6); if (p) packet.mark = Number(BigInt.asUintN(32, p.source)) ^ Number(p.destination >> 96n);",
  ],
  ["20 bits", "const p = packet.payload(ipv6); if (p) packet.mark = p.flowLabel;"],
  [
    "lengths",
    "const p = packet.payload(ipv4); if (p) packet.mark = p.lengthBytes * 65536 + p.headerBytes * 256 + p.offsetBytes;",
  ],
  ["the packet's length", "packet.mark = packet.lengthBytes;", PACKETS],
  [
    "constant offsets",
    "packet.mark = (packet.uint8(3) ?? 7) * 65536 + (packet.uint16(13) ?? 9) + (packet.uint32(40) ?? 1) % 256;",
  ],
  [
    "offsets that vary",
    "const u = packet.payload(ipv4)?.payload(udp); const at = u?.uint8(9) ?? 0; packet.mark = u?.uint16(at - 30) ?? 1;",
  ],
  [
    "payloads",
    "const u = packet.payload(ipv4)?.payload(udp)?.payload(); packet.mark = u === undefined ? 1 : (u.uint16(2) ?? 2) * 256 + u.lengthBytes;",
  ],
  [
    "slices",
    "const s = packet.slice(16, 6); packet.mark = s === undefined ? 1 : (s.uint32(2) ?? 2) ^ s.lengthBytes ^ (s.uint32(3) ?? 77);",
  ],
  ["slices of slices", "const s = packet.slice(20)?.slice(3, 9)?.slice(1); packet.mark = s?.uint32(4) ?? 1;"],
  ["as()", "const u = packet.payload(ipv6)?.as(udp); packet.mark = u?.checksum ?? 1;"],
  ["is()", "const p = packet.payload(ipv4); packet.mark = p?.is(ipv4) ? (p.is(ipv6) ? 1 : 2) : 3;"],
  ["runs of bytes", "const b = packet.bytes(30, 8); packet.mark = b.length * 256 + (b[3] ?? 0);"],
  [
    "bytes of a payload",
    "const b = packet.payload(ipv4)?.payload(udp)?.payload().bytes(4); packet.mark = b === undefined ? 1 : b.length;",
  ],
  [
    "options of TCP",
    "const t = packet.payload(ipv4)?.payload(tcp); packet.mark = t === undefined ? 1 : (t.maximumSegmentSize ?? 2) + (t.windowScale ?? 3) * 65536;",
  ],
  [
    "more options of TCP",
    "const t = packet.payload(ipv4)?.payload(tcp); packet.mark = t === undefined ? 1 : t.sackPermitted ? 5 : (t.timestamp ?? 2) ^ (t.timestampEcho ?? 3);",
  ],
  [
    "IPv6's upper protocol",
    "const p = packet.payload(ipv6); if (p) packet.mark = p.upperProtocol + 2 + p.headerBytes * 512;",
  ],
  [
    "IPv6's fragments",
    "const p = packet.payload(ipv6); if (p) packet.mark = p.fragmentOffset * 16 + (p.isFragment ? 8 : 0) + (p.moreFragments ? 4 : 0) + 1;",
  ],
  [
    "errors of ICMP",
    "const i = packet.payload(ipv4)?.payload(icmp); if (i) packet.mark = i.isError ? 1 : i.identifier + 2; const t = i?.payload(ipv4)?.payload(tcp); if (t) packet.mark = t.sequence;",
  ],
  [
    "errors of ICMPv6",
    "const i = packet.payload(ipv6)?.payload(icmpv6); if (i) packet.mark = i.isError ? 1 : i.mtu + 2;",
  ],
  [
    "headers behind the link's",
    "const v = packet.payload(vlan); if (v) packet.mark = v.identifier * 16 + v.priority; const a = packet.payload(arp); if (a) packet.mark = a.sender;",
  ],
  ["MPLS", "const m = packet.payload(mpls); if (m) packet.mark = m.label * 2 + (m.isBottom ? 1 : 0);"],
  ["a session of PPPoE", "const p = packet.payload(pppoe); if (p) packet.mark = p.session + p.length;"],
  [
    "tunnels by name",
    "const g = packet.payload(ipv4)?.payload(gre); const u = g?.payload(ipv4)?.payload(udp); const x = packet.payload(ipv4)?.payload(udp)?.payload(vxlan); packet.mark = x ? x.identifier : u ? u.length : g ? g.headerBytes : 0;",
  ],
  [
    "DNS",
    "const d = packet.payload(ipv4)?.payload(udp)?.payload(dns); if (d) packet.mark = d.identifier * 65536 + (d.isResponse ? 16 : 0) + d.responseCode;",
  ],
  [
    "at a driver's place",
    "const u = packet.payload(ipv4)?.payload(udp); return u?.destinationPort === 53 ? drop : accept;",
    { ...DRIVER, first: "network" },
  ],
];

export const FOUND = [
  "ethernet",
  "vlan",
  "arp",
  "pppoe",
  "mpls",
  "ipv4",
  "ipv6",
  "icmp",
  "icmpv6",
  "gre",
  "tcp",
  "udp",
  "vxlan",
].concat(["dns", "dnsLength", "dhcp", "tftp", "tls", "clientHello"]);

/** The script of a case. */
export function readScript(body: string): string {
  return `export function f(packet: Packet) {\n${body}\n}`;
}

/** A script that marks where a header is found. */
export function findScript(name: string): string {
  const mark = "packet.mark = found === undefined ? 1 : found.offsetBytes * 65536 + found.lengthBytes + 2;";
  const body = `const found = packet.find(${name}); ${mark}`;
  return `export const options = { tunnels: false };\n${readScript(body)}`;
}
