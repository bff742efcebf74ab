import assert from "node:assert/strict";
import { test } from "node:test";
import { ip } from "#base/ip-address.ts";
import { IPV4_PREFIX, Layers } from "../layers/layers.ts";
import { flowFilterOf } from "./flow-filter.ts";
import { parseFilter } from "./parse.ts";

function flow(source: string, target: string, protocol: number, ports: readonly [number, number]): Layers {
  const layers = new Layers();
  const words = (text: string): [number, number, number, number] => {
    const { bytes, family } = ip(text);
    const view = new DataView(bytes.buffer);
    if (family === 4) return [0, 0, IPV4_PREFIX, view.getInt32(0)];
    return [view.getInt32(0), view.getInt32(4), view.getInt32(8), view.getInt32(12)];
  };
  layers.version = ip(source).family;
  layers.protocol = protocol;
  [layers.source0, layers.source1, layers.source2, layers.source3] = words(source);
  [layers.target0, layers.target1, layers.target2, layers.target3] = words(target);
  [layers.sourcePort, layers.targetPort] = ports;
  return layers;
}

const WEB = flow("192.168.1.2", "203.0.113.9", 6, [50_000, 80]);
const NAME = flow("2001:db8::5", "2001:db8:1::53", 17, [40_000, 53]);
const PING = flow("10.0.0.1", "10.0.0.2", 1, [7, 7]);

/** Which of the three match. */
const CASES: readonly (readonly [string, readonly [boolean, boolean, boolean]])[] = [
  ["", [true, true, true]],
  ["tcp port 80", [true, false, false]],
  ["src port 80", [false, false, false]],
  ["dst port http or domain", [true, true, false]],
  ["portrange 50-90", [true, true, false]],
  ["port 7", [false, false, false]],
  ["src and dst portrange 50-60000", [true, true, false]],
  ["net 192.168", [true, false, false]],
  ["host 203.0.113.9 and not src net 10", [true, false, false]],
  ["dst net 200.0.0.0/5", [true, false, false]],
  ["net 0.0.0.0/0", [true, false, true]],
  ["src and dst net 10", [false, false, true]],
  ["net 2001:db8::/32", [false, true, false]],
  ["src net 2001:db8:1::/48", [false, false, false]],
  ["dst host 2001:db8:1::53", [false, true, false]],
  ["ip", [true, false, true]],
  ["ip6 and udp", [false, true, false]],
  ["icmp or icmp6", [false, false, true]],
  ["ip proto 1 or 6", [true, false, true]],
  ["ip6 proto \\udp", [false, true, false]],
  ["proto 17", [false, true, false]],
  ["not (tcp or udp)", [false, false, true]],
];

for (const [filter, wanted] of CASES) {
  test(`flowFilterOf() decides ${JSON.stringify(filter)} by a flow's first packet`, () => {
    const decide = flowFilterOf(parseFilter(filter));
    assert.deepEqual(
      [WEB, NAME, PING].map((layers) => decide?.(layers)),
      wanted,
    );
  });
}

test("flowFilterOf() refuses what differs from packet to packet, or is of no flow", () => {
  const others = [
    "tcp[13] & 2 != 0",
    "less 60",
    "vlan 5 and tcp",
    "not arp",
    "arp host 1.2.3.4",
    "ether proto 5",
  ];
  for (const filter of [
    ...others,
    "port 80 or broadcast",
    "mpls",
    "pppoes",
    "inbound",
    "ip multicast",
    "stp",
  ]) {
    assert.equal(flowFilterOf(parseFilter(filter)), undefined, filter);
  }
});
