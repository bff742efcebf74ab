/**
 * The whole gateway with real programs: `metanet lab --once` as a person runs it, and the clean-up after labs that
 * were killed, as root and as an ordinary user.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { chownSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { MissingProgramsError, requirePrograms } from "../../src/app/lab/requirements.ts";
import { processesOf } from "../../src/app/lab/trace-check.ts";
import { userNamespaceProblem } from "./own-namespace.ts";

const METANET = join(import.meta.dirname, "..", "..", "bin", "metanet");
const STORY_MS = 180_000;

interface Finished {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

const isRoot = process.getuid?.() === 0;

function missing(): string | false {
  try {
    requirePrograms(true);
    return false;
  } catch (error) {
    if (error instanceof MissingProgramsError) return error.message;
    throw error;
  }
}

const skip = missing() || (isRoot ? false : "needs root; without root one story runs in a user namespace");

function start(
  args: readonly string[],
  command: readonly string[] = [],
  env = {},
): { child: ChildProcess; end: Promise<Finished> } {
  const [program = "", ...rest] = [...command, process.execPath, METANET, "lab", ...args];
  const child = spawn(program, rest, { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...env } });
  let stdout = "";
  let stderr = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr?.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  const end = new Promise<Finished>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
  return { child, end };
}

function namespaces(pid: number | undefined): string[] {
  if (!existsSync("/run/netns")) return [];
  return readdirSync("/run/netns").filter((name) => name.startsWith(`mn${pid}-`));
}

/** Waits until the lab has built so much that there is something to clean up. */
async function built(child: ChildProcess): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (namespaces(child.pid).length < 5) {
    assert.ok(Date.now() < deadline && child.exitCode === null, "the lab did not get going");
    await pause(20);
  }
}

function assertHeld({ code, stdout, stderr }: Finished): void {
  const records = stdout
    .trim()
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line): Record<string, unknown> => JSON.parse(line));
  const failed = records.filter((record) => record.event === "step" && record.outcome !== "ok");
  assert.deepEqual(failed, [], stderr);
  assert.equal(records.at(-1)?.ok, true, stderr);
  assert.equal(code, 0, stderr);
  const steps = records.filter((record) => record.event === "step").map((record) => record.key);
  for (const key of [
    "lease1",
    "lease2",
    "lease3",
    "held",
    "captive",
    "login",
    "reach",
    "counters",
    "logout",
    "idle",
    "clean",
  ]) {
    assert.ok(steps.includes(key), `the story has no step "${key}"`);
  }
}

test("metanet lab --once holds every step and leaves nothing", { skip, timeout: STORY_MS }, async () => {
  const resolvConf = readFileSync("/etc/resolv.conf", "utf8");
  const { child, end } = start(["--once", "--json"]);
  assertHeld(await end);
  assert.deepEqual(namespaces(child.pid), []);
  assert.deepEqual(processesOf(String(child.pid)), []);
  assert.equal(readFileSync("/etc/resolv.conf", "utf8"), resolvConf);
});

test("metanet lab --once --single holds every step in one process", { skip, timeout: STORY_MS }, async () => {
  assertHeld(await start(["--once", "--json", "--single"]).end);
});

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  test(`metanet lab removes everything on ${signal} in the middle of the story`, {
    skip,
    timeout: 60_000,
  }, async () => {
    const { child, end } = start(["--once"]);
    await built(child);
    child.kill(signal);
    const { code, stderr } = await end;
    assert.equal(code, 130, stderr);
    assert.deepEqual(namespaces(child.pid), []);
    assert.deepEqual(processesOf(String(child.pid)), []);
    assert.ok(!existsSync(`/tmp/metanet-lab-${child.pid}`));
  });
}

test("metanet lab removes what a lab left that was killed with -9", { skip, timeout: 60_000 }, async () => {
  const first = start(["--once"]);
  await built(first.child);
  first.child.kill("SIGKILL");
  await first.end;
  assert.notDeepEqual(namespaces(first.child.pid), [], "nothing was left, so nothing is shown here");
  const second = start(["--once"]);
  await built(second.child);
  assert.deepEqual(namespaces(first.child.pid), []);
  assert.deepEqual(processesOf(String(first.child.pid)), []);
  second.child.kill("SIGTERM");
  await second.end;
  assert.deepEqual(namespaces(second.child.pid), []);
});

test("metanet lab --once holds every step for a user who is not root", {
  skip: missing() || userNamespaceProblem(),
  timeout: STORY_MS,
}, async () => {
  const home = mkdtempSync("/tmp/mn-home-");
  if (isRoot) chownSync(home, 65534, 65534);
  const user = isRoot ? ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"] : [];
  try {
    assertHeld(await start(["--once", "--json"], user, { HOME: home }).end);
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
});
