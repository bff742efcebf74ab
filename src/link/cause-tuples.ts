/**
 * Why a message was sent, as control tuples: hops, listeners that wait, trace and the time left.
 * @module
 */
import { ProtocolViolationError } from "#base/errors.ts";
import type { Duration } from "#base/time.ts";
import type { Tuples, Value } from "#base/value.ts";
import type { CauseRecord } from "#mailbox/cause.ts";
import { BUDGET_DEFAULT } from "./limits.ts";
import { ControlTuples } from "./tuples.ts";

/** Steps of a waiting path that are taken from a peer; hops are limited to fewer. */
const WAITING_COUNT_MAX = 64;

const NONE: Tuples = [];

/** The control tuples of a cause; none when all of it is as a receiver assumes. */
export function encodeCause(cause: CauseRecord, sender?: string): Tuples {
  const { hops, waiting, trace, budget } = cause;
  const plain = hops === 0 && waiting.length === 0 && trace === undefined && sender === undefined;
  if (plain && (budget === undefined || budget === BUDGET_DEFAULT)) return NONE;
  const tuples: (string | Value)[] = [];
  if (budget !== undefined && budget !== BUDGET_DEFAULT) tuples.push("budget", Math.ceil(budget));
  if (hops > 0) tuples.push("hops", hops);
  if (waiting.length > 0) tuples.push("waiting", waiting);
  if (trace !== undefined) tuples.push("trace", trace);
  if (sender !== undefined) tuples.push("sender", sender);
  return tuples;
}

/** What a peer said of a message, beside the message. */
export interface ReceivedCause {
  readonly record: CauseRecord;
  /** Who sent it first, when that is not the peer. */
  readonly sender: string | undefined;
  /** OBSERVE: how many copies were left out before this one. */
  readonly gap: number;
}

/**
 * Reads them; a message without a trace begins the one called `trace`.
 * @throws ProtocolViolationError
 */
export function decodeCause(meta: Tuples, trace: string): ReceivedCause {
  if (meta.length === 0) {
    return { record: { hops: 0, waiting: [], trace, budget: BUDGET_DEFAULT }, sender: undefined, gap: 0 };
  }
  const tuples = new ControlTuples(meta);
  const waiting = tuples.texts("waiting") ?? [];
  if (waiting.length > WAITING_COUNT_MAX) {
    throw new ProtocolViolationError(
      `Cannot read control tuple 'waiting': ${waiting.length} steps, more than ${WAITING_COUNT_MAX}`,
    );
  }
  const record: CauseRecord = {
    hops: tuples.count("hops") ?? 0,
    waiting,
    trace: tuples.text("trace") ?? trace,
    budget: (tuples.count("budget") ?? BUDGET_DEFAULT) as Duration,
  };
  return { record, sender: tuples.text("sender"), gap: tuples.count("gap") ?? 0 };
}
