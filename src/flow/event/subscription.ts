/**
 * What `on()` of a monitor and of a flow returns: the way to take the callback out again.
 * @module
 */
import type { AnyCallback, Registration } from "./dispatch.ts";
import type { EventName, Hook } from "./events.ts";
import type { UserEvent } from "./user-event.ts";

/** A monitor or flow that has a set of registrations. */
export interface Subscribed<F> {
  /** Goes on with the set that lacks it; nothing when it lacks it already. */
  unsubscribe(registration: Registration<F>): void;
}

/**
 * One callback that listens. {@link off}, or leaving the block of a `using` declaration, ends it: from the next event
 * on, an event being handled still reaches it. The same function at the same event and hook is one registration,
 * however often it was made, and ends with the first `off`.
 */
export class Subscription<F = never> implements Registration<F>, Disposable {
  readonly event: EventName | UserEvent;
  readonly hook: Hook;
  readonly callback: AnyCallback<F>;
  #owner: Subscribed<F> | undefined;

  constructor(owner: Subscribed<F>, event: EventName | UserEvent, hook: Hook, callback: AnyCallback<F>) {
    this.#owner = owner;
    this.event = event;
    this.hook = hook;
    this.callback = callback;
  }

  /** Takes the callback out; a second time does nothing. */
  off(): void {
    const owner = this.#owner;
    this.#owner = undefined;
    owner?.unsubscribe(this);
  }

  [Symbol.dispose](): void {
    this.off();
  }
}
