/**
 * Runs messages through mailboxes: the fast path for local, synchronous chains, and the slow one with observers,
 * traces, turns and waiting. Keeps track of which delivery the running code belongs to.
 * @module
 */
import type { Ambient } from "#base/ambient.ts";
import type { Clock } from "#base/clock.ts";
import { after, type Duration } from "#base/time.ts";
import { Cause, HOPS_MAX } from "./cause.ts";
import { Chain, type ChainHost, isThenable, wants } from "./chain.ts";
import { LoopError, OverflowError, TimedOutError } from "./errors.ts";
import { type Asked, type Context, type Entry, formatIdentity } from "./listener.ts";
import { type Mailbox, SERIAL_QUEUE_MAX } from "./mailbox.ts";
import type { BusEvent } from "./mailbox-table.ts";
import type { Message } from "./message.ts";
import type { Outcome } from "./outcome.ts";
import type { VerdictOrLater } from "./verdict.ts";

export interface DispatcherOptions {
  readonly name: string;
  readonly clock: Clock;
  readonly ambient: Ambient<Cause>;
  readonly budget: Duration;
  readonly announce: (event: BusEvent) => void;
}

export class Dispatcher implements ChainHost {
  readonly clock: Clock;
  readonly budget: Duration;
  /** Observers that threw. */
  observerErrors = 0;
  readonly #name: string;
  readonly #ambient: Ambient<Cause>;
  readonly #announce: (event: BusEvent) => void;
  #current: Context | undefined;
  /** Some listener has answered later: from now on the ambient cause is asked for. */
  #anyAsync = false;

  constructor(options: DispatcherOptions) {
    this.clock = options.clock;
    this.budget = options.budget;
    this.#name = options.name;
    this.#ambient = options.ambient;
    this.#announce = options.announce;
  }

  /** The fast path: `undefined` when every listener continued at once and nothing was changed. */
  run(mailbox: Mailbox, message: Message, parent: Cause | undefined): Outcome | Promise<Outcome> | undefined {
    if (!mailbox.plain) return this.runSlow(mailbox, message, this.causeOf(mailbox, parent));
    const entries = mailbox.listeners.order;
    if (entries.length === 0) return continued(mailbox, message);
    mailbox.statistics.messages++;
    const context = parent === undefined ? mailbox : this.causeOf(mailbox, parent);
    const before = this.#current;
    this.#current = context;
    let index = 0;
    try {
      for (; index < entries.length; index++) {
        const entry = entries[index] as Entry;
        if (entry.special) return this.#leaveFastPath(mailbox, entries, message, context, index).run();
        entry.calls++;
        if (parent !== undefined) (context as Cause).asked = entry;
        const verdict = entry.listen(message, context);
        if (verdict !== undefined) {
          if (isThenable(verdict)) this.#noteAsync(entry);
          return this.#leaveFastPath(mailbox, entries, message, context, index).resume(verdict);
        }
      }
    } catch (error) {
      return this.#leaveFastPath(mailbox, entries, message, context, index).resumeFailed(error);
    } finally {
      this.#current = before;
    }
    return undefined;
  }

  #leaveFastPath(
    mailbox: Mailbox,
    entries: readonly Entry[],
    message: Message,
    context: Context,
    index: number,
  ): Chain {
    const cause = context instanceof Cause ? context : new Cause(mailbox.path, this.#name, undefined);
    cause.asked = entries[index];
    return new Chain(this, mailbox, entries, message, cause, index);
  }

  /** With observers, tracers and turns; used for all that came over a link. */
  runSlow(mailbox: Mailbox, message: Message, cause: Cause): Outcome | Promise<Outcome> {
    mailbox.statistics.messages++;
    for (const observer of mailbox.observers) this.#show(mailbox, observer, message, cause);
    const chain = new Chain(this, mailbox, mailbox.listeners.order, message, cause);
    if (mailbox.options.serial === undefined) return chain.run();
    return this.#runInTurn(mailbox, message, cause, chain);
  }

  #show(mailbox: Mailbox, observer: Entry, message: Message, cause: Cause): void {
    const { secret } = mailbox.options;
    const shown = secret ? message.change({ remove: secret }) : message;
    // The filter sees no more than the observer, or it could be used to guess.
    if (observer.away || !wants(observer, shown)) return;
    observer.calls++;
    const failed = (): void => {
      observer.errors++;
      this.observerErrors++;
    };
    try {
      const seen = this.askFor(observer, shown, cause);
      if (isThenable(seen)) seen.then(undefined, failed);
    } catch {
      failed();
    }
  }

  /**
   * One at a time per mailbox, or per value of a tag.
   * @throws LoopError when the message would wait for a delivery that waits for it.
   * @throws OverflowError beyond {@link SERIAL_QUEUE_MAX} waiting messages.
   * @throws TimedOutError, as a rejection, when the message's budget ends before its turn comes.
   */
  #runInTurn(mailbox: Mailbox, message: Message, cause: Cause, chain: Chain): Outcome | Promise<Outcome> {
    const by = mailbox.options.serial;
    const key = typeof by === "string" ? String(message.get(by)) : "";
    const turn = mailbox.turns.get(key);
    if (turn === undefined) return this.#takeTurn(mailbox, key, cause, chain);
    if (cause.within(turn.holder)) {
      const path = [...cause.path().slice(0, -1), mailbox.path];
      throw new LoopError(
        `Cannot deliver to ${mailbox.path}: it waits for itself: ${path.join(" > ")}`,
        path,
      );
    }
    if (turn.queue.length >= SERIAL_QUEUE_MAX) {
      throw new OverflowError(
        `Cannot deliver to ${mailbox.path}: ${SERIAL_QUEUE_MAX} messages wait for their turn`,
      );
    }
    cause.deadline ??= after(this.clock.now(), this.budget);
    const left = this.timeLeft(cause);
    return new Promise((resolve, reject) => {
      const begin = (): void => {
        timer.cancel();
        try {
          resolve(this.#takeTurn(mailbox, key, cause, chain));
        } catch (error) {
          reject(error);
        }
      };
      const timer = this.clock.after(left as Duration, () => {
        turn.queue.splice(turn.queue.indexOf(begin), 1);
        const text = `its turn did not come within ${Math.round(left)} ms`;
        reject(new TimedOutError(`Cannot deliver to ${mailbox.path}: ${text}`));
      });
      turn.queue.push(begin);
    });
  }

  #takeTurn(mailbox: Mailbox, key: string, cause: Cause, chain: Chain): Outcome | Promise<Outcome> {
    const turn = mailbox.turns.get(key) ?? { holder: cause, queue: [] };
    turn.holder = cause;
    mailbox.turns.set(key, turn);
    const next = (): void => {
      const waiting = turn.queue.shift();
      if (waiting) waiting();
      else mailbox.turns.delete(key);
    };
    let outcome: Outcome | Promise<Outcome> | undefined;
    try {
      outcome = chain.run();
      return outcome instanceof Promise ? outcome.finally(next) : outcome;
    } finally {
      if (!(outcome instanceof Promise)) next();
    }
  }

  /** {@link ChainHost}: the listener's own messages are caused by this delivery. */
  ask(entry: Entry, message: Message, cause: Cause): VerdictOrLater {
    const verdict = this.askFor(entry, message, cause);
    if (isThenable(verdict)) this.#noteAsync(entry);
    return verdict;
  }

  /** Asks a listener that stands in a list of this process, or of another one. */
  askFor(asked: Asked, message: Message, cause: Cause): VerdictOrLater {
    cause.asked = asked;
    const before = this.#current;
    this.#current = cause;
    try {
      const verdict = this.#ambient.run(cause, () => asked.listen(message, cause));
      if (isThenable(verdict)) this.#anyAsync = true;
      return verdict;
    } finally {
      this.#current = before;
    }
  }

  /** {@link ChainHost}. */
  report(event: "suspended" | "listener-error", mailbox: Mailbox, entry: Entry, text: string): void {
    this.#announce({
      event,
      mailbox: mailbox.path,
      listener: formatIdentity(entry.identity),
      text,
    });
  }

  #noteAsync(entry: Entry): void {
    entry.special = true;
    this.#anyAsync = true;
  }

  /** The delivery that the caller's code runs for, if any. */
  causeNow(): Cause | undefined {
    const current = this.#current;
    if (current !== undefined) {
      return current instanceof Cause ? current : new Cause(current.mailbox, this.#name, undefined);
    }
    if (!this.#anyAsync) return undefined;
    const cause = this.#ambient.get();
    return cause?.active ? cause : undefined;
  }

  causeOf(mailbox: Mailbox, parent: Cause | undefined): Cause {
    const cause = new Cause(mailbox.path, this.#name, parent);
    refuseTooManyHops(cause);
    return cause;
  }

  timeLeft(cause: Cause | undefined): number {
    if (cause?.deadline === undefined) return Number.POSITIVE_INFINITY;
    return Math.max(0, cause.deadline - this.clock.now());
  }
}

/** @throws LoopError beyond {@link HOPS_MAX}. */
export function refuseTooManyHops(cause: Cause): void {
  if (cause.hops <= HOPS_MAX) return;
  const path = cause.path();
  throw new LoopError(
    `Cannot deliver to ${cause.mailbox}: more than ${HOPS_MAX} messages caused one another: ${path.join(" > ")}`,
    path,
  );
}

/** The outcome of a chain that the fast path went through. */
export function continued(mailbox: Mailbox, message: Message): Outcome {
  return {
    verdict: "continue",
    message,
    answer: undefined,
    reason: undefined,
    error: undefined,
    timedOut: false,
    by: undefined,
    asked: mailbox.listeners.order.length,
  };
}
