/**
 * Answers the /sys mailboxes from a bus's own state.
 * @module
 */
import type { Timer } from "#base/clock.ts";
import { type Duration, hours, minutes } from "#base/time.ts";
import type { Value } from "#base/value.ts";
import type { Bus } from "#mailbox/bus.ts";
import { NoSuchMailboxError } from "#mailbox/errors.ts";
import { type Entry, formatIdentity } from "#mailbox/listener.ts";
import type { Mailbox, TraceRecord } from "#mailbox/mailbox.ts";
import { answer } from "#mailbox/verdict.ts";
import type { Contract } from "./contract.ts";
import { describeTag } from "./describe.ts";
import { sys } from "./sys.ts";

/** What a process knows of its links; `link/links.ts` has it. */
export interface LinkSource {
  describe(): readonly LinkRow[];
  totals(): LinkSums;
}

/** One link. */
interface LinkRow {
  readonly peer: string;
  readonly uid: number | undefined;
  readonly pid: number | undefined;
  readonly initiated: boolean;
  readonly guests: number;
  readonly pending: number;
  readonly waitingBytes: number;
  readonly framesSent: number;
  readonly framesReceived: number;
  readonly copiesDropped: number;
  readonly overflows: number;
  readonly malformed: number;
  readonly late: number;
  readonly denied: number;
}

/** What went wrong on all links there have been. */
interface LinkSums {
  readonly links: number;
  readonly violations: number;
  readonly malformed: number;
  readonly denied: number;
  readonly copiesDropped: number;
  readonly overflows: number;
  readonly late: number;
  readonly refused: number;
  readonly postsLost: number;
}

/** Rows of one page of `/sys/list` when nobody said. */
const PAGE_ROWS = 1000;

/**
 * Makes the /sys mailboxes of a bus; `contracts` are what the process offers, for `/sys/describe`. Gives the end of
 * it: traces that run then hold no timer any more. A process without `links` tells of none.
 */
export function offerSys(
  bus: Bus,
  contracts: readonly Contract[] = [],
  links?: () => LinkSource | undefined,
): () => void {
  const traces = new Map<Mailbox, Timer>();
  for (const [path, options] of Object.entries(sys.mailboxes))
    bus.open(path, { ...options, observeOnly: true });
  bus.table.provide("/sys/list", (message) => answer(list(bus, message.toObject())));
  bus.table.provide("/sys/listeners", (message) => answer(listeners(require(bus, message.get("path")), bus)));
  bus.table.provide("/sys/statistics", (message) => answer(statistics(bus, message.get("path"), links?.())));
  bus.table.provide("/sys/links", () => answer(linkColumns(links?.()?.describe() ?? [])));
  bus.table.provide("/sys/describe", (message) =>
    answer(describe(bus, [...contracts, sys], message.get("path"))),
  );
  bus.table.provide("/sys/trace/start", (message) => {
    const wanted = message.get("duration");
    const duration = Math.min(typeof wanted === "number" ? wanted : minutes(1), hours(1));
    trace(bus, traces, require(bus, message.get("path")), duration as Duration);
    return answer();
  });
  bus.watch((event) => {
    if (!event.mailbox.startsWith("/sys/")) bus.post("/sys/event", { ...event });
  });
  return () => {
    for (const timer of traces.values()) timer.cancel();
  };
}

function require(bus: Bus, path: Value | undefined): Mailbox {
  const mailbox = bus.table.mailboxes.get(String(path));
  if (mailbox) return mailbox;
  throw new NoSuchMailboxError(`Cannot look at ${bus.name}:${path}: there is no such mailbox`);
}

function list(bus: Bus, query: { [tag: string]: Value }): { [tag: string]: Value } {
  const { prefix = "", after = "", limit = PAGE_ROWS } = query;
  const all = [...bus.table.mailboxes.values()]
    .filter((mailbox) => mailbox.path.startsWith(String(prefix)) && mailbox.path > String(after))
    .sort((left, right) => (left.path < right.path ? -1 : 1));
  const page = all.slice(0, Number(limit));
  const now = bus.steady.now();
  const inState = (state: string): number[] =>
    page.map(({ listeners }) => listeners.order.filter((entry) => stateOf(entry, now) === state).length);
  return {
    path: page.map((mailbox) => mailbox.path),
    kind: page.map((mailbox) => mailbox.options.kind ?? "-"),
    listeners: page.map((mailbox) => mailbox.listeners.order.length),
    observers: page.map((mailbox) => mailbox.observers.length),
    messages: page.map((mailbox) => mailbox.statistics.messages),
    away: inState("away"),
    suspended: inState("suspended"),
    more: page.length < all.length,
  };
}

function listeners(mailbox: Mailbox, bus: Bus): { [tag: string]: Value } {
  const entries = [...mailbox.listeners.order, ...mailbox.observers];
  const now = bus.steady.now();
  return {
    identity: entries.map((entry) => formatIdentity(entry.identity)),
    role: entries.map((_, index) => (index < mailbox.listeners.order.length ? "listener" : "observer")),
    state: entries.map((entry) => stateOf(entry, now)),
    band: entries.map((entry) => entry.band),
    rule: entries.map((entry) => entry.rule ?? ""),
    timeout: entries.map((entry) => entry.timeout ?? 0),
    calls: entries.map((entry) => entry.calls),
    errors: entries.map((entry) => entry.errors),
    timeouts: entries.map((entry) => entry.timeouts),
    late: entries.map((entry) => entry.late),
  };
}

function stateOf(entry: Entry, now: number): "attached" | "away" | "suspended" {
  if (entry.away) return "away";
  return entry.suspendedUntil !== undefined && now < entry.suspendedUntil ? "suspended" : "attached";
}

function statistics(
  bus: Bus,
  path: Value | undefined,
  links: LinkSource | undefined,
): { [tag: string]: Value } {
  if (path !== undefined) return { ...require(bus, path).statistics };
  const sum = { messages: 0, stopped: 0, rejected: 0, answered: 0, parked: 0 };
  for (const { statistics } of bus.table.mailboxes.values()) {
    for (const name of Object.keys(sum) as (keyof typeof sum)[]) sum[name] += statistics[name];
  }
  return {
    ...sum,
    "posts-failed": bus.counters.postsFailed,
    "observer-errors": bus.counters.observerErrors,
    "contract-errors": bus.counters.contractErrors,
    ...(links ? linkSums(links.totals()) : {}),
  };
}

function linkSums({ copiesDropped, postsLost, ...sums }: LinkSums): { [tag: string]: Value } {
  return { ...sums, "copies-dropped": copiesDropped, "posts-lost": postsLost };
}

function linkColumns(rows: readonly LinkRow[]): { [tag: string]: Value } {
  return {
    peer: rows.map((row) => row.peer),
    uid: rows.map((row) => row.uid ?? -1),
    pid: rows.map((row) => row.pid ?? -1),
    initiated: rows.map((row) => row.initiated),
    guests: rows.map((row) => row.guests),
    pending: rows.map((row) => row.pending),
    "waiting-bytes": rows.map((row) => row.waitingBytes),
    "frames-sent": rows.map((row) => row.framesSent),
    "frames-received": rows.map((row) => row.framesReceived),
    "copies-dropped": rows.map((row) => row.copiesDropped),
    overflows: rows.map((row) => row.overflows),
    malformed: rows.map((row) => row.malformed),
    late: rows.map((row) => row.late),
    denied: rows.map((row) => row.denied),
  };
}

function describe(
  bus: Bus,
  contracts: readonly Contract[],
  path: Value | undefined,
): { [tag: string]: Value } {
  const mailbox = require(bus, path);
  const spec = contracts.map((contract) => contract.specs[mailbox.path]).find((found) => found !== undefined);
  return {
    says: spec?.says ?? mailbox.options.says ?? "",
    kind: mailbox.options.kind ?? "-",
    tags: Object.entries(spec?.tags ?? {}).map(([name, tag]) => describeTag(name, tag)),
    answers: Object.entries(spec?.answer ?? {}).map(([name, tag]) => describeTag(name, tag)),
  };
}

/** Traces a mailbox until the time is over; tracing it again begins the time anew. */
function trace(bus: Bus, traces: Map<Mailbox, Timer>, mailbox: Mailbox, duration: Duration): void {
  traces.get(mailbox)?.cancel();
  const tracer = (record: TraceRecord): void =>
    bus.post("/sys/trace", traceFields(record, mailbox.options.secret ?? []));
  mailbox.tracers = [tracer];
  mailbox.settle();
  const end = (): void => {
    traces.delete(mailbox);
    mailbox.tracers = [];
    mailbox.settle();
  };
  traces.set(mailbox, bus.steady.after(duration, end));
}

function traceFields(record: TraceRecord, secret: readonly string[]) {
  const shown = [...record.message].map(([tag, value]) => [
    tag,
    secret.includes(tag) ? "(secret)" : String(value),
  ]);
  return {
    mailbox: record.mailbox,
    sender: record.sender,
    trace: record.trace,
    outcome: record.outcome,
    listeners: record.steps.map((step) => step.listener),
    verdicts: record.steps.map((step) => step.verdict),
    took: record.steps.map((step) => step.took),
    tags: shown.map(([tag]) => tag ?? ""),
    values: shown.map(([, value]) => value ?? ""),
  };
}
