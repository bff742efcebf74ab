import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { seconds } from "#base/time.ts";
import { formatIpv4 } from "#packet/address.ts";
import { ipv4 } from "#packet/ipv4.ts";
import { tcp } from "#packet/tcp.ts";
import { packetOf, ScriptWorld, wrongChecksums } from "./test-world.ts";

const PUBLIC = "192.0.2.80";
const SERVERS = ["10.91.2.11", "10.91.2.12", "10.91.2.13"];

type Values = Parameters<typeof tcp.header>[0];

function toPublic(port: number, values: Values) {
  const segment = tcp.header({ sourcePort: port, destinationPort: 80, ...values });
  return packetOf(ipv4.header({ source: "198.51.100.1", destination: PUBLIC }), segment);
}

function fromServer(server: string, port: number, values: Values) {
  const segment = tcp.header({ sourcePort: 80, destinationPort: port, ...values });
  return packetOf(ipv4.header({ source: server, destination: "198.51.100.1" }), segment);
}

/** The server that a packet goes to. */
async function serverOf(world: ScriptWorld, port: number, values: Values): Promise<string> {
  const { packet, verdict } = await world.give("balance", toPublic(port, values));
  assert.equal(verdict, "continue");
  assert.deepEqual(wrongChecksums(packet), []);
  return formatIpv4(packet.payload(ipv4)?.destination ?? 0);
}

/** Opens a connection; its server. */
async function open(world: ScriptWorld, port: number): Promise<string> {
  const server = await serverOf(world, port, { syn: true });
  await world.give("restore", fromServer(server, port, { syn: true, ack: true }));
  return server;
}

async function world(): Promise<ScriptWorld> {
  return ScriptWorld.load("load-balancer.ts", "balance", "restore");
}

describe("load-balancer", () => {
  test("balance() spreads connections evenly and keeps each at its server", async () => {
    const one = await world();
    const counts = new Map(SERVERS.map((server) => [server, 0]));
    for (let port = 10_000; port < 13_000; port++) {
      const server = await open(one, port);
      counts.set(server, (counts.get(server) ?? 0) + 1);
      assert.equal(await serverOf(one, port, { ack: true }), server);
    }
    // 1000 each; four standard deviations are 103.
    for (const [server, count] of counts) assert.ok(Math.abs(count - 1000) < 103, `${server} has ${count}`);
  });

  test("restore() puts the public address back, with right checksums", async () => {
    const one = await world();
    const server = await serverOf(one, 10_000, { syn: true });
    const { packet } = await one.give("restore", fromServer(server, 10_000, { syn: true, ack: true }));
    assert.equal(formatIpv4(packet.payload(ipv4)?.source ?? 0), PUBLIC);
    assert.deepEqual(wrongChecksums(packet), []);
  });

  test("restore() leaves connections alone that somebody has to a server directly", async () => {
    const one = await world();
    const [server = ""] = SERVERS;
    const { packet } = await one.give("restore", fromServer(server, 999, { ack: true }));
    assert.equal(formatIpv4(packet.payload(ipv4)?.source ?? 0), server);
  });

  test("balance() gives new connections to others when a server is silent, for ten seconds", async () => {
    const one = await world();
    const old: { port: number; server: string }[] = [];
    for (let port = 10_000; port < 10_100; port++) old.push({ port, server: await open(one, port) });
    const [gone = ""] = SERVERS;
    let port = 20_000;
    while ((await serverOf(one, port, { syn: true })) !== gone) port++;
    assert.equal(await serverOf(one, port, { syn: true }), gone);
    const other = await serverOf(one, port, { syn: true });
    assert.notEqual(other, gone);
    for (let next = 30_000; next < 30_100; next++) assert.notEqual(await open(one, next), gone);
    for (const { port, server } of old) assert.equal(await serverOf(one, port, { ack: true }), server);
    await one.wait(seconds(11));
    const servers = new Set<string>();
    for (let next = 40_000; next < 40_100; next++) servers.add(await open(one, next));
    assert.deepEqual([...servers].sort(), SERVERS);
  });

  test("restore() hides that a server refuses, and the client's next SYN gets another", async () => {
    const one = await world();
    const server = await serverOf(one, 10_000, { syn: true });
    const refusal = fromServer(server, 10_000, { rst: true, ack: true });
    assert.equal((await one.give("restore", refusal)).verdict, "drop");
    assert.notEqual(await serverOf(one, 10_000, { syn: true }), server);
  });

  test("balance() finds the same server without its table", async () => {
    const [one, other] = [await world(), await world()];
    for (let port = 10_000; port < 10_050; port++)
      assert.equal(await open(one, port), await open(other, port));
  });
});
