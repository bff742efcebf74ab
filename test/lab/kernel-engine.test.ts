/**
 * Packet scripts in the kernel as their engine has them: real compiler, real programs, real traffic.
 * @module
 */
import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { nativeProblem } from "#linux/native.ts";
import { KernelEngineLab } from "./kernel-engine-lab.ts";
import { enterOwnNamespace, rootProblem } from "./own-namespace.ts";
import { eventually } from "./packet-script-engine.ts";

const PEER_NUMBER = 0x0a61_0002;

const JUDGES = `
import { accept, drop, ipv4, udp, verdict, type Context, type Packet } from "metanet/script";
export const options = { tunnels: false };
export function secrets(packet: Packet, context: Context) {
  const header = packet.payload(ipv4)?.payload(udp);
  if (header?.destinationPort !== 4000) return;
  context.counter("seen").add();
  const first = header.uint8(8);
  return first === 0x73 ? drop : verdict.continue;
}`;

const WRITES = `
import { ipv4, udp, verdict, type Packet } from "metanet/script";
export function forward(packet: Packet) {
  const header = packet.payload(ipv4)?.payload(udp);
  if (header?.destinationPort === 4001) header.destinationPort = 4000;
  return verdict.continue;
}`;

const SHARES = `
import { ipv4, udp, verdict, type Context, type Packet } from "metanet/script";
export function count(packet: Packet, context: Context) {
  const ip = packet.payload(ipv4);
  if (ip?.payload(udp)?.destinationPort !== 4000) return verdict.continue;
  context.map("clients", { countMax: 100 }).add(ip.source);
  context.map("total", { perProcessor: true }).add(7);
  const net = context.map("nets", { kind: "prefix", countMax: 10 }).get(ip.source);
  if (net !== undefined) context.counter("in a net").add(net);
  context.bus.post("monitor:/seen", { source: ip.source, bytes: packet.lengthBytes, kind: "udp" });
  return verdict.continue;
}
export async function look(packet: Packet, context: Context) {
  const ip = packet.payload(ipv4);
  if (ip?.payload(udp)?.destinationPort !== 4000) return verdict.continue;
  const clients = context.map("clients");
  context.counter("known").add(clients.get(ip.source) ?? 0);
  context.counter("sum").add(clients.add(7, 3));
  clients.set(1, 5);
  return verdict.continue;
}`;

const MIXED = `
import { drop, handOver, ipv4, udp, verdict, type Context, type Packet } from "metanet/script";
export function select(packet: Packet, context: Context) {
  const header = packet.payload(ipv4)?.payload(udp);
  if (header?.destinationPort === 4000 && header.uint8(8) === 0x3f) return handOver(packet, context, inspect);
  return verdict.continue;
}
export function inspect(packet: Packet, context: Context) {
  context.counter("asked").add();
  const text = Buffer.from(packet.bytes()).toString("latin1");
  context.counter("marks").add(packet.mark);
  return /secret/.test(text) ? drop : verdict.continue;
}`;

describe("packet scripts in the kernel", { skip: rootProblem() || nativeProblem() || false }, () => {
  let lab: KernelEngineLab;

  before(() => {
    enterOwnNamespace();
    lab = new KernelEngineLab();
  });
  after(() => lab.close());
  afterEach(() => lab.clear());

  it("judge at a hook of netfilter, and are counted", async () => {
    const seen = await lab.receive(4000);
    const script = await lab.load({ file: lab.module("judges.ts", JUDGES), function: "secrets", in: "lan0" });
    assert.deepEqual([script.engine, script.reason], ["kernel", undefined]);
    lab.send(4000, "hello", "secret", "world");
    await eventually(() => seen.length === 2);
    const { statistics } = await lab.find();
    assert.deepEqual(
      [seen, statistics.verdicts.drop, statistics.counters],
      [["hello", "world"], 1, { seen: 3 }],
    );
  });

  it("change packets at the ingress of an interface, where prerouting names one", async () => {
    const seen = await lab.receive(4000);
    const file = lab.module("writes.ts", WRITES);
    const script = await lab.load({ file, function: "forward", hook: "prerouting", in: "lan0" });
    assert.deepEqual(
      [script.engine, script.attached, script.isWriting],
      ["kernel", ["tcx-ingress lan0"], true],
    );
    lab.send(4001, "moved");
    await eventually(() => seen.length === 1);
    const other = await lab.load({ file, function: "forward", hook: "prerouting" });
    assert.equal(other.engine, "user");
    assert.match(other.reason ?? "", /with `--in IF`/);
    lab.send(4001, "again");
    await eventually(() => seen.length === 2);
    assert.deepEqual(seen, ["moved", "again"]);
  });

  it("share maps with user space and the bus, and post events", async () => {
    await lab.receive(4000);
    const file = lab.module("shares.ts", SHARES);
    const script = await lab.load({ file, function: "count" });
    assert.deepEqual([script.engine, script.reason], ["kernel", undefined]);
    const nets = lab.maps.open("nets");
    assert.equal(nets.setPrefix(0x0a00_0000, 8, 40), true);
    assert.equal(nets.setPrefix(0x0a61_0000, 16, 2), true);
    lab.send(4000, "one", "two");
    const clients = lab.maps.open("clients");
    await eventually(() => clients.get(PEER_NUMBER) === 2);
    assert.deepEqual([...clients.entries()], [[PEER_NUMBER, 2]]);
    assert.deepEqual([...lab.maps.open("total").entries()], [[7, 2]]);
    assert.deepEqual([...nets.prefixes()].length, 2);
    await eventually(() => lab.posted.length === 2);
    assert.deepEqual(lab.posted[0], ["monitor:/seen", { source: PEER_NUMBER, bytes: 31, kind: "udp" }]);
    assert.deepEqual((await lab.find()).statistics.counters, { "in a net": 4 });
    const looking = await lab.load({ name: "looks", file, function: "look" });
    assert.equal(looking.engine, "user");
    assert.match(looking.reason ?? "", /async/);
    lab.send(4000, "three");
    await eventually(async () => (await lab.find("looks")).statistics.verdicts.continue === 1);
    assert.deepEqual((await lab.find("looks")).statistics.counters, { known: 3, sum: 3 });
    assert.deepEqual([...clients.entries()].sort(), [
      [1, 5],
      [PEER_NUMBER, 3],
      [7, 3],
    ]);
  });

  it("add to one number from the kernel and from user space, and nothing is lost", async () => {
    await lab.receive(4000);
    await lab.load({ file: lab.module("shares.ts", SHARES), function: "count" });
    const clients = lab.maps.open("clients");
    let isSending = true;
    const sending = lab.sendMany(4000, "x", 20_000).then(() => {
      isSending = false;
    });
    let count = 0;
    let swapped = 0;
    while (isSending) {
      for (let round = 0; round < 100; round++) {
        clients.add(PEER_NUMBER, 1);
        count++;
        const seen = clients.get(PEER_NUMBER) ?? 0;
        if (clients.compareAndSet(PEER_NUMBER, seen, seen + 1)) swapped++;
      }
      await turn();
    }
    await sending;
    await eventually(async () => (await lab.find()).statistics.packets >= 20_000);
    assert.equal(clients.get(PEER_NUMBER), 20_000 + count + swapped);
    assert.ok(swapped > 0 && count > 0);
  });

  it("hand packets over to user space, in one entry", async () => {
    const seen = await lab.receive(4000);
    const file = lab.module("mixed.ts", MIXED);
    const script = await lab.load({ file, function: "select", in: "lan0" });
    assert.deepEqual([script.engine, script.reason, script.handsOverTo], ["kernel", undefined, "inspect"]);
    lab.send(4000, "plain", "?secret", "?open");
    await eventually(() => seen.length === 2);
    await eventually(async () => (await lab.find()).statistics.verdicts.drop === 1);
    const { statistics } = await lab.find();
    assert.deepEqual(
      [seen, statistics.handed, statistics.counters, (await lab.engine.list()).length],
      [["plain", "?open"], 2, { asked: 2, marks: 0 }, 1],
    );
    await lab.engine.unload("case");
    lab.send(4000, "?secret");
    await eventually(() => seen.length === 3);
  });

  it("a new version takes its place without a packet that nobody judges", async () => {
    const seen = await lab.receive(4000);
    const marker = await lab.receive(4002);
    const file = lab.module("judges.ts", JUDGES);
    await lab.load({ file, function: "secrets" });
    for (let round = 0; round < 3; round++) {
      const sending = lab.sendMany(4000, "secret", 20_000);
      const script = await lab.load({ file, function: "secrets" });
      assert.equal(script.version, round + 2);
      await sending;
    }
    lab.send(4002, "end");
    await eventually(() => marker.length === 1);
    const { statistics } = await lab.find();
    assert.deepEqual([seen.length, statistics.verdicts.drop], [0, 60_000]);
  });

  it("wait for an interface, and are there again when it comes back", async () => {
    const seen = await lab.receive(4000);
    const file = lab.module("writes.ts", WRITES);
    await lab.load({ file, function: "forward", hook: "ingress", in: "lan0", engine: "kernel" });
    lab.unplug();
    await lab.engine.repair();
    assert.deepEqual([(await lab.find()).state, (await lab.find()).attached], ["waiting", []]);
    lab.plug();
    await lab.engine.repair();
    assert.deepEqual((await lab.find()).attached, ["tcx-ingress lan0"], lab.log.join());
    assert.equal(seen.length, 0);
  });

  it("nothing is left when all are unloaded", async () => {
    await lab.load({ file: lab.module("shares.ts", SHARES), function: "count" });
    assert.equal(lab.maps.list().length, 3);
    await lab.engine.unload("case");
    assert.deepEqual([await lab.engine.list(), lab.maps.list()], [[], []]);
  });
});
