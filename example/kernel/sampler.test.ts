import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ipv4 } from "#packet/ipv4.ts";
import { tcp } from "#packet/tcp.ts";
import { udp } from "#packet/udp.ts";
import { packetOf } from "../packet/test-world.ts";
import { inBothKernels, KernelWorld } from "./test-world.ts";

const CLIENT = "10.0.0.2";
const SERVER = "192.0.2.80";

inBothKernels("sampler", (kernel) => {
  let world: KernelWorld;
  before(async () => {
    world = await KernelWorld.load(kernel, "sampler.ts", { sample: "tcx-ingress" });
  });
  after(() => world.close());

  test("sample() hands over about one connection in a hundred, in both directions", async () => {
    const handed = async (packet: ReturnType<typeof packetOf>): Promise<boolean> => {
      const before = world.counter("sample", "sampled");
      const answer = await world.give("sample", packet);
      assert.equal(answer.verdict, "continue");
      const isHanded = world.counter("sample", "sampled") > before;
      assert.equal(world.isHanded, isHanded);
      return isHanded;
    };
    let handedCount = 0;
    for (let port = 1024; port < 5024; port++) {
      const there = packetOf(
        ipv4.header({ source: CLIENT, destination: SERVER }),
        tcp.header({ sourcePort: port, destinationPort: 80, syn: true, sequence: 7 }),
      );
      const back = packetOf(
        ipv4.header({ source: SERVER, destination: CLIENT }),
        tcp.header({ sourcePort: 80, destinationPort: port, syn: true, ack: true, acknowledgment: 8 }),
      );
      const isHanded = await handed(there);
      assert.equal(await handed(back), isHanded);
      if (isHanded) handedCount++;
    }
    assert.ok(handedCount > 15 && handedCount < 80, `${handedCount} of 4000`);
  });

  test("sample() looks at TCP only", async () => {
    const answer = await world.give("sample", packetOf(ipv4.header({}), udp.header({}), "x"));
    assert.deepEqual([answer.verdict, world.isHanded], ["continue", false]);
  });
});
