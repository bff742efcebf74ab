/**
 * The objects of a process: names, the mailboxes below them, and how many there may be.
 * @module
 */
import { ConfigurationError, LimitExceededError } from "#base/errors.ts";
import type { Duration } from "#base/time.ts";
import { isPath } from "#mailbox/address.ts";
import type { Bus } from "#mailbox/bus.ts";
import type { Listener } from "#mailbox/listener.ts";
import type { MailboxKind } from "#mailbox/mailbox.ts";

/** Objects of one process at once, clients' sockets included; one more is refused. */
export const OBJECT_COUNT_MAX = 16_384;

/** The name is no path, or is taken. */
export class ObjectNameError extends ConfigurationError {
  override readonly code = "object-name";
}

/** One object: a name, its mailboxes, and what to do when it goes. */
export class SystemObject {
  readonly name: string;
  readonly #bus: Bus;
  readonly #onClose: () => void;
  readonly #paths: string[] = [];
  readonly #releases: (() => void)[] = [];
  #isClosed = false;

  constructor(name: string, bus: Bus, onClose: () => void) {
    this.name = name;
    this.#bus = bus;
    this.#onClose = onClose;
  }

  /** What is to be given back when the object goes; at once when it has gone already. */
  holds(release: () => void): void {
    if (this.#isClosed) release();
    else this.#releases.push(release);
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Makes a mailbox that the object sends to; messages may wait there for `budget`. */
  sends(suffix: string, kind: MailboxKind, says: string, budget?: Duration): string {
    const path = `${this.name}/${suffix}`;
    this.#bus.open(path, { kind, says, ...(budget === undefined ? {} : { budget }) });
    this.#paths.push(path);
    return path;
  }

  /** Makes a mailbox that the object is listening to. */
  takes(suffix: string, says: string, listen: Listener, budget?: Duration): void {
    const path = this.sends(suffix, "request", says, budget);
    void this.#bus.provide(path, listen);
  }

  /** Takes the mailboxes away and gives back what the object held; harmless when done already. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const path of this.#paths) this.#bus.remove(path);
    this.#onClose();
    for (const release of this.#releases) release();
  }
}

export class ObjectTable {
  readonly bus: Bus;
  readonly #countMax: number;
  readonly #objects = new Map<string, SystemObject>();

  constructor(bus: Bus, countMax: number = OBJECT_COUNT_MAX) {
    this.bus = bus;
    this.#countMax = countMax;
  }

  get count(): number {
    return this.#objects.size;
  }

  /**
   * An object without mailboxes yet.
   * @throws ObjectNameError, LimitExceededError
   */
  make(name: string): SystemObject {
    if (!isPath(name) || /^\/(sys|system)(\/|$)/.test(name)) {
      throw new ObjectNameError(
        `Cannot make object '${name}': not a path such as /captive/server outside /sys`,
      );
    }
    if (this.#objects.has(name)) throw new ObjectNameError(`Cannot make object '${name}': the name is taken`);
    if (this.#objects.size >= this.#countMax) {
      throw new LimitExceededError(`Cannot make object '${name}': there are ${this.#countMax} already`);
    }
    const object = new SystemObject(name, this.bus, () => this.#objects.delete(name));
    this.#objects.set(name, object);
    return object;
  }

  /** Closes every object, with its connections and timers. */
  close(): void {
    for (const object of [...this.#objects.values()]) object.close();
  }
}
