/**
 * Who may do what to which mailbox. The same user and root may do all, others what the table grants them.
 * @module
 */
import type { PeerCredentials } from "#io/stream.ts";

/** To send to a mailbox, to get copies of what is sent there, to stand in front of it. */
export type Right = "send" | "observe" | "intercept";

/** One line of the table. */
export interface RightsRule {
  /** A mailbox and all below it: `/firewall` is `/firewall` and `/firewall/permit`, not `/firewalls`; `/` is all. */
  readonly prefix: string;
  readonly may: readonly Right[];
  /** Users by number; with `gids`, either is enough. */
  readonly uids?: readonly number[];
  /** Groups by number, primary or supplementary. */
  readonly gids?: readonly number[];
}

export interface RightsOptions {
  /** The user this process runs as; it and root may do everything. */
  readonly uid: number;
  readonly rules?: readonly RightsRule[];
  /** What an operator does to grant a right that is missing, for the error that says so. */
  readonly fix?: (right: Right, path: string, peer: PeerCredentials) => string;
}

const ROOT = 0;

export class Rights {
  readonly #uid: number;
  readonly #rules: readonly RightsRule[];
  readonly #fix: RightsOptions["fix"];

  constructor(options: RightsOptions) {
    this.#uid = options.uid;
    this.#rules = options.rules ?? [];
    this.#fix = options.fix;
  }

  /** Whether a peer has a right to a mailbox; one whose user is unknown has none. */
  allows(peer: PeerCredentials | undefined, right: Right, path: string): boolean {
    if (peer === undefined) return false;
    if (peer.uid === this.#uid || peer.uid === ROOT) return true;
    return this.#rules.some(
      (rule) =>
        rule.may.includes(right) &&
        ((rule.uids?.includes(peer.uid) ?? false) || isMember(peer, rule.gids)) &&
        isBelow(path, rule.prefix),
    );
  }

  /** Why a peer may not, and what would change that. */
  refusal(peer: PeerCredentials | undefined, right: Right, path: string): string {
    if (peer === undefined) return "its user is not known, because native/ is not built";
    const fix = this.#fix?.(right, path, peer) ?? "the process can grant it in the `rights` of its node()";
    return `user ${peer.uid} has no right to; ${fix}`;
  }
}

function isMember({ gid, groups = [] }: PeerCredentials, gids: readonly number[] | undefined): boolean {
  return gids?.some((wanted) => wanted === gid || groups.includes(wanted)) ?? false;
}

function isBelow(path: string, prefix: string): boolean {
  const folder = prefix.endsWith("/") ? prefix : `${prefix}/`;
  return path === prefix || path.startsWith(folder);
}
