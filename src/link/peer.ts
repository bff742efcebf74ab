/**
 * Another process as this one knows it: the links to it, the orders that stand or wait there, and the pauses before
 * connecting again.
 * @module
 */
import type { Timer } from "#base/clock.ts";
import { MetanetError } from "#base/errors.ts";
import type { Duration } from "#base/time.ts";
import { NoAccessError, NobodyThereError } from "#io/stream.ts";
import type { Bus } from "#mailbox/bus.ts";
import type { CauseRecord } from "#mailbox/cause.ts";
import { DeniedError, OverflowError, PeerGoneError, TimedOutError } from "#mailbox/errors.ts";
import type { Message } from "#mailbox/message.ts";
import { EARLY_POST_COUNT_MAX, RETRY_FIRST, RETRY_MAX } from "./limits.ts";
import type { Link } from "./link.ts";
import type { Order } from "./order.ts";

export interface PeerHost {
  readonly bus: Bus;
  /** A new link to the process of this name, ready for use. */
  connect(name: string): Promise<Link>;
  /** A posted message was lost because the process could not be reached. */
  postLost(): void;
}

export class Peer {
  readonly name: string;
  /** Connections tried in vain since the last that worked. */
  failures = 0;
  readonly #host: PeerHost;
  readonly #links: Set<Link> = new Set();
  readonly #orders: Set<Order> = new Set();
  #connecting: Promise<Link> | undefined;
  #retry: Timer | undefined;
  #earlyPosts = 0;
  #closed = false;

  constructor(name: string, host: PeerHost) {
    this.name = name;
    this.#host = host;
  }

  get links(): readonly Link[] {
    return [...this.#links];
  }

  get orders(): readonly Order[] {
    return [...this.#orders];
  }

  /** Whether nothing is left to remember. */
  get isForgettable(): boolean {
    return this.#links.size === 0 && this.#orders.size === 0 && this.#connecting === undefined;
  }

  /** The link for the next request: the one that both sides prefer, when there are two. */
  get link(): Link | undefined {
    let best: Link | undefined;
    for (const link of this.#links) if (link.isReady && (!best || this.prefers(link, best))) best = link;
    return best;
  }

  /** When two processes connect to each other at once, both keep what the one first in the alphabet has made. */
  prefers(link: Link, other: Link): boolean {
    return this.#initiatorOf(link) < this.#initiatorOf(other);
  }

  /** A link has been greeted: orders go there. */
  add(link: Link): void {
    this.#links.add(link);
    this.failures = 0;
    this.#retry?.cancel();
    this.#retry = undefined;
    this.#settleDuplicates();
    this.#postOrders();
  }

  remove(link: Link): void {
    this.#links.delete(link);
    this.#wantLink();
  }

  send(path: string, message: Message, cause: CauseRecord, timeout: Duration): Promise<Message> {
    return this.#request("send", path, message, cause, timeout);
  }

  call(path: string, message: Message, cause: CauseRecord, timeout: Duration): Promise<Message> {
    return this.#request("call", path, message, cause, timeout);
  }

  /** @throws OverflowError */
  post(path: string, message: Message, cause: CauseRecord): void {
    const { link } = this;
    if (link) {
      link.asking.post(path, message, cause);
      return;
    }
    if (this.#earlyPosts >= EARLY_POST_COUNT_MAX) {
      throw new OverflowError(
        `Cannot post to ${this.name}:${path}: ${EARLY_POST_COUNT_MAX} messages wait for the connection`,
      );
    }
    this.#earlyPosts++;
    this.#connect()
      .then((ready) => (this.link ?? ready).asking.post(path, message, cause))
      .catch(() => this.#host.postLost())
      .finally(() => this.#earlyPosts--);
  }

  /**
   * Attaches an order, or remembers it when the process is not there.
   * @throws the owner's refusal, as a rejection; the order is forgotten then.
   */
  async order(order: Order): Promise<void> {
    this.#orders.add(order);
    try {
      const ready = await this.#connect();
      await this.#place(order, this.link ?? ready);
    } catch (error) {
      if (!isAbsence(error)) throw this.#drop(order, error);
      this.#wantLink();
    }
  }

  forgetOrder(order: Order): void {
    this.#orders.delete(order);
  }

  /** Its name has appeared in the run directory: no reason to wait any longer. */
  appeared(): void {
    if (this.#retry === undefined) return;
    this.#retry.cancel();
    this.#retry = undefined;
    this.#tryOrders();
  }

  close(): void {
    this.#closed = true;
    this.#retry?.cancel();
  }

  #request(
    kind: "send" | "call",
    path: string,
    message: Message,
    cause: CauseRecord,
    timeout: Duration,
  ): Promise<Message> {
    const { link } = this;
    if (link) return link.asking.request(kind, path, message, cause, timeout);
    // Of two links made at once, the other one may be the one that is kept.
    return this.#connectWithin(timeout, path).then((ready) =>
      (this.link ?? ready).asking.request(kind, path, message, cause, timeout),
    );
  }

  /** @throws TimedOutError when the process is there, but does not greet in time. */
  #connectWithin(timeout: Duration, path: string): Promise<Link> {
    return new Promise((resolve, reject) => {
      const timer = this.#host.bus.steady.after(timeout, () =>
        reject(new TimedOutError(`Cannot reach ${this.name}:${path}: no greeting within ${timeout} ms`)),
      );
      this.#connect()
        .then(resolve, reject)
        .finally(() => timer.cancel());
    });
  }

  #connect(): Promise<Link> {
    const { link } = this;
    if (link) return Promise.resolve(link);
    if (this.#connecting === undefined) {
      const connecting = this.#host.connect(this.name).catch((cause: unknown) => {
        if (cause instanceof NoAccessError) {
          const fix = "be its user or root, or have an operator name this user below `rights:`";
          throw new DeniedError(`Cannot reach ${this.name}: its socket is closed to this user; ${fix}`, {
            cause,
          });
        }
        if (!(cause instanceof NobodyThereError)) throw cause;
        throw new PeerGoneError(`Cannot reach ${this.name}: the process is not running`, { cause });
      });
      this.#connecting = connecting;
      const over = (): void => {
        this.#connecting = undefined;
      };
      connecting.then(over, over);
    }
    return this.#connecting;
  }

  #initiatorOf(link: Link): string {
    return link.initiated ? this.#host.bus.name : this.name;
  }

  /** Of two links, the side that made the less preferred one gives it up. */
  #settleDuplicates(): void {
    const kept = this.link;
    for (const link of this.#links) {
      if (link === kept || !link.initiated || !link.isReady) continue;
      link.asking.unpostAll();
      void link.leave("duplicate");
    }
  }

  #postOrders(): void {
    const { link } = this;
    if (!link) return;
    for (const order of this.#orders) {
      this.#place(order, link).catch((error: unknown) => {
        if (isAbsence(error)) this.#wantLink();
        else this.#drop(order, error);
      });
    }
  }

  /** Whoever asks first sends the ATTACH, and all wait for the same answer. */
  #place(order: Order, link: Link): Promise<void> {
    if (order.placing) return order.placing;
    if (order.isPosted || order.state === "detached") return Promise.resolve();
    const placing = link.asking.attach(order, this.#host.bus.budget);
    order.placing = placing;
    placing.then(
      () => {
        order.placing = undefined;
        // It may have been answered on a link that has been given up for another since.
        if (!order.isPosted) this.#postOrders();
      },
      () => {
        order.placing = undefined;
      },
    );
    return placing;
  }

  #drop(order: Order, error: unknown): unknown {
    order.drop();
    return error;
  }

  /** After a pause even when there is another link, so that a peer that refuses cannot keep this process busy. */
  #wantLink(): void {
    const wanted = [...this.#orders].some((order) => !order.isPosted);
    if (!wanted || this.#closed || this.#retry) return;
    const pause = Math.min(RETRY_MAX, RETRY_FIRST * 2 ** Math.min(this.failures, 10)) as Duration;
    this.#retry = this.#host.bus.steady.after(pause, () => {
      this.#retry = undefined;
      this.#tryOrders();
    });
  }

  #tryOrders(): void {
    if (this.#closed || this.#orders.size === 0) return;
    this.#connect().then(
      () => this.#postOrders(),
      () => {
        this.failures++;
        this.#wantLink();
      },
    );
  }
}

/** Whether the process is only not there, or going: an order waits for the next one of the name. */
function isAbsence(error: unknown): boolean {
  return (
    error instanceof PeerGoneError ||
    (error instanceof MetanetError && (error.code === "unavailable" || error.code === "name-in-use"))
  );
}
