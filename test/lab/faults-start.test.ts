/**
 * What an operator meets when the gateway cannot start, is broken off while it starts, or is taken away: one clear
 * sentence, the documented exit code, and a machine as it was before.
 */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, beforeEach, describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { seconds } from "#base/time.ts";
import type { LabProcess } from "../../src/app/lab/lab-process.ts";
import { labProblem } from "./dhcp-lab.ts";
import { eventually, FaultsWorld, FORWARDING, gone, SERVICES } from "./faults-world.ts";

const skip = labProblem("nft", "dhclient", "curl", "dnsmasq", "setpriv");

/** What somebody else has in the same kernel. */
const FOREIGN =
  "table inet somebody {\n\tchain forward {\n\t\ttype filter hook forward priority filter; policy accept;\n\t}\n}\n";

let world: FaultsWorld;

before(async () => {
  if (skip) return;
  world = new FaultsWorld();
  await world.build();
  await world.gateway.run("nft", ["-f", "-"], { input: FOREIGN });
  // The configuration, written once by a start that works.
  await world.up();
  await world.metanet(["down"]);
});

after(() => world?.close());

beforeEach(() => world?.gateway.run("tee", [FORWARDING], { input: "0" }));

/** Tables, switches, processes and sockets are as if MetaNet had never run. */
async function assertNothingLeft(run = world.place.run): Promise<void> {
  assert.deepEqual(await world.tables(), ["table inet somebody"]);
  assert.equal((await world.gateway.run("nft", ["list", "table", "inet", "somebody"])).stdout, FOREIGN);
  assert.equal(await world.forwards(), false);
  assert.deepEqual(existsSync(run) ? readdirSync(run) : [], []);
  const { stdout } = await world.gateway.run("ip", ["netns", "pids", world.gateway.namespace]);
  const commands = stdout.split("\n").filter(Boolean).map(commandLineOf);
  assert.deepEqual(
    commands.filter((command) => command.includes("metanet")),
    [],
  );
}

function commandLineOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
  } catch {
    return "";
  }
}

/** The world's configuration with something changed, as a file of its own. */
function changed(name: string, change: (text: string) => string): string {
  const file = join(world.place.work, `${name}.yaml`);
  writeFileSync(file, change(readFileSync(world.configurationFile, "utf8")));
  return file;
}

async function start(file: string, ...more: string[]): Promise<LabProcess> {
  const { command, args, env } = world.command(["up", ...more, file]);
  return await world.gateway.start("start", command, args, env);
}

describe("metanet up that cannot start", { skip }, () => {
  test("without nft says what to install, and starts nothing", async () => {
    const empty = join(world.place.work, "empty");
    mkdirSync(empty);
    await world.gateway.run("mount", ["--bind", empty, "/usr/sbin"]);
    const { code, stderr } = await world.metanet(["up", world.configurationFile]);
    await world.gateway.run("umount", ["/usr/sbin"]);
    assert.equal(code, 1);
    assert.match(stderr, /'nft' is not on this machine\. Install it: apt-get install/);
    await assertNothingLeft();
  });

  test("with a wrong key says which and where", async () => {
    const file = changed("key", (text) => text.replace("lease:", "leese:"));
    const { code, stderr } = await world.metanet(["up", file]);
    assert.equal(code, 78);
    assert.match(stderr, /key\.yaml:\d+:\d+: dhcpd\.leese: .*lease/);
    await assertNothingLeft();
  });

  test("with the portal's port in use says so, and stops what it had started", async () => {
    const hold = `require("net").createServer().listen(5280, "10.77.0.1", () => console.log("held"))`;
    const holder = await world.gateway.start("holder", process.execPath, ["-e", hold]);
    await holder.line(/held/, seconds(5));
    const { code, stderr } = await world.metanet(["up", world.configurationFile]);
    await holder.stop();
    assert.equal(code, 78, stderr);
    assert.match(stderr, /10\.77\.0\.1.*5280.*(in use|already)/);
    assert.match(stderr, /portald cannot run as configured: everything is stopped again/);
    await assertNothingLeft();
  });

  test("by a user who is not root says how", async () => {
    const { command, args, env } = world.command(["up", world.configurationFile]);
    const user = ["--reuid", "65534", "--regid", "65534", "--clear-groups", command];
    const { code, stderr } = await world.gateway.run("setpriv", [...user, ...args], { env, accept: "any" });
    assert.equal(code, 1);
    assert.match(stderr, /^metanet: Cannot start firewall and dhcpd: only root may; run it with sudo/);
    await assertNothingLeft();
  });

  test("beside one that starts at the same moment leaves that one's rules alone", async () => {
    const other = join(world.place.work, "run2");
    const file = changed("other", (text) => text.replace(`run: ${world.place.run}`, `run: ${other}`));
    const both = await Promise.all([start(world.configurationFile), start(file)]);
    const ended = await Promise.race(both.map((one) => one.ended().then(() => one)));
    assert.equal(ended.exit, "exit code 78");
    assert.match(ended.tail(20), /gateway-running/);
    const [winner] = both.filter((one) => one !== ended);
    assert.ok(winner);
    const run = winner === both[0] ? world.place.run : other;
    await eventually(10_000, () => existsSync(join(run, "portald")));
    assert.ok((await world.tables()).includes("table inet metanet"));
    assert.equal(await world.forwards(), true);
    await world.metanet(["down"], { METANET_RUN: run });
    await assertNothingLeft(world.place.run);
    await assertNothingLeft(other);
  });
});

describe("metanet up that is broken off", { skip }, () => {
  for (const single of [false, true]) {
    for (const delayMs of [150, 350, 550, 900]) {
      const how = single ? "up --single" : "up";
      test(`${how} cleans up after a Ctrl-C ${delayMs} ms into its start`, async () => {
        const gateway = await start(world.configurationFile, ...(single ? ["--single"] : []));
        await pause(delayMs);
        // As a terminal does: to the whole group.
        gateway.kill("SIGINT");
        await eventually(8000, () => gateway.exit !== undefined);
        await eventually(2000, async () => (await world.tables()).length === 1);
        await assertNothingLeft();
      });
    }
  }
});

describe("metanet down", { skip }, () => {
  test("after a crash and a second start leaves the machine as it was before the first", async () => {
    await world.up();
    const pids = SERVICES.map((name) => world.pid(name));
    await world.kill("supervisor");
    for (const pid of pids) await gone(pid);
    assert.ok((await world.tables()).includes("table inet metanet"), "whoever may pass passes");
    await world.up();
    assert.equal((await world.metanet(["down"])).code, 0);
    await assertNothingLeft();
  });

  test("while the broker is stopped ends all the same", async () => {
    await world.up();
    process.kill(world.pid("firewall"), "SIGSTOP");
    const begin = performance.now();
    assert.equal((await world.metanet(["down"])).code, 0);
    // Five seconds for the broker to end by itself, and what a busy machine takes for the rest.
    assert.ok(performance.now() - begin < 30_000);
    await assertNothingLeft();
  });
});
