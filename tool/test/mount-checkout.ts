/**
 * Runs in a mount namespace of its own: `mount-checkout.ts CHECKOUT PLACE PROGRAM ARGUMENT…` mounts the checkout
 * below PLACE and becomes the checkout's Node with PROGRAM, a path in the checkout, there.
 * @module
 */
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";

const [checkout = "", place = "", program = "", ...args] = process.argv.slice(2);
const there = join(place, "metanet");

mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", place);
mkdirSync(there, { mode: 0o755 });
mount("--bind", checkout, there);
process.chdir(there);
const node = join(there, "node_modules/node/bin/node");
process.execve?.(node, [node, join(there, program), ...args], {
  ...process.env,
  PWD: there,
} as Record<string, string>);

function mount(...words: readonly string[]): void {
  execFileSync("mount", words, { stdio: ["ignore", "ignore", "inherit"] });
}
