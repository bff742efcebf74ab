/**
 * What runs at one slot: the callbacks of the built-in event in order of registration, then the trees of events
 * defined below it, pre-order and depth first. At each node: its predicate (`false` leaves the node and all below it out),
 * its callbacks, its children in order of definition, then what the node's own predicate and callbacks raised, in order of
 * raising. Nothing a program does in there ends the pass, and a pass allocates nothing.
 * @module
 */
import { ConfigurationError, LimitExceededError } from "#base/errors.ts";
import type { EventObject } from "./event-object.ts";
import type { EventName, EventPayloads, Hook } from "./events.ts";
import type { FloatingEvent } from "./user-event.ts";
import { describeEvent, EVENT_DEPTH_MAX, type UserEvent } from "./user-event.ts";

/** Events raised and not yet visited, within one pass: `raise` refuses one more. */
export const RAISED_COUNT_MAX = 1024;

/** As the dispatcher calls a callback. */
export type AnyCallback<F> = (flow: F, event: never) => unknown;

/** A callback and what it waits for; two with the same three are the same. */
export interface Registration<F> {
  readonly event: EventName | UserEvent;
  readonly hook: Hook;
  readonly callback: AnyCallback<F>;
}

/** Told what a callback threw (`what` is its registration) or a predicate (`what` is its event). Must not throw. */
export type OnError<F> = (error: unknown, what: Registration<F> | UserEvent) => void;

/** As callbacks and predicates are stored: the types were checked where they came in. */
type Callable<F> = (flow: F, event: EventObject) => unknown;

/** A user-defined event in one set of registrations; never changed. */
class EventNode<F> {
  readonly event: UserEvent;
  readonly predicate: Callable<F> | undefined;
  readonly registrations: readonly Registration<F>[];
  /** By {@link UserEvent.order}. */
  readonly children: readonly EventNode<F>[];
  /** 1 at the top of its tree. */
  readonly level: number;

  constructor(
    level: number,
    event: UserEvent,
    registrations: readonly Registration<F>[],
    children: readonly EventNode<F>[],
  ) {
    this.level = level;
    this.event = event;
    this.predicate = event.predicate as Callable<F> | undefined;
    this.registrations = registrations;
    this.children = children;
  }
}

/** What one set of registrations does at one slot; never changed. */
export class Program<F> {
  /** The callback when there is one, of a built-in event, and nothing else. */
  readonly single: Callable<F> | undefined;
  readonly registrations: readonly Registration<F>[];
  readonly trees: readonly EventNode<F>[];
  /** Trees that wait for a floating event at their top. */
  readonly floating: readonly EventNode<F>[];

  private constructor(
    registrations: readonly Registration<F>[],
    trees: readonly EventNode<F>[],
    floating: readonly EventNode<F>[],
  ) {
    const first = registrations[0];
    const isSingle = registrations.length === 1 && trees.length === 0 && floating.length === 0;
    this.single = isSingle && first !== undefined ? (first.callback as Callable<F>) : undefined;
    this.registrations = registrations;
    this.trees = trees;
    this.floating = floating;
  }

  /** This program (`undefined`: none yet) and one registration more, last of its event. */
  static with<F>(program: Program<F> | undefined, registration: Registration<F>): Program<F> {
    const registrations = program === undefined ? [] : program.registrations;
    const trees = program === undefined ? [] : program.trees;
    const floating = program === undefined ? [] : program.floating;
    const { event } = registration;
    if (typeof event === "string") return new Program([...registrations, registration], trees, floating);
    const path = pathTo(event);
    if (path[0]?.predicate === undefined) {
      return new Program(registrations, trees, grown(floating, path, 0, registration));
    }
    return new Program(registrations, grown(trees, path, 0, registration), floating);
  }

  /** Runs all of it once. */
  run(flow: F, event: EventObject, onError: OnError<F>): void {
    if (this.floating.length !== 0) {
      this.#runRaising(flow, event, onError);
      return;
    }
    callAll(this.registrations, flow, event, onError);
    if (this.trees.length !== 0) visitAll(this.trees, flow, event, onError);
  }

  /** Where something waits for a floating event, whoever raises one must be known. */
  #runRaising(flow: F, event: EventObject, onError: OnError<F>): void {
    const outerFloating = passFloating;
    const outerEvent = passEvent;
    const outerDepth = passDepth;
    const start = raisedCount;
    passFloating = this.floating;
    passEvent = event;
    passDepth = 0;
    try {
      callAll(this.registrations, flow, event, onError);
      const end = raisedCount;
      visitAll(this.trees, flow, event, onError);
      if (end !== start) visitRaised(1, start, end, flow, event, onError);
    } finally {
      forgetRaised(start);
      passFloating = outerFloating;
      passEvent = outerEvent;
      passDepth = outerDepth;
    }
  }
}

/**
 * Makes `floating` happen below the event whose predicate or callback is running, with `payload`; without one its
 * callbacks see the payload of that event. It is visited behind that event's children, for this pass and monitor only;
 * not at all when the predicate says no, when nobody listens to it at this hook, or once `event` has been handled.
 * @throws ConfigurationError when `event` is of another built-in event than the one `floating` was made below.
 * @throws LimitExceededError at {@link RAISED_COUNT_MAX}, and where events raise each other deeper than
 * {@link EVENT_DEPTH_MAX}.
 */
export function raise<Root extends EventName>(
  event: EventPayloads[Root],
  floating: FloatingEvent<Root, undefined>,
): void;
export function raise<Root extends EventName, Payload extends object>(
  event: EventPayloads[Root],
  floating: FloatingEvent<Root, Payload>,
  payload: Payload,
): void;
export function raise(event: EventPayloads[EventName], floating: FloatingEvent, payload?: unknown): void {
  // Without types the two are easily taken for each other, and neither then has the name or the root of the other.
  if (floating.root === undefined) {
    throw new ConfigurationError(
      "Cannot raise: the event being handled comes first, the floating event second",
    );
  }
  if (event.name !== floating.root) {
    throw new ConfigurationError(
      `Cannot raise ${describeEvent(floating)}: the event being handled is ${event.name}`,
    );
  }
  // A lone callback runs without a pass: nothing there waits for a floating event.
  if (passEvent !== event) return;
  for (const node of passFloating) {
    if (node.event !== floating) continue;
    if (raisedCount >= RAISED_COUNT_MAX) {
      throw new LimitExceededError(
        `Cannot raise ${describeEvent(floating)}: ${RAISED_COUNT_MAX} events wait already`,
      );
    }
    if (passDepth >= EVENT_DEPTH_MAX) {
      throw new LimitExceededError(
        `Cannot raise ${describeEvent(floating)}: ${EVENT_DEPTH_MAX} events lie above it already`,
      );
    }
    raisedNodes[raisedCount] = node as EventNode<unknown>;
    raisedPayloads[raisedCount] = payload;
    raisedCount += 1;
    return;
  }
}

/** Tells `onError` when a callback's promise is rejected: else one would end the process. */
export function watch<F>(answer: unknown, onError: OnError<F>, what: Registration<F> | UserEvent): void {
  if (answer instanceof Promise) answer.then(undefined, (error: unknown) => onError(error, what));
}

/** The pass being run: what may be raised in it, its event, how many events lie above what was raised last. */
let passFloating: readonly EventNode<never>[] = [];
let passEvent: EventPayloads[EventName] | undefined;
let passDepth = 0;

/** Raised and not yet visited; a stack over all nodes being visited. */
let raisedCount = 0;
const raisedNodes: (EventNode<unknown> | undefined)[] = [];
const raisedPayloads: unknown[] = [];

function callAll<F>(
  registrations: readonly Registration<F>[],
  flow: F,
  event: EventObject,
  onError: OnError<F>,
): void {
  for (let index = 0; index < registrations.length; index += 1) {
    const registration = registrations[index] as Registration<F>;
    try {
      const callback = registration.callback as Callable<F>;
      const answer = callback(flow, event);
      if (answer !== undefined) watch(answer, onError, registration);
    } catch (error) {
      onError(error, registration);
    }
  }
}

function visitAll<F>(nodes: readonly EventNode<F>[], flow: F, event: EventObject, onError: OnError<F>): void {
  for (let index = 0; index < nodes.length; index += 1)
    visit(nodes[index] as EventNode<F>, flow, event, onError);
}

function visit<F>(node: EventNode<F>, flow: F, event: EventObject, onError: OnError<F>): void {
  const start = raisedCount;
  const outerPayload = event.payload;
  const { predicate } = node;
  if (predicate === undefined || holds(predicate, node.event, flow, event, onError)) {
    callAll(node.registrations, flow, event, onError);
    const end = raisedCount;
    if (node.children.length !== 0) visitAll(node.children, flow, event, onError);
    if (end !== start) visitRaised(node.level, start, end, flow, event, onError);
  }
  if (raisedCount !== start) forgetRaised(start);
  event.payload = outerPayload;
}

/** Asks a predicate; an object it answers is the payload from here on down. */
function holds<F>(
  predicate: Callable<F>,
  what: UserEvent,
  flow: F,
  event: EventObject,
  onError: OnError<F>,
): boolean {
  try {
    const answer = predicate(flow, event);
    if (!answer) return false;
    if (typeof answer !== "object") return true;
    if (answer instanceof Promise) {
      watch(answer, onError, what);
      throw new ConfigurationError(`Cannot ask ${describeEvent(what)}: its predicate is asynchronous`);
    }
    event.payload = answer;
    return true;
  } catch (error) {
    onError(error, what);
    return false;
  }
}

function visitRaised<F>(
  level: number,
  start: number,
  end: number,
  flow: F,
  event: EventObject,
  onError: OnError<F>,
): void {
  const outerPayload = event.payload;
  const outerDepth = passDepth;
  passDepth = outerDepth + level;
  for (let index = start; index < end; index += 1) {
    const payload = raisedPayloads[index];
    if (payload !== undefined) event.payload = payload;
    visit(raisedNodes[index] as EventNode<F>, flow, event, onError);
    event.payload = outerPayload;
  }
  passDepth = outerDepth;
}

/** What was raised from `start` on is dropped, and no payload kept alive. */
function forgetRaised(start: number): void {
  while (raisedCount > start) {
    raisedCount -= 1;
    raisedNodes[raisedCount] = undefined;
    raisedPayloads[raisedCount] = undefined;
  }
}

/** From the child of a built-in event, or the nearest floating event, down to `event`. */
function pathTo(event: UserEvent): readonly UserEvent[] {
  const path: UserEvent[] = [];
  let above: EventName | UserEvent = event;
  while (typeof above !== "string") {
    path.unshift(above);
    if (above.predicate === undefined) break;
    above = above.parent;
  }
  return path;
}

/** `nodes` with `registration` at the end of `path`, of which `depth` steps are above them. */
function grown<F>(
  nodes: readonly EventNode<F>[],
  path: readonly UserEvent[],
  depth: number,
  registration: Registration<F>,
): readonly EventNode<F>[] {
  const event = path[depth];
  if (event === undefined) return nodes;
  const old = nodes.find((node) => node.event === event);
  const isLast = depth === path.length - 1;
  const registrations = old === undefined ? [] : old.registrations;
  const node = new EventNode(
    depth + 1,
    event,
    isLast ? [...registrations, registration] : registrations,
    grown(old === undefined ? [] : old.children, path, depth + 1, registration),
  );
  return [...nodes.filter((other) => other !== old), node].sort((a, b) => a.event.order - b.event.order);
}
