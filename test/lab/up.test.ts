import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, it, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { readState } from "#app/supervisor/state-file.ts";
import { ROOT, type Running, run, start, temporaryFolder } from "../command-line/metanet-command.ts";
import { enterGatewayNamespace, rootProblem } from "./own-namespace.ts";

/** A run directory, a configuration in it, and the interfaces it names. */
function setUp(context: TestContext, more = ""): { folder: string; file: string } {
  // Hooks run in their order, and the folder must outlive what runs in it.
  context.after(() => endAll());
  const folder = temporaryFolder(context);
  // The services' user must get to its own folder.
  execFileSync("chmod", ["755", folder]);
  const file = join(folder, "gw.yaml");
  writeFileSync(
    file,
    `run: ${folder}/run
state: ${folder}/state
firewall: { inside: lan0, outside: wan0 }
dhcpd: { interface: lan0, server: 10.77.0.1, subnet: 10.77.0.0/24, pool: [10.77.0.100, 10.77.0.199], lease: 10m }
portald: { address: 10.77.0.1 }
${more}`,
  );
  return { folder, file };
}

/** What the test under way has started. */
const gateways: Running[] = [];

async function endAll(): Promise<void> {
  for (const gateway of gateways.splice(0)) {
    gateway.process.kill("SIGTERM");
    await gateway.ended;
  }
}

function tables(): string[] {
  return execFileSync("nft", ["list", "tables"], { encoding: "utf8" }).trim().split("\n").filter(Boolean);
}

function forwards(): string {
  return readFileSync("/proc/sys/net/ipv4/ip_forward", "utf8").trim();
}

/** Waits until `there` is true; fails after ten seconds. */
async function until(what: string, there: () => boolean): Promise<void> {
  const end = Date.now() + 10_000;
  while (!there()) {
    assert.ok(Date.now() < end, `not in ten seconds: ${what}`);
    await sleep(20);
  }
}

const serviceOf = (folder: string, name: string) =>
  readState(join(folder, "run"))?.services.find((service) => service.name === name);

async function up(folder: string, args: readonly string[], before: readonly string[] = []): Promise<Running> {
  const gateway = start(join(folder, "run"), ["up", ...args], before);
  gateways.push(gateway);
  await until("every service is ready", () => {
    const services = readState(join(folder, "run"))?.services ?? [];
    return services.length === 3 && services.every(({ state }) => state === "ready");
  });
  return gateway;
}

function userOf(pid: number | undefined): string {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return `${/^Uid:\t(\d+)/m.exec(status)?.[1]} ${/^CapEff:\t(\S+)/m.exec(status)?.[1]}`;
}

describe("metanet up", { skip: rootProblem() }, () => {
  before(() => {
    enterGatewayNamespace();
    writeFileSync("/proc/sys/net/ipv4/ip_forward", "0");
  });

  it("metanet up runs every service, only the broker as root, and down leaves the machine as it was", async (context) => {
    const { folder, file } = setUp(context);
    const gateway = await up(folder, [file]);
    assert.match(userOf(serviceOf(folder, "firewall")?.pid), /^0 /);
    for (const name of ["dhcpd", "portald"]) {
      assert.equal(userOf(serviceOf(folder, name)?.pid), "65534 0000000000000000", name);
    }
    assert.ok(tables().includes("table inet metanet"));
    assert.equal(forwards(), "1");
    const status = await run(join(folder, "run"), ["status"]);
    assert.equal(status.code, 0, status.out + status.err);
    const leases = await run(join(folder, "run"), ["leases"]);
    assert.equal(leases.err, "There are no leases\n");
    const clients = await run(join(folder, "run"), ["clients"]);
    assert.equal(clients.err, "Nobody is logged in\n");
    assert.equal((await run(join(folder, "run"), ["down"])).code, 0);
    assert.equal((await gateway.ended).code, 0);
    assert.deepEqual(
      [tables(), forwards(), existsSync(join(folder, "run/supervisor.json"))],
      [[], "0", false],
    );
  });

  it("metanet up starts a service again that was killed with -9, and keeps the rules", async (context) => {
    const { folder, file } = setUp(context);
    await up(folder, [file]);
    for (const name of ["dhcpd", "firewall"]) {
      const killed = serviceOf(folder, name)?.pid ?? 0;
      process.kill(killed, "SIGKILL");
      assert.ok(tables().includes("table inet metanet"));
      await until(`${name} is back`, () => {
        const service = serviceOf(folder, name);
        return service?.state === "ready" && service.pid !== killed && service.restarts === 1;
      });
    }
    assert.ok(tables().includes("table inet metanet"));
  });

  it("metanet up refuses a second gateway on the same interface, and does not touch the first one's rules", async (context) => {
    const first = setUp(context);
    await up(first.folder, [first.file]);
    const second = setUp(context);
    const { code, err } = await run(join(second.folder, "run"), ["up", second.file]);
    assert.equal(code, 78, err);
    assert.match(err, /Stop the other gateway first/);
    assert.match(err, /firewall cannot run as configured: everything is stopped again/);
    assert.ok(tables().includes("table inet metanet"));
    const third = await run(join(first.folder, "run"), ["up", first.file]);
    assert.equal(third.code, 1);
    assert.match(third.err, /runs .*gw\.yaml there; stop it with `metanet down`/);
  });

  it("metanet up leaves nothing behind when a service cannot use its configuration", async (context) => {
    const { folder, file } = setUp(context, "user: root");
    const { code, err } = await run(join(folder, "run"), ["up", file]);
    assert.equal(code, 78, err);
    assert.match(err, /Cannot drop privileges to 'root': that is root; name another user/);
    assert.deepEqual([tables(), forwards()], [[], "0"]);
  });

  it("metanet up names interfaces that are not there, before it starts anything", async (context) => {
    const { folder, file } = setUp(context);
    writeFileSync(file, readFileSync(file, "utf8").replaceAll("lan0", "lan7"));
    const { code, err } = await run(join(folder, "run"), ["up", file]);
    assert.equal(code, 78);
    assert.match(err, /gw\.yaml:3:21: firewall\.inside: this machine has no interface lan7; use one of /);
    assert.equal(existsSync(join(folder, "run")), false);
  });

  it("metanet up restarts what a new configuration changes on SIGHUP, and nothing for one with mistakes", async (context) => {
    const { folder, file } = setUp(context);
    const gateway = await up(folder, [file]);
    const before = readFileSync(file, "utf8");
    const pids = ["firewall", "portald"].map((name) => serviceOf(folder, name)?.pid);
    writeFileSync(file, before.replace("lease: 10m", "lease: 20m"));
    gateway.process.kill("SIGHUP");
    await gateway.said("reloaded; restarting dhcpd");
    await until(
      "dhcpd is back",
      () => serviceOf(folder, "dhcpd")?.restarts === 1 && serviceOf(folder, "dhcpd")?.state === "ready",
    );
    assert.deepEqual(
      ["firewall", "portald"].map((name) => serviceOf(folder, name)?.pid),
      pids,
    );
    writeFileSync(file, `${before}lese: 10m\n`);
    gateway.process.kill("SIGHUP");
    await gateway.said("everything goes on as it was");
    assert.equal(serviceOf(folder, "dhcpd")?.restarts, 1);
  });

  it("metanet up killed with -9 takes its services with it and leaves the rules; the next one takes over", async (context) => {
    const { folder, file } = setUp(context);
    const gateway = await up(folder, [file]);
    const pids = readState(join(folder, "run"))?.services.map(({ pid }) => pid) ?? [];
    gateway.process.kill("SIGKILL");
    await gateway.ended;
    await until("the services have ended", () => pids.every((pid) => !existsSync(`/proc/${pid}`)));
    assert.deepEqual(tables(), ["table inet metanet"]);
    const next = await up(folder, [file]);
    next.process.kill("SIGTERM");
    assert.equal((await next.ended).code, 0);
    assert.deepEqual(tables(), []);
  });

  it("metanet up needs no more capabilities than example/gateway/metanet.service gives it", async (context) => {
    const { folder, file } = setUp(context);
    const unit = readFileSync(join(ROOT, "example/gateway/metanet.service"), "utf8");
    const names = [...unit.matchAll(/^CapabilityBoundingSet=(.*)$/gm)].flatMap(([, line = ""]) =>
      line.split(" "),
    );
    const kept = names.map((name) => `+${name.replace(/^CAP_/, "").toLowerCase()}`);
    const limits = ["--bounding-set", `-all,${kept.join(",")}`, "--no-new-privs"];
    const gateway = await up(folder, [file], ["setpriv", ...limits, "--"]);
    assert.equal((await run(join(folder, "run"), ["status"])).code, 0);
    gateway.process.kill("SIGTERM");
    assert.equal((await gateway.ended).code, 0);
    assert.deepEqual([tables(), forwards()], [[], "0"]);
  });

  it("metanet up --single runs everything in one process under the same names", async (context) => {
    const { folder, file } = setUp(context);
    await up(folder, ["--single", file]);
    // The state file says ready before the services are: ask them.
    await until("portald's socket", () => existsSync(join(folder, "run/portald")));
    const { out } = await run(join(folder, "run"), ["list", "--json"]);
    const names = JSON.parse(out).processes.map(({ process }: { process: string }) => process);
    assert.deepEqual(names, ["dhcpd", "firewall", "portald"]);
    assert.equal((await run(join(folder, "run"), ["down"])).code, 0);
    assert.deepEqual(tables(), []);
  });

  it("metanet up --detach returns when everything is ready, and down ends it", async (context) => {
    const { folder, file } = setUp(context);
    const { code, out, err } = await run(join(folder, "run"), ["up", "--detach", file]);
    assert.equal(code, 0, err);
    assert.match(out, /^The gateway is up as process \d+; its log is .*\/state\/metanet\.log\n$/);
    assert.equal((await run(join(folder, "run"), ["status"])).code, 0);
    assert.equal((await run(join(folder, "run"), ["down"])).code, 0);
    assert.match(readFileSync(join(folder, "state/metanet.log"), "utf8"), /"msg":"portald is ready"/);
  });
});
