import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ipv4 } from "#packet/ipv4.ts";
import { ipv6 } from "#packet/ipv6.ts";
import { udp } from "#packet/udp.ts";
import { packetOf } from "../packet/test-world.ts";
import { inBothKernels, KernelWorld } from "./test-world.ts";

const CLIENT = 0x0a01_0203;
const CLIENT6 = (0x2001_0db8n << 96n) + 5n;

inBothKernels("accounting", (kernel) => {
  let world: KernelWorld;
  before(async () => {
    world = await KernelWorld.load(kernel, "accounting.ts", { upward: "netfilter", downward: "netfilter" });
  });
  after(() => world.close());

  test("upward() counts what clients send, downward() what they get", async () => {
    const up = packetOf(ipv4.header({ source: CLIENT, destination: 9 }), udp.header({}), "12345");
    const down = packetOf(ipv4.header({ source: 9, destination: CLIENT }), udp.header({}), "123456789");
    for (const [name, packet, count] of [
      ["upward", up, 3],
      ["downward", down, 2],
    ] as const) {
      for (let index = 0; index < count; index++) await world.give(name, packet);
    }
    assert.deepEqual(world.entries("client-bytes-up"), [[CLIENT, 3 * 33]]);
    assert.deepEqual(world.entries("client-packets-up"), [[CLIENT, 3]]);
    assert.deepEqual(world.entries("client-bytes-down"), [[CLIENT, 2 * 37]]);
    assert.deepEqual(world.entries("client-packets-down"), [[CLIENT, 2]]);
  });

  test("both count IPv6 as well", async () => {
    const up = packetOf(ipv6.header({ source: CLIENT6, destination: 9n }), udp.header({}), "12345");
    const down = packetOf(ipv6.header({ source: 9n, destination: CLIENT6 }), udp.header({}), "123456789");
    await world.give("upward", up);
    await world.give("downward", down);
    assert.deepEqual(world.entries("client-bytes-up6"), [[CLIENT6, 53]]);
    assert.deepEqual(world.entries("client-packets-up6"), [[CLIENT6, 1]]);
    assert.deepEqual(world.entries("client-bytes-down6"), [[CLIENT6, 57]]);
    assert.deepEqual(world.entries("client-packets-down6"), [[CLIENT6, 1]]);
  });
});
