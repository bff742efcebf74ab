/**
 * What the files of the DHCP server share: the outside, the configuration, and the books.
 * @module
 */
import type { Clock } from "#base/clock.ts";
import type { Store } from "#io/store.ts";
import type { Bus } from "#mailbox/bus.ts";
import type { DhcpdConfig } from "./config.ts";
import type { Conversations } from "./conversation.ts";
import type { Counters } from "./counters.ts";

/** Takes one line for the log. */
export type DhcpdLog = (
  level: "info" | "warn" | "error",
  text: string,
  fields: Readonly<Record<string, unknown>>,
) => void;

export interface Parts {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly store: Store;
  readonly config: DhcpdConfig;
  readonly counters: Counters;
  readonly conversations: Conversations;
  readonly log: DhcpdLog;
  /** To be called when some lease may end earlier than known before. */
  readonly schedule: () => void;
}
