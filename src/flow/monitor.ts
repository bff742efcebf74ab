/**
 * A monitor: somebody who follows flows. It is told of events, in the order of monitors, and has for each of its flows
 * a {@link Flow} with a context of its own (mOS's passive monitoring socket).
 * @module
 */
import type { Timer } from "#base/clock.ts";
import type { Duration } from "#base/time.ts";
import type { FlowCore } from "./core.ts";
import type { AnyCallback, Registration } from "./event/dispatch.ts";
import type { EventObject } from "./event/event-object.ts";
import type { EventName, Hook } from "./event/events.ts";
import { Registrations } from "./event/registrations.ts";
import { Slot } from "./event/slot.ts";
import { Subscription } from "./event/subscription.ts";
import type { AnyEvent, Callback, HooksOf, UserEvent } from "./event/user-event.ts";
import { Flow } from "./flow.ts";
import type { Direction } from "./side.ts";

/** How a monitor is made. */
export interface MonitorOptions {
  /** What errors and statistics call it. */
  readonly name?: string;
  /** Which flows it follows, in the language of pcap-filter, asked of a flow's first packet; all when not given. */
  readonly filter?: string;
  /** Which frames it is shown as `packet` at hook `none`; all when not given. */
  readonly packets?: string;
  /** Bytes as they were sent, or only once the receiver has acknowledged them; `sent` when not given. */
  readonly view?: "sent" | "acked";
  /** Bytes of a direction kept for it while it has not read them; 0: what a callback leaves is gone. */
  readonly unreadBytesMax?: number;
}

/** Whether a frame passes: `bytes[offset, offset + capturedBytes)` of `originalBytes`. */
export type FramePredicate = (
  bytes: Uint8Array,
  offset: number,
  capturedBytes: number,
  originalBytes: number,
) => boolean;

export class FlowMonitor<Context = unknown> {
  readonly name: string;
  readonly view: "sent" | "acked";
  readonly unreadBytesMax: number;
  /** Callbacks and predicates that have thrown. */
  errorCount = 0;
  readonly #core: FlowCore;
  readonly #index: number;
  #registrations: Registrations<Flow<Context>> = Registrations.empty();
  /** By row; those this monitor was told nothing of have none. */
  readonly #flows: (Flow<Context> | undefined)[] = [];

  /** Use `FlowEngine.monitor`. */
  constructor(core: FlowCore, index: number, options: MonitorOptions) {
    this.#core = core;
    this.#index = index;
    this.name = options.name ?? `monitor ${index + 1}`;
    this.view = options.view ?? "sent";
    this.unreadBytesMax = options.unreadBytesMax ?? core.limits.streamBytesMax;
  }

  /**
   * Calls `callback` for `event` at `hook`, for all flows of this monitor that have no registrations of their own.
   * Callbacks for the same event and hook are called in the order in which they came.
   * @throws ConfigurationError when the event cannot be met at the hook.
   */
  on<const E extends AnyEvent<Flow<Context>>>(
    event: E,
    hook: HooksOf<E>,
    callback: Callback<E, Flow<Context>>,
  ): Subscription<Flow<Context>> {
    this.#registrations = this.#registrations.with(event, hook, callback);
    this.#want(this.#registrations);
    return new Subscription(
      this,
      event as EventName | UserEvent,
      hook as Hook,
      callback as AnyCallback<Flow<Context>>,
    );
  }

  /**
   * Calls `callback` once packets are `delay` later than now; before the first packet, than that one.
   * @throws LimitExceededError when too many timers wait.
   */
  setTimer(delay: Duration, callback: () => void): Timer {
    return this.#core.setTimer(delay, () => {
      try {
        callback();
      } catch (error) {
        this.errorCount++;
        this.#core.failed(this.name, error, undefined);
      }
    });
  }

  /** Lets the packet at hand go no further, as `Flow.drop`: for events that have no flow, such as `orphan`. */
  drop(): void {
    this.#core.dispatcher.isDropped = true;
  }

  unsubscribe(registration: Registration<Flow<Context>>): void {
    this.#registrations = this.#registrations.without(registration);
  }

  /** Brings what a set listens to to the engine's notice. */
  #want(registrations: Registrations<Flow<Context>>): void {
    const { dispatcher, limits } = this.#core;
    const bit = 1 << this.#index;
    dispatcher.wanted |= registrations.wanted;
    const compares = registrations.wants(Slot.retransmission) && limits.compareBytes > 0;
    if (compares || this.view === "acked") dispatcher.keeping |= bit;
    if (this.view === "acked") dispatcher.acknowledged |= bit;
  }

  /** The flow of a row as this monitor knows it. */
  $flow(row: number): Flow<Context> {
    let flow = this.#flows[row];
    if (flow === undefined) {
      while (this.#flows.length < row) this.#flows.push(undefined);
      flow = new Flow<Context>(this, this.#core, row);
      this.#flows[row] = flow;
    }
    return flow;
  }

  /** The set of all its flows. */
  get $registrations(): Registrations<Flow<Context>> {
    return this.#registrations;
  }

  /** A flow has got a set of its own. */
  $wants(registrations: Registrations<Flow<Context>>): void {
    this.#want(registrations);
  }

  /** Tells of an event of a flow that this monitor follows. */
  $tell(slot: number, row: number, event: EventObject): void {
    const known = this.#flows[row];
    const set = known?.$own ?? this.#registrations;
    if ((set.wanted & (1 << slot)) === 0) return;
    if (known?.$isStopped(event.sender) === true) return;
    set.run(slot, known ?? this.$flow(row), event, this.#onError);
  }

  /** Tells of an event that belongs to no flow. */
  $tellNone(slot: number, event: EventObject): void {
    const set = this.#registrations;
    if ((set.wanted & (1 << slot)) === 0) return;
    set.run(slot, undefined as unknown as Flow<Context>, event, this.#onError);
  }

  /**
   * Tells of bytes of a flow that can be read now.
   * @returns how many it has left unread
   */
  $tellData(row: number, direction: Direction, lengthBytes: number, event: EventObject): number {
    const known = this.#flows[row];
    const set = known?.$own ?? this.#registrations;
    if ((set.wanted & (1 << Slot.newData)) === 0) return 0;
    if (known?.$isStopped(event.sender) === true) return 0;
    const flow = known ?? this.$flow(row);
    flow.$arrived(direction, lengthBytes);
    set.run(Slot.newData, flow, event, this.#onError);
    const unread = flow.$unread(direction);
    if (unread <= this.unreadBytesMax) return unread;
    // What is read first is what came last: the rest is reported as a gap by the next read.
    flow.$arrived(direction, this.unreadBytesMax - unread);
    return this.unreadBytesMax;
  }

  /** Bytes of a direction that this monitor has not read. */
  $unread(row: number, direction: Direction): number {
    return this.#flows[row]?.$unread(direction) ?? 0;
  }

  /** Unread bytes had to go. */
  $forget(row: number, direction: Direction): void {
    const flow = this.#flows[row];
    if (flow !== undefined) flow.$arrived(direction, -flow.$unread(direction));
  }

  /** The row is free again. */
  $end(row: number): void {
    const flow = this.#flows[row];
    if (flow === undefined) return;
    flow.$end();
    this.#flows[row] = undefined;
  }

  readonly #onError = (error: unknown, what: Registration<Flow<Context>> | UserEvent): void => {
    this.errorCount++;
    this.#core.failed(this.name, error, what as Registration<never> | UserEvent);
  };
}
