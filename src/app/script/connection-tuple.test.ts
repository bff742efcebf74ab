import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { build } from "#packet/build.ts";
import { EtherType } from "#packet/ethernet.ts";
import { icmp } from "#packet/icmp.ts";
import { icmpv6 } from "#packet/icmpv6.ts";
import { IpProtocol, ipv4 } from "#packet/ipv4.ts";
import { ipv6 } from "#packet/ipv6.ts";
import { Packet } from "#packet/packet.ts";
import type { Header } from "#packet/protocol.ts";
import { tcp } from "#packet/tcp.ts";
import { udp } from "#packet/udp.ts";
import { type TrackedPacket, trackedPacket } from "./connection-tuple.ts";

const four = { source: "10.0.0.1", destination: "10.0.0.2" };
const six = { source: "fd00::1", destination: "fd00::2" };
const PORTS = { sourcePort: 4000, destinationPort: 53 };
const CARRIED = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 10);

type Parts = readonly (Header | Uint8Array)[];

/** What is found of a packet, on one line. */
function say(found: TrackedPacket | undefined): string {
  if (found === undefined) return "none";
  const { tuple, isError, isOpening } = found;
  const { source, target, protocol, sourcePort, targetPort, icmp: message } = tuple;
  const ports = sourcePort === undefined ? "" : ` ${sourcePort}>${targetPort}`;
  const query = message ? ` type ${message.type} code ${message.code} id ${message.id}` : "";
  return `${protocol} ${source}>${target}${ports}${query}${isError ? " error" : ""}${isOpening ? " opening" : ""}`;
}

/** The bytes of built headers, cut off if wanted. */
function packetOf(parts: Parts, lengthBytes = Number.POSITIVE_INFINITY): Packet {
  const bytes = build(...parts)
    .toPacket()
    .copy()
    .slice(0, lengthBytes);
  const etherType = (bytes[0] ?? 0) >> 4 === 4 ? EtherType.ipv4 : EtherType.ipv6;
  return new Packet().aim(new DataView(bytes.buffer), 0, bytes.length, etherType);
}

describe("trackedPacket()", () => {
  const inner4 = [ipv4.header(four), udp.header(PORTS), CARRIED];
  const inner6 = [ipv6.header(six), tcp.header({ ...PORTS, ack: true })];
  const UNREACHABLE4 = icmp.header({ type: 3, code: 3 });
  const back4 = { source: "10.0.0.9", destination: "10.0.0.1" };
  const back6 = { source: "fd00::9", destination: "fd00::1" };
  const cases: [name: string, parts: Parts, wanted: string][] = [
    ["UDP over IPv4", inner4, "17 10.0.0.1>10.0.0.2 4000>53"],
    ["TCP over IPv6", inner6, "6 fd00::1>fd00::2 4000>53"],
    [
      "a SYN",
      [ipv4.header(four), tcp.header({ ...PORTS, syn: true })],
      "6 10.0.0.1>10.0.0.2 4000>53 opening",
    ],
    [
      "its answer",
      [ipv4.header(four), tcp.header({ ...PORTS, syn: true, ack: true })],
      "6 10.0.0.1>10.0.0.2 4000>53",
    ],
    [
      "IPv4's echo",
      [ipv4.header(four), icmp.header({ type: 8, identifier: 77, sequence: 3 })],
      "1 10.0.0.1>10.0.0.2 type 8 code 0 id 77",
    ],
    [
      "IPv6's echo",
      [ipv6.header(six), icmpv6.header({ type: 129, identifier: 77, sequence: 3 })],
      "58 fd00::1>fd00::2 type 129 code 0 id 77",
    ],
    ["neighbour discovery", [ipv6.header(six), icmpv6.header({ type: 135 }), new Uint8Array(16)], "none"],
    ["a router's advertisement over IPv4", [ipv4.header(four), icmp.header({ type: 9 })], "none"],
    [
      "an error, which goes against what it is about",
      [ipv4.header(back4), UNREACHABLE4, ...inner4],
      "17 10.0.0.2>10.0.0.1 53>4000 error",
    ],
    [
      "IPv6's error",
      [ipv6.header(back6), icmpv6.header({ type: 2 }), ...inner6],
      "6 fd00::2>fd00::1 53>4000 error",
    ],
    [
      "an error about an echo",
      [ipv4.header(back4), UNREACHABLE4, ipv4.header(four), icmp.header({ type: 8, identifier: 5 })],
      "1 10.0.0.2>10.0.0.1 type 0 code 0 id 5 error",
    ],
    [
      "an error about an error",
      [ipv4.header(back4), UNREACHABLE4, ipv4.header(back4), UNREACHABLE4, ...inner4],
      "none",
    ],
    ["an error about nothing", [ipv4.header(back4), UNREACHABLE4], "none"],
    ["a first fragment", [ipv4.header({ ...four, moreFragments: true }), udp.header(PORTS), CARRIED], "none"],
    ["a later fragment", [ipv4.header({ ...four, fragmentOffset: 3 }), udp.header(PORTS), CARRIED], "none"],
    ["ESP", [ipv4.header({ ...four, protocol: 50 }), CARRIED], "50 10.0.0.1>10.0.0.2"],
    [
      "GRE",
      [ipv4.header({ ...four, protocol: IpProtocol.gre }), Uint8Array.of(0, 0, 8, 0)],
      "47 10.0.0.1>10.0.0.2 0>0",
    ],
    ["PPTP", [ipv4.header({ ...four, protocol: IpProtocol.gre }), Uint8Array.of(0x20, 1, 8, 0)], "none"],
    [
      "IPv6's ICMP over IPv4",
      [ipv4.header({ ...four, protocol: 58 }), Uint8Array.of(128, 0, 0, 0, 0, 7, 0, 1)],
      "none",
    ],
  ];
  for (const [name, parts, wanted] of cases) {
    it(`reads ${name}: ${wanted}`, () => assert.equal(say(trackedPacket(packetOf(parts))), wanted));
  }

  it("reads what is there of a packet that is cut off, as far as its ports", () => {
    const said = [19, 20, 23, 24, 28].map((end) => say(trackedPacket(packetOf(inner4, end))));
    const found = "17 10.0.0.1>10.0.0.2 4000>53";
    assert.deepEqual(said, ["none", "none", "none", found, found]);
  });

  it("reads ports behind IPv6's extension headers, and none of fragments", () => {
    const header = build(ipv6.header({ ...six, nextHeader: 60 }), CARRIED)
      .toPacket()
      .copy(0, 40);
    const extended = (...bytes: number[]): string => {
      const udpBytes = [0x0f, 0xa0, 0, 53, 0, 8, 0, 0];
      const all = Uint8Array.from([...header, ...bytes, ...udpBytes]);
      const view = new DataView(all.buffer);
      view.setUint16(4, all.length - 40);
      return say(trackedPacket(new Packet().aim(view, 0, all.length, EtherType.ipv6)));
    };
    assert.equal(extended(17, 0, 1, 4, 0, 0, 0, 0), "17 fd00::1>fd00::2 4000>53");
    assert.equal(extended(44, 0, 1, 4, 0, 0, 0, 0, 17, 0, 0, 1, 0, 0, 0, 9), "none");
    assert.equal(extended(44, 0, 1, 4, 0, 0, 0, 0, 17, 0, 0, 8, 0, 0, 0, 9), "none");
  });

  it("throws at nothing", () => {
    const samples = cases.map(([, parts]) => packetOf(parts).copy());
    const packet = new Packet();
    const change = fc.tuple(fc.nat(80), fc.nat(255));
    fc.assert(
      fc.property(
        fc.constantFrom(...samples),
        fc.array(change, { maxLength: 5 }),
        fc.nat(100),
        fc.constantFrom(EtherType.ipv4, EtherType.ipv6, EtherType.arp),
        (sample, changes, end, etherType) => {
          const bytes = sample.slice(0, end);
          for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
          trackedPacket(packet.aim(new DataView(bytes.buffer), 0, bytes.length, etherType));
        },
      ),
    );
  });
});
