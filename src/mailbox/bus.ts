/**
 * The bus of one process: its mailboxes, and the way to everybody else's. A local message whose listeners are all
 * synchronous has been dealt with when `send` returns; one that meets a promise waits, and nothing else does.
 * @module
 */
import { type Ambient, StackAmbient } from "#base/ambient.ts";
import type { Clock } from "#base/clock.ts";
import { after, type Duration, seconds } from "#base/time.ts";
import { parseAddress } from "./address.ts";
import { type AttachmentRequest, Attachments } from "./attachments.ts";
import { Cause, type CauseRecord, HOPS_MAX } from "./cause.ts";
import { Chain, type ChainHost, isThenable } from "./chain.ts";
import {
  ContractError,
  LoopError,
  NobodyListeningError,
  NoSuchMailboxError,
  OverflowError,
  PeerGoneError,
  TimedOutError,
} from "./errors.ts";
import {
  type Context,
  type Entry,
  type Listener,
  type ListenerOptions,
  type Observer,
  PROVIDER,
} from "./listener.ts";
import { type Mailbox, type MailboxOptions, SERIAL_QUEUE_MAX } from "./mailbox.ts";
import { type BusEvent, MailboxTable } from "./mailbox-table.ts";
import { type Body, type Fields, type Loose, Message } from "./message.ts";
import { type Outcome, rejection } from "./outcome.ts";
import type { Answers, Takes } from "./registry.ts";
import type { Attachment, Router } from "./router.ts";
import type { VerdictOrLater } from "./verdict.ts";

/** How long one message may wait in all, and a call for its answer, when nobody said. */
export const BUDGET: Duration = seconds(2);

/** Posted messages that wait for their turn, at the most. */
export const POST_QUEUE_MAX = 65_536;

/** What a contract brings to a bus. */
export interface Offer {
  readonly mailboxes: Readonly<Record<string, MailboxOptions>>;
}

export interface BusOptions {
  /** The process's name on the bus. */
  readonly name: string;
  readonly clock: Clock;
  /** Keeps the cause of a message across awaits; without one, only until the first. */
  readonly ambient?: Ambient<Cause>;
  readonly budget?: Duration;
}

/** Where a message that came over a link comes from. */
export interface RemoteOrigin {
  readonly process: string;
  readonly record: CauseRecord;
}

/** Messages this process lost or refused, by reason. */
export interface BusCounters {
  /** Posted messages that failed. */
  postsFailed: number;
  /** Observers that threw. */
  observerErrors: number;
  /** Messages of others that did not fit the contract. */
  contractErrors: number;
}

export class Bus implements ChainHost {
  readonly name: string;
  readonly clock: Clock;
  readonly budget: Duration;
  readonly counters: BusCounters = { postsFailed: 0, observerErrors: 0, contractErrors: 0 };
  readonly table: MailboxTable;
  /** The links, once there are any. */
  router: Router | undefined;
  readonly #attachments: Attachments;
  readonly #ambient: Ambient<Cause>;
  readonly #watchers: Set<(event: BusEvent) => void> = new Set();
  readonly #posted: (() => void)[] = [];
  #current: Context | undefined;
  /** Some listener has answered later: from now on the ambient cause is asked for. */
  #anyAsync = false;

  constructor(options: BusOptions) {
    this.name = options.name;
    this.clock = options.clock;
    this.budget = options.budget ?? BUDGET;
    this.#ambient = options.ambient ?? new StackAmbient();
    this.table = new MailboxTable(options.name, (event) => this.#announce(event));
    this.#attachments = new Attachments(this);
  }

  /** Makes a mailbox; harmless when it is there. */
  open(path: string, options: MailboxOptions = {}): Mailbox {
    return this.table.open(path, options);
  }

  /** Makes all mailboxes of a contract. */
  offer(contract: Offer): void {
    for (const [path, options] of Object.entries(contract.mailboxes)) this.open(path, options);
  }

  remove(path: string): void {
    this.table.remove(path);
  }

  /**
   * Sends a message that wants no answer. Local and synchronous chains have run when it returns.
   * @throws NoSuchMailboxError, NobodyListeningError, RejectedError, LoopError and the links' errors; as a
   *   rejection when the message had to wait or to travel.
   */
  send<const Address extends string>(
    to: Address,
    body: Body<Takes<Address>>,
  ): undefined | Promise<undefined> {
    const mailbox = this.table.mailboxes.get(to);
    const message = (body instanceof Message ? body : Message.fromFields(body as Fields)) as Message;
    if (mailbox === undefined) return this.#sendBeyond(to, message);
    const outcome = this.#run(mailbox, message, this.#causeNow());
    if (outcome === undefined) return undefined;
    if (outcome instanceof Promise) return outcome.then((late) => this.#settleSend(late, mailbox));
    return this.#settleSend(outcome, mailbox);
  }

  /**
   * Sends a message and waits for its one answer; `stop` answers with an empty message.
   * @throws as {@link send}, and TimedOutError after `timeout` (default {@link BUDGET}).
   */
  async call<const Address extends string>(
    to: Address,
    body: Body<Takes<Address>>,
    options: { readonly timeout?: Duration } = {},
  ): Promise<Message<Answers<Address>>> {
    const message = (body instanceof Message ? body : Message.fromFields(body as Fields)) as Message;
    const timeout = options.timeout ?? this.budget;
    const parent = this.#causeNow();
    const mailbox = this.#local(to);
    if (mailbox === undefined) {
      const record = this.#recordOf(parent, timeout);
      return (await this.#routerTo(to).call(parseAddress(to), message, record, timeout)) as Message<
        Answers<Address>
      >;
    }
    const cause = this.#causeOf(mailbox, parent);
    cause.deadline = after(this.clock.now(), Math.min(timeout, this.#timeLeft(parent)) as Duration);
    return (await this.#answer(mailbox, message, cause, timeout)) as Message<Answers<Address>>;
  }

  /** Queues a message for after the work in progress. What goes wrong is counted, never thrown. */
  post<const Address extends string>(to: Address, body: Body<Takes<Address>>): void {
    const message = (body instanceof Message ? body : Message.fromFields(body as Fields)) as Message;
    const cause = this.#causeNow();
    if (this.#posted.length >= POST_QUEUE_MAX) {
      this.counters.postsFailed++;
      return;
    }
    this.#posted.push(() => this.#deliverPost(to, message, cause));
    if (this.#posted.length === 1) void Promise.resolve().then(() => this.#drainPosts());
  }

  /**
   * Runs a decision and tells how it ended: the verdict, and the message with every change applied. Only for
   * this process's own mailboxes; a rejection is an outcome here, not an error.
   */
  decide<const Address extends string>(
    to: Address,
    body: Body<Takes<Address>>,
  ): Outcome<Takes<Address>> | Promise<Outcome<Takes<Address>>> {
    const mailbox = this.#require(to);
    const message = (body instanceof Message ? body : Message.fromFields(body as Fields)) as Message;
    return (this.#run(mailbox, message, this.#causeNow()) ?? continued(mailbox, message)) as Outcome<
      Takes<Address>
    >;
  }

  /**
   * The next message at a mailbox that matches. The wait stands before this returns, so what is sent afterwards
   * is not missed.
   * @throws TimedOutError after `timeout` (default {@link BUDGET}).
   */
  wait<const Address extends string>(
    at: Address,
    match: Fields | ((message: Message<Takes<Address>>) => boolean) = {},
    options: { readonly timeout?: Duration } = {},
  ): Promise<Message<Takes<Address>>> {
    return this.#attachments.wait(at, match as Fields, options.timeout ?? this.budget) as Promise<
      Message<Takes<Address>>
    >;
  }

  /** Puts a listener behind the others of its band. */
  append<const Address extends string>(
    to: Address,
    label: string,
    listen: Listener<Takes<Address>>,
    options: ListenerOptions = {},
  ): Promise<Attachment> {
    return this.#attach({ to, label, listen: listen as unknown as Listener, place: "append", options });
  }

  /** Puts a listener in front of the others of its band. */
  prepend<const Address extends string>(
    to: Address,
    label: string,
    listen: Listener<Takes<Address>>,
    options: ListenerOptions = {},
  ): Promise<Attachment> {
    return this.#attach({ to, label, listen: listen as unknown as Listener, place: "prepend", options });
  }

  /** Puts a listener right before another, named by its label or `process/label`. */
  before<const Address extends string>(
    to: Address,
    anchor: string,
    label: string,
    listen: Listener<Takes<Address>>,
    options: ListenerOptions = {},
  ): Promise<Attachment> {
    return this.#attach({
      to,
      label,
      listen: listen as unknown as Listener,
      place: { before: anchor },
      options,
    });
  }

  /** Puts a listener right after another, named by its label or `process/label`. */
  after<const Address extends string>(
    to: Address,
    anchor: string,
    label: string,
    listen: Listener<Takes<Address>>,
    options: ListenerOptions = {},
  ): Promise<Attachment> {
    return this.#attach({
      to,
      label,
      listen: listen as unknown as Listener,
      place: { after: anchor },
      options,
    });
  }

  /** The owner's own listener, behind everybody else's; what it throws is the sender's error. */
  provide<const Address extends string>(to: Address, listen: Listener<Takes<Address>>): Promise<Attachment> {
    return this.append(to, "provider", listen, { band: PROVIDER });
  }

  /** Gets a copy of every message, as it was sent; it has no say and slows nobody down. */
  observe<const Address extends string>(
    to: Address,
    label: string,
    observe: Observer<Takes<Address>>,
    options: ListenerOptions = {},
  ): Promise<Attachment> {
    return this.#attachments.observe({
      to,
      label,
      listen: observe as unknown as Listener,
      place: "append",
      options,
    });
  }

  /** Takes out what was attached under a label, or with these identity tuples (MetaNet paper §4). */
  detach(
    what: Attachment | { readonly to: string; readonly label?: string; readonly tuples?: Fields },
  ): Promise<void> {
    return "detach" in what ? what.detach() : this.#attachments.detach(what);
  }

  /** Calls `watcher` for whatever happens to mailboxes and listeners of this process; returns its end. */
  watch(watcher: (event: BusEvent) => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  /**
   * Delivers a message that came over a link, checked against the contract. Gives the answer of a call, and
   * `undefined` for a message that wants none.
   * @throws as {@link send} and {@link call}, and ContractError.
   */
  async serve(
    path: string,
    message: Message,
    origin: RemoteOrigin,
    wants: "answer" | "nothing",
  ): Promise<Message | undefined> {
    const mailbox = this.#require(path);
    const fault = mailbox.options.check?.(message);
    if (fault !== undefined) {
      this.counters.contractErrors++;
      throw new ContractError(`Cannot deliver to ${this.name}:${path}: ${fault}`);
    }
    const cause = new Cause(path, origin.process, undefined, origin.record);
    refuseTooManyHops(cause);
    const timeout = origin.record.budget ?? this.budget;
    cause.deadline = after(this.clock.now(), timeout);
    if (wants === "answer") return this.#answer(mailbox, message, cause, timeout);
    const outcome = await this.#runSlow(mailbox, message, cause);
    this.#settleSend(outcome, mailbox);
    return undefined;
  }

  /** {@link ChainHost}: the listener's own messages are caused by this delivery. */
  ask(entry: Entry, message: Message, cause: Cause): VerdictOrLater {
    cause.asked = entry;
    const before = this.#current;
    this.#current = cause;
    try {
      const verdict = this.#ambient.run(cause, () => entry.listen(message, cause));
      if (isThenable(verdict)) this.#noteAsync(entry);
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
      listener: `${entry.identity.process}/${entry.identity.label}`,
      text,
    });
  }

  /** The fast path: `undefined` when every listener continued at once and nothing was changed. */
  #run(
    mailbox: Mailbox,
    message: Message,
    parent: Cause | undefined,
  ): Outcome | Promise<Outcome> | undefined {
    if (!mailbox.plain) return this.#runSlow(mailbox, message, this.#causeOf(mailbox, parent));
    const entries = mailbox.listeners.order;
    if (entries.length === 0) return continued(mailbox, message);
    mailbox.statistics.messages++;
    const context = parent === undefined ? mailbox : this.#causeOf(mailbox, parent);
    const before = this.#current;
    this.#current = context;
    let index = 0;
    try {
      for (; index < entries.length; index++) {
        const entry = entries[index] as Entry;
        if (entry.special) return this.#leaveFastPath(mailbox, entries, message, context, index).run();
        entry.calls++;
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
    const cause = context instanceof Cause ? context : new Cause(mailbox.path, this.name, undefined);
    cause.asked = entries[index];
    return new Chain(this, mailbox, entries, message, cause, index);
  }

  /** With observers, tracers and turns; used for all that came over a link. */
  #runSlow(mailbox: Mailbox, message: Message, cause: Cause): Outcome | Promise<Outcome> {
    mailbox.statistics.messages++;
    for (const observer of mailbox.observers) this.#show(mailbox, observer, message, cause);
    const chain = new Chain(this, mailbox, mailbox.listeners.order, message, cause);
    if (mailbox.options.serial === undefined) return chain.run();
    return this.#runInTurn(mailbox, message, cause, chain);
  }

  #show(mailbox: Mailbox, observer: Entry, message: Message, cause: Cause): void {
    if (observer.away) return;
    const secret = mailbox.options.secret;
    observer.calls++;
    try {
      void observer.listen(secret ? message.change({ remove: secret }) : message, cause);
    } catch {
      observer.errors++;
      this.counters.observerErrors++;
    }
  }

  /**
   * One at a time per mailbox, or per value of a tag.
   * @throws LoopError when the message would wait for a delivery that waits for it.
   * @throws OverflowError beyond {@link SERIAL_QUEUE_MAX} waiting messages.
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
    return new Promise((resolve, reject) => {
      turn.queue.push(() => {
        try {
          resolve(this.#takeTurn(mailbox, key, cause, chain));
        } catch (error) {
          reject(error);
        }
      });
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
    const outcome = chain.run();
    if (!(outcome instanceof Promise)) {
      next();
      return outcome;
    }
    return outcome.finally(next);
  }

  async #answer(mailbox: Mailbox, message: Message, cause: Cause, timeout: Duration): Promise<Message> {
    const outcome = await this.#runSlow(mailbox, message, cause);
    if (outcome.verdict === "answer") return outcome.answer ?? Message.fromTuples([]);
    if (outcome.verdict === "stop") return Message.fromTuples([]);
    if (outcome.verdict === "reject") throw rejection(outcome, mailbox.path);
    if (outcome.timedOut) {
      throw new TimedOutError(`Cannot call ${mailbox.path}: no answer within ${timeout} ms`);
    }
    throw new NobodyListeningError(
      `Cannot call ${mailbox.path}: ${outcome.asked === 0 ? "nobody listens" : "every listener passed it on"}`,
    );
  }

  #settleSend(outcome: Outcome, mailbox: Mailbox): undefined {
    if (outcome.verdict === "reject") throw rejection(outcome, mailbox.path);
    const { kind } = mailbox.options;
    if (outcome.asked === 0 && kind !== "event" && kind !== "decision" && mailbox.observers.length === 0) {
      throw new NobodyListeningError(`Cannot send to ${mailbox.path}: nobody listens`);
    }
    return undefined;
  }

  #sendBeyond(to: string, message: Message): undefined | Promise<undefined> {
    const mailbox = this.#local(to);
    if (mailbox) return this.send(mailbox.path, message);
    const sent = this.#routerTo(to).send(
      parseAddress(to),
      message,
      this.#recordOf(this.#causeNow(), this.budget),
    );
    // Whoever does not await a send does not want its error; whoever does still gets it.
    sent.catch(() => undefined);
    return sent;
  }

  /** A mailbox of this process, by path or with the process's own name in front; `undefined` when it is another's. */
  #local(to: string): Mailbox | undefined {
    const mailbox = this.table.mailboxes.get(to);
    if (mailbox) return mailbox;
    const address = parseAddress(to);
    if (address.machine !== undefined || (address.process ?? this.name) !== this.name) return undefined;
    return this.#require(address.path);
  }

  #require(path: string): Mailbox {
    const mailbox = this.table.mailboxes.get(path);
    if (mailbox) return mailbox;
    throw new NoSuchMailboxError(`Cannot deliver to ${this.name}:${path}: there is no such mailbox`);
  }

  #routerTo(to: string): Router {
    if (this.router) return this.router;
    throw new PeerGoneError(`Cannot reach ${to}: process ${this.name} is not linked to others`);
  }

  #attach(request: AttachmentRequest): Promise<Attachment> {
    return this.#attachments.attach(request);
  }

  #deliverPost(to: string, message: Message, cause: Cause | undefined): void {
    try {
      const mailbox = this.#local(to);
      if (mailbox === undefined) {
        this.#routerTo(to).post(parseAddress(to), message, this.#recordOf(cause, this.budget));
        return;
      }
      const outcome = this.#run(mailbox, message, cause);
      if (outcome instanceof Promise) outcome.catch(() => this.counters.postsFailed++);
      else if (outcome) this.#settleSend(outcome, mailbox);
    } catch {
      this.counters.postsFailed++;
    }
  }

  #drainPosts(): void {
    const batch = this.#posted.splice(0);
    for (const deliver of batch) deliver();
  }

  #noteAsync(entry: Entry): void {
    entry.special = true;
    this.#anyAsync = true;
  }

  /** The delivery that the caller's code runs for, if any. */
  #causeNow(): Cause | undefined {
    const current = this.#current;
    if (current !== undefined) {
      return current instanceof Cause ? current : new Cause(current.mailbox, this.name, undefined);
    }
    if (!this.#anyAsync) return undefined;
    const cause = this.#ambient.get();
    return cause?.active ? cause : undefined;
  }

  #causeOf(mailbox: Mailbox, parent: Cause | undefined): Cause {
    const cause = new Cause(mailbox.path, this.name, parent);
    refuseTooManyHops(cause);
    return cause;
  }

  #timeLeft(cause: Cause | undefined): number {
    if (cause?.deadline === undefined) return Number.POSITIVE_INFINITY;
    return Math.max(0, cause.deadline - this.clock.now());
  }

  /** What the next process needs to know of the cause; the budget shrinks on its way. */
  #recordOf(cause: Cause | undefined, budget: Duration): CauseRecord {
    if (cause === undefined) return { hops: 0, waiting: [], trace: undefined, budget };
    return {
      hops: cause.hops + 1,
      waiting: cause.path(),
      trace: cause.trace,
      budget: Math.min(budget, this.#timeLeft(cause)) as Duration,
    };
  }

  #announce(event: BusEvent): void {
    for (const watcher of this.#watchers) watcher(event);
  }
}

function refuseTooManyHops(cause: Cause): void {
  if (cause.hops <= HOPS_MAX) return;
  const path = cause.path();
  throw new LoopError(
    `Cannot deliver to ${cause.mailbox}: more than ${HOPS_MAX} messages caused one another: ${path.join(" > ")}`,
    path,
  );
}

function continued(mailbox: Mailbox, message: Message<Loose>): Outcome {
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
