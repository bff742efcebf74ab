/**
 * The mailboxes of one process and who listens to them, this process's own listeners and others'.
 * @module
 */
import { LimitExceededError } from "#base/errors.ts";
import { isPath } from "./address.ts";
import { DeniedError, NoSuchMailboxError } from "./errors.ts";
import {
  type Entry,
  formatIdentity,
  type Identity,
  LISTENER_TIMEOUT,
  type Listener,
  type ListenerOptions,
  type Place,
  PROVIDER,
} from "./listener.ts";
import { LISTENERS_MAX } from "./listener-list.ts";
import { Mailbox, type MailboxOptions } from "./mailbox.ts";
import { hasFields } from "./message.ts";
import { formatRule, OrderPolicy, type OrderRule } from "./order-policy.ts";

/** Mailboxes of one process, at the most; a portal's requests come and go within it. */
export const MAILBOXES_MAX = 65_536;

/** Mailboxes that others listen to before they exist, at the most. */
export const UNBORN_MAX = 1024;

/** What happened to a mailbox or a listener, for `/sys/event`. */
export interface BusEvent {
  readonly event:
    | "created"
    | "removed"
    | "attached"
    | "detached"
    | "away"
    | "back"
    | "suspended"
    | "refused"
    | "listener-error";
  readonly mailbox: string;
  readonly listener: string | undefined;
  readonly text: string | undefined;
}

/** An order to stand in a list of this process. */
export interface AttachOrder {
  readonly identity: Identity;
  readonly listen: Listener;
  readonly place: Place;
  readonly options: ListenerOptions;
  /** From another process. */
  readonly remote: boolean;
  /** Gets a copy and has no say. */
  readonly observes: boolean;
}

export class MailboxTable {
  /** By path; read by the bus on every message. */
  readonly mailboxes: Map<string, Mailbox> = new Map();
  /** Not there yet, but somebody waits for them. */
  readonly #unborn: Map<string, Mailbox> = new Map();
  readonly #owner: string;
  readonly #announce: (event: BusEvent) => void;
  readonly #policy: OrderPolicy;

  constructor(owner: string, announce: (event: BusEvent) => void, policy: OrderPolicy = new OrderPolicy()) {
    this.#owner = owner;
    this.#announce = announce;
    this.#policy = policy;
  }

  /**
   * The mailbox of a path, made when it is not there; listeners that waited for it are in it from the start.
   * @throws NoSuchMailboxError when the text is not a path.
   * @throws LimitExceededError beyond {@link MAILBOXES_MAX}.
   */
  open(path: string, options: MailboxOptions = {}): Mailbox {
    const there = this.mailboxes.get(path);
    if (there) return there;
    requirePath(path);
    if (this.mailboxes.size >= MAILBOXES_MAX) {
      throw new LimitExceededError(`Cannot make mailbox ${path}: the process has ${MAILBOXES_MAX} already`);
    }
    const mailbox = new Mailbox(path, this.#owner, options);
    const waiting = this.#unborn.get(path);
    this.#unborn.delete(path);
    this.mailboxes.set(path, mailbox);
    this.#announce({ event: "created", mailbox: path, listener: undefined, text: undefined });
    for (const entry of waiting?.listeners.order ?? []) this.#bearWith(mailbox, entry);
    for (const entry of waiting?.observers ?? []) this.#put(mailbox, entry, true);
    return mailbox;
  }

  /** What a mailbox asks of its listeners is known when it is there: one that waited for it is held to it now. */
  #bearWith(mailbox: Mailbox, entry: Entry): void {
    if (mailbox.options.observeOnly) {
      this.#retire(entry);
      this.#tell("refused", mailbox.path, entry, "the mailbox can be called and observed only");
      return;
    }
    ({ onTimeout: entry.onTimeout, onError: entry.onError } = rulesOf(mailbox, entry));
    this.#put(mailbox, entry, false);
  }

  /** Takes a mailbox away; what other processes put into it waits for it to come back. */
  remove(path: string): void {
    const mailbox = this.mailboxes.get(path);
    if (!mailbox) return;
    this.mailboxes.delete(path);
    for (const entry of mailbox.listeners.order) this.#orphan(path, entry, false);
    for (const entry of mailbox.observers) this.#orphan(path, entry, true);
    this.#announce({ event: "removed", mailbox: path, listener: undefined, text: undefined });
  }

  /** This process's own go with the mailbox; others' wait for the next, as long as there is room to wait. */
  #orphan(path: string, entry: Entry, observes: boolean): void {
    const hasRoom = this.#unborn.has(path) || this.#unborn.size < UNBORN_MAX;
    if (!entry.remote || !hasRoom) {
      this.#retire(entry);
      if (entry.remote) this.#tell("detached", path, entry, `${UNBORN_MAX} mailboxes are waited for already`);
      return;
    }
    for (const step of [...entry.parked]) step.giveUp();
    this.#put(this.#unbornAt(path), entry, observes);
  }

  /**
   * Puts a listener or observer in its place; the same identity again replaces the old one. A mailbox that is not
   * there is made for this process's own listeners, and waited for by others'. Others' listeners stand where the
   * operator has put them.
   * @throws DeniedError when the operator, or the mailbox, allows no such listener.
   */
  attach(path: string, wanted: AttachOrder): Entry {
    requirePath(path);
    const rule = wanted.remote && !wanted.observes ? this.#policy.ruleFor(path, wanted.identity) : undefined;
    const order = rule ? this.#orderBy(rule, wanted) : wanted;
    const isSys = path === "/sys" || path.startsWith("/sys/");
    if (!order.observes && (this.mailboxes.get(path)?.options.observeOnly || (isSys && order.remote))) {
      throw new DeniedError(`Cannot listen to ${path}: mailboxes under /sys can be called and observed only`);
    }
    const mailbox = this.mailboxes.get(path) ?? (order.remote ? this.#unbornAt(path) : this.open(path));
    const old = order.observes
      ? mailbox.observers.find((entry) => formatIdentity(entry.identity) === formatIdentity(order.identity))
      : mailbox.listeners.find(order.identity);
    const entry = this.#entryOf(mailbox, order, rule?.source);
    try {
      this.#put(mailbox, entry, order.observes);
    } catch (error) {
      this.#forgetDeserted(path);
      throw error;
    }
    if (old) this.#retire(old);
    this.#tell("attached", path, entry);
    return entry;
  }

  /** The process's own listener on one of its mailboxes, behind everybody else's. */
  provide(path: string, listen: Listener): Entry {
    const identity = { process: this.#owner, label: "provider" };
    const mailbox = this.open(path);
    const order = {
      identity,
      listen,
      place: "append",
      options: { band: PROVIDER },
      remote: false,
      observes: false,
    };
    const entry = this.#entryOf(mailbox, order as AttachOrder);
    this.#put(mailbox, entry, false);
    return entry;
  }

  /** Whether a path is only waited for. */
  isUnborn(path: string): boolean {
    return this.#unborn.has(path);
  }

  /** Takes a listener or observer out; messages parked at it go on. */
  detach(path: string, entry: Entry): void {
    if (entry.removed) return;
    this.#retire(entry);
    const mailbox = this.mailboxes.get(path) ?? this.#unborn.get(path);
    if (!mailbox) return;
    mailbox.listeners.remove(entry);
    mailbox.observers = mailbox.observers.filter((other) => other !== entry);
    mailbox.settle();
    this.#forgetDeserted(path);
    this.#tell("detached", path, entry);
  }

  /** The listeners and observers at a path whose label, or whose identity tuples, are these. */
  select(
    path: string,
    by: { readonly label?: string; readonly tuples?: ListenerOptions["tuples"] },
  ): Entry[] {
    const mailbox = this.mailboxes.get(path) ?? this.#unborn.get(path);
    return [...(mailbox?.listeners.order ?? []), ...(mailbox?.observers ?? [])].filter(
      (entry) =>
        (by.label === undefined || entry.identity.label === by.label) &&
        hasFields(entry.options.tuples, by.tuples),
    );
  }

  /** A process's link has died, or is there again: its listeners keep their slots, their parked messages go on. */
  setAway(process: string, away: boolean): void {
    for (const [path, entry] of this.#entriesOf(process)) {
      if (entry.away === away) continue;
      entry.away = away;
      entry.special = true;
      if (away) for (const step of [...entry.parked]) step.giveUp();
      this.#tell(away ? "away" : "back", path, entry);
    }
  }

  /** A process has left for good: its listeners are taken out. */
  forget(process: string): void {
    for (const [path, entry] of this.#entriesOf(process)) this.detach(path, entry);
  }

  /** The order as the operator wants it: `before` and `after` would lead out of the band. */
  #orderBy(rule: OrderRule, order: AttachOrder): AttachOrder {
    const { identity, place, options } = order;
    if (rule.band !== "never") {
      const kept = typeof place === "string" ? place : "append";
      return { ...order, place: kept, options: { ...options, band: rule.band } };
    }
    const listener = formatIdentity(identity);
    const text = `Cannot listen to ${this.#owner}:${rule.path} as ${listener}: ${formatRule(rule)}`;
    this.#announce({ event: "refused", mailbox: rule.path, listener, text });
    throw new DeniedError(text);
  }

  #entriesOf(process: string): [path: string, entry: Entry][] {
    const found: [string, Entry][] = [];
    for (const [path, mailbox] of [...this.mailboxes, ...this.#unborn]) {
      for (const entry of [...mailbox.listeners.order, ...mailbox.observers]) {
        if (entry.remote && entry.identity.process === process) found.push([path, entry]);
      }
    }
    return found;
  }

  #unbornAt(path: string): Mailbox {
    const there = this.#unborn.get(path);
    if (there) return there;
    if (this.#unborn.size >= UNBORN_MAX) {
      throw new LimitExceededError(
        `Cannot wait for mailbox ${path}: ${UNBORN_MAX} others are waited for already`,
      );
    }
    const mailbox = new Mailbox(path, this.#owner, {});
    this.#unborn.set(path, mailbox);
    return mailbox;
  }

  #entryOf(mailbox: Mailbox, order: AttachOrder, rule?: string): Entry {
    const { options, remote } = order;
    const band = options.band ?? 0;
    return {
      identity: order.identity,
      listen: order.listen,
      options,
      place: order.place,
      band,
      rule,
      timeout: options.timeout ?? (remote ? LISTENER_TIMEOUT : undefined),
      ...rulesOf(mailbox, { options, band, remote }),
      remote,
      sequence: mailbox.listeners.sequenceFor(order.identity, order.place),
      special: remote || options.filter !== undefined || isAsync(order.listen),
      removed: false,
      away: false,
      suspendedUntil: undefined,
      failuresInRow: 0,
      calls: 0,
      errors: 0,
      timeouts: 0,
      late: 0,
      parked: new Set(),
    };
  }

  #put(mailbox: Mailbox, entry: Entry, observes: boolean): void {
    if (!observes) {
      mailbox.listeners.put(entry);
      return;
    }
    const others = mailbox.observers.filter(
      (other) => formatIdentity(other.identity) !== formatIdentity(entry.identity),
    );
    if (others.length >= LISTENERS_MAX) {
      throw new LimitExceededError(
        `Cannot observe ${mailbox.path}: it has ${LISTENERS_MAX} observers already`,
      );
    }
    mailbox.observers = [...others, entry];
    mailbox.settle();
  }

  #forgetDeserted(path: string): void {
    const mailbox = this.#unborn.get(path);
    if (mailbox?.listeners.order.length === 0 && mailbox.observers.length === 0) this.#unborn.delete(path);
  }

  #tell(event: BusEvent["event"], mailbox: string, entry: Entry, text?: string): void {
    this.#announce({ event, mailbox, listener: formatIdentity(entry.identity), text });
  }

  #retire(entry: Entry): void {
    entry.removed = true;
    entry.special = true;
    for (const step of [...entry.parked]) step.giveUp();
  }
}

/** What is done about a listener that fails, when it does not say itself. */
function rulesOf(
  mailbox: Mailbox,
  { options, band, remote }: Pick<Entry, "options" | "band" | "remote">,
): Pick<Entry, "onTimeout" | "onError"> {
  const guard = mailbox.options.guarded ? "reject" : "continue";
  return {
    onTimeout: options.onTimeout ?? guard,
    onError: options.onError ?? (band === PROVIDER && !remote ? "reject" : guard),
  };
}

/** An async function always answers later: it is asked in a context that lasts over its awaits. */
function isAsync(listen: Listener): boolean {
  return Object.prototype.toString.call(listen) === "[object AsyncFunction]";
}

function requirePath(path: string): void {
  if (!isPath(path))
    throw new NoSuchMailboxError(`Cannot use mailbox '${path}': it is not a path such as /dhcpd/lookup`);
}
