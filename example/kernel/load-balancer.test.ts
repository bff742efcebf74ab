import assert from "node:assert/strict";
import { after, beforeEach, test } from "node:test";
import { minutes } from "#base/time.ts";
import { formatIpv4 } from "#packet/address.ts";
import { ipv4 } from "#packet/ipv4.ts";
import { tcp } from "#packet/tcp.ts";
import { packetOf } from "../packet/test-world.ts";
import { inBothKernels, KernelWorld } from "./test-world.ts";

const PUBLIC = "192.0.2.80";
const CLIENT = 0xc633_6400;

inBothKernels("load-balancer", (kernel) => {
  const worlds: KernelWorld[] = [];
  let world: KernelWorld;
  beforeEach(async () => {
    world = await KernelWorld.load(kernel, "load-balancer.ts", {
      balance: "tcx-ingress",
      restore: "tcx-egress",
    });
    worlds.push(world);
  });
  after(() => {
    for (const one of worlds) one.close();
  });

  /** The server that a packet of a client's goes to. */
  async function server(
    sourcePort: number,
    flags: { syn?: boolean; ack?: boolean } = { syn: true },
  ): Promise<string> {
    const ip = ipv4.header({ source: CLIENT, destination: PUBLIC });
    const packet = packetOf(ip, tcp.header({ sourcePort, destinationPort: 80, ...flags }), "hello");
    const answer = await world.give("balance", packet);
    return answer.verdict === "drop" ? "drop" : formatIpv4(answer.packet.payload(ipv4)?.destination ?? 0);
  }

  async function spread(): Promise<string[]> {
    const seen: string[] = [];
    for (let port = 0; port < 200; port++) seen.push(await server(10_000 + port));
    return seen;
  }

  test("balance() spreads connections, and keeps each", async () => {
    const seen = await spread();
    for (let last = 1; last <= 4; last++) {
      const count = seen.filter((one) => one === `10.91.2.1${last}`).length;
      assert.ok(count > 25, `server ${last} has ${count} of 200`);
    }
    for (const [index, one] of seen.entries()) assert.equal(await server(10_000 + index, { ack: true }), one);
    assert.equal(world.counter("balance", "connections"), 200);
  });

  test("balance() moves no connections but those of a server that goes, and brings them back", async () => {
    const before = await spread();
    world.set("balancer-down", 1, 1);
    assert.equal(await server(10_000 + before.indexOf("10.91.2.12"), { ack: true }), "10.91.2.12");
    const without = await spread();
    for (const [index, one] of before.entries()) {
      if (one === "10.91.2.12") assert.notEqual(without[index], one);
      else assert.equal(without[index], one);
    }
    world.set("balancer-down", 1, 0);
    assert.deepEqual(await spread(), before);
  });

  test("balance() drops what no server is left for", async () => {
    await server(1);
    for (let index = 0; index < 4; index++) world.set("balancer-down", index, 1);
    assert.equal(await server(2), "drop");
    assert.equal(world.counter("balance", "no server"), 1);
  });

  test("restore() puts the public address back, for connections that there are", async () => {
    const source = await server(10_000);
    const answer = (from: string, destinationPort: number) =>
      packetOf(
        ipv4.header({ source: from, destination: CLIENT }),
        tcp.header({ sourcePort: 80, destinationPort, syn: true, ack: true }),
        "hello",
      );
    const seen = async (from: string, port: number): Promise<string> => {
      const { packet } = await world.give("restore", answer(from, port));
      return formatIpv4(packet.payload(ipv4)?.source ?? 0);
    };
    assert.equal(await seen(source, 10_000), PUBLIC);
    assert.equal(await seen("10.91.2.99", 10_000), "10.91.2.99");
    assert.equal(await seen(source, 10_001), source);
    await world.wait(minutes(15));
    assert.equal(await seen(source, 10_000), source);
  });
});
