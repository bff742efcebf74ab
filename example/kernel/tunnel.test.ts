import assert from "node:assert/strict";
import { after, beforeEach, test } from "node:test";
import { ipv4 } from "#packet/ipv4.ts";
import { tcp } from "#packet/tcp.ts";
import { udp } from "#packet/udp.ts";
import { packetOf } from "../packet/test-world.ts";
import { inBothKernels, KernelWorld } from "./test-world.ts";

const INNER = { source: "10.91.0.5", destination: "10.92.7.7", timeToLive: 40 };
const OUTER = { source: "198.51.100.7", destination: "192.0.2.1" };

inBothKernels("tunnel", (kernel) => {
  const worlds: KernelWorld[] = [];
  let world: KernelWorld;
  beforeEach(async () => {
    world = await KernelWorld.load(kernel, "tunnel.ts", { pack: "tcx-egress", unpack: "tcx-ingress" });
    worlds.push(world);
  });
  after(() => {
    for (const one of worlds) one.close();
  });

  test("pack() puts a header in front, and the packet in it is as it was", async () => {
    const inner = packetOf(ipv4.header(INNER), udp.header({ sourcePort: 7, destinationPort: 9 }), "hello");
    const { verdict, packet } = await world.give("pack", inner);
    const outer = packet.payload(ipv4);
    assert.deepEqual(
      [verdict, outer?.protocol, outer?.timeToLive, outer?.lengthBytes],
      ["continue", 4, 64, 20 + 20 + 8 + 5],
    );
    assert.deepEqual(packet.copy(20), inner.toBytes());
    assert.equal(world.counter("pack", "packed"), 1);
  });

  test("pack() leaves other packets alone, and drops what it cannot pack", async () => {
    const other = packetOf(ipv4.header({ ...INNER, destination: "10.93.0.1" }), tcp.header({}), "hello");
    assert.deepEqual((await world.give("pack", other)).packet.copy(), other.toBytes());
    const fragment = packetOf(ipv4.header({ ...INNER, moreFragments: true }), udp.header({}), "hello");
    assert.equal((await world.give("pack", fragment)).verdict, "drop");
    assert.equal(world.counter("pack", "not packed"), 1);
  });

  test("unpack() takes off what pack() has put there, of the other machine only", async () => {
    const inner = packetOf(ipv4.header(INNER), tcp.header({ sourcePort: 7, destinationPort: 9 }), "hello");
    const packed = packetOf(
      ipv4.header(OUTER),
      ipv4.header(INNER),
      tcp.header({ sourcePort: 7, destinationPort: 9 }),
      "hello",
    );
    assert.deepEqual((await world.give("unpack", packed)).packet.copy(), inner.toBytes());
    const strange = packetOf(
      ipv4.header({ ...OUTER, source: "198.51.100.8" }),
      ipv4.header(INNER),
      tcp.header({}),
      "x",
    );
    assert.deepEqual((await world.give("unpack", strange)).packet.copy(), strange.toBytes());
    assert.equal(world.counter("unpack", "unpacked"), 1);
  });
});
