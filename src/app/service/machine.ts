/**
 * The state of the machine around a run of the gateway: what was there before `up` is there again after `down`.
 * @module
 */
import { readFileSync, writeFileSync } from "node:fs";
import { NftablesRuleSet } from "#linux/nftables.ts";
import type { Configuration } from "../config/schema.ts";
import { forwardingOf, TABLE_NAME } from "./firewall.ts";

export interface MachineState {
  /** Our table was there: an earlier run crashed, or was killed, and whoever may pass still passes. */
  readonly table: boolean;
  /** Forwarding switches that were off. */
  readonly off: readonly string[];
}

/** Looks, and changes nothing. */
export async function lookAtMachine(configuration: Configuration): Promise<MachineState> {
  if (!configuration.firewall) return { table: true, off: [] };
  const rules = new NftablesRuleSet();
  try {
    const table = (await rules.tables()).includes(TABLE_NAME);
    return { table, off: forwardingOf(configuration).filter((setting) => read(setting) === "0") };
  } finally {
    rules.close();
  }
}

/** Stops forwarding where it was off before, then removes our table and nothing else. */
export async function leaveMachine(state: MachineState): Promise<void> {
  // In this order: without rules a machine that forwards lets everybody pass.
  for (const setting of state.off) writeFileSync(setting, "0");
  const rules = new NftablesRuleSet();
  try {
    await rules.remove(TABLE_NAME);
  } finally {
    rules.close();
  }
}

function read(setting: string): string | undefined {
  try {
    return readFileSync(setting, "utf8").trim();
  } catch {
    return undefined;
  }
}
