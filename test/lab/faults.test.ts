/**
 * Faults of the whole running gateway: its processes are killed and stopped, its disk is full, its machine loses
 * power, and a logged-in client's traffic goes on.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { inNamespace } from "#linux/namespace.ts";
import { CLIENTS } from "../../src/app/lab/address-plan.ts";
import { DhcpClient } from "../../src/app/lab/dhcp-client.ts";
import { fetchPage, logOut } from "../../src/app/lab/portal-visit.ts";
import { labProblem } from "./dhcp-lab.ts";
import { click, Drip, eventually, FaultsWorld, FORWARDING, gone, SERVICES, SITE } from "./faults-world.ts";
import { MassClients } from "./mass-clients.ts";

const skip = labProblem("nft", "udhcpc", "dhclient", "curl", "dnsmasq");
const [{ mac: MAC }, { mac: SECOND_MAC }] = CLIENTS;

/** Longest silence of a download that drips every 100 ms, on a machine that is busy starting services. */
const SILENCE_MS_MAX = 1500;
const BACK_MS_MAX = 10_000;
/** Clients of a crowd. */
const CROWD = 80;
/** How long the portal waits for the firewall, and a little. */
const CLICK_MS_MAX = 7000;

let world: FaultsWorld;
let drip: Drip;
const leases: string[] = [];

before(async () => {
  if (skip) return;
  world = new FaultsWorld();
  await world.build();
  await world.up();
  for (const [number, program] of [
    [1, "dhclient"],
    [2, "udhcpc"],
  ] as const) {
    const { address } = await new DhcpClient(world.client(number), program).start();
    leases.push(`${CLIENTS[number - 1]?.mac} ${address?.split("/")[0]}`);
  }
  assert.equal((await click(world.client(1))).status, 303);
  drip = await Drip.start(world.client(1));
});

after(async () => {
  await drip?.stop();
  await world?.close();
});

/**
 * Leases, sessions and firewall say the same; who is in is in without another login, its bytes go on being counted,
 * and who is not in is not.
 */
async function assertAgreed(usageBefore: number): Promise<void> {
  await eventually(5000, async () => (await world.doors()).permitted.length === 1);
  assert.deepEqual(await world.doors(), { permitted: [MAC], sessions: [MAC] });
  const kept = await world.leases();
  for (const lease of leases) assert.ok(kept.includes(lease), `the lease ${lease} is kept`);
  await eventually(5000, async () => (await world.usage(MAC)) > usageBefore);
  assert.equal((await fetchPage(world.client(1), SITE)).status, 200);
  assert.equal((await fetchPage(world.client(2), SITE)).status, 307);
}

/** So many fresh clients get addresses while something else is wrong. */
async function newcomers(count: number): Promise<void> {
  const clients = inNamespace(world.client(2).namespace, () => new MassClients("eth0", count));
  try {
    clients.start();
    await Promise.race([
      clients.whenAcknowledged(count),
      eventually(
        8000,
        () => false,
        () => `${clients.acknowledged.size} of ${count} leases`,
      ),
    ]);
  } finally {
    clients.close();
  }
}

for (const name of SERVICES) {
  test(`kill -9 of ${name} stops nobody's traffic, and it is back with all it knew`, { skip }, async () => {
    const usage = await world.usage(MAC);
    const pid = world.pid(name);
    drip.silence();
    await world.kill(name);
    await eventually(BACK_MS_MAX, () => ![0, pid].includes(world.pid(name)));
    await world.settled(BACK_MS_MAX);
    await assertAgreed(usage);
    assert.ok(drip.silence() < SILENCE_MS_MAX);
  });
}

test("kill -9 of the supervisor ends the services and stops nobody; the next up takes over", {
  skip,
}, async () => {
  const usage = await world.usage(MAC);
  const pids = SERVICES.map((name) => world.pid(name));
  drip.silence();
  await world.kill("supervisor");
  for (const pid of pids) await gone(pid);
  assert.equal((await world.metanet(["status"])).code, 3);
  await world.up();
  await assertAgreed(usage);
  assert.ok(drip.silence() < SILENCE_MS_MAX);
});

test("a power cut costs nobody a lease or a login", { skip }, async () => {
  await world.kill("supervisor", ...SERVICES);
  await world.gateway.run("nft", ["delete", "table", "inet", "metanet"]);
  await world.gateway.run("tee", [FORWARDING], { input: "0" });
  assert.deepEqual(await world.tables(), []);
  await world.up();
  await assertAgreed(0);
  assert.equal(await world.statistic("portald", "logins"), 0);
  await drip.stop();
  drip = await Drip.start(world.client(1));
});

test("rules that somebody removes are back with everybody in them, and what was counted stays counted", {
  skip,
}, async () => {
  await eventually(5000, async () => (await world.usage(MAC)) > 0);
  const usage = await world.usage(MAC);
  await world.gateway.run("nft", ["delete", "table", "inet", "metanet"]);
  await eventually(5000, async () => (await world.tables()).includes("table inet metanet"));
  // Without translation the gateway's kernel has answered for the client, and ended the download.
  await drip.stop();
  drip = await Drip.start(world.client(1));
  await assertAgreed(usage);
});

test("a stopped portal is seen by status, and keeps nobody from a lease or the way out", {
  skip,
}, async () => {
  const pid = world.pid("portald");
  process.kill(pid, "SIGSTOP");
  try {
    drip.silence();
    await newcomers(20);
    const begin = performance.now();
    const { code, stdout } = await world.metanet(["status", "--json"]);
    assert.ok(performance.now() - begin < 5000);
    assert.equal(code, 1);
    const { services } = JSON.parse(stdout) as { services: { name: string; answers: boolean }[] };
    assert.deepEqual(
      services.map(({ name, answers }) => `${name} ${answers}`),
      ["firewall true", "dhcpd true", "portald false"],
    );
    assert.ok(drip.silence() < SILENCE_MS_MAX);
  } finally {
    process.kill(pid, "SIGCONT");
  }
  await world.settled();
  await assertAgreed(0);
});

test("a click while the firewall is stopped ends in a page in time, and opens nothing later", {
  skip,
}, async () => {
  const pid = world.pid("firewall");
  process.kill(pid, "SIGSTOP");
  try {
    const begin = performance.now();
    const clicked = click(world.client(2));
    await newcomers(20);
    const { status, body } = await clicked;
    assert.equal(status, 503);
    assert.match(body, /<form/, "a page to try again from");
    assert.ok(performance.now() - begin < CLICK_MS_MAX);
  } finally {
    process.kill(pid, "SIGCONT");
  }
  await world.settled();
  await assertAgreed(0);
  assert.equal((await click(world.client(2))).status, 303);
  assert.equal((await fetchPage(world.client(2), SITE)).status, 200);
  await logOut(world.client(2));
  await assertAgreed(0);
});

test("a stopped listener on lookup keeps nobody from a lease", { skip }, async () => {
  const program = join(import.meta.dirname, "dhcp-listener.ts");
  const listener = await world.gateway.start("listener", process.execPath, [
    program,
    world.place.run,
    "10.77.0.60",
  ]);
  await listener.line(/./, 5000 as never);
  process.kill(listener.pid, "SIGSTOP");
  await newcomers(20);
  process.kill(listener.pid, "SIGCONT");
  await listener.stop();
  assert.ok((await world.statistic("dhcpd", "lookup-by-pool")) >= 20);
});

test("a full disk: nothing is acknowledged that is not kept, it is said, and room heals it", {
  skip,
}, async () => {
  const fill = join(world.place.state, "fill");
  await world.gateway.run("dd", ["if=/dev/zero", `of=${fill}`, "bs=4096"], { accept: "any" });
  const dropped = await world.statistic("dhcpd", "dropped-store");
  const clients = inNamespace(world.client(2).namespace, () => new MassClients("eth0", CROWD));
  try {
    // Room that the database has inside is used up first.
    for (let round = 0; (await world.statistic("dhcpd", "dropped-store")) === dropped; round++) {
      assert.ok(round < 20, "the disk never was full");
      clients.start();
      await pause(200);
    }
    assert.match(world.log(), /store-full|database or disk is full/);
    assert.equal((await click(world.client(2))).status, 303);
    assert.equal(await world.statistic("portald", "sessions"), 2);
    await logOut(world.client(1));

    const acknowledged = [...clients.acknowledged];
    await world.kill("dhcpd");
    await world.gateway.run("rm", [fill]);
    await world.settled();
    const kept = await world.leases();
    for (const [link, address] of acknowledged) assert.ok(kept.includes(`${link} ${address}`), link);
    clients.start();
    await Promise.race([
      clients.whenAcknowledged(CROWD),
      eventually(
        8000,
        () => false,
        () => `${clients.acknowledged.size} of ${CROWD} leases`,
      ),
    ]);
  } finally {
    clients.close();
  }
  // What was opened and closed without room is kept by now.
  await pause(1500);
  await world.kill("portald");
  await eventually(BACK_MS_MAX, async () => (await world.doors()).sessions.length > 0);
  await world.settled();
  assert.deepEqual(await world.doors(), { permitted: [SECOND_MAC], sessions: [SECOND_MAC] });
});
