/**
 * The command line onto packet scripts, against a real packetd in a network namespace of its own.
 * @module
 */
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, it, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { readState } from "#app/supervisor/state-file.ts";
import {
  type Outcome,
  ROOT,
  type Running,
  run,
  start,
  temporaryFolder,
} from "../command-line/metanet-command.ts";
import { enterOwnNamespace, rootProblem } from "./own-namespace.ts";

const FILTER = `import { accept, drop, icmp, ipv4, type Context, type Packet } from "metanet/script";
import { counted } from "./counted.ts";
export function filter(packet: Packet, context: Context) {
  context.counter(counted).add();
  return accept;
}
export function tracks({ connection }: Packet, context: Context) {
  if (!connection) return;
  context.counter([connection.state, connection.isReply, connection.mark].join(" ")).add();
  connection.mark = 7;
}
export function block() {
  return drop;
}
export function broken(_packet: Packet) {
  throw new Error("as told");
}
`;

interface World {
  /** The run directory. */
  readonly run: string;
  readonly scripts: string;
  readonly filter: string;
}

/** A run directory and a folder of scripts that packetd's user can read; everything is down again after the test. */
function setUp(context: TestContext): World {
  const folder = temporaryFolder(context);
  chmodSync(folder, 0o755);
  const [directory, scripts] = [join(folder, "run"), join(folder, "scripts")];
  mkdirSync(scripts);
  const filter = join(scripts, "filter.ts");
  writeFileSync(filter, FILTER);
  writeFileSync(join(scripts, "counted.ts"), 'export const counted = "seen";\n');
  return { run: directory, scripts, filter };
}

/** Ends what a test has started, before its folder goes. */
function downAfter(context: TestContext, world: () => World | undefined): void {
  context.after(async () => {
    const started = world();
    if (started && readState(started.run)) await run(started.run, ["down"]);
  });
}

function world(context: TestContext): World {
  let made: World | undefined;
  downAfter(context, () => made);
  made = setUp(context);
  return made;
}

/**
 * The main thread has these capabilities and what loads programs into the kernel, CAP_BPF and CAP_PERFMON; threads of
 * scripts have these only, and what was there before the others went has none.
 */
function assertCapabilities(w: World, last: string): void {
  for (const task of readdirSync(`/proc/${pidOf(w)}/task`)) {
    const status = readFileSync(`/proc/${pidOf(w)}/task/${task}/status`, "utf8");
    assert.match(status, /^Uid:\t65534\t65534/m);
    const own = task === String(pidOf(w)) ? `000000c0000${last}` : `00000000000(00000|${last})`;
    assert.match(status, new RegExp(`^CapPrm:\t${own}$`, "m"));
    assert.match(status, /^NoNewPrivs:\t1$/m);
  }
}

/** Isolates are what these tests are about. */
const USER = ["--engine", "user"] as const;
const LOAD = ["--function", "filter", "--hook", "input", ...USER] as const;

async function load(w: World, more: readonly string[] = [], file = w.filter): Promise<Outcome> {
  const options = more.includes("--function") ? [...USER, ...more] : [...LOAD, ...more];
  return await run(w.run, ["script", "load", file, ...options]);
}

async function list(w: World): Promise<Record<string, unknown>[]> {
  const { out, err, code } = await run(w.run, ["script", "list", "--json"]);
  assert.ok(code === 0 || code === 1, err);
  return JSON.parse(out).scripts;
}

/** Whether this machine answers itself. */
function answers(): boolean {
  try {
    execFileSync("ping", ["-c1", "-W2", "-q", "127.0.0.1"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

function tables(): string {
  return execFileSync("nft", ["list", "tables"], { encoding: "utf8" });
}

async function until(what: string, there: () => boolean | Promise<boolean>): Promise<void> {
  const end = Date.now() + 20_000;
  while (!(await there())) {
    assert.ok(Date.now() < end, `not in twenty seconds: ${what}`);
    await sleep(50);
  }
}

const pidOf = (w: World): number =>
  readState(w.run)?.services.find(({ name }) => name === "packetd")?.pid ?? 0;

describe("metanet script", { skip: rootProblem() }, () => {
  before(() => enterOwnNamespace());

  it("a script reads and sets its packets' connections, with the two capabilities of an isolate", async (context) => {
    const w = world(context);
    const { err, code } = await load(w, ["--function", "tracks", "--hook", "input"]);
    assert.equal(code, 0, err);
    assert.ok(answers());
    await until("the packets are counted", async () => {
      const [script] = await list(w);
      const counters = script?.counters as Readonly<Record<string, number>>;
      return counters["new false 0"] === 1 && counters["established true 7"] === 1;
    });
  });

  it("script load starts packetd, which keeps five capabilities; list counts; unload --stop leaves nothing", async (context) => {
    const w = world(context);
    const first = await load(w);
    assert.equal(first.code, 0, first.err);
    assert.match(
      first.out,
      /^Loaded filter: filter of .*filter\.ts at input, version 1; in user space; it reads the first \d+ bytes/,
    );
    assert.match(
      first.err,
      /^Started packetd in the background \(process \d+, log .*packetd\.log\); end it with/,
    );
    assertCapabilities(w, "03004");
    assert.ok(answers());
    const [script] = await list(w);
    assert.deepEqual(
      [script?.name, script?.packets, script?.accepted, script?.counters],
      ["filter", 2, 2, { seen: 2 }],
    );
    const table = await run(w.run, ["script", "list"]);
    assert.match(
      table.out,
      /^NAME +AT +ENGINE +PACKETS .*\nfilter +input +user +2 .*running v1\n {2}filter: seen 2\n$/,
    );
    const second = await load(w, [
      "--function",
      "block",
      "--hook",
      "input",
      "--match",
      "icmp type echo-request",
    ]);
    assert.equal(second.err, "");
    // What filter accepts skips block.
    assert.ok(answers());
    assert.equal((await run(w.run, ["script", "unload", "filter"])).out, "Unloaded filter\n");
    assert.equal(answers(), false);
    const ended = await run(w.run, ["script", "unload", "--all", "--stop"]);
    assert.deepEqual([ended.out, ended.err], ["Unloaded block\n", "Packetd has ended\n"]);
    assert.doesNotMatch(tables(), /metanet/);
    assert.equal(readState(w.run), undefined);
    assert.ok(answers());
  });

  it("script load replaces, reload takes the file as it is now, and what does not load leaves the old version", async (context) => {
    const w = world(context);
    await load(w);
    assert.match((await load(w)).out, /^Replaced filter: .*, version 2;/);
    writeFileSync(join(w.scripts, "counted.ts"), 'export const counted = "other";\n');
    assert.equal((await run(w.run, ["script", "reload", "filter"])).out, "Reloaded filter, version 3\n");
    answers();
    assert.equal((((await list(w))[0]?.counters ?? {}) as Record<string, number>).other, 2);
    writeFileSync(w.filter, FILTER.replace("return accept;", "return accept)"));
    const broken = await run(w.run, ["script", "reload", "filter"]);
    assert.equal(broken.code, 1);
    assert.match(broken.err, /Cannot load .*filter\.ts: syntax error at .*filter\.ts:5:16/);
    assert.equal((await list(w))[0]?.version, 3);
    assert.ok(answers());
  });

  it("script load says what is wrong, and loads nothing", async (context) => {
    const w = world(context);
    assert.equal((await load(w, ["--name", "there"])).code, 0);
    const rows: [string[], number, RegExp][] = [
      [
        ["--function", "filter", "--hook", "inptu"],
        2,
        /Cannot use --hook inptu: it takes .*; did you mean input\?/,
      ],
      [["--function", "fliter", "--hook", "input"], 1, /no export of that name; did you mean filter\?/],
      [["--name", "a", "--out", "lo"], 2, /packets at input do not leave by an interface yet; take --in/],
      [
        ["--name", "a", "--match", "udp dport foo"],
        1,
        /Cannot use the match 'udp dport foo': nft says: .*'foo'/,
      ],
      [["--name", "a", "--match", "udp dport 53 drop"], 2, /'drop' does something/],
      [["--name", "a", "--deadline", "soon"], 2, /Cannot use --deadline soon: it is not a duration/],
      [["--name", "1a"], 2, /the name is not a letter/],
      [["--name", "a", "--persist", "--foreground"], 2, /Cannot use --persist with --foreground/],
    ];
    for (const [options, code, message] of rows) {
      const refused = await load(w, options);
      assert.match(refused.err, message);
      assert.equal(refused.code, code, refused.err);
    }
    const missing = await load(w, [], join(w.scripts, "none.ts"));
    assert.match(missing.err, /there is no such file; `metanet script new .*none\.ts` begins one/);
    const other = join(w.scripts, "other.ts");
    writeFileSync(other, "export function there() {}\n");
    const taken = await load(w, ["--function", "there", "--hook", "input"], other);
    assert.match(taken.err, /that is .*filter\.ts already; add --name NAME, or --name there to replace it/);
    assert.deepEqual(
      (await list(w)).map(({ name }) => name),
      ["there"],
    );
    const warned = await load(w, ["--name", "a", "--in", "eth77"]);
    assert.match(
      warned.err,
      /Warning: there is no interface eth77 now; the script waits for it\. There are lo/,
    );
    assert.equal(warned.code, 0);
  });

  it("a packetd that script load has started reads scripts in a folder that only root may look into", async (context) => {
    const w = world(context);
    chmodSync(w.scripts, 0o700);
    const { code, err } = await load(w);
    assert.equal(code, 0, err);
    assert.equal((await run(w.run, ["script", "reload", "filter"])).code, 0);
  });

  it("a gateway's packetd says which folder its user may not look into", async (context) => {
    const w = world(context);
    chmodSync(w.scripts, 0o700);
    const file = join(w.scripts, "..", "gateway.yaml");
    const state = join(w.scripts, "..", "state");
    writeFileSync(file, `run: ${w.run}\nstate: ${state}\npacketd: {}\n`);
    const gateway: Running = start(w.run, ["up", file]);
    await gateway.said("packetd is ready");
    assertCapabilities(w, "03000");
    const { code, err } = await load(w);
    assert.equal(code, 1);
    assert.match(
      err,
      /packetd runs as 'nobody', who may not look into .*scripts; chmod o\+x .*scripts, or keep it/,
    );
  });

  it("script list shows where a script failed, and packets go by --on-error", async (context) => {
    const w = world(context);
    await load(w, ["--function", "broken", "--hook", "input", "--on-error", "accept"]);
    assert.ok(answers());
    const { out } = await run(w.run, ["script", "list"]);
    assert.match(out, /\n {2}broken: .*filter\.ts:16:9: threw 2 times: Error: as told\n/);
    await load(w, ["--function", "broken", "--hook", "input", "--on-error", "drop"]);
    assert.equal(answers(), false);
  });

  it("a script loaded with --persist is back after kill -9 of packetd and of everything, others are not", async (context) => {
    const w = world(context);
    await load(w, ["--persist", "--match", "icmp type echo-request"]);
    await load(w, ["--name", "brief"]);
    const killed = pidOf(w);
    process.kill(killed, "SIGKILL");
    await until(
      "packetd is back",
      () => pidOf(w) !== killed && readState(w.run)?.services[0]?.state === "ready",
    );
    const [script, ...others] = await list(w);
    assert.deepEqual([script?.name, script?.match, others], ["filter", "icmp type echo-request", []]);
    assert.ok(answers());
    assert.equal((await list(w))[0]?.packets, 1);
    await run(w.run, ["down"]);
    assert.doesNotMatch(tables(), /metanet/);
    await load(w, ["--name", "new"]);
    assert.deepEqual(
      (await list(w)).map(({ name }) => name),
      ["filter", "new"],
    );
  });

  it("script load refuses to load into another network namespace", async (context) => {
    const w = world(context);
    await load(w);
    const args = ["script", "load", w.filter, ...LOAD, "--name", "elsewhere"];
    const { code, err } = await start(w.run, args, ["unshare", "--net", "--"]).ended;
    assert.equal(code, 1);
    assert.match(err, /packetd serves network namespace net:\[\d+\], and this is net:\[\d+\]; run another/);
    assert.deepEqual(
      (await list(w)).map(({ name }) => name),
      ["filter"],
    );
  });

  it("script load without root says so, whether packetd runs or not", async (context) => {
    const w = world(context);
    mkdirSync(w.run, { mode: 0o755 });
    const asUser = (): Promise<Outcome> =>
      start(
        w.run,
        ["script", "load", w.filter, ...LOAD],
        ["setpriv", "--reuid=65534", "--clear-groups", "--"],
      ).ended;
    const without = await asUser();
    assert.equal(without.code, 6);
    assert.match(
      without.err,
      /no packetd runs in .*, and only root may start one; run the same command with sudo/,
    );
    await load(w);
    // Also for packetd's own user: scripts run with powers that the user's other processes do not have.
    const refused = await asUser();
    assert.equal(refused.code, 6);
    assert.match(refused.err, /user 65534 has no right to/);
  });

  it("script load --watch loads what is saved, also an import, and tells mistakes", async (context) => {
    const w = world(context);
    const watching = start(w.run, ["script", "load", w.filter, ...LOAD, "--watch"]);
    context.after(() => watching.process.kill("SIGKILL"));
    await watching.said("Ctrl-C ends that");
    writeFileSync(join(w.scripts, "counted.ts"), 'export const counted = "again";\n');
    await watching.said("version 2");
    writeFileSync(w.filter, FILTER.replace("return accept;", "return accept)"));
    await watching.said("The old version stays");
    writeFileSync(w.filter, FILTER);
    await watching.said("version 3");
    watching.process.kill("SIGINT");
    const { code, err } = await watching.ended;
    assert.equal(code, 0);
    assert.match(err, /filter stays loaded/);
  });

  it("script load --foreground runs without packetd, and ends with everything it made", async (context) => {
    const w = world(context);
    const here = start(w.run, ["script", "load", w.filter, ...LOAD, "--foreground"]);
    context.after(() => here.process.kill("SIGKILL"));
    await here.said("It runs until Ctrl-C");
    assert.ok(answers());
    here.process.kill("SIGINT");
    const { code, out } = await here.ended;
    assert.equal(code, 0);
    assert.match(out, /\nfilter +input +user +2 /);
    assert.doesNotMatch(tables(), /metanet/);
    assert.equal(existsSync(join(w.run, "supervisor.json")), false);
  });

  it("script watch writes JSON lines where nobody looks", async (context) => {
    const w = world(context);
    await load(w);
    const watching = start(w.run, ["script", "watch", "--interval", "100ms"]);
    await watching.said('"packets":0');
    answers();
    await watching.said('"packets":2');
    watching.process.kill("SIGINT");
    assert.equal((await watching.ended).code, 0);
  });

  it("metanet up runs the scripts of its file, and reports one that does not load", async (context) => {
    const w = world(context);
    const file = join(w.scripts, "gw.yaml");
    writeFileSync(
      file,
      `run: ${w.run}
state: ${w.scripts}/state
packetd:
  scripts:
    good: { file: ${w.filter}, function: filter, hook: input }
    gone: { file: ${w.scripts}/gone.ts, function: filter, hook: input }
`,
    );
    const gateway: Running = start(w.run, ["up", file]);
    await gateway.said("packetd is ready");
    const scripts = await list(w);
    assert.deepEqual(
      scripts.map(({ name, state, configured }) => [name, state, configured]),
      [
        ["good", "running", true],
        ["gone", "unloadable", true],
      ],
    );
    const table = await run(w.run, ["script", "list"]);
    assert.equal(table.code, 1);
    assert.match(table.out, / {2}gone: not loaded: Cannot load .*gone\.ts/);
    const unloaded = await run(w.run, ["script", "unload", "good"]);
    assert.equal(unloaded.err, "good will be back at the next start: remove it from the configuration\n");
    const stop = await run(w.run, ["script", "unload", "--all", "--stop"]);
    assert.match(stop.err, /it belongs to .*gw\.yaml; `metanet down` ends that/);
    assert.equal((await run(w.run, ["down"])).code, 0);
    assert.equal((await gateway.ended).code, 0);
    assert.doesNotMatch(tables(), /metanet/);
  });

  it("a listener in Python decides about packets that a script asks it about", async (context) => {
    const w = world(context);
    const file = join(w.scripts, "ask.ts");
    writeFileSync(
      file,
      `import { type Context, type Packet, parseVerdict } from "metanet/script";
export async function ask(packet: Packet, context: Context) {
  const bytes = new Uint8Array(packet.bytes());
  const told = await context.bus.call("packetd:/packetd/packet", { script: context.script.name, bytes });
  return parseVerdict(String(told.verdict));
}
`,
    );
    const loaded = await load(
      w,
      ["--function", "ask", "--hook", "input", "--match", "icmp type echo-request"],
      file,
    );
    assert.equal(loaded.code, 0, loaded.err);
    assert.ok(answers());
    const listener = spawn("python3", ["-c", PYTHON], {
      env: { ...process.env, METANET_RUN: w.run, PYTHONPATH: join(ROOT, "client/python") },
      stdio: ["ignore", "pipe", "inherit"],
    });
    context.after(() => listener.kill("SIGKILL"));
    await new Promise((resolve) => listener.stdout.once("data", resolve));
    // A listener in Python on a busy machine takes its time; nothing waits for what comes.
    const lengths = (bytes: string): boolean => {
      try {
        execFileSync("ping", ["-c1", "-W4", "-q", "-s", bytes, "127.0.0.1"], { stdio: "ignore" });
        return true;
      } catch {
        return false;
      }
    };
    assert.deepEqual(["56", "400"].map(lengths), [true, false]);
    assert.equal((await list(w))[0]?.dropped, 1);
    listener.kill("SIGKILL");
    // Who was to have a say and is gone does not become a yes: the script fails, and its packets go by --on-error.
    await until("the listener is gone", () => !lengths("56"));
    assert.match(
      (await run(w.run, ["script", "list"])).out,
      /ask: .*: threw once: .*listener sizes\/sizes is away/,
    );
  });
});

/** Drops packets of more than 200 bytes. */
const PYTHON = `
import metanet
link = metanet.Link("packetd", name="sizes")
def decide(message):
    if len(dict(message)["bytes"]) > 200:
        return metanet.answer([("verdict", "drop")])
link.listen("/packetd/packet", "sizes", decide, place="prepend", timeout=1000)
print("ready", flush=True)
link.run()
`;
