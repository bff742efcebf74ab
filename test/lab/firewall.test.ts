import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import { connect, createServer as createTcpServer } from "node:net";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { ip } from "#base/ip-address.ts";
import { mac } from "#base/mac-address.ts";
import { seconds } from "#base/time.ts";
import { LinuxClock } from "#linux/clock.ts";
import { NftablesRuleSet } from "#linux/nftables.ts";
import { Bus } from "#mailbox/bus.ts";
import { FirewallService } from "#service/firewall/firewall-service.ts";
import { CLIENT, CLIENT_MAC, GATEWAY, GatewayNet, SERVER } from "./gateway-net.ts";
import { rootProblem } from "./own-namespace.ts";

const PORTAL_PORT = 5280;
const STREAM_PORT = 9000;
const client = mac(CLIENT_MAC);

/** Web pages on port 80, something on 443, and a stream of lines that never ends. */
const SERVER_SCRIPT = `
  require("node:http").createServer((_, response) => response.end("server")).listen(80, "::");
  require("node:net").createServer((socket) => socket.end("tls")).listen(443, "::");
  require("node:net").createServer((socket) => {
    socket.on("error", () => {});
    const timer = setInterval(() => socket.write("tick\\n"), 50);
    socket.on("close", () => clearInterval(timer));
  }).listen(${STREAM_PORT}, "::", () => console.log("ready"));`;

/** Prints every line of the server's stream. */
const streamScript = (host: string): string => `
  const socket = require("node:net").connect(${STREAM_PORT}, "${host}");
  socket.on("error", (error) => console.log(error.code)).pipe(process.stdout);`;

/** Prints what the kernel says to a UDP packet to port 443. */
const QUIC_SCRIPT = `
  const socket = require("node:dgram").createSocket("udp4");
  socket.connect(443, "${SERVER[4]}", () => socket.send("hello"));
  socket.on("error", (error) => { console.log(error.code); process.exit(); });
  setTimeout(() => process.exit(), 1000);`;

/** Somebody else's table, which counts what leaves for the outside and what comes back. */
const FOREIGN_TABLE = `add table inet foreign
  add chain inet foreign forward { type filter hook forward priority 100; policy accept; }
  add rule inet foreign forward iifname "lan0" oifname "wan0" counter
  add rule inet foreign forward iifname "wan0" oifname "lan0" counter\n`;

describe("FirewallService with real packets", { skip: rootProblem() }, () => {
  let net: GatewayNet;
  let bus: Bus;
  let service: FirewallService;
  const logged: string[] = [];

  function makeService(): FirewallService {
    bus = new Bus({ name: "firewall", clock: new LinuxClock() });
    return new FirewallService({
      bus,
      rules: new NftablesRuleSet(),
      config: { inside: "lan0", outside: "wan0" },
      log: (level, text) => logged.push(`${level} ${text}`),
    });
  }

  const permit = (address: string, options: { timeout?: number; mark?: number } = {}): Promise<unknown> =>
    bus.call("/firewall/permit", { mac: client, address: ip(address), ...options });

  const revokeAll = (): Promise<unknown> => bus.call("/firewall/revoke", { mac: client });

  async function counters(address: string): Promise<Record<string, number> | undefined> {
    const answer = await bus.call("/firewall/counters", { mac: client });
    const place = answer.get("address")?.map(String).indexOf(address) ?? -1;
    if (place < 0) return undefined;
    const tags = ["up-packets", "up-bytes", "down-packets", "down-bytes", "expires"] as const;
    return Object.fromEntries(tags.map((tag) => [tag, answer.get(tag)?.[place] ?? Number.NaN]));
  }

  /** What the foreign table counted: to the outside, and back. */
  async function forwarded(): Promise<{ packets: number; bytes: number }[]> {
    const { output } = await net.onGateway("nft", "list", "table", "inet", "foreign");
    return [...output.matchAll(/packets (\d+) bytes (\d+)/g)].map(([, packets, bytes]) => ({
      packets: Number(packets),
      bytes: Number(bytes),
    }));
  }

  async function tables(): Promise<string[]> {
    const { output } = await net.onGateway("nft", "list", "tables");
    return [...output.matchAll(/^table inet (.+)$/gm)].map(([, name = ""]) => name).sort();
  }

  before(async () => {
    net = new GatewayNet();
    await net.start(net.server, SERVER_SCRIPT);
    const portal = createServer((_, response) => response.end("portal")).listen(PORTAL_PORT, "::");
    portal.unref();
    const secret = createTcpServer((socket) => socket.end("secret")).listen(2222, "::");
    secret.unref();
    assert.ok((await net.reaches(4)) === false, "without address translation IPv4 has no way back");
    // Link-local addresses take about two seconds to be found unique (RFC 4862 §5.4).
    for (let attempt = 0; attempt < 20 && !(await net.reaches(6)); attempt++) await pause(100);
    assert.ok(await net.reaches(6), "IPv6 is routed while nobody filters");
    const rules = new NftablesRuleSet();
    await rules.load({ name: "foreign", sets: [], text: FOREIGN_TABLE });
    rules.close();
    service = makeService();
    await service.start();
  });

  after(async () => {
    // What failed half-way must not keep the process alive.
    await service?.stop();
    net?.close();
  });

  test("before a permit nothing passes, IPv4 or IPv6", async () => {
    assert.deepEqual([await net.reaches(4), await net.reaches(6)], [false, false]);
    for (const family of [4, 6] as const) {
      const stream = await net.page(SERVER[family], STREAM_PORT);
      assert.equal(stream, 28, "curl's time is over");
    }
  });

  test("before a permit plain HTTP lands on the portal, whoever it was for", async () => {
    for (const host of [SERVER[4], SERVER[6], GATEWAY[4], GATEWAY[6], "198.51.100.7"]) {
      assert.equal(await net.page(host), "portal", host);
    }
  });

  test("before a permit HTTPS and QUIC are refused at once", async () => {
    const started = performance.now();
    for (const family of [4, 6] as const) {
      assert.equal(await net.page(SERVER[family], 443), 7, "curl could not connect");
    }
    assert.ok(performance.now() - started < 900, "no time-out had to pass");
    const quic = await net.onClient(process.execPath, "-e", QUIC_SCRIPT);
    assert.equal(quic.output.trim(), "ECONNREFUSED");
  });

  test("the gateway answers clients for the portal and ping, and hides its other ports", async () => {
    for (const family of [4, 6] as const) {
      assert.equal(await net.page(GATEWAY[family], PORTAL_PORT), "portal");
      const ping = await net.onClient("ping", "-c1", "-W1", "-q", GATEWAY[family]);
      assert.equal(ping.code, 0);
      assert.equal(await net.page(GATEWAY[family], 2222), 28, "dropped");
    }
    const own = connect(2222, GATEWAY[4]);
    const [data] = await once(own, "data");
    assert.equal(String(data), "secret", "it was there to be found");
  });

  test("with a permit packets pass, each family by its own, and web pages are the server's", async () => {
    await permit(CLIENT[4]);
    assert.deepEqual([await net.reaches(4), await net.reaches(6)], [true, false]);
    await permit(CLIENT[6]);
    assert.deepEqual([await net.reaches(4), await net.reaches(6)], [true, true]);
    for (const family of [4, 6] as const) assert.equal(await net.page(SERVER[family]), "server");
    assert.equal(await net.page(GATEWAY[4]), "portal", "the portal stays reachable by the gateway's name");
  });

  test("counters agree with another table's, packet for packet and byte for byte", async () => {
    const [upBefore, downBefore] = await forwarded();
    const before = (await counters(CLIENT[4]))!;
    await net.onClient("ping", "-c3", "-i0.2", "-q", SERVER[4]);
    const afterPing = (await counters(CLIENT[4]))!;
    assert.equal(afterPing["up-packets"]! - before["up-packets"]!, 3);
    assert.equal(afterPing["down-bytes"]! - before["down-bytes"]!, 3 * 84);
    // A connection to port 80 also meets the look-up of the redirect, which must not count.
    assert.equal(await net.page(SERVER[4]), "server");
    await pause(100);
    const now = (await counters(CLIENT[4]))!;
    const [up, down] = await forwarded();
    assert.deepEqual(
      [now["up-packets"]! - before["up-packets"]!, now["up-bytes"]! - before["up-bytes"]!],
      [up!.packets - upBefore!.packets, up!.bytes - upBefore!.bytes],
    );
    assert.deepEqual(
      [now["down-packets"]! - before["down-packets"]!, now["down-bytes"]! - before["down-bytes"]!],
      [down!.packets - downBefore!.packets, down!.bytes - downBefore!.bytes],
    );
  });

  test("a permit is for one MAC address with one address: others do not pass", async () => {
    await net.onClient("ip", "address", "add", "10.77.0.200/24", "dev", "c0");
    assert.equal(await net.reaches(4, "10.77.0.200"), false, "another address of the client");
    await net.onClient("ip", "address", "del", "10.77.0.200/24", "dev", "c0");
    await net.onClient("ip", "link", "set", "c0", "address", "02:00:00:00:00:c2");
    await net.onGateway("ip", "neigh", "flush", "dev", "lan0");
    assert.equal(await net.reaches(4), false, "the address from another card");
    await net.onClient("ip", "link", "set", "c0", "address", CLIENT_MAC);
    await net.onGateway("ip", "neigh", "flush", "dev", "lan0");
    assert.equal(await net.reaches(4), true);
  });

  test("packets from the outside to a permitted client do not pass unless it began", async () => {
    const ping = (): Promise<{ code: number }> =>
      net.onGateway("ip", "netns", "exec", net.server, "ping", "-c1", "-W0.5", "-q", CLIENT[6]);
    assert.notEqual((await ping()).code, 0);
  });

  test("revoke stops open connections as well", async () => {
    const starting = ([4, 6] as const).map((family) => net.start(net.client, streamScript(SERVER[family])));
    const streams = await Promise.all(starting);
    const received = [0, 0];
    for (const [index, stream] of streams.entries()) {
      stream.stdout?.on("data", (data: Buffer) => {
        received[index]! += data.toString().split("tick").length - 1;
      });
    }
    await pause(400);
    assert.ok(
      received.every((count) => count >= 3),
      `the streams flow: ${received}`,
    );
    const revoked = bus.wait("/firewall/revoked", { reason: "asked" });
    assert.equal(((await revokeAll()) as { get(tag: string): number }).get("revoked"), 2);
    await revoked;
    await pause(200);
    const then = [...received];
    await pause(600);
    assert.deepEqual(received, then, "not one more line");
    // A connection that is still there would go on with the client's next permit.
    for (const stream of streams) stream.kill("SIGKILL");
    assert.deepEqual([await net.reaches(4), await net.reaches(6)], [false, false]);
    assert.equal(await net.page(SERVER[4]), "portal");
  });

  test("a permit with a timeout ends by itself, and says so", async () => {
    const ended = bus.wait("/firewall/revoked", { reason: "expired" }, { timeout: seconds(8) });
    await permit(CLIENT[4], { timeout: 1500 });
    assert.equal(await net.reaches(4), true);
    await pause(1600);
    assert.equal(await net.reaches(4), false);
    assert.equal(String((await ended).get("address")), CLIENT[4]);
  });

  test("asking again gives more time and goes on counting", async () => {
    await permit(CLIENT[4], { timeout: 10_000 });
    await net.onClient("ping", "-c2", "-i0.2", "-q", SERVER[4]);
    const before = (await counters(CLIENT[4]))!;
    assert.ok(before["up-packets"]! >= 2 && before["down-packets"]! >= 2);
    await permit(CLIENT[4], { timeout: 60_000 });
    const now = (await counters(CLIENT[4]))!;
    assert.ok(now["up-packets"]! >= before["up-packets"]!, "up goes on");
    assert.ok(now["down-packets"]! >= before["down-packets"]!, "down goes on");
    assert.ok(now.expires! > 50_000 && now.expires! <= 60_000, `${now.expires} ms`);
    await revokeAll();
  });

  test("a second gateway on the interface gets a clear error while the first lives", async () => {
    const first = bus;
    const second = makeService();
    await assert.rejects(second.start(), (error: Error & { code?: string }) => {
      assert.equal(error.code, "gateway-running");
      assert.match(error.message, /Cannot claim metanet-broker: process \d+ holds it/);
      return true;
    });
    await second.stop();
    bus = first;
    await permit(CLIENT[4]);
    assert.equal(await net.reaches(4), true, "the first was not harmed");
    await revokeAll();
  });

  test("a broker killed with -9 leaves everything as it is, and the next one takes it over", async () => {
    await service.stop();
    const script = join(import.meta.dirname, "firewall-broker.ts");
    const broker = spawn(process.execPath, [script, CLIENT_MAC, CLIENT[4]], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await once(broker.stdout!, "data");
    assert.equal(await net.reaches(4), true);
    const exit = once(broker, "exit");
    broker.kill("SIGKILL");
    await exit;
    assert.equal(await net.reaches(4), true, "permitted while there is no broker");
    assert.equal(await net.reaches(6), false, "dropped while there is no broker");

    const stream = await net.start(net.client, streamScript(SERVER[4]));
    service = makeService();
    await service.start();
    const taken = (await counters(CLIENT[4]))!;
    assert.ok(taken["up-packets"]! >= 4, "it goes on counting");
    assert.ok(taken.expires! > 3_500_000 && taken.expires! < 3_600_000, "the time goes on");
    await Promise.race([once(stream.stdout!, "data"), pause(1000).then(() => assert.fail("no more lines"))]);
    await revokeAll();
    assert.equal(await net.reaches(4), false);
  });

  test("rules that somebody else removed are back soon, with the permits, and the log says so", async () => {
    await permit(CLIENT[4]);
    const restored = bus.wait("/firewall/restored", {}, { timeout: seconds(5) });
    await net.onGateway("nft", "flush", "ruleset");
    await restored;
    assert.equal(await net.reaches(4), true);
    assert.equal(await net.reaches(6), false);
    assert.ok(logged.some((line) => line.startsWith("warn somebody else removed or changed our rules")));
    const again = bus.wait("/firewall/restored", {}, { timeout: seconds(5) });
    await net.onGateway("nft", "flush", "table", "inet", "metanet");
    assert.equal(await net.reaches(6), true, "without rules everything passes");
    await again;
    assert.deepEqual([await net.reaches(4), await net.reaches(6)], [true, false]);
    await net.onGateway("nft", "delete", "table", "inet", "metanet");
    await permit(CLIENT[6]);
    assert.deepEqual([await net.reaches(4), await net.reaches(6)], [true, true], "a permit notices at once");
    await revokeAll();
  });

  test("ten thousand clients get their permits in batches", async (context) => {
    const count = 10_000;
    const addresses = Array.from({ length: count }, (_, index) => {
      const bytes = [10, 78, index >> 8, index & 255];
      return { mac: mac(Uint8Array.of(2, 1, ...bytes)), address: ip(Uint8Array.from(bytes)) };
    });
    const started = performance.now();
    await Promise.all(addresses.map((one) => bus.call("/firewall/permit", one, { timeout: seconds(60) })));
    const permitted = performance.now();
    const answer = await bus.call("/firewall/counters", {});
    const read = performance.now();
    assert.equal(answer.get("mac")?.length, count);
    const rate = Math.round((count / (permitted - started)) * 1000);
    context.diagnostic(
      `${rate} permits per second; ${count} counters read in ${Math.round(read - permitted)} ms`,
    );
    await Promise.all(addresses.map((one) => bus.call("/firewall/revoke", one, { timeout: seconds(60) })));
    assert.equal((await bus.call("/firewall/counters", {})).get("mac")?.length, 0);
  });

  test("removal takes away our own tables and nobody else's", async () => {
    const rules = new NftablesRuleSet();
    await rules.load({ name: "foreign", sets: [], text: FOREIGN_TABLE });
    rules.close();
    assert.deepEqual(await tables(), ["foreign", "metanet", "metanet-broker", "metanet-on-lan0"]);
    await service.remove();
    assert.deepEqual(await tables(), ["foreign"]);
  });
});
