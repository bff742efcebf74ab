/**
 * The listeners and observers that one peer has in this process's mailboxes: what reaches them over the link, and
 * what becomes of them when it ends.
 * @module
 */
import { LimitExceededError, type MetanetError, ProtocolViolationError } from "#base/errors.ts";
import type { Duration, Instant } from "#base/time.ts";
import type { Tuples } from "#base/value.ts";
import type { Bus } from "#mailbox/bus.ts";
import { Cause, type CauseRecord } from "#mailbox/cause.ts";
import { OverflowError, PeerGoneError } from "#mailbox/errors.ts";
import type { Context, Entry } from "#mailbox/listener.ts";
import type { Message } from "#mailbox/message.ts";
import { reject, type Verdict } from "#mailbox/verdict.ts";
import { UnencodableError } from "#wire/cbor-profile.ts";
import type { AttachRequest } from "./attach-tuples.ts";
import { encodeCause } from "./cause-tuples.ts";
import { GUEST_COUNT_MAX } from "./limits.ts";

/** The way to the peer, for one frame. */
export interface GuestHost {
  readonly bus: Bus;
  /** Offers a message to the listener of ATTACH `ref`; the answer is its verdict. */
  offer(ref: number, meta: Tuples, body: Tuples, timeout: Duration): Promise<Verdict | undefined>;
  /** Sends a copy to the observer of ATTACH `ref`; false when there was no credit for it. */
  copy(ref: number, meta: Tuples, body: Tuples): boolean;
}

interface Guest {
  readonly path: string;
  readonly entry: Entry;
  readonly observes: boolean;
}

export class Guests {
  readonly #host: GuestHost;
  /** By the number of the ATTACH frame. */
  readonly #guests: Map<number, Guest> = new Map();

  constructor(host: GuestHost) {
    this.#host = host;
  }

  get count(): number {
    return this.#guests.size;
  }

  /**
   * Puts a listener of the peer in its place, or remembers it for a mailbox that is not there yet.
   * @throws ProtocolViolationError when the number is taken, or no one could take that listener out any more.
   * @throws DeniedError, ConfigurationError, LimitExceededError; OverflowError beyond {@link GUEST_COUNT_MAX}.
   */
  attach(ref: number, process: string, path: string, request: AttachRequest): "attached" | "waiting" {
    if (this.#guests.size >= GUEST_COUNT_MAX) this.#forgetReplaced();
    if (this.#guests.size >= GUEST_COUNT_MAX) {
      throw new OverflowError(
        `Cannot attach to ${path}: process ${process} has ${GUEST_COUNT_MAX} listeners here already`,
      );
    }
    if (this.#guests.has(ref)) {
      throw new ProtocolViolationError(`Cannot attach to ${path}: number ${ref} is a listener's already`);
    }
    const { table } = this.#host.bus;
    const { label, observes, place, options } = request;
    const entry = table.attach(path, {
      identity: { process, label },
      listen: observes ? this.#observer(ref) : this.#listener(ref),
      place,
      options,
      remote: true,
      observes,
    });
    this.#guests.set(ref, { path, entry, observes });
    return table.isUnborn(path) ? "waiting" : "attached";
  }

  /** False when there is no such guest. */
  detach(ref: number): boolean {
    const guest = this.#guests.get(ref);
    if (!guest) return false;
    this.#guests.delete(ref);
    this.#host.bus.table.detach(guest.path, guest.entry);
    return true;
  }

  /** Takes all of them out; their parked messages go on. */
  detachAll(): void {
    for (const ref of [...this.#guests.keys()]) this.detach(ref);
  }

  /** Takes the observers out, which have no slot to keep. */
  detachObservers(): void {
    for (const [ref, guest] of [...this.#guests]) if (guest.observes) this.detach(ref);
  }

  /** Takes out those that did not come back; one that rejects when it is away stays, or its guard would be gone. */
  detachAway(): void {
    for (const [ref, { entry }] of [...this.#guests]) {
      if (entry.removed || (entry.away && entry.onTimeout === "continue")) this.detach(ref);
    }
  }

  /** Those whose place another of the same identity has taken since. */
  #forgetReplaced(): void {
    for (const [ref, { entry }] of [...this.#guests]) if (entry.removed) this.#guests.delete(ref);
  }

  #listener(ref: number): Entry["listen"] {
    return (message, context) => {
      const timeout = this.#timeLeft(ref, context);
      const meta = encodeCause(recordOf(context, timeout), this.#senderOf(context));
      return this.#host.offer(ref, meta, message.tuples, timeout).catch((error: unknown) => {
        if (cannotBeAsked(error)) return this.#absent(ref, error);
        throw error;
      });
    };
  }

  /** One that cannot even be asked is as good as late: a guard must not be opened by flooding it. */
  #absent(ref: number, error: MetanetError): Verdict | undefined {
    const entry = this.#guests.get(ref)?.entry;
    return entry?.onTimeout === "reject" ? reject(error.message, error) : undefined;
  }

  #observer(ref: number): Entry["listen"] {
    let gap = 0;
    return (message: Message, context: Context) => {
      const meta = encodeCause(recordOf(context, undefined), this.#senderOf(context));
      const copied = this.#host.copy(ref, gap > 0 ? [...meta, "gap", gap] : meta, message.tuples);
      gap = copied ? 0 : gap + 1;
    };
  }

  #timeLeft(ref: number, context: Context): Duration {
    const { bus } = this.#host;
    const own = this.#guests.get(ref)?.entry.timeout ?? bus.budget;
    if (!(context instanceof Cause) || context.deadline === undefined) return own;
    return Math.max(0, Math.min(own, (context.deadline as Instant) - bus.steady.now())) as Duration;
  }

  /** Said only when it is not this process itself. */
  #senderOf(context: Context): string | undefined {
    return context.sender === this.#host.bus.name ? undefined : context.sender;
  }
}

/** The link is full or gone, or has no form for the message: not the listener's fault, who never saw it. */
function cannotBeAsked(error: unknown): error is MetanetError {
  return (
    error instanceof LimitExceededError || error instanceof PeerGoneError || error instanceof UnencodableError
  );
}

/** What a guest is told of the delivery it is asked about; its own name it adds itself. */
function recordOf(context: Context, budget: Duration | undefined): CauseRecord {
  if (!(context instanceof Cause)) return { hops: context.hops, waiting: [], trace: undefined, budget };
  const waiting = context.parent?.path() ?? context.origin?.waiting ?? [];
  return { hops: context.hops, waiting, trace: context.trace, budget };
}
