/**
 * Two network namespaces joined by a veth pair, for contract tests on real interfaces.
 * @module
 */
import { execFileSync } from "node:child_process";
import { createNamespace, inNamespace, removeNamespace } from "#linux/namespace.ts";

let pairCount = 0;

/** Each side has one interface, `eth0`, which is up. */
export class VethPair {
  readonly server: string;
  readonly client: string;

  constructor() {
    const name = `mn${process.pid}-${pairCount++}`;
    this.server = `${name}-s`;
    this.client = `${name}-c`;
    for (const side of [this.server, this.client]) createNamespace(side);
    const peer = ["peer", "name", "eth0", "netns", this.client];
    this.ip(this.server, "link", "add", "eth0", "type", "veth", ...peer);
    for (const side of [this.server, this.client]) this.ip(side, "link", "set", "eth0", "up");
  }

  /** Runs `ip` inside of one side. */
  ip(side: string, ...args: string[]): string {
    return execFileSync("ip", ["-n", side, ...args], { encoding: "utf8", stdio: "pipe" });
  }

  inside<R>(side: string, action: () => R): R {
    return inNamespace(side, action);
  }

  remove(): void {
    for (const side of [this.server, this.client]) removeNamespace(side);
  }
}

/** Why tests with real interfaces cannot run here; `undefined` when they can. */
export function vethProblem(): string | undefined {
  if (process.getuid?.() !== 0) return "needs root for network namespaces";
  return undefined;
}
