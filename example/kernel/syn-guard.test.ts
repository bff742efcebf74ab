import assert from "node:assert/strict";
import { after, beforeEach, test } from "node:test";
import { milliseconds, seconds } from "#base/time.ts";
import { ipv4 } from "#packet/ipv4.ts";
import { ipv6 } from "#packet/ipv6.ts";
import { tcp } from "#packet/tcp.ts";
import { udp } from "#packet/udp.ts";
import { packetOf } from "../packet/test-world.ts";
import { inBothKernels, KernelWorld } from "./test-world.ts";

const SYN = { destinationPort: 80, syn: true };

/** The header of a source, told by a number; of IPv6 it says the network. */
const VERSIONS = [
  ["IPv4", (source: number) => ipv4.header({ source: 0x0a00_0000 + source, destination: "192.0.2.80" })],
  [
    "IPv6",
    (source: number) =>
      ipv6.header({
        source: (0x2001_0db8n << 96n) + (BigInt(source) << 64n) + 1n,
        destination: "2001:db8::80",
      }),
  ],
] as const;

inBothKernels("syn-guard", (kernel) => {
  const worlds: KernelWorld[] = [];
  let world: KernelWorld;
  beforeEach(async () => {
    world = await KernelWorld.load(kernel, "syn-guard.ts", { guard: "netfilter" });
    worlds.push(world);
  });
  after(() => {
    for (const one of worlds) one.close();
  });

  for (const [version, header] of VERSIONS) {
    /** How many of so many SYNs go on. */
    const passed = async (count: number, source: number): Promise<number> => {
      let passedCount = 0;
      for (let index = 0; index < count; index++) {
        const packet = packetOf(header(source), tcp.header({ ...SYN, sourcePort: 1000 + index }));
        if ((await world.give("guard", packet)).verdict === "continue") passedCount++;
      }
      return passedCount;
    };

    test(`guard() gives a source of ${version} 40 SYNs at once and then 20 a second`, async () => {
      assert.equal(await passed(60, 1), 40);
      await world.wait(milliseconds(50));
      assert.equal(await passed(3, 1), 1);
      await world.wait(seconds(1));
      assert.equal(await passed(30, 1), 20);
      assert.equal(world.counter("guard", "refused"), 20 + 2 + 10);
    });

    test(`guard() lets nobody of ${version} pay for somebody else`, async () => {
      await passed(45, 1);
      assert.equal(await passed(3, 2), 3);
    });

    test(`guard() forgets a source of ${version} that is quiet for a minute`, async () => {
      await passed(45, 1);
      await world.wait(seconds(60));
      assert.equal(await passed(45, 1), 40);
    });

    test(`guard() looks at no other packets of ${version}`, async () => {
      await passed(45, 1);
      for (const transport of [
        tcp.header({ ...SYN, ack: true }),
        tcp.header({ destinationPort: 80, ack: true }),
        udp.header({ destinationPort: 80 }),
      ]) {
        assert.equal((await world.give("guard", packetOf(header(1), transport))).verdict, "continue");
      }
    });
  }

  test("guard() counts all addresses of an IPv6 network together", async () => {
    let passedCount = 0;
    for (let host = 0n; host < 50n; host++) {
      const source = (0x2001_0db8n << 96n) + host;
      const packet = packetOf(ipv6.header({ source, destination: "2001:db8::80" }), tcp.header(SYN));
      if ((await world.give("guard", packet)).verdict === "continue") passedCount++;
    }
    assert.equal(passedCount, 40);
  });
});
