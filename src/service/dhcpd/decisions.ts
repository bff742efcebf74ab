/**
 * Puts decisions to whoever listens. Where nobody does, no message is made: the decision passes, and is counted as
 * one message all the same.
 * @module
 */
import type { Value } from "#base/value.ts";
import { dhcpd } from "#contract/dhcpd.ts";
import type { Bus } from "#mailbox/bus.ts";
import type { Mailbox } from "#mailbox/mailbox.ts";
import { Message } from "#mailbox/message.ts";
import type { Outcome } from "#mailbox/outcome.ts";

export type DecisionPath = keyof typeof dhcpd.specs;

/** How a decision went: on, with the message as the last listener left it when anybody listens; or not. */
export type Decided =
  | { readonly verdict: "go"; readonly message: Message | undefined }
  | { readonly verdict: "stop" }
  | { readonly verdict: "reject"; readonly reason: string };

const GO: Decided = { verdict: "go", message: undefined };
const STOP: Decided = { verdict: "stop" };

export class Decisions {
  readonly #bus: Bus;
  readonly #onError: (path: string, error: unknown) => void;
  readonly #mailboxes = new Map<string, Mailbox>();

  /** Makes all mailboxes of the contract. `onError` learns of listeners' errors; the decision goes on without them. */
  constructor(bus: Bus, onError: (path: string, error: unknown) => void) {
    this.#bus = bus;
    this.#onError = onError;
    bus.offer(dhcpd);
    for (const path of Object.keys(dhcpd.specs)) this.#mailboxes.set(path, bus.open(path));
  }

  /** Whether nobody but ourselves, with `ownCount` listeners, would see a message there. */
  isQuiet(path: DecisionPath, ownCount = 0): boolean {
    const mailbox = this.#mailboxes.get(path);
    return mailbox?.plain === true && mailbox.listeners.order.length === ownCount;
  }

  /** Notes that a decision passed without anybody listening. */
  pass(path: DecisionPath): void {
    const mailbox = this.#mailboxes.get(path);
    if (mailbox) mailbox.statistics.messages++;
  }

  /** Runs a decision; `done` is called once, at once when nobody answers later. */
  ask(
    path: DecisionPath,
    makeTuples: () => readonly (string | Value)[],
    done: (decided: Decided) => void,
  ): void {
    if (this.isQuiet(path)) {
      this.pass(path);
      done(GO);
    } else {
      this.run(path, makeTuples(), done);
    }
  }

  /** The same, without a look at whether anybody listens. */
  run(path: DecisionPath, tuples: readonly (string | Value)[], done: (decided: Decided) => void): void {
    let outcome: Outcome | Promise<Outcome>;
    try {
      outcome = this.#bus.decide(path as string, Message.fromTuples(tuples));
    } catch (error) {
      this.#onError(path, error);
      done(GO);
      return;
    }
    if (!(outcome instanceof Promise)) {
      done(decidedBy(outcome));
      return;
    }
    outcome.then(
      (late) => done(decidedBy(late)),
      (error: unknown) => {
        this.#onError(path, error);
        done(GO);
      },
    );
  }
}

function decidedBy(outcome: Outcome): Decided {
  switch (outcome.verdict) {
    case "continue":
      return { verdict: "go", message: outcome.message };
    case "reject":
      return { verdict: "reject", reason: outcome.reason ?? "refused" };
    default:
      return STOP;
  }
}
