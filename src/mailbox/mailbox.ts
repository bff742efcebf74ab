/**
 * One mailbox: its listeners and observers, its contract, and what has passed through it.
 * @module
 */
import type { Duration } from "#base/time.ts";
import type { Cause } from "./cause.ts";
import type { Context, Entry } from "./listener.ts";
import { ListenerList } from "./listener-list.ts";
import type { Message } from "./message.ts";

/**
 * What a mailbox is for. A `call` is answered; a `decision` is a chain that its service runs and listeners steer;
 * a `request` is sent to the service; an `event` is a notice that nobody needs to hear.
 */
export type MailboxKind = "call" | "decision" | "request" | "event";

export interface MailboxOptions {
  readonly kind?: MailboxKind;
  /** One line of prose for people. */
  readonly says?: string;
  /** What is wrong with a message that came from another process; `undefined` when nothing is. */
  readonly check?: (message: Message) => string | undefined;
  /** One message at a time: `true`, or the tag within whose value they queue. */
  readonly serial?: true | string;
  /** Listeners that are late or throw reject by default. */
  readonly guarded?: boolean;
  /** Tags whose values observers and traces must not see. */
  readonly secret?: readonly string[];
  /** How long a message may wait here in all when nobody said; the bus's own time when absent. */
  readonly budget?: Duration;
  /** Only looked at: nobody may put a listener in front of it. */
  readonly observeOnly?: boolean;
}

/** What happened to one message, for `trace`. */
export interface TraceRecord {
  readonly mailbox: string;
  readonly sender: string;
  readonly trace: string | undefined;
  readonly message: Message;
  readonly steps: readonly TraceStep[];
  /** `continue`, `stop`, `reject: …`, `answer`, or an error's code. */
  readonly outcome: string;
}

export interface TraceStep {
  readonly listener: string;
  readonly verdict: string;
  /** Milliseconds it took. */
  readonly took: number;
}

export interface Statistics {
  messages: number;
  stopped: number;
  rejected: number;
  answered: number;
  /** Messages that had to wait for a promise. */
  parked: number;
}

/** Messages that wait for their turn in one serial mailbox, at the most. */
export const SERIAL_QUEUE_MAX = 1024;

export class Mailbox implements Context {
  readonly path: string;
  readonly options: MailboxOptions;
  readonly listeners: ListenerList = new ListenerList();
  observers: readonly Entry[] = [];
  tracers: readonly ((record: TraceRecord) => void)[] = [];
  /** The context of a local message that no other message caused. */
  readonly sender: string;
  readonly hops = 0;
  readonly statistics: Statistics = { messages: 0, stopped: 0, rejected: 0, answered: 0, parked: 0 };
  /** For serial mailboxes: who holds each key, and who waits for it. */
  readonly turns: Map<string, { holder: Cause; readonly queue: (() => void)[] }> = new Map();
  /** Nothing but listeners to think of: no observers, tracers or turns. */
  plain: boolean;

  constructor(path: string, owner: string, options: MailboxOptions) {
    this.path = path;
    this.sender = owner;
    this.options = options;
    this.plain = options.serial === undefined;
  }

  /** Call after observers or tracers have changed. */
  settle(): void {
    this.plain =
      this.options.serial === undefined && this.observers.length === 0 && this.tracers.length === 0;
  }

  get mailbox(): string {
    return this.path;
  }
}
