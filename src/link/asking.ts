/**
 * What this process asks of a peer over a link: messages for its mailboxes, places for its own listeners in them,
 * and verdicts of the peer's listeners. Every request is numbered, has a deadline, and ends in exactly one way.
 * @module
 */
import type { MetanetError } from "#base/errors.ts";
import type { Duration } from "#base/time.ts";
import type { Tuples } from "#base/value.ts";
import type { Bus } from "#mailbox/bus.ts";
import type { CauseRecord } from "#mailbox/cause.ts";
import { PeerGoneError, TimedOutError } from "#mailbox/errors.ts";
import { Message } from "#mailbox/message.ts";
import type { Verdict } from "#mailbox/verdict.ts";
import { FLAG, KIND, NO_MAILBOX } from "#wire/link.ts";
import { encodeAttach } from "./attach-tuples.ts";
import { encodeCause } from "./cause-tuples.ts";
import { LATE_KEPT } from "./limits.ts";
import { SentNames } from "./names.ts";
import type { Order, Post } from "./order.ts";
import type { Outbox } from "./outbox.ts";
import { Pending, type Settle } from "./pending.ts";
import { ControlTuples } from "./tuples.ts";
import { decodeVerdict } from "./verdict-tuples.ts";

/** The body of REPLY or VERDICT, with its control tuples. */
export interface Answered {
  readonly meta: Tuples;
  readonly body: Tuples;
}

/** The link, as far as asking needs it. */
export interface AskingHost {
  readonly name: string;
  /** Whether new requests may go out. */
  readonly isReady: boolean;
  /** Whether nothing goes out any more. */
  readonly isClosed: boolean;
}

/** A frame's number has 32 bits. */
const SEQ_MAX = 0xffff_ffff;

const NONE: Tuples = [];

export class Asking implements Post {
  readonly #host: AskingHost;
  readonly #bus: Bus;
  readonly #outbox: Outbox;
  readonly #names: SentNames;
  readonly #pending: Pending<Answered>;
  /** Orders of this process at the peer, by the number of their ATTACH. */
  readonly #orders: Map<number, Order> = new Map();
  #seq = 0;

  constructor(host: AskingHost, bus: Bus, outbox: Outbox) {
    this.#host = host;
    this.#bus = bus;
    this.#outbox = outbox;
    this.#pending = new Pending(bus.steady);
    this.#names = new SentNames((id, path) => {
      outbox.send({ kind: KIND.name, flags: 0, mailbox: id, seq: 0, ref: 0, body: ["path", path] });
    });
  }

  /** Requests that wait for their answer. */
  get pendingCount(): number {
    return this.#pending.count;
  }

  /** Sends a message and waits until the owner has run its chain; a CALL gives the answer. */
  request(
    kind: "send" | "call",
    path: string,
    message: Message,
    cause: CauseRecord,
    timeout: Duration,
  ): Promise<Message> {
    return new Promise((resolve, reject) => {
      const seq = this.#nextSeq();
      const settle: Settle<Answered> = {
        answer: ({ body }) => resolve(Message.fromTuples(body)),
        fail: reject,
        expire: () => {
          const where = `${this.#host.name}:${path}`;
          reject(new TimedOutError(`Cannot ${kind} to ${where}: no answer in ${timeout} ms`));
        },
      };
      this.#add(seq, timeout, settle, () =>
        this.#sendMessage(kind === "call" ? KIND.call : KIND.send, 0, seq, path, message, cause),
      );
    });
  }

  /** Sends a message that nobody waits for. @throws OverflowError */
  post(path: string, message: Message, cause: CauseRecord): void {
    this.#sendMessage(KIND.send, FLAG.quiet, this.#nextSeq(), path, message, cause);
  }

  /** Asks the peer to put an order into its mailbox. */
  async attach(order: Order, timeout: Duration): Promise<void> {
    const seq = this.#nextSeq();
    this.#orders.set(seq, order);
    order.post(this, seq);
    try {
      const answered = await this.#ask(timeout, seq, () => {
        const mailbox = this.#names.idOf(order.path);
        const body = encodeAttach(order.request);
        this.#outbox.send({ kind: KIND.attach, flags: 0, mailbox, seq, ref: 0, path: order.path, body });
      });
      const state = new ControlTuples(answered.body).oneOf("state", ["attached", "waiting"]);
      if (order.state !== "detached") order.state = state ?? "attached";
    } catch (error) {
      // A peer that is stopped has the ATTACH in its buffer, and will take it up when it goes on.
      if (error instanceof TimedOutError) return;
      this.#orders.delete(seq);
      if (order.isPostedAt(this)) order.unpost();
      throw error;
    }
  }

  /** {@link Post}: takes an order of this process out at the peer; a link that is gone has done so already. */
  async detach(ref: number): Promise<void> {
    this.#orders.delete(ref);
    if (!this.#host.isReady) return;
    const seq = this.#nextSeq();
    const send = (): void =>
      this.#outbox.send({ kind: KIND.detach, flags: 0, mailbox: NO_MAILBOX, seq, ref, body: NONE });
    await this.#ask(this.#bus.budget, seq, send).catch(() => undefined);
  }

  /** The order that an ATTACH of this side made. */
  orderOf(ref: number): Order | undefined {
    return this.#orders.get(ref);
  }

  /** Offers a message to a listener of the peer. */
  async offer(ref: number, meta: Tuples, body: Tuples, timeout: Duration): Promise<Verdict | undefined> {
    if (this.#host.isClosed) throw new PeerGoneError(`Cannot ask ${this.#host.name}: the link is gone`);
    const seq = this.#nextSeq();
    const answered = await new Promise<Answered>((answer, fail) => {
      // The time-out is the chain's, with its own rule; a promise that settled here could be taken for a verdict.
      const settle = { answer, fail, expire: () => undefined };
      this.#add(seq, (timeout + LATE_KEPT) as Duration, settle, () =>
        this.#outbox.sendCharged({ kind: KIND.offer, flags: 0, mailbox: NO_MAILBOX, seq, ref, meta, body }),
      );
    });
    return decodeVerdict(answered.meta, answered.body);
  }

  /** Sends a copy to an observer of the peer; false when it does not keep up. */
  copy(ref: number, meta: Tuples, body: Tuples): boolean {
    if (this.#host.isClosed) return false;
    const frame = { kind: KIND.observe, flags: 0, mailbox: NO_MAILBOX, seq: 0, ref, meta, body };
    return this.#outbox.sendOrDrop(frame);
  }

  /** REPLY and VERDICT; false when nobody waits for it any more. */
  settle(ref: number, answered: Answered): boolean {
    const settle = this.#pending.take(ref);
    settle?.answer(answered);
    return settle !== undefined;
  }

  /** ERROR; false when nobody waits for it any more. */
  fail(ref: number, error: MetanetError): boolean {
    const settle = this.#pending.take(ref);
    settle?.fail(error);
    return settle !== undefined;
  }

  /** The orders go back to who keeps them. */
  unpostAll(): void {
    for (const order of this.#orders.values()) if (order.isPostedAt(this)) order.unpost();
    this.#orders.clear();
  }

  failAll(error: MetanetError): void {
    this.#pending.failAll(error);
  }

  #sendMessage(
    kind: typeof KIND.send | typeof KIND.call,
    flags: number,
    seq: number,
    path: string,
    message: Message,
    cause: CauseRecord,
  ): void {
    if (!this.#host.isReady) {
      throw new PeerGoneError(`Cannot send to ${this.#host.name}:${path}: the link is closing`);
    }
    const mailbox = this.#names.idOf(path);
    const meta = encodeCause(cause);
    this.#outbox.sendCharged({ kind, flags, mailbox, seq, ref: 0, path, meta, body: message.tuples });
  }

  #ask(timeout: Duration, seq: number, send: () => void): Promise<Answered> {
    return new Promise((answer, fail) => {
      const expire = (): void => {
        fail(new TimedOutError(`Cannot reach ${this.#host.name}: no answer in ${timeout} ms`));
      };
      this.#add(seq, timeout, { answer, fail, expire }, send);
    });
  }

  /** A request that cannot be sent fails at once, and leaves nothing behind. */
  #add(seq: number, timeout: Duration, settle: Settle<Answered>, send: () => void): void {
    try {
      this.#pending.add(seq, timeout, settle);
      send();
    } catch (error) {
      this.#pending.take(seq);
      settle.fail(error as MetanetError);
    }
  }

  #nextSeq(): number {
    // The numbers come round after 2^32 requests; an order keeps its own for as long as it stands.
    do this.#seq = this.#seq >= SEQ_MAX ? 1 : this.#seq + 1;
    while (this.#orders.has(this.#seq));
    return this.#seq;
  }
}
