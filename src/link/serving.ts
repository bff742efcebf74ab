/**
 * What a peer asks of this process over a link: messages for its mailboxes, listeners to be attached, and offers to
 * its own listeners that stand in the peer's mailboxes.
 * @module
 */
import { ProtocolViolationError } from "#base/errors.ts";
import type { Duration } from "#base/time.ts";
import type { Tuples } from "#base/value.ts";
import { DeniedError } from "#mailbox/errors.ts";
import { Message } from "#mailbox/message.ts";
import { isVerdict } from "#mailbox/verdict.ts";
import { FLAG, type FrameContent, type FrameHead, KIND } from "#wire/link.ts";
import { decodeAttach } from "./attach-tuples.ts";
import { decodeCause } from "./cause-tuples.ts";
import { Guests } from "./guests.ts";
import type { Link } from "./link.ts";
import type { Order } from "./order.ts";
import type { Right } from "./rights.ts";
import { encodeVerdict } from "./verdict-tuples.ts";

/** Paths of which a link remembers what its peer may do; then all are forgotten together. */
const RIGHT_COUNT_MAX = 4096;

const NONE: Tuples = [];

export class Serving {
  readonly guests: Guests;
  readonly #link: Link;
  readonly #allowed: Map<string, boolean> = new Map();
  /** Requests of the peer that are being dealt with. */
  #busy = 0;
  #onQuiet: (() => void) | undefined;

  constructor(link: Link) {
    this.#link = link;
    this.guests = new Guests({
      bus: link.host.bus,
      offer: (ref, meta, body, timeout) => link.asking.offer(ref, meta, body, timeout),
      copy: (ref, meta, body) => link.asking.copy(ref, meta, body),
    });
  }

  /** SEND and CALL. */
  message(head: FrameHead, content: FrameContent, bytes: number): void {
    const link = this.#link;
    const quiet = (head.flags & FLAG.quiet) !== 0;
    this.#begin();
    this.#serve(head, content).then(
      (answer) => {
        if (!quiet) link.answer(KIND.reply, head.seq, NONE, answer?.tuples ?? NONE);
        this.#done(bytes);
      },
      (error: unknown) => {
        if (!quiet) link.refuse(head.seq, error);
        this.#done(bytes);
      },
    );
  }

  /** ATTACH and DETACH. */
  attachment(head: FrameHead, content: FrameContent): void {
    const link = this.#link;
    try {
      if (head.kind === KIND.detach) {
        this.guests.detach(head.ref);
        link.answer(KIND.reply, head.seq, NONE, NONE);
        return;
      }
      const path = link.pathOf(head, content);
      const request = decodeAttach(content.body);
      this.#require(request.observes ? "observe" : "intercept", path);
      const state = this.guests.attach(head.seq, link.name, path, request);
      link.answer(KIND.reply, head.seq, NONE, ["state", state]);
    } catch (error) {
      link.refuse(head.seq, error);
    }
  }

  /** OFFER and OBSERVE, for an order of this process in a mailbox of the peer. */
  offered(head: FrameHead, content: FrameContent, bytes: number, order: Order | undefined): void {
    const link = this.#link;
    this.#begin();
    if (order === undefined || order.state === "detached") {
      if (head.kind === KIND.offer)
        link.refuse(head.seq, new ProtocolViolationError("Cannot offer: detached"));
      this.#done(bytes);
      return;
    }
    order.state = "attached";
    if (head.kind === KIND.observe) {
      this.#observe(head, content, order);
      this.#done(bytes);
      return;
    }
    this.#decide(head, content, order).then(
      ({ meta, body }) => {
        link.answer(KIND.verdict, head.seq, meta, body);
        this.#done(bytes);
      },
      (error: unknown) => {
        link.refuse(head.seq, error);
        this.#done(bytes);
      },
    );
  }

  /** Fulfilled when nothing is being dealt with and `also` holds, or `timeout` is over. */
  async drained(timeout: Duration, also: () => boolean): Promise<void> {
    if (this.#busy === 0 && also()) return;
    await new Promise<void>((resolve) => {
      const timer = this.#link.host.bus.steady.after(timeout, resolve);
      this.#onQuiet = () => {
        if (!also()) return;
        timer.cancel();
        resolve();
      };
    });
  }

  /** To be called when something may have come to its end. */
  lookWhetherQuiet(): void {
    if (this.#busy === 0) this.#onQuiet?.();
  }

  #serve(head: FrameHead, content: FrameContent): Promise<Message | undefined> {
    const link = this.#link;
    try {
      const path = link.pathOf(head, content);
      this.#require("send", path);
      const { record } = decodeCause(content.meta, this.#trace(head));
      const origin = { process: link.name, record };
      const wants = head.kind === KIND.call ? "answer" : "nothing";
      return link.host.bus.serve(path, Message.fromTuples(content.body), origin, wants);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Asks this process's own listener; what it returns is checked here, since the owner believes it. */
  async #decide(
    head: FrameHead,
    content: FrameContent,
    order: Order,
  ): Promise<ReturnType<typeof encodeVerdict>> {
    const verdict = await this.#ask(head, content, order);
    if (verdict !== undefined && !isVerdict(verdict)) {
      throw new ProtocolViolationError(
        `Cannot take the verdict of ${order.label}: its return value is not a verdict`,
      );
    }
    return encodeVerdict(verdict ?? undefined);
  }

  #observe(head: FrameHead, content: FrameContent, order: Order): void {
    try {
      void this.#ask(head, content, order);
    } catch {
      order.errors++;
    }
  }

  #ask(head: FrameHead, content: FrameContent, order: Order): ReturnType<Order["asked"]["listen"]> {
    const link = this.#link;
    const { record, sender, gap } = decodeCause(content.meta, this.#trace(head));
    order.missed += gap;
    const origin = { process: sender ?? link.name, record };
    return link.host.bus.serveOffer(order.asked, order.path, Message.fromTuples(content.body), origin);
  }

  /** Names a message that begins a trace here, on all machines. */
  #trace(head: FrameHead): string {
    return `${this.#link.name}.${this.#link.instance}.${head.seq}`;
  }

  /** @throws DeniedError */
  #require(right: Right, path: string): void {
    const key = `${right} ${path}`;
    let allowed = this.#allowed.get(key);
    if (allowed === undefined) {
      if (this.#allowed.size >= RIGHT_COUNT_MAX) this.#allowed.clear();
      allowed = this.#link.host.rights.allows(this.#link.peer, right, path);
      this.#allowed.set(key, allowed);
    }
    if (allowed) return;
    this.#link.counters.denied++;
    const { bus, rights } = this.#link.host;
    throw new DeniedError(
      `Cannot ${right} ${bus.name}:${path}: ${rights.refusal(this.#link.peer, right, path)}`,
    );
  }

  #begin(): void {
    this.#busy++;
  }

  #done(bytes: number): void {
    this.#busy--;
    this.#link.dealtWith(bytes);
    this.lookWhetherQuiet();
  }
}
