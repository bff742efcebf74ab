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

const ISOLATION = ["--user", "--map-root-user", "--net"];
const CALL_COUNT = 20_000;

function problem(): string | undefined {
  const tried = spawnSync("unshare", [...ISOLATION, "true"], { encoding: "utf8" });
  return nativeProblem() ?? (tried.status === 0 ? undefined : `needs user namespaces: ${tried.stderr}`);
}

const socketsIn = (folder: string): number =>
  readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isSocket()).length;

it(`the addon survives ${CALL_COUNT} calls with any arguments`, { skip: problem() ?? false }, () => {
  const seed = Math.floor(Math.random() * 1e9);
  const program = join(import.meta.dirname, "../../fuzz/native-calls.ts");
  const args = [...ISOLATION, process.execPath, "--expose-gc", program, String(seed), String(CALL_COUNT)];
  const before = socketsIn(".");
  const { status, signal, stdout, stderr } = spawnSync("unshare", args, {
    encoding: "utf8",
    timeout: 60_000,
  });
  assert.deepEqual({ status, signal, stderr }, { status: 0, signal: null, stderr: "" }, `seed ${seed}`);
  assert.equal(socketsIn("."), before, "left sockets in the file system");
  const [, answeredCount = "0"] = /(\d+) answered/.exec(stdout) ?? [];
  assert.ok(Number(answeredCount) > CALL_COUNT / 10, `seed ${seed} gets hardly past the checks: ${stdout}`);
});
