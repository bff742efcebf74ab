/**
 * Every contract of the project by its service's name, for whoever must know mailboxes of processes that do not run.
 * @module
 */
import type { Contract, MailboxSpec } from "#contract/contract.ts";
import { dhcpd } from "#contract/dhcpd.ts";
import { firewall } from "#contract/firewall.ts";
import { packetd } from "#contract/packetd.ts";
import { portald } from "#contract/portald.ts";
import { sys } from "#contract/sys.ts";
import { system } from "#contract/system.ts";

export const CONTRACTS: readonly Contract[] = [firewall, dhcpd, portald, packetd, system, sys];

/** What the contracts say of a mailbox's path. */
export function specOf(path: string): MailboxSpec | undefined {
  return CONTRACTS.map((contract) => contract.specs[path]).find((spec) => spec !== undefined);
}
