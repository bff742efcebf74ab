/**
 * Sets of registrations that never change: a flow takes its monitor's by reference and one that differs has another.
 * The same registrations in the same order are one object however many flows hold them, because each set remembers the
 * sets made from it; it does so weakly, so that a callback made for one flow goes with that flow.
 * @module
 */
import { ConfigurationError, LimitExceededError } from "#base/errors.ts";
import type { AnyCallback, OnError, Registration } from "./dispatch.ts";
import { Program, watch } from "./dispatch.ts";
import type { EventObject } from "./event-object.ts";
import type { EventName, Hook } from "./events.ts";
import { SLOT_COUNT, slotOf } from "./slot.ts";
import type { AnyEvent, Callback, HooksOf } from "./user-event.ts";
import { UserEvent } from "./user-event.ts";

/** Registrations in one set; one more is refused. */
export const REGISTRATION_COUNT_MAX = 1024;

/**
 * Each time so many sets were made, what sets remember of those made from them is void: what is held stays, equal ones
 * are made once more. It bounds what callbacks that are never used again cost, and the collector's work with them.
 */
export const REMEMBERED_SET_COUNT_MAX = 1024;

/** What listens, in order of registration. `F` is the flow handed to callbacks. */
export class Registrations<F> {
  static readonly #EMPTY: Registrations<never> = new Registrations([], 0, []);
  /** Sets made since what was remembered last became void, and how often it has. */
  static #madeCount = 0;
  static #era = 0;

  /** A bit, `1 << slot`, for every slot where somebody listens, be it to an event defined below. */
  readonly wanted: number;
  readonly count: number;
  /** All of it; the sets it was made from are not held, for they would be as many, and each with its programs. */
  readonly #list: readonly Registration<F>[];
  readonly #programs: readonly (Program<F> | undefined)[];
  #next: WeakMap<AnyCallback<F>, Step<F>> | undefined;
  #nextEra = 0;

  private constructor(
    list: readonly Registration<F>[],
    wanted: number,
    programs: readonly (Program<F> | undefined)[],
  ) {
    this.#list = list;
    this.count = list.length;
    this.wanted = wanted;
    this.#programs = programs;
  }

  /** Nobody listens to anything. */
  static empty<F>(): Registrations<F> {
    return Registrations.#EMPTY as unknown as Registrations<F>;
  }

  /**
   * The set that also has `callback` for `event` at `hook`, called behind those already there for the same event
   * (mOS has one for each event and hook). A callback that is there already is there once: this very set.
   * @throws ConfigurationError when the event is not met at the hook, or an argument is not what it should be.
   * @throws LimitExceededError when the set has {@link REGISTRATION_COUNT_MAX}.
   */
  with<const E extends AnyEvent<F>>(event: E, hook: HooksOf<E>, callback: Callback<E, F>): Registrations<F> {
    return this.#with(event, hook, callback);
  }

  /** The set without that event, hook and callback; this very set when it has none such. */
  without(registration: Registration<F>): Registrations<F> {
    const { event, hook, callback } = registration;
    const at = this.#list.findIndex((one) => isSame(one, event, hook, callback));
    if (at < 0) return this;
    let rest = Registrations.empty<F>();
    for (const one of this.#list.toSpliced(at, 1)) rest = rest.#with(one.event, one.hook, one.callback);
    return rest;
  }

  /** Whether anybody listens at the slot. */
  wants(slot: number): boolean {
    return (this.wanted & (1 << slot)) !== 0;
  }

  /** Calls everybody who listens at the slot, in the order that dispatch.ts tells. Never throws unless `onError` does. */
  run(slot: number, flow: F, event: EventObject, onError: OnError<F>): void {
    const program = this.#programs[slot];
    if (program === undefined) return;
    const { single } = program;
    if (single === undefined) {
      program.run(flow, event, onError);
      return;
    }
    try {
      const answer = single(flow, event);
      if (answer !== undefined) watch(answer, onError, program.registrations[0] as Registration<F>);
    } catch (error) {
      onError(error, program.registrations[0] as Registration<F>);
    }
  }

  #with(event: EventName | UserEvent, hook: Hook, callback: AnyCallback<F>): Registrations<F> {
    if (typeof callback !== "function") {
      throw new ConfigurationError(`Cannot listen: the callback is ${typeof callback}, wanted a function`);
    }
    const next = this.#remembered();
    const known = next.get(callback);
    for (let step = known; step !== undefined; step = step.other) {
      if (step.event === event && step.hook === hook) return step.set;
    }
    const slot = slotOf(event instanceof UserEvent ? event.root : event, hook);
    const set = this.#has(event, hook, callback) ? this : this.#grown(slot, { event, hook, callback });
    next.set(callback, { event, hook, set, other: known });
    return set;
  }

  #grown(slot: number, registration: Registration<F>): Registrations<F> {
    if (this.count >= REGISTRATION_COUNT_MAX) {
      throw new LimitExceededError(
        `Cannot listen: ${REGISTRATION_COUNT_MAX} callbacks do already; register each once, not once for every packet`,
      );
    }
    const programs =
      this.#programs.length === 0 ? new Array(SLOT_COUNT).fill(undefined) : this.#programs.slice();
    programs[slot] = Program.with(this.#programs[slot], registration);
    Registrations.#madeCount += 1;
    return new Registrations([...this.#list, registration], this.wanted | (1 << slot), programs);
  }

  #has(event: EventName | UserEvent, hook: Hook, callback: AnyCallback<F>): boolean {
    return this.#list.some((one) => isSame(one, event, hook, callback));
  }

  #remembered(): WeakMap<AnyCallback<F>, Step<F>> {
    if (Registrations.#madeCount >= REMEMBERED_SET_COUNT_MAX) {
      Registrations.#madeCount = 0;
      Registrations.#era += 1;
    }
    if (this.#next === undefined || this.#nextEra !== Registrations.#era) {
      this.#next = new WeakMap();
      this.#nextEra = Registrations.#era;
    }
    return this.#next;
  }
}

/** A set made from another: what was added; `other` is for the same callback. */
interface Step<F> {
  readonly event: EventName | UserEvent;
  readonly hook: Hook;
  readonly set: Registrations<F>;
  readonly other: Step<F> | undefined;
}

function isSame<F>(
  registration: Registration<F>,
  event: EventName | UserEvent,
  hook: Hook,
  callback: AnyCallback<F>,
): boolean {
  return registration.callback === callback && registration.event === event && registration.hook === hook;
}
