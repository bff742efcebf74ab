/**
 * The scripts as pages of columns: what `/packetd/script/list` answers.
 * @module
 */
import type { Answers } from "#mailbox/registry.ts";
import type { LoadedScript, ScriptStatistics } from "#script/engine.ts";
import { VERDICT_KINDS, type VerdictKind } from "#script/verdict.ts";
import { DEFAULT_ENGINE } from "./config.ts";
import type { BookedScript } from "./script-book.ts";

/** Scripts of one page at the most. */
export const PAGE_COUNT_MAX = 100;

export interface ScriptQuery {
  readonly name?: string | undefined;
  readonly limit?: number | undefined;
  readonly after?: string | undefined;
}

/** A script of the book, and what the engine says of it; not there when it could not be loaded. */
export interface ListedScript {
  readonly booked: BookedScript;
  readonly loaded: LoadedScript | undefined;
}

type Page = Omit<Answers<"/packetd/script/list">, "namespace">;

/** One page, in the order of the names. */
export function listScripts(scripts: readonly ListedScript[], query: ScriptQuery): Page {
  const limit = Math.min(PAGE_COUNT_MAX, Math.max(1, query.limit ?? PAGE_COUNT_MAX));
  const { name, after } = query;
  const wanted = scripts
    .filter(({ booked: { spec } }) => name === undefined || spec.name === name)
    .filter(({ booked: { spec } }) => after === undefined || spec.name > after)
    .sort((left, right) => (left.booked.spec.name < right.booked.spec.name ? -1 : 1));
  const page = wanted.slice(0, limit);
  const columns = { ...descriptions(page), ...statistics(page), ...counters(page), ...faults(page) };
  return { ...columns, more: wanted.length > limit };
}

function descriptions(page: readonly ListedScript[]) {
  const spec = <T>(pick: (spec: BookedScript["spec"]) => T): T[] =>
    page.map(({ booked }) => pick(booked.spec));
  return {
    name: spec(({ name }) => name),
    place: page.map(({ booked }) => booked.order),
    file: spec(({ file }) => file),
    function: spec((script) => script.function),
    hook: spec(({ hook }) => hook),
    family: spec(({ family }) => family),
    in: spec(({ inInterface }) => inInterface ?? ""),
    out: spec(({ outInterface }) => outInterface ?? ""),
    match: spec(({ match }) => match ?? ""),
    isolate: spec(({ isolate }) => isolate),
    "on-error": spec(({ onError }) => onError),
    queues: spec(({ queueCount }) => queueCount),
    deadline: spec(({ deadline }) => deadline),
    "time-limit": spec(({ timeLimit }) => timeLimit),
    engine: page.map(({ loaded }) => loaded?.engine ?? ""),
    "engine-wanted": spec(({ engine }) => engine ?? DEFAULT_ENGINE),
    reason: page.map(({ loaded }) => loaded?.reason ?? ""),
    attached: page.map(({ loaded }) => (loaded?.attached ?? []).join("\n")),
    pinned: page.map(({ loaded }) => loaded?.isPinned ?? false),
    "hands-over-to": page.map(({ loaded }) => loaded?.handsOverTo ?? ""),
    state: page.map(({ loaded }) => loaded?.state ?? "unloadable"),
    version: page.map(({ loaded }) => loaded?.version ?? 0),
    persisted: page.map(({ booked }) => booked.isPersisted),
    configured: page.map(({ booked }) => booked.isConfigured),
    writing: page.map(({ loaded }) => loaded?.isWriting ?? false),
    "read-bytes": page.map(({ loaded }) => loaded?.readBytes ?? 0),
    error: page.map(({ booked }) => errorOf(booked)),
  };
}

/** Why it does not run, and what becomes of its packets. */
function errorOf({ error, isReserved, spec }: BookedScript): string {
  if (error === undefined) return "";
  const fate = isReserved && spec.onError === "drop" ? "are dropped" : "pass unseen";
  return `${error.message}\nIts packets ${fate} until it is loaded`;
}

/** The columns of verdicts by their kinds. */
const VERDICT_COLUMNS = {
  accept: "accepted",
  drop: "dropped",
  continue: "continued",
  repeat: "repeated",
  queue: "queued",
  mark: "marked",
  later: "later",
} as const satisfies Record<VerdictKind, string>;

function statistics(page: readonly ListedScript[]) {
  const count = (pick: (statistics: ScriptStatistics) => number): number[] =>
    page.map(({ loaded }) => (loaded ? Math.round(pick(loaded.statistics)) : 0));
  const verdicts = VERDICT_KINDS.map((kind) => [
    VERDICT_COLUMNS[kind],
    count((statistics) => statistics.verdicts[kind]),
  ]);
  return {
    packets: count(({ packets }) => packets),
    bytes: count(({ bytes }) => bytes),
    ...(Object.fromEntries(verdicts) as Record<(typeof VERDICT_COLUMNS)[VerdictKind], number[]>),
    errors: count(({ errors }) => errors),
    bypassed: count(({ bypassed }) => bypassed),
    held: count(({ held }) => held),
    sent: count(({ sent }) => sent),
    deferred: count(({ deferred }) => deferred),
    handed: count(({ handed = 0 }) => handed),
    redirected: count(({ redirected = 0 }) => redirected),
    "time-p50": count(({ timeP50 }) => timeP50),
    "time-p99": count(({ timeP99 }) => timeP99),
  };
}

function counters(page: readonly ListedScript[]) {
  const all = page.flatMap(({ booked, loaded }) =>
    Object.entries(loaded?.statistics.counters ?? {}).map(([name, value]) => ({
      script: booked.spec.name,
      name,
      value,
    })),
  );
  return {
    "counter-script": all.map(({ script }) => script),
    "counter-name": all.map(({ name }) => name),
    "counter-value": all.map(({ value }) =>
      Math.min(Number.MAX_SAFE_INTEGER, Math.max(0, Math.round(value))),
    ),
  };
}

function faults(page: readonly ListedScript[]) {
  const all = page.flatMap(({ booked, loaded }) =>
    (loaded?.statistics.faults ?? []).map((fault) => ({ script: booked.spec.name, ...fault })),
  );
  return {
    "fault-script": all.map(({ script }) => script),
    "fault-kind": all.map(({ kind }) => kind),
    "fault-place": all.map(({ place }) => place),
    "fault-message": all.map(({ message }) => message),
    "fault-count": all.map(({ count }) => count),
  };
}
