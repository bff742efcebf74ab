/**
 * Attaching, observing, waiting and detaching, here or in another process.
 * @module
 */
import type { Clock } from "#base/clock.ts";
import type { Duration } from "#base/time.ts";
import { formatAddress, type MailboxAddress, parseAddress } from "./address.ts";
import { PeerGoneError, TimedOutError } from "./errors.ts";
import type { Entry, Listener, ListenerOptions, Observer, Place } from "./listener.ts";
import type { MailboxTable } from "./mailbox-table.ts";
import { type Fields, hasFields, type Message } from "./message.ts";
import type { Attachment, Router } from "./router.ts";

export interface AttachmentRequest {
  readonly to: string;
  readonly label: string;
  readonly listen: Listener;
  readonly place: Place;
  readonly options: ListenerOptions;
}

/** The part of a bus that attachments need. */
interface Host {
  readonly name: string;
  readonly steady: Clock;
  readonly table: MailboxTable;
  readonly router: Router | undefined;
}

/** Before everybody else, so that nobody's `stop` hides a message from who waits for it. */
const FIRST_BAND = -1_000_000;

export class Attachments {
  readonly #host: Host;
  /** Attachments in other processes, with their identity tuples. */
  readonly #remote: Map<Attachment, Fields> = new Map();
  #waitCount = 0;

  constructor(host: Host) {
    this.#host = host;
  }

  async attach(request: AttachmentRequest): Promise<Attachment> {
    const address = parseAddress(request.to);
    if (this.#isLocal(address)) return this.#attachHere(address.path, request, false);
    return this.#remember(await this.#router(request.to).attach(address, request), request);
  }

  async observe(request: AttachmentRequest): Promise<Attachment> {
    const address = parseAddress(request.to);
    if (this.#isLocal(address)) return this.#attachHere(address.path, request, true);
    const { label, listen, options } = request;
    // What it returns is kept: the links take care of a promise that is rejected.
    const observer = { label, observe: listen as Observer, options };
    return this.#remember(await this.#router(request.to).observe(address, observer), request);
  }

  async detach(what: {
    readonly to: string;
    readonly label?: string;
    readonly tuples?: Fields;
  }): Promise<void> {
    const address = parseAddress(what.to);
    if (this.#isLocal(address)) {
      for (const entry of this.#host.table.select(address.path, what))
        this.#host.table.detach(address.path, entry);
      return;
    }
    const target = formatAddress(address);
    for (const [attachment, tuples] of [...this.#remote]) {
      if (attachment.address !== target) continue;
      if (what.label !== undefined && attachment.label !== what.label) continue;
      if (hasFields(tuples, what.tuples)) await attachment.detach();
    }
  }

  /** Stands before it returns; ends by itself after one message or the time-out. */
  wait(at: string, match: Fields | ((message: Message) => boolean), timeout: Duration): Promise<Message> {
    const label = `wait-${++this.#waitCount}`;
    const wanted = typeof match === "function" ? match : undefined;
    const options: ListenerOptions = {
      band: FIRST_BAND,
      ...(typeof match === "function" ? {} : { filter: { equals: match } }),
    };
    return new Promise((resolve, reject) => {
      const end = (): void => {
        timer.cancel();
        attached.then((attachment) => attachment.detach()).catch(() => undefined);
      };
      const listen = (message: Message): undefined => {
        if (wanted && !wanted(message)) return;
        end();
        resolve(message);
      };
      const timer = this.#host.steady.after(timeout, () => {
        end();
        reject(new TimedOutError(`Cannot wait at ${at}: no message that matches within ${timeout} ms`));
      });
      const attached = this.attach({ to: at, label, listen, place: "prepend", options });
      attached.catch((error: unknown) => {
        timer.cancel();
        reject(error);
      });
    });
  }

  #isLocal(address: MailboxAddress): boolean {
    return address.machine === undefined && (address.process ?? this.#host.name) === this.#host.name;
  }

  #attachHere(path: string, request: AttachmentRequest, observes: boolean): Attachment {
    const { table, name } = this.#host;
    const { label, listen, place, options } = request;
    const order = { identity: { process: name, label }, listen, place, options, remote: false, observes };
    return new LocalAttachment(table, path, label, table.attach(path, order));
  }

  #remember(attachment: Attachment, { options }: AttachmentRequest): Attachment {
    this.#remote.set(attachment, options.tuples ?? {});
    for (const other of this.#remote.keys()) if (other.state === "detached") this.#remote.delete(other);
    return attachment;
  }

  #router(to: string): Router {
    if (this.#host.router) return this.#host.router;
    throw new PeerGoneError(`Cannot attach to ${to}: process ${this.#host.name} is not linked to others`);
  }
}

class LocalAttachment implements Attachment {
  readonly address: string;
  readonly label: string;
  readonly #table: MailboxTable;
  readonly #entry: Entry;

  constructor(table: MailboxTable, path: string, label: string, entry: Entry) {
    this.#table = table;
    this.#entry = entry;
    this.address = path;
    this.label = label;
  }

  get state(): "attached" | "detached" {
    return this.#entry.removed ? "detached" : "attached";
  }

  async detach(): Promise<void> {
    this.#table.detach(this.address, this.#entry);
  }
}
