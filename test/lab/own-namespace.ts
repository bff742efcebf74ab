/**
 * Puts the test process into a network namespace of its own. The namespace has no name any more once the process
 * is inside, so the kernel removes it, and every table and link in it, when the process ends in whatever way.
 * @module
 */
import { execFileSync } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { native, nativeProblem } from "#linux/native.ts";

const CLONE_NEWNET = 0x40000000;

/** Why this machine cannot run tests with root's powers; `false` when it can. For the `skip` of a test. */
export function rootProblem(): string | false {
  if (process.getuid?.() !== 0) return "needs root";
  return nativeProblem() ?? false;
}

/** Makes a namespace and moves this thread, with all programs it starts, into it. */
export function enterOwnNamespace(): void {
  const name = `mn-own-${process.pid}`;
  execFileSync("ip", ["netns", "add", name]);
  try {
    const fd = openSync(`/run/netns/${name}`, "r");
    native().setns(fd, CLONE_NEWNET);
    closeSync(fd);
  } finally {
    execFileSync("ip", ["netns", "delete", name]);
  }
  execFileSync("ip", ["link", "set", "lo", "up"]);
}
