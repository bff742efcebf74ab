import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { formatIpv4 } from "#packet/address.ts";
import { arp } from "#packet/arp.ts";
import { icmp } from "#packet/icmp.ts";
import { ipv4 } from "#packet/ipv4.ts";
import { ipv6 } from "#packet/ipv6.ts";
import { tcp } from "#packet/tcp.ts";
import { udp } from "#packet/udp.ts";
import { packetOf, ScriptWorld, wrongChecksums } from "./test-world.ts";

const CLIENT = "192.168.0.2";
const SERVER = "10.0.0.2";

describe("nat", async () => {
  const world = await ScriptWorld.load("nat.ts", "snat", "dnat");

  for (const [what, header] of [
    ["TCP", tcp.header({ sourcePort: 40_000, destinationPort: 80, syn: true })],
    ["UDP", udp.header({ sourcePort: 40_000, destinationPort: 53 })],
    ["ICMP", icmp.header({ type: 8 })],
  ] as const) {
    test(`snat() gives ${what} the router's source, with right checksums`, async () => {
      const given = packetOf(ipv4.header({ source: CLIENT, destination: SERVER }), header, "hello");
      const { verdict, packet } = await world.give("snat", given);
      assert.equal(verdict, "continue");
      const ip = packet.payload(ipv4);
      assert.equal(formatIpv4(ip?.source ?? 0), "10.0.0.1");
      assert.equal(formatIpv4(ip?.destination ?? 0), SERVER);
      assert.deepEqual(wrongChecksums(packet), []);
    });
  }

  test("dnat() brings answers to the client", async () => {
    const header = udp.header({ sourcePort: 53, destinationPort: 40_000 });
    const given = packetOf(ipv4.header({ source: SERVER, destination: "10.0.0.1" }), header, "hello");
    const { verdict, packet } = await world.give("dnat", given);
    assert.equal(verdict, "continue");
    assert.equal(formatIpv4(packet.payload(ipv4)?.destination ?? 0), CLIENT);
    assert.deepEqual(wrongChecksums(packet), []);
  });

  test("snat() and dnat() drop what is no IPv4", async () => {
    for (const name of ["snat", "dnat"]) {
      for (const packet of [packetOf(ipv6.header({}), udp.header({}), "x"), packetOf(arp.header({}))]) {
        assert.equal((await world.give(name, packet)).verdict, "drop");
      }
    }
  });
});
