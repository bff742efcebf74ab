/**
 * Events that programs define: a built-in event or another defined one, narrowed by a predicate. They are trees below
 * the built-in events (mOS, NSDI 2017, §3.2), may carry a payload of their own, and are met at the hooks of the built-in
 * event at their root, at any depth.
 * @module
 */
import { ConfigurationError, LimitExceededError } from "#base/errors.ts";
import type { EventHooks, EventName, EventPayloads } from "./events.ts";
import { isEventName } from "./slot.ts";

/** Events above an event, itself and those raised by callbacks included: one more is refused. */
export const EVENT_DEPTH_MAX = 64;

/** As the dispatcher calls a predicate: which types it wants was checked where the event was defined. */
export type AnyPredicate = (flow: never, event: never) => unknown;

/**
 * An event of a program's own. `Root` is the built-in event above it, `Payload` what `event.payload` is for its
 * callbacks (`undefined`: there is none), `F` the flows its predicate can be asked about.
 */
export class UserEvent<Root extends EventName = EventName, out Payload = unknown, in F = never> {
  /** The built-in event at the root of the tree. */
  readonly root: Root;
  /** What it was defined below. */
  readonly parent: EventName | UserEvent;
  /** Whether it happens; `undefined` for a floating event, which happens when it is raised. */
  readonly predicate: AnyPredicate | undefined;
  /** Rises with every definition: siblings are evaluated in this order. */
  readonly order: number;
  /** 1 below a built-in event, and so on. */
  readonly depth: number;
  /** Only for the type checker. */
  declare readonly types?: { readonly payload: Payload; readonly flow: (flow: F) => void };

  /** Use {@link defineEvent} or {@link floatingEvent}. */
  constructor(root: Root, parent: EventName | UserEvent, predicate: AnyPredicate | undefined) {
    this.root = root;
    this.parent = parent;
    this.predicate = predicate;
    this.depth = typeof parent === "string" ? 1 : parent.depth + 1;
    definitionCount += 1;
    this.order = definitionCount;
  }
}

/** An event without a predicate: it happens below the event being visited whenever `raise` says so. */
export class FloatingEvent<
  Root extends EventName = EventName,
  out Payload = unknown,
  in F = never,
> extends UserEvent<Root, Payload, F> {
  /** The same event, typed with what is raised with it: `floatingEvent("newData").carrying<Hello>()`. */
  carrying<P extends object>(): FloatingEvent<Root, P, F> {
    return this as unknown as FloatingEvent<Root, P, F>;
  }
}

/** Whatever a callback for flows `F` can be registered for. */
export type AnyEvent<F> = EventName | UserEvent<EventName, unknown, F>;

/** The built-in event at the root of `E`. */
export type RootOf<E> = E extends EventName
  ? E
  : E extends UserEvent<infer Root, unknown, never>
    ? Root
    : never;

/** What `event.payload` is for `E`; `undefined` when there is none. */
export type PayloadOf<E> = E extends EventName
  ? undefined
  : E extends UserEvent<EventName, infer Payload, never>
    ? Payload
    : never;

/** At which hooks `E` can be met. */
export type HooksOf<E> = EventHooks[RootOf<E>];

/** What callbacks of `E` are told: the built-in event at its root, and the payload when there is one. */
export type EventOf<E> = E extends EventName
  ? EventPayloads[E]
  : [PayloadOf<E>] extends [undefined]
    ? EventPayloads[RootOf<E>]
    : EventPayloads[RootOf<E>] & { readonly payload: PayloadOf<E> };

/**
 * What is called for `E`. The event object is good until the callback returns. What it throws, or what a promise it
 * returns is rejected with, is counted for the monitor and stops nothing.
 */
export type Callback<E, F> = (flow: F, event: EventOf<E>) => void;

/** The payload that a predicate's answers make: its objects, or what the parent's is where it may say `true`. */
export type PayloadFrom<Answer, E> =
  | Exclude<Answer, boolean | undefined>
  | ([Extract<Answer, true>] extends [never] ? never : PayloadOf<E>);

/** {@link defineEvent} for flows `F`. */
export type DefineEvent<F> = <const E extends AnyEvent<F>, Answer extends boolean | object | undefined>(
  parent: E,
  predicate: (flow: F, event: EventOf<E>) => Answer,
) => UserEvent<RootOf<E>, PayloadFrom<Answer, E>, F>;

/** Rises by one with each definition. */
let definitionCount = 0;

/** What was defined below each event, by predicate; kept only as long as the predicate is. */
const definitions = new Map<EventName, WeakMap<AnyPredicate, UserEvent>>();
const definitionsBelow = new WeakMap<UserEvent, WeakMap<AnyPredicate, UserEvent>>();

/**
 * The event that happens when `parent` does and `predicate` says so: `true`, or an object, which is the payload of
 * this event and of those below it that bring none of their own. `false` and `undefined` say no, and leave out
 * what is defined below. The same parent and predicate give the same event. The predicate is asked once for every
 * monitor, hook and occurrence while anybody listens to the event or one below; it must not keep `event`.
 * @throws ConfigurationError when `parent` is no event or `predicate` no function.
 * @throws LimitExceededError when it would lie deeper than {@link EVENT_DEPTH_MAX}.
 */
export function defineEvent<F, const E extends AnyEvent<F>, Answer extends boolean | object | undefined>(
  parent: E,
  predicate: (flow: F, event: EventOf<E>) => Answer,
): UserEvent<RootOf<E>, PayloadFrom<Answer, E>, F> {
  const root = rootFor(parent);
  if (typeof predicate !== "function") {
    throw new ConfigurationError(
      `Cannot define an event below ${describeEvent(parent)}: its predicate is ${typeof predicate}, wanted a function`,
    );
  }
  const key: AnyPredicate = predicate;
  const known = definitionsOf(parent);
  let event = known.get(key);
  if (event === undefined) {
    event = new UserEvent(root, parent, key);
    known.set(key, event);
  }
  return event as unknown as UserEvent<RootOf<E>, PayloadFrom<Answer, E>, F>;
}

/**
 * A new event that a predicate or callback of `parent`, or of an event below it, raises: for a predicate with several
 * outcomes, or one outcome several times. Every call gives another event.
 * @throws ConfigurationError when `parent` is no event.
 * @throws LimitExceededError when it would lie deeper than {@link EVENT_DEPTH_MAX}.
 */
export function floatingEvent<const E extends AnyEvent<never>>(
  parent: E,
): FloatingEvent<RootOf<E>, PayloadOf<E>, FlowOf<E>> {
  const event = new FloatingEvent(rootFor(parent), parent, undefined);
  return event as unknown as FloatingEvent<RootOf<E>, PayloadOf<E>, FlowOf<E>>;
}

/** The flows that the predicates above `E` can be asked about. */
type FlowOf<E> = E extends UserEvent<EventName, unknown, infer F> ? F : unknown;

/** What error messages call an event. */
export function describeEvent(event: EventName | UserEvent): string {
  return typeof event === "string" ? event : `an event defined below ${event.root}`;
}

function rootFor(parent: EventName | UserEvent): EventName {
  if (parent instanceof UserEvent) {
    if (parent.depth < EVENT_DEPTH_MAX) return parent.root;
    throw new LimitExceededError(
      `Cannot define an event below ${parent.root}: ${EVENT_DEPTH_MAX} events lie above it; define it further up`,
    );
  }
  if (isEventName(parent)) return parent;
  throw new ConfigurationError(`Cannot define an event below ${String(parent)}: there is no such event`);
}

function definitionsOf(parent: EventName | UserEvent): WeakMap<AnyPredicate, UserEvent> {
  const known = typeof parent === "string" ? definitions.get(parent) : definitionsBelow.get(parent);
  if (known !== undefined) return known;
  const made = new WeakMap<AnyPredicate, UserEvent>();
  if (typeof parent === "string") definitions.set(parent, made);
  else definitionsBelow.set(parent, made);
  return made;
}
