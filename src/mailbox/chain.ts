/**
 * One message on its way through the listeners of one mailbox, once it has left the fast path: it waits for
 * promises, applies changes, times listeners out, and can be traced.
 * @module
 */
import type { Clock } from "#base/clock.ts";
import { MetanetError } from "#base/errors.ts";
import { after, type Duration } from "#base/time.ts";
import { type Cause, countWaiting, REENTRIES_MAX } from "./cause.ts";
import { LoopError, TimedOutError } from "./errors.ts";
import {
  type Entry,
  FAILURES_IN_ROW_MAX,
  type Filter,
  formatIdentity,
  type OnFailure,
  SUSPENSION,
} from "./listener.ts";
import type { Mailbox, TraceStep } from "./mailbox.ts";
import { type Message, sameValue } from "./message.ts";
import type { Outcome } from "./outcome.ts";
import { type Change, isVerdict, reject, type Verdict, type VerdictOrLater } from "./verdict.ts";

/** What a chain needs of its bus. */
export interface ChainHost {
  readonly clock: Clock;
  /** How long a message may wait in all when nobody said. */
  readonly budget: Duration;
  /** Calls the listener so that what it sends is known to be caused by this delivery. */
  ask(entry: Entry, message: Message, cause: Cause): VerdictOrLater;
  /** Tells whoever watches that a listener was suspended or failed. */
  report(event: "suspended" | "listener-error", mailbox: Mailbox, entry: Entry, text: string): void;
}

export class Chain {
  readonly #host: ChainHost;
  readonly #mailbox: Mailbox;
  readonly #entries: readonly Entry[];
  readonly #cause: Cause;
  #message: Message;
  #index: number;
  #asked: number;
  #timedOut = false;
  #waited = false;
  readonly #steps: TraceStep[] | undefined;

  /** A chain that goes on at `index`, after `index` listeners continued. */
  constructor(
    host: ChainHost,
    mailbox: Mailbox,
    entries: readonly Entry[],
    message: Message,
    cause: Cause,
    index = 0,
  ) {
    this.#host = host;
    this.#mailbox = mailbox;
    this.#entries = entries;
    this.#message = message;
    this.#cause = cause;
    this.#index = index;
    this.#asked = index;
    this.#steps = mailbox.tracers.length > 0 ? [] : undefined;
  }

  /** Asks the rest of the listeners; a promise only when one of them made the message wait. */
  run(): Outcome | Promise<Outcome> {
    while (this.#index < this.#entries.length) {
      const entry = this.#entries[this.#index++] as Entry;
      if (entry.removed || !wants(entry, this.#message)) continue;
      const started = this.#steps ? this.#host.clock.now() : 0;
      const verdict = this.#ask(entry);
      if (isThenable(verdict)) return this.#park(entry, verdict, started);
      const outcome = this.#apply(entry, verdict, started);
      if (outcome) return outcome;
    }
    return this.#finish({ verdict: "continue" }, undefined);
  }

  /** Goes on from a verdict that the fast path got from the listener at the current index. */
  resume(verdict: VerdictOrLater): Outcome | Promise<Outcome> {
    const entry = this.#entries[this.#index++] as Entry;
    this.#asked++;
    const started = this.#steps ? this.#host.clock.now() : 0;
    if (isThenable(verdict)) return this.#park(entry, verdict, started);
    return this.#apply(entry, verdict, started) ?? this.run();
  }

  /** Goes on from an exception that the fast path got from the listener at the current index. */
  resumeFailed(error: unknown): Outcome | Promise<Outcome> {
    const entry = this.#entries[this.#index] as Entry;
    return this.resume(this.#failed(entry, error));
  }

  #ask(entry: Entry): VerdictOrLater {
    const late = entry.remote && this.#isPast(this.#cause.deadline);
    const suspended = entry.suspendedUntil !== undefined && !this.#isPast(entry.suspendedUntil);
    if (entry.away || suspended || late) {
      const why = entry.away ? "is away" : suspended ? "is suspended" : "has no time left";
      if (late) this.#timedOut = true;
      return byRule(entry.onTimeout, `listener ${formatIdentity(entry.identity)} ${why}`);
    }
    const outer = this.#cause.parent?.path() ?? this.#cause.origin?.waiting ?? [];
    if (outer.length > 0 && countWaiting(outer, entry, this.#mailbox.path) > REENTRIES_MAX) {
      const path = [...outer, `${formatIdentity(entry.identity)}@${this.#mailbox.path}`];
      const text = `the message came back to who waits for it: ${path.join(" > ")}`;
      return reject(text, new LoopError(`Cannot deliver to ${this.#mailbox.path}: ${text}`, path));
    }
    this.#asked++;
    entry.calls++;
    // One message tries it; those that come before its verdict pass it over.
    if (entry.suspendedUntil !== undefined) this.#suspend(entry);
    try {
      return this.#host.ask(entry, this.#message, this.#cause);
    } catch (error) {
      return this.#failed(entry, error);
    }
  }

  #isPast(at: number | undefined): boolean {
    return at !== undefined && this.#host.clock.now() >= at;
  }

  #park(entry: Entry, promise: PromiseLike<unknown>, started: number): Promise<Outcome> {
    this.#waited = true;
    return this.#verdictOf(entry, promise).then(
      (verdict) => this.#apply(entry, verdict, started) ?? this.run(),
    );
  }

  /** The promised verdict, or what the listener's rule says when it is late, dead or detached. */
  #verdictOf(entry: Entry, promise: PromiseLike<unknown>): Promise<unknown> {
    const { clock, budget } = this.#host;
    const now = clock.now();
    this.#cause.deadline ??= after(now, this.#mailbox.options.budget ?? budget);
    const left = Math.max(0, Math.min(entry.timeout ?? Number.POSITIVE_INFINITY, this.#cause.deadline - now));
    return new Promise((resolve) => {
      let open = true;
      const close = (verdict: unknown): void => {
        open = false;
        timer.cancel();
        entry.parked.delete(step);
        resolve(verdict);
      };
      const timer = clock.after(left as Duration, () => {
        this.#timedOut = true;
        entry.timeouts++;
        const text = `gave no verdict within ${Math.round(left)} ms`;
        this.#countFailure(entry, text);
        close(byRule(entry.onTimeout, `listener ${formatIdentity(entry.identity)} ${text}`));
      });
      const step = {
        giveUp: (): void =>
          close(byRule(entry.onTimeout, `listener ${formatIdentity(entry.identity)} went away`)),
      };
      entry.parked.add(step);
      promise.then(
        (verdict) => {
          if (!open) entry.late++;
          else {
            unsuspend(entry);
            close(verdict);
          }
        },
        (error: unknown) => {
          if (!open) entry.late++;
          else close(this.#failed(entry, error));
        },
      );
    });
  }

  #apply(entry: Entry, given: unknown, started: number): Outcome | undefined {
    let verdict = given as Verdict | undefined;
    if (verdict !== undefined && !isVerdict(verdict)) {
      verdict = this.#failed(entry, new TypeError(`its return value is not a verdict: ${describe(given)}`));
    }
    this.#steps?.push({
      listener: formatIdentity(entry.identity),
      verdict: verdict === undefined ? "continue" : nameOf(verdict),
      took: this.#host.clock.now() - started,
    });
    if (verdict === undefined || verdict.verdict === "continue") return undefined;
    if (verdict.verdict === "change") {
      this.#message = this.#message.change(verdict.edit);
      return undefined;
    }
    return this.#finish(verdict, entry);
  }

  #failed(entry: Entry, error: unknown): Verdict | undefined {
    entry.errors++;
    const text = error instanceof Error ? error.message : String(error);
    this.#countFailure(entry, text);
    this.#host.report("listener-error", this.#mailbox, entry, text);
    // A loop would go round once for every listener that passes its error over.
    if (entry.onError === "continue" && !(error instanceof LoopError)) return undefined;
    if (error instanceof MetanetError) return reject(error.message, error);
    return reject(`listener ${formatIdentity(entry.identity)} failed: ${text}`);
  }

  /** Three failures in a row suspend a listener; the owner's own is never taken out of its mailbox. */
  #countFailure(entry: Entry, text: string): void {
    entry.failuresInRow++;
    if (!entry.remote || entry.failuresInRow < FAILURES_IN_ROW_MAX) return;
    this.#suspend(entry);
    entry.special = true;
    this.#host.report("suspended", this.#mailbox, entry, text);
  }

  #suspend(entry: Entry): void {
    entry.suspendedUntil = after(this.#host.clock.now(), SUSPENSION);
  }

  #finish(verdict: Exclude<Verdict, Change>, entry: Entry | undefined): Outcome {
    const { statistics, tracers } = this.#mailbox;
    if (this.#waited) statistics.parked++;
    if (verdict.verdict === "stop") statistics.stopped++;
    if (verdict.verdict === "reject") statistics.rejected++;
    if (verdict.verdict === "answer") statistics.answered++;
    this.#cause.active = false;
    const outcome: Outcome = {
      verdict: verdict.verdict,
      message: this.#message,
      answer: verdict.verdict === "answer" ? verdict.message : undefined,
      reason: verdict.verdict === "reject" ? verdict.reason : undefined,
      error: verdict.verdict === "reject" ? verdict.error : undefined,
      timedOut: this.#timedOut,
      by: entry && formatIdentity(entry.identity),
      asked: this.#asked,
    };
    for (const trace of tracers) {
      trace({
        mailbox: this.#mailbox.path,
        sender: this.#cause.sender,
        trace: this.#cause.trace,
        message: this.#message,
        steps: this.#steps ?? [],
        outcome: nameOf(verdict),
      });
    }
    return outcome;
  }
}

/** Whether a listener or observer asks for a message like this. */
export function wants(entry: Entry, message: Message): boolean {
  const { filter } = entry.options;
  return filter === undefined || matches(message, filter);
}

/** Whether a message has what a filter asks for. */
function matches(message: Message, filter: Filter): boolean {
  for (const tag of filter.exists ?? []) if (!message.has(tag)) return false;
  for (const [tag, value] of Object.entries(filter.equals ?? {})) {
    if (value !== undefined && !message.all(tag).some((other) => sameValue(other, value))) return false;
  }
  return true;
}

/** A listener that answered again stands as before. */
function unsuspend(entry: Entry): void {
  entry.suspendedUntil = undefined;
  entry.failuresInRow = 0;
}

function byRule(rule: OnFailure, why: string): Verdict | undefined {
  return rule === "reject" ? reject(why, new TimedOutError(`Cannot deliver: ${why}`)) : undefined;
}

export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    typeof value === "object" && value !== null && typeof (value as { then?: unknown }).then === "function"
  );
}

function nameOf(verdict: Verdict): string {
  if (verdict.verdict === "reject") return `reject: ${verdict.reason}`;
  if (verdict.verdict !== "change") return verdict.verdict;
  const { set = {}, add = {}, remove = [] } = verdict.edit;
  return `change: ${[...Object.keys(set), ...Object.keys(add).map((tag) => `+${tag}`), ...remove.map((tag) => `-${tag}`)].join(" ")}`;
}

function describe(value: unknown): string {
  return typeof value === "object" ? `an object with ${Object.keys(value ?? {}).join(", ")}` : String(value);
}
