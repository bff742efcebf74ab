import assert from "node:assert/strict";
import { after, beforeEach, test } from "node:test";
import { seconds } from "#base/time.ts";
import { icmp } from "#packet/icmp.ts";
import { ipv4 } from "#packet/ipv4.ts";
import { tcp } from "#packet/tcp.ts";
import { udp } from "#packet/udp.ts";
import { packetOf } from "../packet/test-world.ts";
import { inBothKernels, KernelWorld } from "./test-world.ts";

inBothKernels("knocking", (kernel) => {
  const worlds: KernelWorld[] = [];
  let world: KernelWorld;
  beforeEach(async () => {
    world = await KernelWorld.load(kernel, "knocking.ts", { knock: "netfilter" });
    worlds.push(world);
  });
  after(() => {
    for (const one of worlds) one.close();
  });

  /** The verdicts of one datagram for each port. */
  async function knock(source: string, ...ports: readonly number[]): Promise<string[]> {
    const verdicts: string[] = [];
    for (const destinationPort of ports) {
      const packet = packetOf(ipv4.header({ source }), udp.header({ destinationPort }));
      verdicts.push((await world.give("knock", packet)).verdict);
    }
    return verdicts;
  }

  async function open(source: string): Promise<boolean> {
    const packet = packetOf(ipv4.header({ source }), tcp.header({ destinationPort: 22, syn: true }));
    return (await world.give("knock", packet)).verdict === "continue";
  }

  test("knock() shuts the door in front of strangers, and opens it to who knocks in the right order", async () => {
    assert.equal(await open("10.0.0.2"), false);
    assert.deepEqual(await knock("10.0.0.2", 7001, 8002, 9003), ["drop", "drop", "drop"]);
    assert.equal(await open("10.0.0.2"), true);
    assert.equal(await open("10.0.0.3"), false);
    assert.equal(world.counter("knock", "opened"), 1);
    assert.equal(world.counter("knock", "shut out"), 2);
  });

  for (const ports of [
    [7001, 9003, 8002],
    [8002, 9003],
    [7001, 8002, 8003, 9003],
    [7001, 8002],
    Array.from({ length: 3000 }, (_, index) => 6500 + index),
  ]) {
    const told = ports.length > 5 ? `${ports.length} ports in a row` : ports.join(", ");
    test(`knock() does not open to ${told}`, async () => {
      await knock("10.0.0.2", ...ports);
      assert.equal(await open("10.0.0.2"), false);
    });
  }

  test("knock() forgets who takes too long, and shuts the door behind who is quiet", async () => {
    await knock("10.0.0.2", 7001, 8002);
    await world.wait(seconds(10));
    await knock("10.0.0.2", 9003);
    assert.equal(await open("10.0.0.2"), false);
    await knock("10.0.0.2", 7001, 8002, 9003);
    for (let round = 0; round < 3; round++) {
      await world.wait(seconds(20));
      assert.equal(await open("10.0.0.2"), true);
    }
    await world.wait(seconds(30));
    assert.equal(await open("10.0.0.2"), false);
  });

  test("knock() looks at nothing else", async () => {
    for (const header of [
      tcp.header({ destinationPort: 80 }),
      udp.header({ destinationPort: 53 }),
      icmp.header({}),
    ]) {
      assert.equal((await world.give("knock", packetOf(ipv4.header({}), header))).verdict, "continue");
    }
  });
});
