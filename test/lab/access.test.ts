/**
 * What users of the machine other than root and the services' own may do: what the operator's `rights` and `order`
 * say, over real sockets, and nothing to the run directory.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { node } from "#app/node.ts";
import { readState } from "#app/supervisor/state-file.ts";
import { type Outcome, type Running, run, start } from "../command-line/metanet-command.ts";
import { enterGatewayNamespace, rootProblem } from "./own-namespace.ts";

const ALICE = 4711;
/** A member of the group that may intercept. */
const BOB = 4713;
const GROUP = 4712;
const NOBODY = 65_534;

const CONFIGURATION = `firewall: { inside: lan0, outside: wan0 }
dhcpd: { interface: lan0, server: 10.77.0.1, subnet: 10.77.0.0/24, pool: [10.77.0.100, 10.77.0.199] }
portald: { address: 10.77.0.1 }
`;

const ACCESS = `order:
  dhcpd:/dhcpd/lookup:
    glue/*: -7
    audit/*: never
rights:
  dhcpd:/dhcpd/lookup:
    observe: { users: [${ALICE}] }
    intercept: { groups: [${GROUP}] }
  dhcpd:/sys:
    send: { users: [${ALICE}] }
`;

let folder = "";
let file = "";
let runDirectory = "";
let gateway: Running;

async function until(what: string, there: () => boolean): Promise<void> {
  const end = Date.now() + 10_000;
  while (!there()) {
    assert.ok(Date.now() < end, `not in ten seconds: ${what}`);
    await sleep(20);
  }
}

const serviceOf = (name: string) =>
  readState(runDirectory)?.services.find((service) => service.name === name);

function as(uid: number, groups: readonly number[] = []): string[] {
  const more = groups.length > 0 ? `--groups=${groups.join(",")}` : "--clear-groups";
  return ["setpriv", `--reuid=${uid}`, `--regid=${uid}`, more, "--"];
}

/** Runs `metanet ARGS` as another user to its end. */
function metanetAs(before: readonly string[], ...args: string[]): Promise<Outcome> {
  return start(runDirectory, args, before).ended;
}

describe("rights and order", { skip: rootProblem() }, () => {
  before(async () => {
    enterGatewayNamespace();
    folder = mkdtempSync(join(tmpdir(), "mn-"));
    execFileSync("chmod", ["755", folder]);
    file = join(folder, "gw.yaml");
    runDirectory = join(folder, "run");
    writeFileSync(file, `run: ${runDirectory}\nstate: ${folder}/state\n${CONFIGURATION}${ACCESS}`);
    gateway = start(runDirectory, ["up", file]);
    await until("every service is ready", () => {
      const services = readState(runDirectory)?.services ?? [];
      return services.length === 3 && services.every(({ state }) => state === "ready");
    });
  });
  after(async () => {
    gateway.process.kill("SIGTERM");
    await gateway.ended;
    rmSync(folder, { recursive: true, force: true });
  });

  it("a socket is open to others only where a rule lets somebody in, and belongs to the services' user", () => {
    const seen = ["firewall", "dhcpd", "portald"].map((name) => {
      const { mode, uid } = statSync(join(runDirectory, name));
      return [name, (mode & 0o777).toString(8), uid];
    });
    assert.deepEqual(seen, [
      ["firewall", "600", NOBODY],
      ["dhcpd", "666", NOBODY],
      ["portald", "600", NOBODY],
    ]);
  });

  it("a service that root has made the socket for is known by its own user and process", async (context) => {
    const bus = await node("looker", { directory: runDirectory });
    context.after(() => bus.close());
    await bus.call("dhcpd:/sys/list", {});
    const [link] = bus.links;
    assert.deepEqual([link?.uid, link?.pid], [NOBODY, serviceOf("dhcpd")?.pid]);
  });

  it("metanet list works for a user who may send to /sys", async () => {
    const { code, out, err } = await metanetAs(as(ALICE), "list", "dhcpd");
    assert.equal(code, 0, err);
    assert.match(out, /dhcpd:\/dhcpd\/lookup/);
  });

  const denials: [right: string, args: string[]][] = [
    ["send", ["send", "dhcpd:/dhcpd/lookup", "xid=1"]],
    ["intercept", ["listen", "dhcpd:/dhcpd/lookup"]],
    ["observe", ["observe", "dhcpd:/dhcpd/offer"]],
  ];
  for (const [right, args] of denials) {
    it(`metanet ${args.join(" ")} is denied, and says which right is missing and how to grant it`, async () => {
      const { code, err } = await metanetAs(as(ALICE), ...args);
      const to = args[1];
      assert.equal(code, 6, err);
      assert.equal(
        err.trim().split("\n").at(-1),
        `metanet: Cannot ${right} ${to}: user ${ALICE} has no right to; ` +
          `write ${to}: { ${right}: { users: [${ALICE}] } } below \`rights:\` in the configuration`,
      );
    });
  }

  it("metanet call is denied at a socket that is closed", async () => {
    const { code, err } = await metanetAs(as(ALICE), "call", "firewall:/firewall/counters");
    assert.equal(code, 6, err);
    assert.match(err, /its socket is closed to this user; .* below `rights:`/);
  });

  it("metanet observe works for a user who may observe, and status counts the denials", async () => {
    const observer = start(runDirectory, ["observe", "dhcpd:/dhcpd/lookup"], as(ALICE));
    await observer.said("observing dhcpd:/dhcpd/lookup");
    observer.process.kill("SIGINT");
    await observer.ended;
    const { out } = await run(runDirectory, ["status", "--json"]);
    const services: { name: string; counters: { denied: number } }[] = JSON.parse(out).services;
    assert.equal(services.find(({ name }) => name === "dhcpd")?.counters.denied, denials.length);
  });

  it("a listener of a member of the group stands where the operator has put it, also after SIGHUP", async () => {
    const args = ["listen", "--as", "glue", "--band", "500", "dhcpd:/dhcpd/lookup"];
    const listener = start(runDirectory, args, as(BOB, [GROUP]));
    await listener.said("listening at dhcpd:/dhcpd/lookup");
    const row = async (): Promise<{ band: number; rule: string; state: string } | undefined> => {
      const { out } = await run(runDirectory, ["list", "--json", "dhcpd:/dhcpd/lookup"]);
      const { listeners } = JSON.parse(out || '{"listeners":[]}');
      return listeners.find(({ identity }: { identity: string }) => identity === "glue/listen");
    };
    const first = await row();
    assert.deepEqual([first?.band, first?.rule, first?.state], [-7, `${file}:8`, "attached"]);
    const { out } = await run(runDirectory, ["list", "dhcpd:/dhcpd/lookup"]);
    assert.match(out, /glue\/listen +listener +attached +-7 +\/.*gw\.yaml:8 /);
    writeFileSync(file, readFileSync(file, "utf8").replace("glue/*: -7", "glue/*: 9"));
    gateway.process.kill("SIGHUP");
    await gateway.said("reloaded; restarting dhcpd");
    await until(
      "dhcpd is back",
      () => serviceOf("dhcpd")?.restarts === 1 && serviceOf("dhcpd")?.state === "ready",
    );
    const end = Date.now() + 10_000;
    while ((await row())?.band !== 9) assert.ok(Date.now() < end, "the listener is in its new band");
    listener.process.stdin?.end();
    assert.equal((await listener.ended).code, 0);
  });

  it("a listener that the operator refuses is told the rule, root's as well", async () => {
    const { code, err } = await run(runDirectory, ["listen", "--as", "audit", "dhcpd:/dhcpd/lookup"]);
    assert.equal(code, 6, err);
    assert.ok(
      err.includes(`Cannot listen to dhcpd:/dhcpd/lookup as audit/listen: ${file}:9 says audit/*: never`),
      err,
    );
  });

  const tricks: Record<string, string> = {
    "make a socket": 'require("net").createServer().on("error", fail).listen(run + "/dhcpd6", done)',
    "remove a service's socket": 'fs.unlinkSync(run + "/dhcpd")',
    "move a service's socket": 'fs.renameSync(run + "/dhcpd", run + "/old")',
    "put a link in": 'fs.symlinkSync("/tmp", run + "/link")',
    "replace the state file": 'fs.writeFileSync(run + "/supervisor.json", "{}")',
    "open the folder to others": "fs.chmodSync(run, 0o777)",
    "take the broker's handover": 'fs.unlinkSync(run + "/firewall.sockets")',
  };
  for (const uid of [ALICE, NOBODY]) {
    for (const [what, code] of Object.entries(tricks)) {
      it(`user ${uid} cannot ${what}`, () => assert.match(attempt(uid, code), /^E(ACCES|PERM)$/));
    }
  }

  it("a dead service's name is nobody's to take, not even its own user's, and the service comes back to it", async () => {
    const pid = serviceOf("portald")?.pid ?? 0;
    process.kill(pid, "SIGSTOP");
    process.kill(pid, "SIGKILL");
    for (const uid of [ALICE, NOBODY]) {
      const take =
        'fs.unlinkSync(run + "/portald"); require("net").createServer().on("error", fail).listen(run + "/portald", done)';
      assert.equal(attempt(uid, take), "EACCES", `user ${uid}`);
    }
    await until(
      "portald is back",
      () => serviceOf("portald")?.state === "ready" && serviceOf("portald")?.pid !== pid,
    );
    const { code, err } = await run(runDirectory, ["list", "portald"]);
    assert.equal(code, 0, err);
  });

  it("a program cannot come to a service under another service's name", async () => {
    const program = `
      const { node } = await import(${JSON.stringify(join(import.meta.dirname, "../../src/app/node.ts"))});
      const fs = await import("node:fs");
      const bus = await node(process.argv[1], { directory: ${JSON.stringify(runDirectory)} });
      try { await bus.call("dhcpd:/sys/list", {}); console.log("ok"); } catch (error) { console.log(error.message); }
      await bus.close();`;
    // At rest the portal's own socket is in the way before anybody is asked; its name is kept without it, too.
    const as4711 = (name: string): string => {
      const [command = "", ...args] = [
        ...as(ALICE),
        process.execPath,
        "--input-type=module",
        "-e",
        program,
        name,
      ];
      return execFileSync(command, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] }).trim();
    };
    assert.equal(as4711("something"), "ok");
    execFileSync("mv", [join(runDirectory, "portald"), join(runDirectory, "portald.aside")]);
    try {
      assert.match(as4711("portald"), /^Cannot (greet 'portald': the name is another user's|reach|send)/);
    } finally {
      execFileSync("mv", [join(runDirectory, "portald.aside"), join(runDirectory, "portald")]);
    }
    assert.ok(existsSync(join(runDirectory, "portald")));
  });
});

/** Runs a piece of JavaScript as another user; gives the error's code, or `done`. */
function attempt(uid: number, code: string): string {
  const script = `const fs = require("fs"); const run = ${JSON.stringify(runDirectory)};
    const say = (word) => { console.log(word); process.exit(); };
    const fail = (error) => say(error.code); const done = () => say("done");
    try { ${code}; if (!/createServer/.test(${JSON.stringify(code)})) done(); } catch (error) { fail(error); }`;
  const [command = "", ...args] = [...as(uid), process.execPath, "-e", script];
  return execFileSync(command, args, { encoding: "utf8", cwd: "/" }).trim();
}
