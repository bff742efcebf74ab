import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { build } from "./build.ts";
import { dns } from "./dns.ts";
import { ethernet } from "./ethernet.ts";
import { ipv4 } from "./ipv4.ts";
import { ipv6 } from "./ipv6.ts";
import type { Packet } from "./packet.ts";
import type { Protocol } from "./protocol.ts";
import { tcp } from "./tcp.ts";
import { gre, mpls, pppoe, vxlan } from "./tunnel.ts";
import { udp } from "./udp.ts";
import { vlan } from "./vlan.ts";

const inner = [ipv4.header({ source: "10.0.0.7" }), udp.header({ destinationPort: 53 }), new Uint8Array(12)];
const frame = ethernet.header({});

/** What a packet is, what is looked for, and where it is found with and without a look into tunnels. */
const CASES: readonly [
  name: string,
  packet: Packet,
  wanted: Protocol,
  inside: number | undefined,
  outside: number | undefined,
][] = [
  ["plain IPv4", build(...inner).toPacket(), udp, 20, 20],
  ["an application", build(...inner).toPacket(), dns, 28, 28],
  ["Ethernet itself", build(frame, ...inner).toPacket(), ethernet, 0, 0],
  ["IP behind Ethernet", build(frame, ...inner).toPacket(), ipv4, 14, 14],
  ["IP behind two tags", build(frame, vlan.header({}), vlan.header({}), ...inner).toPacket(), ipv4, 22, 22],
  ["UDP in a session of PPPoE", build(frame, pppoe.header({}), ...inner).toPacket(), udp, 42, 42],
  ["MPLS", build(frame, mpls.header({}), ...inner).toPacket(), mpls, 14, 14],
  ["IP behind MPLS", build(frame, mpls.header({}), ...inner).toPacket(), ipv4, 18, undefined],
  ["UDP behind MPLS", build(frame, mpls.header({}), ...inner).toPacket(), udp, 38, undefined],
  ["the outer IP", build(ipv4.header({}), ...inner).toPacket(), ipv4, 0, 0],
  ["UDP in IP in IP", build(ipv4.header({}), ...inner).toPacket(), udp, 40, undefined],
  ["IPv4 in IPv6", build(ipv6.header({}), ...inner).toPacket(), ipv4, 40, undefined],
  ["GRE", build(ipv4.header({}), gre.header({}), ...inner).toPacket(), gre, 20, 20],
  ["UDP in GRE", build(ipv4.header({}), gre.header({}), ...inner).toPacket(), udp, 44, undefined],
  [
    "TCP in Ethernet in IP",
    build(ipv6.header({}), frame, ipv4.header({}), tcp.header({})).toPacket(),
    tcp,
    74,
    undefined,
  ],
  [
    "VXLAN and UDP in front of it",
    build(ipv4.header({}), udp.header({}), vxlan.header({}), frame, ...inner).toPacket(),
    vxlan,
    28,
    28,
  ],
  [
    "DNS in VXLAN",
    build(ipv4.header({}), udp.header({}), vxlan.header({}), frame, ...inner).toPacket(),
    dns,
    78,
    undefined,
  ],
];

describe("Packet.find", () => {
  for (const [name, packet, wanted, inside, outside] of CASES) {
    it(`find() looks into tunnels unless it is told not to: ${name}`, () => {
      assert.equal(packet.find(wanted)?.offsetBytes, inside);
      packet.$looksIntoTunnels = false;
      assert.equal(packet.find(wanted)?.offsetBytes, outside);
    });
  }
});
