/**
 * What is left of a script in the kernel when packetd is killed: nothing, or with `--pin` all of it, until it is taken
 * over and unloaded. The BPF file system is mounted where only this test sees it.
 * @module
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it, type TestContext } from "node:test";
import { readState } from "#app/supervisor/state-file.ts";
import { type Outcome, start, temporaryFolder } from "../command-line/metanet-command.ts";
import { enterOwnNamespace, rootProblem } from "./own-namespace.ts";
import { eventually } from "./packet-script-engine.ts";

const BLOCK = `
import { drop, icmp, ipv4, verdict, type Context, type Packet } from "metanet/script";
export function block(packet: Packet, context: Context) {
  const ip = packet.payload(ipv4);
  if (ip?.payload(icmp) === undefined) return verdict.continue;
  context.map("blocked", { countMax: 10 }).add(ip.source);
  context.counter("blocked").add();
  return drop;
}`;

interface World {
  readonly run: string;
  readonly file: string;
}

describe("scripts in the kernel when packetd is gone", { skip: rootProblem() }, () => {
  let holder: ChildProcess;
  before(async () => {
    enterOwnNamespace();
    const commands = "mount -t bpf bpf /sys/fs/bpf && echo ready && exec sleep 600";
    holder = spawn("unshare", ["--mount", "--propagation", "private", "sh", "-c", commands], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await once(holder.stdout ?? assert.fail(), "data");
  });
  after(() => holder.kill("SIGKILL"));

  const inside = (): string[] => ["nsenter", `--mount=/proc/${holder.pid}/ns/mnt`, "--wdns=/"];

  async function metanet(w: World, ...args: string[]): Promise<Outcome> {
    const { process: child, ended } = start(w.run, args, inside());
    child.stdin?.end();
    return await ended;
  }

  function setUp(context: TestContext): World {
    const folder = temporaryFolder(context);
    chmodSync(folder, 0o755);
    const w = { run: join(folder, "run"), file: join(folder, "block.ts") };
    writeFileSync(w.file, BLOCK);
    context.after(async () => {
      if (!readState(w.run)) return;
      await metanet(w, "script", "unload", "--all");
      await metanet(w, "down");
    });
    return w;
  }

  /** `kill -9` of everything, at once. */
  async function killAll(w: World): Promise<void> {
    const state = readState(w.run);
    assert.ok(state);
    const pids = [state.pid, ...state.services.flatMap(({ pid }) => pid ?? [])];
    for (const pid of pids) process.kill(pid, "SIGKILL");
    await eventually(() => pids.every((pid) => !isAlive(pid)));
  }

  const answers = (): boolean => spawnSync("ping", ["-c1", "-W1", "-q", "127.0.0.1"]).status === 0;
  const pins = (): string => {
    const [program = "", ...args] = [...inside(), "find", "/sys/fs/bpf/metanet", "-type", "f"];
    return spawnSync(program, args, { encoding: "utf8" }).stdout;
  };
  const load = async (w: World, ...more: string[]): Promise<Outcome> => {
    const loaded = await metanet(w, "script", "load", w.file, "-f", "block", "-H", "input", ...more);
    assert.equal(loaded.code, 0, loaded.err);
    assert.match(loaded.out, /in the kernel/);
    return loaded;
  };

  it("nothing stays attached", async (context) => {
    const w = setUp(context);
    await load(w);
    assert.equal(answers(), false);
    await killAll(w);
    await eventually(answers);
    assert.equal(pins(), "");
  });

  it("with --pin all of it stays, is taken over at the next start, and goes when it is unloaded", async (context) => {
    const w = setUp(context);
    await load(w, "--pin");
    assert.equal(answers(), false);
    await killAll(w);
    assert.equal(answers(), false);
    const started = await metanet(w, "script", "load", w.file, "-f", "block", "-H", "output", "-n", "other");
    assert.equal(started.code, 0, started.err);
    const { out } = await metanet(w, "script", "list", "block", "--json");
    const [script] = (JSON.parse(out) as { scripts: Record<string, unknown>[] }).scripts;
    assert.deepEqual(
      [script?.pinned, script?.persisted, script?.packets, script?.counters],
      [true, true, 2, { blocked: 2 }],
    );
    const map = await metanet(w, "call", "packetd:/packetd/map/read", "name=blocked");
    assert.match(map.out, /2130706433/);
    assert.match(pins(), /blocked/);
    await metanet(w, "script", "unload", "--all");
    assert.deepEqual([pins(), answers()], ["", true]);
  });

  it("what is pinned and nobody wants any more goes at the next start", async (context) => {
    const w = setUp(context);
    await load(w, "--pin");
    await killAll(w);
    const other = setUp(context);
    await load(other, "-n", "other");
    await metanet(other, "script", "unload", "other");
    assert.deepEqual([pins(), answers()], ["", true]);
  });
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
