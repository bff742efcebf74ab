/**
 * The state of the machine around a run of the gateway: what was there before `up` is there again after `down`,
 * however many crashes lie between.
 * @module
 */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { UnavailableError } from "#base/errors.ts";
import { ClaimedError } from "#io/rule-set.ts";
import { runNft } from "#linux/nft-program.ts";
import { NftablesRuleSet } from "#linux/nftables.ts";
import type { Configuration } from "../config/schema.ts";
import { readOwnFile, replaceOwnFile } from "../own-file.ts";
import { forwardingOf, TABLE_NAME } from "./firewall.ts";

export interface MachineState {
  /** Our table was there: an earlier run crashed, or was killed, and whoever may pass still passes. */
  readonly table: boolean;
  /** Forwarding switches that were off before us. */
  readonly off: readonly string[];
}

/**
 * Looks, and changes nothing.
 * @throws NftMissingError, before anything is started that would fail for it again and again.
 */
export async function lookAtMachine(configuration: Configuration, run: string): Promise<MachineState> {
  if (!configuration.firewall) return { table: true, off: [] };
  await runNft("nft", "");
  const rules = new NftablesRuleSet();
  try {
    const table = (await rules.tables()).includes(TABLE_NAME);
    const off = forwardingOf(configuration).filter((setting) => read(setting) === "0");
    // Without our table there is nothing of ours: the machine has been started anew since.
    return { table, off: table ? [...new Set([...off, ...recall(run)])] : off };
  } finally {
    rules.close();
  }
}

/**
 * Keeps it in the run directory: a run that crashes leaves the kernel forwarding, and the next one must know that it
 * was us.
 * @throws UnavailableError when there is no room.
 */
export function keepMachine(state: MachineState, run: string): void {
  try {
    if (state.off.length === 0) rmSync(fileIn(run), { force: true });
    else replaceOwnFile(fileIn(run), `${JSON.stringify(state.off)}\n`);
  } catch (cause) {
    throw new UnavailableError(`Cannot write ${fileIn(run)}: ${String(cause)}`, { cause });
  }
}

/**
 * Stops forwarding where it was off before, then removes our table and nothing else. While the broker of another
 * gateway runs the table is that one's, and nothing is done.
 */
export async function leaveMachine(state: MachineState, run: string): Promise<void> {
  const rules = new NftablesRuleSet();
  try {
    await rules.claim(`${TABLE_NAME}-broker`);
    // In this order: without rules a machine that forwards lets everybody pass.
    for (const setting of state.off) writeFileSync(setting, "0");
    await rules.remove(TABLE_NAME);
  } catch (error) {
    if (!(error instanceof ClaimedError)) throw error;
  } finally {
    rmSync(fileIn(run), { force: true });
    rules.close();
  }
}

function fileIn(run: string): string {
  return join(run, "machine.json");
}

function recall(run: string): string[] {
  const text = readOwnFile(fileIn(run));
  return text === undefined ? [] : (JSON.parse(text) as string[]);
}

function read(setting: string): string | undefined {
  try {
    return readFileSync(setting, "utf8").trim();
  } catch {
    return undefined;
  }
}
