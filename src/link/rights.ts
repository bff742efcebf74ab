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
  /** Primary groups by number: the kernel tells no others (SO_PEERCRED). */
  readonly gids?: readonly number[];
}

export interface RightsOptions {
  /** The user this process runs as; it and root may do everything. */
  readonly uid: number;
  readonly rules?: readonly RightsRule[];
}

const ROOT = 0;

export class Rights {
  readonly #uid: number;
  readonly #rules: readonly RightsRule[];

  constructor(options: RightsOptions) {
    this.#uid = options.uid;
    this.#rules = options.rules ?? [];
  }

  /** Whether a peer has a right to a mailbox; one whose user is unknown has none. */
  allows(peer: PeerCredentials | undefined, right: Right, path: string): boolean {
    if (peer === undefined) return false;
    if (peer.uid === this.#uid || peer.uid === ROOT) return true;
    return this.#rules.some(
      (rule) =>
        rule.may.includes(right) &&
        ((rule.uids?.includes(peer.uid) ?? false) || (rule.gids?.includes(peer.gid) ?? false)) &&
        isBelow(path, rule.prefix),
    );
  }
}

function isBelow(path: string, prefix: string): boolean {
  const folder = prefix.endsWith("/") ? prefix : `${prefix}/`;
  return path === prefix || path.startsWith(folder);
}
