/**
 * What the bus asks of the links: the way to mailboxes outside this process.
 * @module
 */
import type { Duration } from "#base/time.ts";
import type { MailboxAddress } from "./address.ts";
import type { CauseRecord } from "./cause.ts";
import type { Listener, ListenerOptions, Observer, Place } from "./listener.ts";
import type { Message } from "./message.ts";

/** An order to stand in somebody else's mailbox, remembered until it is withdrawn. */
export interface RemoteListener {
  readonly label: string;
  readonly listen: Listener;
  readonly place: Place;
  readonly options: ListenerOptions;
}

export interface RemoteObserver {
  readonly label: string;
  readonly observe: Observer;
  readonly options: ListenerOptions;
}

/** A place in a list that can be given up. */
export interface Attachment {
  readonly address: string;
  readonly label: string;
  /** `waiting`: the process or mailbox is not there yet; the order is remembered. */
  readonly state: "attached" | "waiting" | "detached";
  detach(): Promise<void>;
}

export interface Router {
  /** Resolves when the owner has run the chain. Rejects with its typed error. */
  send(to: MailboxAddress, message: Message, cause: CauseRecord): Promise<undefined>;
  call(to: MailboxAddress, message: Message, cause: CauseRecord, timeout: Duration): Promise<Message>;
  /** @throws OverflowError when the link's queue is full. */
  post(to: MailboxAddress, message: Message, cause: CauseRecord): void;
  /** Resolves once attached, or remembered. Rejects with DeniedError and the like. */
  attach(to: MailboxAddress, listener: RemoteListener): Promise<Attachment>;
  observe(to: MailboxAddress, observer: RemoteObserver): Promise<Attachment>;
}
