/**
 * Why a message was sent: the chain of deliveries that led to it. It carries the hop count, the time left and the
 * listeners that wait, so that loops and deadlocks are errors with a path instead of a hang.
 * @module
 */
import type { Duration, Instant } from "#base/time.ts";
import { type Asked, type Context, type Entry, formatIdentity } from "./listener.ts";

/** Messages in a row, each sent by a listener of the one before, at the most. */
export const HOPS_MAX = 32;

/**
 * How often a listener that waits may meet a message its own waiting caused. One is the marker pattern of the
 * MetaNet paper (§6: the same message again, with a tuple that says "not me"); more is a loop.
 */
export const REENTRIES_MAX = 1;

/** What a cause looks like on a link. */
export interface CauseRecord {
  readonly hops: number;
  /** Listeners that wait for this message, outermost first, as `process/label@mailbox`. */
  readonly waiting: readonly string[];
  /** Names one message and all that it caused, on every machine. */
  readonly trace: string | undefined;
  /** How long the outermost sender will still wait. */
  readonly budget: Duration | undefined;
}

/** One delivery in progress, and the context its listeners see. */
export class Cause implements Context {
  readonly mailbox: string;
  readonly sender: string;
  readonly hops: number;
  readonly parent: Cause | undefined;
  /** What came over a link before this delivery. */
  readonly origin: CauseRecord | undefined;
  /** When the budget ends; `undefined` until somebody makes the message wait. */
  deadline: Instant | undefined;
  /** The listener that is asked now. */
  asked: Asked | undefined;
  /** False once the delivery is over: what a listener does afterwards is not caused by it any more. */
  active = true;

  constructor(mailbox: string, sender: string, parent: Cause | undefined, origin?: CauseRecord) {
    this.mailbox = mailbox;
    this.sender = sender;
    this.parent = parent;
    this.origin = origin;
    this.hops = (origin?.hops ?? 0) + (parent ? parent.hops + 1 : 0);
    this.deadline = parent?.deadline;
  }

  /** The mailboxes and listeners that led here, outermost first. */
  path(): string[] {
    const outer = this.parent?.path() ?? [...(this.origin?.waiting ?? [])];
    outer.push(this.asked ? `${formatIdentity(this.asked.identity)}@${this.mailbox}` : this.mailbox);
    return outer;
  }

  /** Whether `ancestor` is this delivery or one that led to it. */
  within(ancestor: Cause): boolean {
    return this === ancestor || (this.parent?.within(ancestor) ?? false);
  }

  /** The trace it belongs to, when it came over a link or an ancestor did. */
  get trace(): string | undefined {
    return this.origin?.trace ?? this.parent?.trace;
  }
}

/** How many times a listener stands in a path. */
export function countWaiting(path: readonly string[], entry: Entry, mailbox: string): number {
  const name = `${formatIdentity(entry.identity)}@${mailbox}`;
  return path.filter((step) => step === name).length;
}
