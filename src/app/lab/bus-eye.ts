/**
 * How the lab looks at the gateway: through the mailboxes, with the same `metanet` command a person would type.
 * @module
 */
import { seconds } from "#base/time.ts";
import type { RunResult } from "./command-line.ts";
import { METANET } from "./gateway.ts";
import type { Lab } from "./lab.ts";

/** One client's traffic as the firewall has counted it. */
export interface Traffic {
  readonly mac: string;
  readonly address: string;
  readonly upBytes: number;
  readonly downBytes: number;
}

/** What `metanet call --json` prints: tag, type and value; a list's entries are pairs of type and value. */
interface Printed {
  readonly tuples: readonly (readonly [string, string, unknown])[];
}

/** Runs a `metanet` command against the lab's gateway. */
export function metanet(lab: Lab, ...args: readonly string[]): Promise<RunResult> {
  const options = { env: { METANET_RUN: lab.place.run }, timeout: seconds(15) };
  return lab.topology.gateway.run(process.execPath, [METANET, ...args], options);
}

/** The arguments of the command that {@link traffic} runs, for the record. */
export function trafficArguments(mac: string): string[] {
  return ["call", "firewall:/firewall/counters", `mac=${mac}`, "--json"];
}

/** Counters of every address of a client that may pass; empty when it may not. */
export async function traffic(lab: Lab, mac: string): Promise<Traffic[]> {
  const { stdout } = await metanet(lab, ...trafficArguments(mac));
  const { tuples }: Printed = JSON.parse(stdout);
  const list = (tag: string): unknown[] => {
    const value = tuples.find(([name]) => name === tag)?.[2];
    return Array.isArray(value) ? value.map((entry) => (Array.isArray(entry) ? entry[1] : entry)) : [];
  };
  const up = list("up-bytes");
  const down = list("down-bytes");
  return list("address").map((address, index) => ({
    mac,
    address: String(address),
    upBytes: Number(up[index]),
    downBytes: Number(down[index]),
  }));
}
