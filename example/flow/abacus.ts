/**
 * Abacus, the accounting of the mOS paper (NSDI 2017, §5): what each user has moved, without what was sent twice because
 * the network lost it, and with what somebody hides in segments that only look like that.
 *
 * A byte is free of charge only where it is proved to repeat one that was charged: its place in the stream is still kept,
 * and the byte there is the same. All else is charged: other bytes in a known place, before or after the first ones were
 * delivered, in or out of order, with a time to live that does not reach the receiver; places so old that nothing is
 * kept of them; bytes outside of the receiver's window, or in a reset.
 *
 * @module
 */
import {
  type Duration,
  defineEvent,
  type Flow,
  type FlowEngine,
  type FlowMonitor,
  type RetransmissionEvent,
  seconds,
} from "metanet/flow";
import { formatTable, nameOf, printLine, showAfter, timeOfDay } from "./text.ts";

export interface AbacusOptions {
  readonly print?: (line: string) => void;
  /** How often the table of users is printed while anything happens. */
  readonly period?: Duration;
}

/** Users at once; all others share one account. */
const ACCOUNT_COUNT_MAX = 100_000;
const OTHERS = "others";

/** Data came again, and it is proved to be what it was. */
const repeated = defineEvent(
  "retransmission",
  (flow, event) => event.kind === "data" && isProved(flow, event),
);
/** Data came again, and it is not. */
const hidden = defineEvent(
  "retransmission",
  (flow, event) => event.kind === "data" && !isProved(flow, event),
);

/** What one user has moved in both directions, in bytes of payload. */
export interface Account {
  /** Given to a receiver, each byte once. */
  delivered: number;
  /** All that was carried but for proved repetitions: what the user pays for. */
  charged: number;
  /** Proved repetitions. */
  repeated: number;
  /** In the place of other bytes, or where no proof is possible any more. */
  hidden: number;
}

/** Prints what is found, and a table of users now and then; what it returns prints the last one. */
export function abacus(
  engine: FlowEngine,
  { print = printLine, period = seconds(10) }: AbacusOptions = {},
): () => void {
  const { accounts, monitor } = keepAccounts(engine, print);
  const show = (): void => {
    for (const line of formatAccounts(accounts)) print(line);
  };
  monitor.on("packet", "sender", showAfter(monitor, period, show));
  return show;
}

/** Counts for `engine`, and tells of hidden bytes; the accounts by users' addresses, which grow as packets come. */
export function keepAccounts(
  engine: FlowEngine,
  print: (line: string) => void,
): { readonly accounts: ReadonlyMap<string, Account>; readonly monitor: FlowMonitor<Account> } {
  const accounts = new Map<string, Account>();
  const monitor = engine.monitor<Account>({ name: "abacus", unreadBytesMax: 0 });
  monitor.on("packet", "sender", (flow) => {
    if (flow.context === undefined) flow.context = accountOf(accounts, flow.client.address);
    flow.context.charged += flow.payloadBytes;
  });
  monitor.on("newData", "none", ({ context }, { lengthBytes }) => {
    context.delivered += lengthBytes;
  });
  monitor.on(repeated, "receiver", ({ context }, { lengthBytes }) => {
    context.repeated += lengthBytes;
    context.charged -= lengthBytes;
  });
  monitor.on(hidden, "receiver", (flow, event) => {
    flow.context.hidden += event.lengthBytes;
    const { offset, lengthBytes, content, differenceOffset } = event;
    const how =
      content === "different" ? `other bytes from ${differenceOffset} on` : "nothing to compare with";
    const from = nameOf(flow.end(event.sender));
    const to = nameOf(flow.end(event.sender === "client" ? "server" : "client"));
    print(
      `${timeOfDay(event.now)} ${from} -> ${to} sends ${offset} to ${offset + lengthBytes} again, ${how}`,
    );
  });
  return { accounts, monitor };
}

function accountOf(accounts: Map<string, Account>, user: string): Account {
  const known = accounts.get(user);
  if (known !== undefined) return known;
  if (accounts.size >= ACCOUNT_COUNT_MAX && user !== OTHERS) return accountOf(accounts, OTHERS);
  const account = { delivered: 0, charged: 0, repeated: 0, hidden: 0 };
  accounts.set(user, account);
  return account;
}

/** A table of users, those who pay most first. */
export function formatAccounts(accounts: ReadonlyMap<string, Account>): string[] {
  const sorted = [...accounts].sort(([, a], [, b]) => b.charged - a.charged);
  const rows = sorted.map(([user, { delivered, charged, repeated, hidden }]) => [
    user,
    ...[delivered, charged, repeated, hidden].map(String),
  ]);
  return formatTable(["User", "Delivered", "Charged", "Repeated", "Hidden"], rows);
}

/**
 * Whether all of the bytes that came again were compared: "same" speaks of those that are kept. An engine keeps
 * `limits.compareBytes` of what was delivered.
 */
function isProved(flow: Flow, { sender, content, offset, lengthBytes }: RetransmissionEvent): boolean {
  if (content !== "same") return false;
  const end = flow.end(sender);
  for (let at = offset; at < offset + lengthBytes; ) {
    const kept = end.at(at, offset + lengthBytes - at);
    if (kept === undefined) return false;
    at += kept.length;
  }
  return true;
}
