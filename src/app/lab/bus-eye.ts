/**
 * How the lab looks at the gateway: through the mailboxes, with the same `metanet` command a person would type.
 * @module
 */
import { seconds } from "#base/time.ts";
import { commandLine, type RunResult } from "./command-line.ts";
import { METANET } from "./gateway.ts";
import type { Lab } from "./lab.ts";

/** One client's traffic as the firewall has counted it. */
export interface Traffic {
  readonly mac: string;
  readonly address: string;
  readonly upBytes: number;
  readonly downBytes: number;
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
  const tuples = flat(JSON.parse(stdout));
  const list = (tag: string): unknown[] => {
    const found = tuples.filter(([name]) => name === tag).map(([, value]) => value);
    return found.flat();
  };
  const up = list("up-bytes");
  const down = list("down-bytes");
  const macs = list("mac");
  return list("address").map((address, index) => ({
    mac: String(macs[index] ?? mac),
    address: String(address),
    upBytes: Number(up[index] ?? 0),
    downBytes: Number(down[index] ?? 0),
  }));
}

/** What a person types for a `metanet` command on this lab. */
export function typed(lab: Lab, ...args: readonly string[]): string {
  return `METANET_RUN=${lab.place.run} ${commandLine("metanet", args)}`;
}

/** An answer as JSON is an object, or where tags repeat a list of pairs. */
function flat(answer: unknown): (readonly [string, unknown])[] {
  if (!Array.isArray(answer)) return Object.entries(Object(answer));
  return answer.map((pair: readonly unknown[]) => [String(pair[0]), pair[1]] as const);
}
