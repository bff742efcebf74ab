/**
 * Listeners: who they are, where they stand, and how long they may take.
 * @module
 */
import { type Duration, milliseconds, seconds } from "#base/time.ts";
import type { Fields, Loose, Message } from "./message.ts";
import type { VerdictOrLater } from "./verdict.ts";

/** The band of the owner's own listener: everybody else's default (0) comes before it. */
export const PROVIDER = 1000;

/** How long a remote listener may take when it does not say. */
export const LISTENER_TIMEOUT: Duration = milliseconds(250);

/** Time-outs or errors in a row after which a listener is suspended. */
export const FAILURES_IN_ROW_MAX = 3;

/** How long a suspended listener is passed over before one message tries it again. */
export const SUSPENSION: Duration = seconds(5);

/** Who a listener is: unique in its mailbox, and the same again after a reconnect. */
export interface Identity {
  readonly process: string;
  readonly label: string;
}

export function formatIdentity(identity: Identity): string {
  return `${identity.process}/${identity.label}`;
}

/** What a listener learns beside the message. */
export interface Context {
  /** The path of the mailbox. */
  readonly mailbox: string;
  /** The process the message came from. */
  readonly sender: string;
  /** How many messages led to this one. */
  readonly hops: number;
}

export type Listener<Shape extends object = Loose> = (
  message: Message<Shape>,
  context: Context,
) => VerdictOrLater;

/** A function that gets a copy and has no say. */
export type Observer<Shape extends object = Loose> = (message: Message<Shape>, context: Context) => void;

/** What is done about a listener that is late, dead or throws. */
export type OnFailure = "continue" | "reject";

/** Tags a message must have for a listener to be asked: equal to a value, or merely there. */
export interface Filter {
  readonly equals?: Fields;
  readonly exists?: readonly string[];
}

export interface ListenerOptions {
  /** Lower bands come first; -1000000 to 1000000, default 0. */
  readonly band?: number;
  /** How long a promised verdict may take; for listeners of other processes {@link LISTENER_TIMEOUT} by default. */
  readonly timeout?: Duration;
  /** Default `continue`; in a guarded mailbox `reject`. */
  readonly onTimeout?: OnFailure;
  /** Default `continue`; for the owner's own listener (band {@link PROVIDER}) and in a guarded mailbox `reject`. */
  readonly onError?: OnFailure;
  readonly filter?: Filter;
  /** Identity tuples (MetaNet paper §4): stored, listed, and a way to select what to detach. */
  readonly tuples?: Fields;
}

/** Where in its band a listener goes. */
export type Place = "append" | "prepend" | { readonly before: string } | { readonly after: string };

/** Who is asked for a verdict. */
export interface Asked {
  readonly identity: Identity;
  readonly listen: Listener;
}

/** A listener in a mailbox's list, with its record. */
export interface Entry extends Asked {
  readonly options: ListenerOptions;
  readonly place: Place;
  readonly band: number;
  /** Where the operator wrote the rule that chose the band; `undefined` when the listener did. */
  readonly rule: string | undefined;
  readonly timeout: Duration | undefined;
  /** Decided anew when the mailbox that it waited for is made: only then it is known whether that is guarded. */
  onTimeout: OnFailure;
  onError: OnFailure;
  /** In another process: subject to the budget, marked away when the link dies. */
  readonly remote: boolean;
  /** Position among its band's appended and prepended listeners; kept over a re-attach. */
  readonly sequence: number;
  /** Anything that keeps it off the fast path: filter, remote, suspended, away, removed, answers late. */
  special: boolean;
  removed: boolean;
  /** Its process is gone; the slot is kept until it comes back. */
  away: boolean;
  /** Set while suspended: when the next message may try it again. */
  suspendedUntil: number | undefined;
  failuresInRow: number;
  calls: number;
  errors: number;
  timeouts: number;
  /** Verdicts that came after their time-out, and were ignored. */
  late: number;
  /** Messages that wait for this listener now; ended early when it is detached or goes away. */
  readonly parked: Set<{ giveUp(): void }>;
}
