import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { type Node, node } from "#app/node.ts";
import { ip, prefix } from "#base/ip-address.ts";
import { mac } from "#base/mac-address.ts";
import { milliseconds } from "#base/time.ts";
import { LinuxClock } from "#linux/clock.ts";
import { LinuxHttpServers } from "#linux/http-server.ts";
import { LinuxKeyedHash } from "#linux/keyed-hash.ts";
import { LinuxNeighbours } from "#linux/neighbours.ts";
import { NftablesRuleSet } from "#linux/nftables.ts";
import { LinuxRandom } from "#linux/random.ts";
import { FirewallService } from "#service/firewall/firewall-service.ts";
import { portaldOptions } from "#service/portald/config.ts";
import { PortaldService } from "#service/portald/portald-service.ts";
import { SimDisk } from "#sim/store.ts";
import { CLIENT, CLIENT_MAC, GATEWAY, GatewayNet, SERVER } from "./gateway-net.ts";
import { rootProblem } from "./own-namespace.ts";

const PORTAL_PORT = 5280;
const POLL = milliseconds(500);
/** A poll, and what a busy machine takes for the answers. */
const WITHIN_MS = POLL + 1500;
const TEMPORARY = "2001:db8:77::7e";

const SERVER_SCRIPT = `
  require("node:http").createServer((_, response) => response.end("server")).listen(80, "::");
  require("node:net").createServer((socket) => socket.end("tls")).listen(443, "::", () => console.log("ready"));`;

/** Prints what a server on port 443 says, or why it cannot. */
const tlsScript = (host: string, from?: string): string => `
  const options = ${JSON.stringify({ host, port: 443, ...(from === undefined ? {} : { localAddress: from }) })};
  require("node:net").connect(options).on("error", (error) => console.log(error.code)).pipe(process.stdout);`;

describe("a client of both families at portald, with real packets", { skip: rootProblem() }, () => {
  const run = mkdtempSync(join(tmpdir(), "metanet-addresses-"));
  let net: GatewayNet;
  let brokerBus: Node;
  let portalBus: Node;
  let broker: FirewallService;
  let portal: PortaldService;

  before(async () => {
    net = new GatewayNet();
    await net.start(net.server, SERVER_SCRIPT);
    brokerBus = await node("firewall", { directory: run });
    const prefixes = [prefix("10.77.0.0/24"), prefix("2001:db8:77::/64")];
    broker = new FirewallService({
      bus: brokerBus,
      rules: new NftablesRuleSet(),
      config: { inside: "lan0", outside: "wan0", prefixes, portalPort: PORTAL_PORT },
      log: () => undefined,
    });
    await broker.start();
    portalBus = await node("portald", { directory: run });
    portal = new PortaldService({
      bus: portalBus,
      options: portaldOptions({
        address: ip(GATEWAY[4]),
        address6: ip(GATEWAY[6]),
        port: PORTAL_PORT,
        pollInterval: POLL,
      }),
      http: new LinuxHttpServers(),
      neighbours: new LinuxNeighbours({ interface: "lan0" }),
      store: new SimDisk({ clock: new LinuxClock() }).open(),
      random: new LinuxRandom(),
      hasher: new LinuxKeyedHash(),
    });
    await portal.start();
  });

  after(async () => {
    await portal?.stop();
    await portalBus?.close();
    await broker?.remove();
    await brokerBus?.close();
    net?.close();
    rmSync(run, { recursive: true });
  });

  afterEach(() => portalBus.call("/portald/logout", { mac: mac(CLIENT_MAC) }));

  const tls = async (host: string, from?: string): Promise<string> =>
    (await net.onClient(process.execPath, "-e", tlsScript(host, from))).output.trim();

  /** Presses the button over one family. */
  async function logIn(family: 4 | 6): Promise<void> {
    const host = family === 4 ? GATEWAY[4] : `[${GATEWAY[6]}]`;
    const url = `http://${host}:${PORTAL_PORT}/login`;
    const page = await net.onClient("curl", "-gs", url);
    const token = /name="token" value="([^"]+)"/.exec(page.output)?.[1];
    assert.ok(token, page.output);
    const reply = await net.onClient(
      "curl",
      "-gs",
      "-o",
      "/dev/null",
      "-w",
      "%{http_code}",
      "-d",
      `token=${token}`,
      url,
    );
    assert.equal(reply.output, "303");
  }

  /** What an attempt gives as soon as it is `wanted`, or what it gives in the end. */
  async function soon(wanted: string, attempt: () => Promise<string | number>): Promise<string | number> {
    const deadline = Date.now() + WITHIN_MS;
    for (;;) {
      const seen = await attempt();
      if (seen === wanted || Date.now() >= deadline) return seen;
      await pause(50);
    }
  }

  for (const [family, other] of [
    [4, 6],
    [6, 4],
  ] as const) {
    test(`that logs in over IPv${family} only has HTTPS and HTTP over IPv${other} within a poll`, async () => {
      for (const target of [SERVER[4], SERVER[6]]) assert.equal(await tls(target), "ECONNREFUSED");
      await logIn(family);
      assert.equal(await soon("tls", () => tls(SERVER[other])), "tls");
      assert.equal(await net.page(SERVER[other]), "server");
      assert.equal(await tls(SERVER[family]), "tls");
    });
  }

  test("that makes itself a temporary address has HTTPS with it within a poll", async () => {
    await logIn(4);
    await net.onClient("ip", "address", "add", `${TEMPORARY}/64`, "dev", "c0", "nodad");
    assert.equal(await soon("tls", () => tls(SERVER[6], TEMPORARY)), "tls");
    const sessions = await portalBus.call("/portald/sessions", {});
    const addresses = String(sessions.get("addresses")).split(" ").sort();
    assert.deepEqual(addresses, [CLIENT[4], CLIENT[6], TEMPORARY].sort());
    await net.onClient("ip", "address", "del", `${TEMPORARY}/64`, "dev", "c0");
  });
});
