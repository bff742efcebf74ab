/**
 * Shows that a lab left nothing: the real machine's tables, routes and name servers are what they were, and no
 * process or namespace of the lab is there any more.
 * @module
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { run } from "./command-line.ts";
import { namespacesOf } from "./leftovers.ts";

/** What of the real machine a lab could have touched. */
export interface MachineState {
  readonly "nft tables": string;
  readonly routes: string;
  readonly "name servers": string;
}

/** Reads what {@link tracesOf} compares. */
export async function machineState(): Promise<MachineState> {
  const text = async (command: string, ...args: string[]): Promise<string> =>
    (await run(command, args, { accept: "any" })).stdout;
  return {
    "nft tables": await text("nft", "--stateless", "list", "ruleset"),
    routes: (await text("ip", "-4", "route")) + (await text("ip", "-6", "route", "show", "proto", "static")),
    "name servers": existsSync("/etc/resolv.conf") ? readFileSync("/etc/resolv.conf", "utf8") : "",
  };
}

/** One sentence for each thing that is there and should not be; empty when the lab left nothing. */
export async function tracesOf(labId: string, workFolder: string, before: MachineState): Promise<string[]> {
  const after = await machineState();
  const names = Object.keys(before) as (keyof MachineState)[];
  return [
    ...names
      .filter((name) => before[name] !== after[name])
      .map((name) => `the machine's ${name} have changed`),
    ...namespacesOf(labId).map((name) => `namespace ${name} is still there`),
    ...processesOf(labId).map((pid) => `process ${pid} is still running`),
    ...(existsSync(workFolder) ? [`folder ${workFolder} is still there`] : []),
  ];
}

/** Processes that carry the lab's mark in their environment. */
export function processesOf(labId: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) => environment(pid).includes(`METANET_LAB=${labId}`))
    .map(Number);
}

function environment(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/environ`, "utf8").split("\0");
  } catch {
    return [];
  }
}
