/**
 * The addon under random calls, in a process and a network namespace of its own.
 * @module
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { it } from "node:test";
import { nativeProblem } from "#linux/native.ts";

/** Where the kernel has no user namespaces for us (in a chroot, say), root does it with what little it keeps. */
const ISOLATIONS = [
  ["unshare", "--user", "--map-root-user", "--net"],
  ["unshare", "--net", "setpriv", "--bounding-set=-all,+net_raw", "--inh-caps=-all", "--no-new-privs"],
] as const;
const CALL_COUNT = 20_000;

const tries = ISOLATIONS.map(([program, ...args]) =>
  spawnSync(program, [...args, "true"], { encoding: "utf8" }),
);
const [program, ...isolation] = ISOLATIONS[tries.findIndex(({ status }) => status === 0)] ?? [];
const missing = program === undefined ? `needs user namespaces, or root: ${tries[0]?.stderr}` : false;

const socketsIn = (folder: string): number =>
  readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isSocket()).length;

it(`the addon survives ${CALL_COUNT} calls with any arguments`, { skip: nativeProblem() ?? missing }, () => {
  const seed = Math.floor(Math.random() * 1e9);
  const calls = join(import.meta.dirname, "../../fuzz/native-calls.ts");
  const args = [...isolation, process.execPath, "--expose-gc", calls, String(seed), String(CALL_COUNT)];
  const before = socketsIn(".");
  const { status, signal, stdout, stderr } = spawnSync(program ?? "", args, {
    encoding: "utf8",
    timeout: 60_000,
  });
  assert.deepEqual({ status, signal, stderr }, { status: 0, signal: null, stderr: "" }, `seed ${seed}`);
  assert.equal(socketsIn("."), before, "left sockets in the file system");
  const [, answeredCount = "0"] = /(\d+) answered/.exec(stdout) ?? [];
  assert.ok(Number(answeredCount) > CALL_COUNT / 10, `seed ${seed} gets hardly past the checks: ${stdout}`);
});
