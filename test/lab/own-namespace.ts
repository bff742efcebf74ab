/**
 * Puts the test process into a network namespace of its own. The namespace has no name any more once the process
 * is inside, so the kernel removes it, and every table and link in it, when the process ends in whatever way.
 * @module
 */
import { execFileSync, spawnSync } from "node:child_process";
import { createNamespace, enterNamespace, removeNamespace } from "#linux/namespace.ts";
import { nativeProblem } from "#linux/native.ts";

/** Why this machine cannot run tests with root's powers; `false` when it can. For the `skip` of a test. */
export function rootProblem(): string | false {
  if (process.getuid?.() !== 0) return "needs root";
  return nativeProblem() ?? false;
}

/** Why there are no user namespaces here, not even for root (in a chroot, for one); `false` when there are. */
export function userNamespaceProblem(): string | false {
  const { status, stderr, error } = spawnSync("unshare", ["--user", "--map-root-user", "true"], {
    encoding: "utf8",
  });
  return status === 0 ? false : `needs user namespaces: ${(stderr || error?.message) ?? "no unshare"}`.trim();
}

/** Makes a namespace and moves this thread, with all programs it starts, into it. */
export function enterOwnNamespace(): void {
  const name = `mn-own-${process.pid}`;
  createNamespace(name);
  try {
    enterNamespace(name);
  } finally {
    removeNamespace(name);
  }
  execFileSync("ip", ["link", "set", "lo", "up"]);
}

/** Enters a namespace of its own in which a gateway has its two sides, with nobody at their other ends. */
export function enterGatewayNamespace(): void {
  enterOwnNamespace();
  for (const [name, address] of [
    ["lan0", "10.77.0.1/24"],
    ["wan0", "192.0.2.1/24"],
  ] as const) {
    execFileSync("ip", ["link", "add", name, "type", "veth", "peer", "name", `${name}p`]);
    execFileSync("ip", ["address", "add", address, "dev", name]);
    for (const end of [name, `${name}p`]) execFileSync("ip", ["link", "set", end, "up"]);
  }
}
