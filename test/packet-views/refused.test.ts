/**
 * What the kernel's programs cannot have of packets is refused, with the reason.
 * @module
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { DRIVER, FRAMES, PACKETS, problemsOf, type Where } from "./agreement.ts";

const NETFILTER: Where = { attach: "netfilter" };

const REFUSED: readonly [name: string, body: string, code: string, why: RegExp, where?: Where][] = [
  ["find without a promise", "packet.find(tcp);", "kernel-find", /looks into tunnels/],
  ["the head of HTTP", "packet.payload(ipv4)?.payload(tcp)?.payload(http);", "", /./],
  [
    "a protocol that varies",
    "const p = packet.lengthBytes > 5 ? tcp : udp; packet.payload(ipv4)?.payload(p as never);",
    "kernel-protocol",
    /known when the script is compiled/,
  ],
  ["headers()", "packet.headers();", "kernel-packet", /keep nothing/],
  ["connections", "if (packet.connection) return drop;", "kernel-packet", /connections/],
  ["the hook", "if (packet.hook) return drop;", "kernel-packet", /its name/],
  ["interfaces", "if (packet.inInterface) return drop;", "kernel-packet", /numbers/],
  [
    "names in DNS",
    "packet.payload(ipv4)?.payload(udp)?.payload(dns)?.questions();",
    "kernel-member",
    /walking through/,
  ],
  [
    "fields whose place varies",
    "packet.mark = packet.payload(ipv4)?.payload(gre)?.key ?? 0;",
    "kernel-member",
    /told by the header/,
  ],
  ["texts", "packet.text();", "kernel-member", /text/],
  ["an offset that is no number", "packet.uint8(packet.lengthBytes / 2);", "", /./],
  [
    "lengths of headers",
    "const p = packet.payload(ipv4); if (p) p.totalLength = 5;",
    "kernel-write-field",
    /begin and end/,
  ],
  [
    "what is carried",
    "const p = packet.payload(ipv4); if (p) p.totalLength = 50;",
    "kernel-write-field",
    /begin and end/,
  ],
  [
    "checksums of transports",
    "const u = packet.payload(ipv4)?.payload(udp); if (u) u.checksum = 0;",
    "kernel-write-checksum",
    /only the kernel knows/,
  ],
  [
    "a checksum after a write",
    "const u = packet.payload(ipv4)?.payload(udp); if (u) { u.sourcePort = 1; packet.mark = u.checksum; }",
    "kernel-read-checksum",
    /brought up to date/,
  ],
  [
    "bytes after a write",
    "const u = packet.payload(ipv4)?.payload(udp); if (u) u.sourcePort = 1; packet.mark = packet.uint16(40) ?? 0;",
    "kernel-read-checksum",
    /brought up to date/,
  ],
  [
    "the packet in an error",
    "const p = packet.payload(ipv4)?.payload(icmp)?.payload(ipv4); if (p) p.source = 1;",
    "kernel-write-header",
    /has one itself/,
  ],
  [
    "GRE",
    "const g = packet.payload(ipv4)?.payload(gre); if (g) g.type = 1;",
    "kernel-write-header",
    /some headers only/,
  ],
  ["bytes of headers", "packet.payload(ipv4)?.setUint8(8, 1);", "kernel-write-bytes", /bytes of ipv4/],
  ["bytes of the packet", "packet.setUint8(8, 1);", "kernel-write-bytes", /decide where/],
  [
    "a checksum by its place",
    "packet.payload(ipv4)?.payload(tcp)?.slice(10)?.setUint16(6, 1);",
    "kernel-write-bytes",
    /decide where/,
  ],
  [
    "splice() of a number of bytes that varies, for others",
    "const d = packet.payload(ipv4)?.payload(udp)?.payload(); if (d) d.splice(0, d.lengthBytes, new Uint8Array(4));",
    "kernel-resize",
    /how many bytes go has to be constant/,
  ],
  [
    "splice() that keeps the length",
    "packet.payload(ipv4)?.payload(udp)?.payload().splice(0, 2, new Uint8Array(2));",
    "kernel-resize",
    /keeps the packet's length/,
  ],
  [
    "splice() of bytes of any number",
    "const u = packet.payload(ipv4)?.payload(udp); u?.splice(8, 0, u.copy());",
    "kernel-resize",
    /bytes of a constant number/,
  ],
  [
    "splice() in the middle of what IP carries",
    "packet.payload(ipv4)?.payload().splice(30, 2);",
    "kernel-resize",
    /a transport may begin/,
  ],
  [
    "splice() in front of Ethernet's end",
    "packet.splice(12, 0, new Uint8Array(4));",
    "kernel-resize",
    /where its IP header begins, at 14/,
  ],
  [
    "splice() in several checksums",
    "packet.payload(ipv4)?.payload(icmp)?.payload(ipv4)?.payload(udp)?.payload().splice(0, 1);",
    "kernel-resize",
    /several headers have a checksum/,
  ],
  [
    "splice() in a tunnel",
    "packet.payload(ipv4)?.payload(ipv4)?.payload(udp)?.payload().splice(0, 1);",
    "kernel-resize",
    /lies in another one/,
  ],
  [
    "splice() in GRE",
    "packet.payload(ipv4)?.payload(gre)?.payload().splice(0, 1);",
    "kernel-resize",
    /GRE's checksum/,
  ],
  [
    "a view behind splice()",
    "const u = packet.payload(ipv4)?.payload(udp); if (!u) return; u.payload().splice(0, 1); u.sourcePort = 7;",
    "kernel-old-view",
    /may have moved it/,
  ],
  [
    "a view behind splice() on one of two ways",
    "const u = packet.payload(ipv4)?.payload(udp); if (!u) return; if (u.sourcePort === 7) u.payload().splice(0, 1); return u.destinationPort === 7 ? drop : accept;",
    "kernel-old-view",
    /may have moved it/,
  ],
  [
    "a view in front of a loop with splice()",
    "const u = packet.payload(ipv4)?.payload(udp); if (!u) return; for (let n = 0; n < 200; n++) { if (u.sourcePort === n) packet.payload(ipv4)?.payload(udp)?.payload().splice(0, 1); }",
    "kernel-old-view",
    /may have moved it/,
  ],
  [
    "bytes of the packet behind splice()",
    "const d = packet.payload(ipv4)?.payload(udp)?.payload(); if (!d) return; const b = d.bytes(0, 4); d.splice(0, 1); return b[0] === 7 ? drop : accept;",
    "kernel-old-view",
    /may have moved it/,
  ],
  ["fill()", "packet.payload(ipv4)?.payload(udp)?.payload().fill(0);", "kernel-write-bytes", /any number/],
  [
    "writing at a netfilter hook",
    "const p = packet.payload(ipv4); if (p) p.timeToLive = 1;",
    "kernel-no-writes",
    /only judge/,
    NETFILTER,
  ],
  ["a mark at a netfilter hook", "packet.mark = 1;", "kernel-no-mark", /only judge/, NETFILTER],
  ["a mark at a driver's place", "packet.mark = 1;", "kernel-no-mark", /no mark yet/, DRIVER],
  [
    "reading a mark at a driver's place",
    "if (packet.mark === 1) return drop;",
    "kernel-no-mark",
    /no mark yet/,
    DRIVER,
  ],
  [
    "an address that is none",
    'const p = packet.payload(ipv4); if (p) p.source = "10.0.0";',
    "kernel-constant",
    /10\.0\.0/,
  ],
  [
    "options that are removed",
    "const t = packet.payload(ipv4)?.payload(tcp); if (t) t.maximumSegmentSize = undefined;",
    "",
    /./,
  ],
];

const DECLARATIONS: readonly [name: string, declaration: string, code: string, why: RegExp][] = [
  ["a built-in name", '{ name: "udp", fields: { a: { bits: 8 } } }', "kernel-protocol", /has a protocol udp/],
  [
    "too many bytes",
    '{ name: "own", fields: { a: { bits: 8 * 300, as: "bytes" } } }',
    "kernel-protocol",
    /at most 256/,
  ],
  [
    "a field whose place varies",
    '{ name: "own", fields: { a: { at: () => 8, bits: 8 } }, carriedBy: { udp: 1 } }',
    "kernel-member",
    /told by a function/,
  ],
  [
    "a codec",
    '{ name: "own", fields: { a: { bits: 8, as: { get: (x: number) => x, set: (x: number) => x } } }, carriedBy: { udp: 1 } }',
    "kernel-member",
    /told by a function/,
  ],
  [
    "a protocol of the script in front",
    '{ name: "own", fields: { a: { bits: 8 } }, carriedBy: { other: 1 } }',
    "kernel-find",
    /carried by other/,
  ],
];

describe("packets in the kernel", () => {
  for (const [name, body, code, why, where = FRAMES] of REFUSED) {
    it(`${name} is refused at ${where.attach}`, () => {
      const [problem] = problemsOf(`export function f(packet: Packet) {\n${body}\n}`, where);
      assert.ok(problem, "it is not refused");
      if (code !== "") assert.equal(problem.code, code, problem.why);
      assert.match(problem.why, why);
      assert.ok(problem.instead.length > 0);
      assert.equal(problem.place.line, 4, "it is not told where");
    });
  }

  for (const [name, declaration, code, why] of DECLARATIONS) {
    it(`a declaration with ${name} is refused`, () => {
      const text = `export const options = { tunnels: false };\nconst own = defineProtocol(${declaration});
        export function f(packet: Packet) { const found = packet.find(own); if (found && Number(found.a) > 3) return drop; return accept; }`;
      const [problem] = problemsOf(text, PACKETS);
      assert.equal(problem?.code, code, problem?.why);
      assert.match(problem.why, why);
    });
  }

  it("a field that tells how long a header is must not be written to, once it was looked at", () => {
    const text = `const own = defineProtocol({ name: "own", fields: { length: { bits: 8 }, value: { bits: 8 } }, carriedBy: { udp: 1 },
        headerBytes: (header) => 2 + header.length });
      export function f(packet: Packet) { const u = packet.payload(ipv4)?.payload(udp)?.payload(own);
        if (u) { u.value = 1; u.length = 2; } }`;
    const problems = problemsOf(text);
    assert.deepEqual(
      problems.map(({ code, construct }) => `${code} ${construct}`),
      ["kernel-write-field u.length"],
    );
  });
});
