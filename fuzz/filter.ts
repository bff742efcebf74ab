/**
 * Filters made from the grammar, and texts that only look like filters, over packets that may be anything.
 * @module
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { assembleFilter } from "#flow/filter/assemble.ts";
import { BpfMachine } from "#flow/filter/bpf-machine.ts";
import { compileFilter } from "#flow/filter/compile.ts";
import type { FilterExpression } from "#flow/filter/expression.ts";
import { FilterError } from "#flow/filter/filter-error.ts";
import { parseFilter } from "#flow/filter/parse.ts";
import { FILTER_LINK_TYPES } from "#flow/filter/place.ts";
import { main, spoiledText, type Target } from "./target.ts";

const choose = (...words: string[]): fc.Arbitrary<string> => fc.constantFrom(...words);
const number = fc.oneof(fc.nat(20), fc.nat(0xffff), fc.nat(0xffffffff)).map(String);
const address = choose("10.0.0.1", "192.168.1.2", "1.2.3.4", "::1", "fe80::1", "10.1", "0");
const network = choose("10", "192.168", "0.0.0.0/0", "10.0.0.0/8", "172.16.0.0/12", "fe80::/10", "::/0");
const port = choose("80", "443", "53", "0", "http", "domain", "ntp");
const direction = choose("", "", "src ", "dst ", "src or dst ", "src and dst ");
const indexed = choose("ether", "ip", "ip6", "arp", "tcp", "udp", "icmp", "icmp6", "sctp", "igmp");

const { arithmetic } = fc.letrec<{ arithmetic: string }>((tie) => ({
  arithmetic: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    number,
    choose("len", "1", "tcp-syn", "icmptype"),
    fc.tuple(indexed, tie("arithmetic"), choose("", ":1", ":2", ":4")).map(([p, i, s]) => `${p}[${i}${s}]`),
    fc.tuple(indexed, fc.nat(44), choose("", ":1", ":2", ":4")).map(([p, i, s]) => `${p}[${i}${s}]`),
    fc
      .tuple(tie("arithmetic"), choose("+", "-", "*", "/", "%", "&", "|", "^", "<<", ">>"), tie("arithmetic"))
      .map(([left, operator, right]) => `(${left} ${operator} ${right})`),
    fc
      .tuple(tie("arithmetic"), choose("&", "<<", ">>", "-", "/", "%"), fc.nat(40))
      .map((part) => `(${part.join(" ")})`),
    tie("arithmetic").map((operand) => `(-${operand})`),
  ),
}));

const primitive = fc.oneof(
  choose(
    "ip",
    "ip6",
    "arp",
    "rarp",
    "tcp",
    "udp",
    "sctp",
    "icmp",
    "icmp6",
    "pim",
    "esp",
    "atalk",
    "iso",
    "ipx",
  ),
  choose("broadcast", "multicast", "ip multicast", "ip6 multicast", "ip broadcast", "vlan", "vlan 5", "mpls"),
  choose(
    "mpls 7",
    "pppoes",
    "pppoes 3",
    "pppoed",
    "less 60",
    "greater 60",
    "ip proto 17",
    "ether proto 5",
    "inbound",
  ),
  fc
    .tuple(choose("", "ip ", "ip6 ", "arp "), direction, choose("host "), address)
    .map((parts) => parts.join("")),
  fc.tuple(direction, network).map(([way, net]) => `${way}net ${net}`),
  fc
    .tuple(choose("", "tcp ", "udp "), direction, port, port)
    .map(([p, way, one, two]) => `${p}${way}port ${one} or ${two}`),
  fc
    .tuple(direction, fc.nat(0xffff), fc.nat(0xffff))
    .map(([way, low, high]) => `${way}portrange ${low}-${high}`),
  fc
    .tuple(direction, choose("1:2:3:4:5:6", "ff:ff:ff:ff:ff:ff"))
    .map(([way, mac]) => `ether ${way}host ${mac}`),
  fc.tuple(arithmetic, choose("=", "!=", "<", "<=", ">", ">="), arithmetic).map((parts) => parts.join(" ")),
);

/** Texts of the grammar; some make no sense on some link types. */
export const filterTexts: fc.Arbitrary<string> = fc.letrec<{ expression: string }>((tie) => ({
  expression: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    primitive,
    fc
      .tuple(tie("expression"), choose("and", "or", "&&", "||"), tie("expression"))
      .map((parts) => parts.join(" ")),
    tie("expression").map((inner) => `not (${inner})`),
    tie("expression").map((inner) => `(${inner})`),
  ),
})).expression;

const starts = [
  [],
  "0102030405060708090a0b0c0800",
  "01020304050608090a0b0c0d86dd",
  "ffffffffffff0102030405068100000508004500",
  "0102030405060708090a0b0c88470000710045",
  "0102030405060708090a0b0c886411000003000000214500",
  "45000030",
  "60000000",
  "0200000045",
  "0000001e60",
  "ff0300214500",
  "0f00080045",
  "00000001000600000000000000000800450000",
].map((hex) => Buffer.from(String(hex), "hex"));
const packets = fc
  .tuple(
    fc.constantFrom(...starts),
    fc.uint8Array({ maxLength: 90 }),
    fc.constantFrom(1, 6, 17, 58, 132, 200),
  )
  .map(([start, rest, protocol]) => {
    const bytes = new Uint8Array([...start, ...rest]);
    // Where IPv4 in Ethernet has the protocol: chance alone would seldom come by TCP.
    if (bytes.length > 23 && start.length === 14) bytes[23] = protocol;
    return bytes;
  });

interface Question {
  readonly text: string;
  readonly linkType: number;
  readonly packets: readonly Uint8Array[];
}

const samples = [
  "tcp port 80 or 443",
  "host 10.0.0.1 and not (net 10 or ::1)",
  "tcp[13] & 2 != 0",
  "vlan 5 && ip[0:2] = 3",
];
const odd = spoiledText(samples, [
  "(",
  ")",
  "[",
  ":",
  "\\",
  "not ",
  "or ",
  "0x",
  "host ",
  "1.2.3.4",
  "::",
  "-",
  "/8",
]);

function check({ text, linkType, packets: given }: Question): void {
  let expression: FilterExpression;
  try {
    expression = parseFilter(text);
    compileFilter(expression, { linkType });
  } catch (error) {
    if (!(error instanceof FilterError)) throw error;
    assert.ok(error.column >= 0 && error.column <= text.length + 1);
    return;
  }
  const matches = compileFilter(expression, { linkType });
  let machine: BpfMachine;
  try {
    machine = new BpfMachine(assembleFilter(expression, { linkType, snapLengthBytes: 96 }));
  } catch (error) {
    // Arithmetic may need more memory than a program has, and a filter more instructions.
    if (error instanceof FilterError) return;
    throw error;
  }
  for (const packet of given) {
    // Bytes around the packet are none of its business.
    const bytes = new Uint8Array([0x45, 6, ...packet, 0x45, 6, 0, 80]);
    const originalBytes = packet.length + (packet[0] ?? 0);
    const mine = matches(bytes, 2, packet.length, originalBytes);
    assert.equal(mine, machine.run(bytes, 2, packet.length, originalBytes) > 0, text);
    assert.equal(mine, matches(packet, 0, packet.length + 9, originalBytes), text);
  }
}

export const filter: Target<Question> = {
  name: "filter",
  invariant:
    "errors are typed and have a place, and the compiled function decides as the program in the machine",
  corpus: [
    { text: "ether[4294967295] = 1 or ip[0-1] = 0", linkType: 1, packets: starts },
    { text: "(".repeat(5000), linkType: 1, packets: [] },
    { text: `${"not ".repeat(5000)}ip`, linkType: 1, packets: [] },
    { text: `len = ${"1+".repeat(1900)}len`, linkType: 1, packets: starts },
    { text: `len = ${"(len+".repeat(150)}1${")".repeat(150)}`, linkType: 1, packets: starts },
    {
      text: `${Array.from({ length: 900 }, (_, at) => `tcp port ${at} ${at % 2 ? "or" : "and"} `).join("")}ip`,
      linkType: 1,
      packets: starts,
    },
    {
      text: `host ${Array.from({ length: 3000 }, (_, at) => `10.0.${at >> 8}.${at & 255}`).join(" or ")}`,
      linkType: 1,
      packets: starts,
    },
  ],
  inputs: fc.record({
    text: fc.oneof({ weight: 4, arbitrary: filterTexts }, { weight: 1, arbitrary: odd }),
    linkType: fc.oneof(fc.constant(1), fc.constantFrom(...FILTER_LINK_TYPES)),
    packets: fc.array(packets, { minLength: 1, maxLength: 6 }),
  }),
  testRounds: 600,
  check,
};

if (import.meta.main) await main(filter);
