/**
 * The C addon: compiled again when one of its sources changed since the last time.
 * @module
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { say, tail } from "./report.mjs";

/**
 * Compiles native/ where that is needed. A machine without a compiler goes on: what needs the addon says so.
 * @param {string} root the checkout
 */
export function buildNative(root) {
  const build = join(root, "native/build.mjs");
  const stamp = join(root, ".cache/native.stamp");
  const wanted = fingerprint(join(root, "native"));
  const built = readdirSync(join(root, "native")).some((file) => file.endsWith(".node"));
  if (built && existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return;
  const node = join(root, "node_modules/.bin/node");
  const { status, stdout, stderr } = spawnSync(node, [build, "--strict"], { cwd: root, encoding: "utf8" });
  if (status !== 0) {
    say(`metanet set-up: cannot compile native/:\n${tail(`${stdout}${stderr}`)}`);
    return;
  }
  say("metanet set-up: compiled native/, the C addon");
  mkdirSync(join(root, ".cache"), { recursive: true });
  writeFileSync(stamp, wanted);
}

function fingerprint(folder) {
  const hash = createHash("sha256").update(process.arch);
  for (const file of readdirSync(folder, { recursive: true }).sort()) {
    if (/\.(c|h|mjs)$/.test(file)) hash.update(file).update(readFileSync(join(folder, file)));
  }
  return hash.digest("hex");
}
