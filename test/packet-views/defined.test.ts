/**
 * Protocols that scripts define, and the packet layer's own on bytes that hold anything.
 * @module
 */
import { describe, it } from "node:test";
import { SeededRandom } from "#base/seeded-random.ts";
import { build } from "#packet/build.ts";
import { ethernet } from "#packet/ethernet.ts";
import { ipv4 } from "#packet/ipv4.ts";
import { tcp } from "#packet/tcp.ts";
import { udp } from "#packet/udp.ts";
import { vlan } from "#packet/vlan.ts";
import { below, randomBytes } from "../packet/random-packet.ts";
import { agree, type Compiled, compile, FRAMES, PACKETS } from "./agreement.ts";

const frame = ethernet.header({});
const ip = ipv4.header({ source: "10.0.0.1", destination: "10.0.0.2" });

/** Declarations of a protocol `own`, what is done with it, and what it is on. */
const DEFINED: readonly [name: string, declaration: string, body: string][] = [
  [
    "fields of all kinds",
    `const definition = defineProtocol({ name: "own", carriedBy: { udp: [5555, 7], tcp: 5555 }, fields: {
       version: { bits: 4 }, urgent: { bits: 1, as: "boolean" }, rest: { bits: 3 }, wide: { bits: 24 },
       odd: { bits: 40 }, big: { bits: 56 }, mark: { at: 128, bits: 32 }, label: { bits: 24, as: "bytes" } } })`,
    `packet.mark = own.version * 16 + (own.urgent ? 8 : 0) + own.rest + own.wide + own.odd % 65536
       + Number(own.big & 0xffffn) + own.mark % 4096 + own.label.length + (own.label[2] ?? 0);`,
  ],
  [
    "a header whose length it tells",
    `const definition = defineProtocol({ name: "own", carriedBy: { udp: 5555, tcp: 5555 },
       fields: { version: { bits: 4 }, flags: { bits: 4 }, length: { bits: 8 } },
       headerBytes: (header) => 2 + header.length % 32, accepts: (header) => header.flags !== 3 })`,
    "packet.mark = own.headerBytes * 256 + own.payload().lengthBytes + (own.payload().uint16(1) ?? 0);",
  ],
  [
    "a content whose length it tells",
    `const definition = defineProtocol({ name: "own", carriedBy: { udp: 5555, tcp: 5555 },
       fields: { length: { bits: 16 }, kind: { bits: 8 } },
       contentBytes: ({ length }) => (length % 64) + 3, announces: (header) => header.kind })`,
    "packet.mark = own.lengthBytes + (own.uint32(3) ?? 7);",
  ],
  [
    "an odd header, written behind",
    `const definition = defineProtocol({ name: "own", carriedBy: { udp: 5555, tcp: 5555 },
       fields: { version: { bits: 8 }, length: { bits: 8 }, value: { bits: 24 } },
       headerBytes: (header) => 5 + (header.uint8(1) ?? 0) % 4 })`,
    "own.value = own.value + 0x12345; own.payload().setUint16(0, 0xabcd); own.payload().setUint8(3, 1);",
  ],
  [
    "a long way to its payload",
    `const definition = defineProtocol({ name: "own", carriedBy: { udp: 5555, tcp: 5555 },
       fields: { length: { bits: 32 } }, headerBytes: (header) => 4 + header.length })`,
    "packet.mark = own.as(udp)?.length ?? own.payload().lengthBytes;",
  ],
  [
    "who asks what is outside",
    `const definition = defineProtocol({ name: "own", carriedBy: { udp: "any" }, fields: { kind: { bits: 16 } },
       accepts: (header, outer) => outer.is(udp) && header.lengthBytes > 4 })`,
    "packet.mark = own.kind;",
  ],
  [
    "something on Ethernet only",
    `const definition = defineProtocol({ name: "own", carriedBy: { ethernet: [0x88b5, 0x800] }, fields: { kind: { bits: 16 } } })`,
    "packet.mark = own.kind + own.offsetBytes * 65536;",
  ],
  [
    "something on VLANs only",
    `const definition = defineProtocol({ name: "own", carriedBy: { vlan: [0x88b5, 0x800], packet: 1 }, fields: { kind: { bits: 16 } } })`,
    "packet.mark = own.kind + own.offsetBytes * 65536;",
  ],
  [
    "something on IP, known by constants",
    `const NUMBERS = { one: 17, two: 2 }; const BITS = 8;
     const definition = defineProtocol({ name: "own", carriedBy: { ipv4: NUMBERS.one, ipv6: [NUMBERS.one] }, fields: { kind: { bits: BITS * 2 } } })`,
    "packet.mark = own.kind;",
  ],
];

function packets(random: SeededRandom): Uint8Array[] {
  const ports = { sourcePort: 1024, destinationPort: 5555 };
  return Array.from({ length: 60 }, () => {
    const rest = randomBytes(random, below(random, 70));
    const transport = below(random, 2) === 0 ? udp.header(ports) : tcp.header(ports);
    if (rest.length > 3 && below(random, 3) > 0) rest.set([0, 0, 0], 0);
    const tags = below(random, 3) === 0 ? [vlan.header({})] : [];
    const bytes = build(frame, ...tags, ip, transport, rest).toBytes();
    return below(random, 3) === 0 ? bytes.subarray(0, below(random, bytes.length)) : bytes;
  });
}

/** The packet layer's own protocols. */
const OWN = ["ethernet", "vlan", "arp", "pppoe", "mpls", "ipv4", "ipv6", "icmp", "icmpv6", "gre"].concat([
  "tcp",
  "udp",
  "vxlan",
  "dns",
  "dnsLength",
  "dhcp",
  "tftp",
  "tls",
  "clientHello",
]);

/** Bytes that look like the start of one of them. */
const STARTS = [
  "45",
  "46",
  "4f",
  "60",
  "11",
  "0003",
  "0005",
  "1603",
  "0100",
  "0800",
  "08000604",
  "5000",
  "ffff",
  "0000",
];

function agreeOnAnything(compiled: Compiled, random: SeededRandom): void {
  for (let count = 0; count < 120; count++) {
    const bytes = randomBytes(random, below(random, 300));
    const start = Buffer.from(STARTS[below(random, STARTS.length)] ?? "", "hex");
    // The start, or where an inner length, a version or a number of the next header often stands.
    const at = below(random, 3) * 2;
    if (bytes.length >= start.length + at) bytes.set(start, at);
    if (bytes.length > 14 && below(random, 2) === 0) bytes.fill(0, 2, 6);
    agree(compiled, bytes);
  }
}

describe("protocols in the kernel", () => {
  for (const [index, [name, declaration, body]] of DEFINED.entries()) {
    for (const [way, where] of [
      ["packet.find(definition)", FRAMES],
      ["packet.find(definition)", PACKETS],
      ["packet.payload(ipv4)?.payload(udp)?.payload(definition)", FRAMES],
      ["packet.payload(definition)", FRAMES],
    ] as const) {
      it(`a script's protocol has ${name}: ${way}, from ${where.first ?? "ethernet"} on`, () => {
        const text = `export const options = { tunnels: false };\n${declaration};\nexport function f(packet: Packet) { const own = ${way}; if (own === undefined) return drop; ${body} return accept; }`;
        const compiled = compile(text, where);
        for (const bytes of packets(new SeededRandom(index + 1))) agree(compiled, bytes);
      });
    }
  }

  for (const [index, name] of OWN.entries()) {
    it(`${name} is what user space takes for it, of any bytes`, () => {
      const inner = OWN.filter((one) => one !== name).slice(index % 7, (index % 7) + 5);
      const body = `const own = packet.as(${name}); if (own === undefined) return drop;
        packet.mark = own.lengthBytes * 65536 + own.headerBytes;
        ${inner.map((one, bit) => `if (own.payload(${one}) !== undefined) packet.mark = packet.mark + ${2 ** (20 + bit)};`).join("\n")}
        return accept;`;
      const compiled = compile(`export function f(packet: Packet) { ${body} }`, FRAMES);
      agreeOnAnything(compiled, new SeededRandom(index + 1));
    });
  }
});
