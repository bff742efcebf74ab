/**
 * Scripts that make packets longer and shorter, and frames to try them on: what the compiler's tests and those in the kernel
 * have in common.
 * @module
 */
import { build } from "#packet/build.ts";
import { ethernet } from "#packet/ethernet.ts";
import { ipv4 } from "#packet/ipv4.ts";
import { ipv6 } from "#packet/ipv6.ts";
import { tcp } from "#packet/tcp.ts";
import { pppoe } from "#packet/tunnel.ts";
import { udp } from "#packet/udp.ts";
import { DRIVER, FRAMES, PACKETS, type Where } from "./agreement.ts";
import { FRAMES_TO_WRITE } from "./write-cases.ts";

const frame = ethernet.header({ source: "02:00:00:00:00:01", destination: "02:00:00:00:00:02" });
const ip4 = ipv4.header({ source: "10.0.0.1", destination: "192.0.2.255", timeToLive: 63 });
const ip6 = ipv6.header({ source: "2001:db8::1", destination: "2001:db8::2:3" });
const ports = { sourcePort: 4660, destinationPort: 5555 };
const long = Uint8Array.from({ length: 601 }, (_, index) => (index * 37) >> 1);
const whole = build(frame, ip4, udp.header(ports), long).toBytes();

/** A packet with bytes of its header changed. */
function edited(bytes: Uint8Array, at: number, ...values: readonly number[]): Uint8Array {
  const changed = Uint8Array.from(bytes);
  changed.set(values, at);
  return changed;
}

/** Eight bytes of IPv4's options, with the checksum they want. */
function withOptions(): Uint8Array {
  const bytes = Uint8Array.of(...whole.subarray(0, 34), 148, 4, 0, 0, 1, 1, 1, 0, ...whole.subarray(34));
  const data = new DataView(bytes.buffer);
  bytes[14] = 0x47;
  data.setUint16(16, data.getUint16(16) + 8);
  data.setUint16(24, 0x1234);
  return bytes;
}

export const FRAMES_TO_SPLICE: readonly Uint8Array[] = [
  ...FRAMES_TO_WRITE,
  whole,
  withOptions(),
  edited(whole, 24, 0xff, 0xff),
  edited(whole, 40, 0xff, 0xff),
  edited(whole, 40, 0, 0),
  // Lengths that say 0: those of aggregates.
  edited(whole, 16, 0, 0),
  edited(whole, 38, 0, 0),
  // Padding behind the packet.
  Uint8Array.of(...build(frame, ip4, udp.header(ports), long.subarray(0, 9)).toBytes(), 1, 2, 3, 4, 5),
  build(frame, ip6, udp.header(ports), long).toBytes(),
  build(frame, ip4, ip4, udp.header(ports), long.subarray(0, 40)).toBytes(),
  build(frame, ip6, ip6, tcp.header(ports), long.subarray(0, 40)).toBytes(),
  build(frame, pppoe.header({}), ip4, udp.header(ports), long.subarray(0, 40)).toBytes(),
  build(frame, ip4, udp.header(ports), Uint8Array.of(0xab, 0xcd, 0, 4, 1, 2, 3, 4)).toBytes(),
];

const DATA = "const d = packet.payload(ipv4)?.payload(udp)?.payload();";
const SHIM = `const shim = defineProtocol({ name: "shim", fields: { magic: { at: 0, bits: 16 }, size: { at: 16, bits: 16 } },
  lengthIn: "size", carriedBy: { udp: 5555 } });`;

/** What a script does; what stands before the function, behind a bar. */
export const SPLICES: readonly [name: string, body: string, where?: Where | undefined, top?: string][] = [
  ["UDP cut to eight bytes", `${DATA} if (d && d.lengthBytes > 8) d.splice(8, d.lengthBytes - 8);`],
  ["UDP cut at a hook", `${DATA} if (d && d.lengthBytes > 7) d.splice(7, d.lengthBytes - 7);`, PACKETS],
  [
    "whatever carries UDP, cut by an odd number",
    "const d = packet.find(udp)?.payload(); if (d?.splice(3, 5)) return drop; return accept;",
  ],
  [
    "an end that grows",
    `${DATA} if (d) d.splice(d.lengthBytes, 0, new Uint8Array([1, 2, 3, 4, 255, 6, 7]));`,
  ],
  [
    "a shim put in front of what UDP carries",
    `packet.find(udp)?.splice(8, 0, SHIM);`,
    undefined,
    "const SHIM = Uint8Array.of(0xab, 0xcd, 0, 9);",
  ],
  [
    "an odd number of bytes put in",
    `const u = packet.find(udp); if (u) u.payload().splice(1, 0, THREE);`,
    undefined,
    "const THREE = new Uint8Array([0x81, 2, 0xff]);",
  ],
  [
    "a shim taken out, and what is behind written to",
    `if (packet.payload(ipv4)?.payload(udp)?.payload().uint16(0) !== 0xabcd) return;
     if (packet.payload(ipv4)?.payload(udp)?.payload().splice(0, 4)) { const u = packet.payload(ipv4)?.payload(udp); if (u) { u.destinationPort = 77; u.payload().setUint8(0, 9); } }`,
  ],
  [
    "a field written first, then bytes taken out",
    `const ip = packet.payload(ipv4); const u = ip?.payload(udp); if (!ip || !u) return; u.sourcePort = 9; ip.source = "1.2.3.4";
     u.payload().splice(2, 3); const again = packet.payload(ipv4); if (again) again.timeToLive = 3;`,
  ],
  [
    "bytes of the packet put in twice",
    `const u = packet.find(udp); if (!u || u.lengthBytes < 20) return;
     u.payload().splice(0, 0, u.copy(0, 8)); const v = packet.find(udp); if (v) v.payload().splice(3, 0, v.copy(2, 2));`,
  ],
  [
    "bytes on some ways only",
    `const u = packet.find(udp); if (u && u.sourcePort === 4660) { if (!u.payload().splice(0, 2)) return drop; } else return accept;
     const v = packet.find(udp); if (v) v.destinationPort = v.lengthBytes;`,
  ],
  [
    "a header of the script's own, whose length follows",
    `const s = packet.payload(ipv4)?.payload(udp)?.payload(shim); if (s) s.payload().splice(1, 2);`,
    undefined,
    SHIM,
  ],
  ["IPv4 in IPv4", `const ip = packet.payload(ipv4); if (ip) ip.splice(ip.headerBytes, 0, ip.copy(0, 20));`],
  [
    "IPv4 in IPv4, with other addresses",
    `const ip = packet.payload(ipv4); if (!ip?.splice(ip.headerBytes, 0, ip.copy(0, 20))) return;
     const outer = packet.payload(ipv4); if (!outer) return drop; outer.protocol = 4; outer.source = "10.9.0.1"; outer.destination = "10.9.0.2"; outer.timeToLive = 64;`,
  ],
  [
    "IPv6 in IPv6",
    `const ip = packet.payload(ipv6); if (!ip?.splice(ip.headerBytes, 0, ip.copy(0, 40))) return;
     const copy = packet.payload(ipv6); if (!copy) return drop; copy.hopLimit = 3; copy.nextHeader = 41;
     const outer = packet.payload(ipv6); if (outer) outer.destination = "2001:db8::99";`,
  ],
  [
    "GRE in front",
    `const ip = packet.payload(ipv4); if (!ip?.splice(ip.headerBytes, 0, ip.copy(0, 20))) return;
     const outer = packet.payload(ipv4); if (outer?.splice(outer.headerBytes, 0, GRE)) { const o = packet.payload(ipv4); if (o) o.protocol = 47; }`,
    PACKETS,
    "const GRE = Uint8Array.of(0, 0, 8, 0);",
  ],
  [
    "an outer header taken out",
    `const outer = packet.payload(ipv4); if (!outer || outer.protocol !== 4) return; packet.splice(0, 20); const ip = packet.payload(ipv4); if (ip) ip.timeToLive--;`,
    PACKETS,
  ],
  [
    "an outer header taken out of a frame",
    "const outer = packet.payload(ipv6); if (outer?.nextHeader !== 41) return; packet.splice(14, outer.headerBytes);",
  ],
  [
    "an outer header taken out where it is",
    "const outer = packet.payload(ipv4); if (outer?.payload(ipv4)) packet.splice(outer.offsetBytes, outer.headerBytes);",
  ],
  [
    "options of IPv4 taken out",
    "const ip = packet.payload(ipv4); if (ip && ip.headerBytes > 20) ip.splice(20, ip.headerBytes - 20);",
  ],
  ["options of IPv4 put in", `packet.payload(ipv4)?.splice(20, 0, new Uint8Array([148, 4, 0, 0]));`],
  ["two bytes of IPv4's options", `if (packet.payload(ipv4)?.splice(20, 2)) return drop; return accept;`],
  [
    "options of TCP taken out",
    "const t = packet.find(tcp); if (t && t.headerBytes > 20) t.splice(20, t.headerBytes - 20);",
  ],
  ["options of TCP put in", `packet.find(tcp)?.splice(20, 0, new Uint8Array([2, 4, 5, 180]));`],
  [
    "what TCP carries",
    `const d = packet.find(tcp)?.payload(); if (d && d.lengthBytes > 4) d.splice(1, 2); packet.find(tcp)?.payload().slice(1)?.splice(2, 1);`,
  ],
  ["nothing", `${DATA} if (d?.splice(4, 0)) return accept; return drop;`],
  [
    "what is outside",
    `${DATA} if (d?.splice(9, 30)) return accept; if (packet.find(udp)?.splice(3, 0, new Uint8Array(2))) return accept; return drop;`,
  ],
  ["the front of a frame", "packet.splice(14, 0, new Uint8Array([1, 2, 3, 4])); return accept;"],
  [
    "the front of a frame at a driver",
    "packet.splice(12, 0, new Uint8Array([0x81, 0, 0, 5])); return accept;",
    DRIVER,
  ],
  [
    "an end of the whole packet",
    "if (packet.lengthBytes > 50) packet.splice(50, packet.lengthBytes - 50); return accept;",
    DRIVER,
  ],
];

/** Where a case is tried: everywhere it can be. */
export function placesOf(only: Where | undefined): readonly Where[] {
  return only === undefined ? [FRAMES, DRIVER] : [only];
}

/** The script of a case. */
export function spliceScript(body: string, top = ""): string {
  return `export const options = { tunnels: false };\n${top}\nexport function f(packet: Packet) {\n${body}\n}`;
}
