/**
 * A listener that speaks JSON lines with whoever is at the other end: every message goes out as a line and is
 * parked until the line with its verdict comes back. When the time is over is the owner's business: it goes on and
 * counts; here the message is kept a while longer, so that verdicts without id still find their message.
 * @module
 */
import type { Clock, Timer } from "#base/clock.ts";
import { after, type Duration, type Instant, minutes } from "#base/time.ts";
import type { Context } from "#mailbox/listener.ts";
import type { Message } from "#mailbox/message.ts";
import type { Verdict } from "#mailbox/verdict.ts";
import { formatMessageLine, idOfLine, parseVerdictLine, type Types } from "./json-lines.ts";
import type { TagTypes } from "./tuple.ts";
import { UsageError } from "./typed-value.ts";

/** Messages that wait for a verdict, at the most; further ones continue at once and are counted. */
export const WAITING_MAX = 1024;

/** How long a message is kept for a script that does not answer it. */
export const FORGET_AFTER: Duration = minutes(1);

export interface LineListenerOptions {
  readonly clock: Clock;
  /** How long the owner of the mailbox waits; later verdicts are told and dropped. */
  readonly timeout: Duration;
  readonly takes: TagTypes;
  readonly answers: TagTypes;
  /** Sends one line to the script. */
  readonly write: (line: string) => void;
  /** Tells the operator what is wrong with the script's lines. */
  readonly note: (text: string) => void;
}

interface Waiting {
  readonly message: Message;
  /** The owner goes on without us then. */
  readonly deadline: Instant;
  readonly timer: Timer;
  readonly decide: (verdict: Verdict | undefined) => void;
}

export class LineListener {
  /** What happened to messages, for the closing note. */
  readonly counters: { messages: number; badLines: number; late: number; overflow: number } = {
    messages: 0,
    badLines: 0,
    late: 0,
    overflow: 0,
  };
  readonly #options: LineListenerOptions;
  readonly #waiting: Map<number, Waiting> = new Map();
  readonly #types: Types;
  #lastId = 0;
  #ended = false;

  constructor(options: LineListenerOptions) {
    this.#options = options;
    this.#types = {
      takes: options.takes,
      answers: options.answers,
      messageOf: (id) => this.#waiting.get(id ?? this.#oldest() ?? 0)?.message,
    };
  }

  /** The listener: the verdict comes when the script's line does. */
  listen(message: Message, context: Context): Promise<Verdict | undefined> | undefined {
    if (this.#ended) return undefined;
    this.counters.messages++;
    if (this.#waiting.size >= WAITING_MAX) {
      this.counters.overflow++;
      return undefined;
    }
    const id = ++this.#lastId;
    const { clock, timeout } = this.#options;
    return new Promise((decide) => {
      const timer = clock.after(FORGET_AFTER, () => this.#settle(id, undefined));
      this.#waiting.set(id, { message, deadline: after(clock.now(), timeout), timer, decide });
      const { mailbox, sender } = context;
      this.#options.write(formatMessageLine({ id, mailbox, sender }, message));
    });
  }

  /** A line of the script. A bad one counts as `continue` of the message it names, or of the oldest. */
  line(text: string): void {
    if (text.trim() === "") return;
    try {
      const { id, verdict } = parseVerdictLine(text, this.#types);
      const meant = id ?? this.#oldest();
      const waiting = meant === undefined ? undefined : this.#waiting.get(meant);
      if (meant === undefined || !waiting) {
        const which = id === undefined ? "no message waits" : `message ${id} does not wait`;
        this.#tellLate(`${which} for one`);
      } else {
        if (this.#options.clock.now() > waiting.deadline)
          this.#tellLate(`message ${meant} has gone on without it`);
        this.#settle(meant, verdict);
      }
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      this.badLine(error.message, idOfLine(text) ?? this.#oldest());
    }
  }

  /** A line that cannot be read at all. */
  badLine(seen: string, id: number | undefined = this.#oldest()): void {
    this.counters.badLines++;
    const effect =
      id !== undefined && this.#settle(id, undefined) ? `message ${id} continues` : "no message waits";
    this.#options.note(`Cannot read a line of the listener: ${seen}; ${effect}`);
  }

  /** Nobody will answer any more: everything that waits continues. */
  end(): void {
    this.#ended = true;
    for (const id of [...this.#waiting.keys()]) this.#settle(id, undefined);
  }

  #tellLate(seen: string): void {
    this.counters.late++;
    this.#options.note(`Cannot use a verdict: ${seen}`);
  }

  #oldest(): number | undefined {
    return this.#waiting.keys().next().value;
  }

  #settle(id: number, verdict: Verdict | undefined): boolean {
    const waiting = this.#waiting.get(id);
    if (!waiting) return false;
    this.#waiting.delete(id);
    waiting.timer.cancel();
    waiting.decide(verdict);
    return true;
  }
}
