/**
 * The bus of one process: its mailboxes, and the way to everybody else's. A local message whose listeners are all
 * synchronous has been dealt with when `send` returns; one that meets a promise waits, and nothing else does.
 * @module
 */
import { type Ambient, StackAmbient } from "#base/ambient.ts";
import type { Clock } from "#base/clock.ts";
import { after, type Duration, seconds } from "#base/time.ts";
import { parseAddress } from "./address.ts";
import { Attachments } from "./attachments.ts";
import { Cause, type CauseRecord } from "./cause.ts";
import { isThenable } from "./chain.ts";
import { continued, Dispatcher, refuseTooManyHops } from "./dispatcher.ts";
import {
  ContractError,
  NobodyListeningError,
  NoSuchMailboxError,
  PeerGoneError,
  TimedOutError,
} from "./errors.ts";
import {
  type Asked,
  type Listener,
  type ListenerOptions,
  type Observer,
  type Place,
  PROVIDER,
} from "./listener.ts";
import type { Mailbox, MailboxOptions } from "./mailbox.ts";
import { type BusEvent, MailboxTable } from "./mailbox-table.ts";
import { type Body, type Fields, Message } from "./message.ts";
import type { OrderPolicy } from "./order-policy.ts";
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
  /** Wall-clock time. */
  readonly clock: Clock;
  /** A clock that nobody sets, for deadlines and durations; `clock` when absent. */
  readonly steady?: Clock;
  /** Keeps the cause of a message across awaits; without one, only until the first. */
  readonly ambient?: Ambient<Cause>;
  readonly budget?: Duration;
  /** Where the operator wants listeners of other processes; where they want themselves when absent. */
  readonly order?: OrderPolicy;
}

/** Where a message that came over a link comes from. */
export interface RemoteOrigin {
  readonly process: string;
  readonly record: CauseRecord;
}

/** Messages this process lost or refused, by reason. */
export interface BusCounters {
  /** Posted messages that failed. */
  readonly postsFailed: number;
  /** Observers that threw. */
  readonly observerErrors: number;
  /** Messages of others that did not fit the contract. */
  readonly contractErrors: number;
}

export class Bus {
  readonly name: string;
  readonly clock: Clock;
  readonly steady: Clock;
  readonly budget: Duration;
  readonly #counters = { postsFailed: 0, contractErrors: 0 };
  readonly table: MailboxTable;
  /** The links, once there are any. */
  router: Router | undefined;
  readonly #attachments: Attachments;
  readonly #dispatcher: Dispatcher;
  readonly #watchers: Set<(event: BusEvent) => void> = new Set();
  readonly #posted: (() => void)[] = [];

  constructor(options: BusOptions) {
    this.name = options.name;
    this.clock = options.clock;
    this.steady = options.steady ?? options.clock;
    this.budget = options.budget ?? BUDGET;
    this.table = new MailboxTable(options.name, (event) => this.#announce(event), options.order);
    this.#attachments = new Attachments(this);
    this.#dispatcher = new Dispatcher({
      name: options.name,
      clock: this.steady,
      ambient: options.ambient ?? new StackAmbient(),
      budget: this.budget,
      announce: (event) => this.#announce(event),
    });
  }

  get counters(): BusCounters {
    return { ...this.#counters, observerErrors: this.#dispatcher.observerErrors };
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
    const message = messageOf(body);
    if (mailbox === undefined) return this.#sendBeyond(to, message);
    const outcome = this.#dispatcher.run(mailbox, message, this.#dispatcher.causeNow());
    if (outcome === undefined) return undefined;
    return outcome instanceof Promise
      ? unminded(outcome.then((late) => this.#settleSend(late, mailbox)))
      : this.#settleSend(outcome, mailbox);
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
    const message = messageOf(body);
    const timeout = options.timeout ?? this.budget;
    const parent = this.#dispatcher.causeNow();
    const mailbox = this.#local(to);
    if (mailbox === undefined) {
      const record = this.#recordOf(parent, timeout);
      return (await this.#routerTo(to).call(parseAddress(to), message, record, timeout)) as Message<
        Answers<Address>
      >;
    }
    const cause = this.#dispatcher.causeOf(mailbox, parent);
    cause.deadline = after(
      this.steady.now(),
      Math.min(timeout, this.#dispatcher.timeLeft(parent)) as Duration,
    );
    return (await this.#answer(mailbox, message, cause, timeout)) as Message<Answers<Address>>;
  }

  /** Queues a message for after the work in progress. What goes wrong is counted, never thrown. */
  post<const Address extends string>(to: Address, body: Body<Takes<Address>>): void {
    const message = messageOf(body);
    const cause = this.#dispatcher.causeNow();
    if (this.#posted.length >= POST_QUEUE_MAX) {
      this.#counters.postsFailed++;
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
    const message = messageOf(body);
    return (this.#dispatcher.run(mailbox, message, this.#dispatcher.causeNow()) ??
      continued(mailbox, message)) as Outcome<Takes<Address>>;
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
    return this.#attach(to, label, listen, "append", options);
  }

  /** Puts a listener in front of the others of its band. */
  prepend<const Address extends string>(
    to: Address,
    label: string,
    listen: Listener<Takes<Address>>,
    options: ListenerOptions = {},
  ): Promise<Attachment> {
    return this.#attach(to, label, listen, "prepend", options);
  }

  /** Puts a listener right before another, named by its label or `process/label`. */
  before<const Address extends string>(
    to: Address,
    anchor: string,
    label: string,
    listen: Listener<Takes<Address>>,
    options: ListenerOptions = {},
  ): Promise<Attachment> {
    return this.#attach(to, label, listen, { before: anchor }, options);
  }

  /** Puts a listener right after another, named by its label or `process/label`. */
  after<const Address extends string>(
    to: Address,
    anchor: string,
    label: string,
    listen: Listener<Takes<Address>>,
    options: ListenerOptions = {},
  ): Promise<Attachment> {
    return this.#attach(to, label, listen, { after: anchor }, options);
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
      this.#counters.contractErrors++;
      throw new ContractError(`Cannot deliver to ${this.name}:${path}: ${fault}`);
    }
    const cause = new Cause(path, origin.process, undefined, origin.record);
    refuseTooManyHops(cause);
    const timeout = origin.record.budget ?? this.budget;
    cause.deadline = after(this.steady.now(), timeout);
    if (wants === "answer") return this.#answer(mailbox, message, cause, timeout);
    const outcome = await this.#dispatcher.runSlow(mailbox, message, cause);
    this.#settleSend(outcome, mailbox);
    return undefined;
  }

  /**
   * Asks one of this process's listeners for its verdict on a message in another process's mailbox. What the
   * listener sends is caused by that delivery, until the verdict is there.
   */
  serveOffer(asked: Asked, path: string, message: Message, origin: RemoteOrigin): VerdictOrLater {
    const cause = new Cause(path, origin.process, undefined, origin.record);
    cause.deadline = after(this.steady.now(), origin.record.budget ?? this.budget);
    const verdict = this.#dispatcher.askFor(asked, message, cause);
    if (!isThenable(verdict)) {
      cause.active = false;
      return verdict;
    }
    const end = (): void => {
      cause.active = false;
    };
    verdict.then(end, end);
    return verdict;
  }

  async #answer(mailbox: Mailbox, message: Message, cause: Cause, timeout: Duration): Promise<Message> {
    const outcome = await this.#dispatcher.runSlow(mailbox, message, cause);
    if (outcome.verdict === "answer") return outcome.answer ?? Message.fromTuples([]);
    if (outcome.verdict === "stop") return Message.fromTuples([]);
    if (outcome.verdict === "reject") throw rejection(outcome, `${this.name}:${mailbox.path}`);
    if (outcome.timedOut) {
      throw new TimedOutError(`Cannot call ${this.name}:${mailbox.path}: no answer within ${timeout} ms`);
    }
    throw new NobodyListeningError(
      `Cannot call ${this.name}:${mailbox.path}: ${outcome.asked === 0 ? "nobody listens" : "every listener passed it on"}`,
    );
  }

  #settleSend(outcome: Outcome, mailbox: Mailbox): undefined {
    if (outcome.verdict === "reject") throw rejection(outcome, `${this.name}:${mailbox.path}`);
    const { kind } = mailbox.options;
    if (outcome.asked === 0 && kind !== "event" && kind !== "decision" && mailbox.observers.length === 0) {
      throw new NobodyListeningError(`Cannot send to ${this.name}:${mailbox.path}: nobody listens`);
    }
    return undefined;
  }

  #sendBeyond(to: string, message: Message): undefined | Promise<undefined> {
    const mailbox = this.#local(to);
    if (mailbox) return this.send(mailbox.path, message);
    const sent = this.#routerTo(to).send(
      parseAddress(to),
      message,
      this.#recordOf(this.#dispatcher.causeNow(), this.budget),
    );
    return unminded(sent);
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

  #attach<Shape extends object>(
    to: string,
    label: string,
    listen: Listener<Shape>,
    place: Place,
    options: ListenerOptions,
  ): Promise<Attachment> {
    return this.#attachments.attach({ to, label, listen: listen as unknown as Listener, place, options });
  }

  #deliverPost(to: string, message: Message, cause: Cause | undefined): void {
    try {
      const mailbox = this.#local(to);
      if (mailbox === undefined) {
        this.#routerTo(to).post(parseAddress(to), message, this.#recordOf(cause, this.budget));
        return;
      }
      const outcome = this.#dispatcher.run(mailbox, message, cause);
      if (outcome instanceof Promise) {
        outcome.then((late) => this.#settleSend(late, mailbox)).catch(() => this.#counters.postsFailed++);
      } else if (outcome) this.#settleSend(outcome, mailbox);
    } catch {
      this.#counters.postsFailed++;
    }
  }

  #drainPosts(): void {
    const batch = this.#posted.splice(0);
    for (const deliver of batch) deliver();
  }

  /** What the next process needs to know of the cause; the budget shrinks on its way. */
  #recordOf(cause: Cause | undefined, budget: Duration): CauseRecord {
    if (cause === undefined) return { hops: 0, waiting: [], trace: undefined, budget };
    return {
      hops: cause.hops + 1,
      waiting: cause.path(),
      trace: cause.trace,
      budget: Math.min(budget, this.#dispatcher.timeLeft(cause)) as Duration,
    };
  }

  #announce(event: BusEvent): void {
    for (const watcher of this.#watchers) watcher(event);
  }
}

/** Whoever does not await a send does not want its error; whoever does still gets it. */
function unminded(sent: Promise<undefined>): Promise<undefined> {
  sent.catch(() => undefined);
  return sent;
}

/** What was given to be sent, as a message; the types of known addresses end here. */
function messageOf(body: object): Message {
  return body instanceof Message ? (body as Message) : Message.fromFields(body as Fields);
}
