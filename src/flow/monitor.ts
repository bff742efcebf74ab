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
import * as slots from "./event/slot.ts";
import { Subscription } from "./event/subscription.ts";
import type { AnyEvent, Callback, HooksOf, UserEvent } from "./event/user-event.ts";
import { Flow } from "./flow.ts";
import type { Direction } from "./side.ts";
import * as bits from "./table/flags.ts";
import { generationOf } from "./table/flags.ts";
import * as record from "./table/record.ts";

// The module's own, so that the compiler has their numbers; imported ones it looks up each time.
const { Slot } = slots;
const { RowFlag } = bits;
const { RECORD_WORDS, Word } = record;

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
  /**
   * Bytes of a direction kept for it while it has not read them; 0: what a callback leaves is gone. Who listens to
   * `newData` only to count wants 0: keeping costs several times as much as all the rest.
   */
  readonly unreadBytesMax?: number;
  /**
   * Whether it may change the bytes of its flows, by `FlowEnd.insert` and the like: then they are forwarded in order only,
   * so that each is seen before; `false` when not given. Only inline, by `FlowEngine.handlePacket`.
   */
  readonly edits?: boolean;
}

export class FlowMonitor<Context = unknown> {
  readonly name: string;
  readonly view: "sent" | "acked";
  readonly unreadBytesMax: number;
  readonly edits: boolean;
  /** Callbacks and predicates that have thrown. */
  errorCount = 0;
  readonly #core: FlowCore;
  readonly #index: number;
  #registrations: Registrations<never> = Registrations.empty();
  /** Flows that something is remembered of, by row. */
  readonly #flows: (Flow<Context> | undefined)[] = [];
  /** The last other one. */
  #recent: Flow<Context> | undefined;

  /** Use `FlowEngine.monitor`. */
  constructor(core: FlowCore, index: number, options: MonitorOptions) {
    this.#core = core;
    this.#index = index;
    this.name = options.name ?? `monitor ${index + 1}`;
    this.view = options.view ?? "sent";
    this.unreadBytesMax = options.unreadBytesMax ?? core.limits.streamBytesMax;
    this.edits = options.edits ?? false;
    const bit = 1 << index;
    if (this.edits) core.dispatcher.editing |= bit;
    const compares = core.policy.conflict !== "report" && core.limits.compareBytes > 0;
    if (this.view === "acked") core.dispatcher.acknowledged |= bit;
    if (this.view === "acked" || compares) core.dispatcher.keeping |= bit;
    if (compares) core.dispatcher.comparing |= bit;
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
  ): Subscription {
    this.#registrations = this.#registrations.with(event as never, hook as never, callback as never);
    this.#want(this.#registrations);
    return new Subscription(
      this,
      event as EventName | UserEvent,
      hook as Hook,
      callback as AnyCallback<never>,
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

  unsubscribe(registration: Registration<never>): void {
    this.#registrations = this.#registrations.without(registration);
  }

  /** Brings what a set listens to to the engine's notice. */
  #want(registrations: Registrations<never>): void {
    const { dispatcher, limits } = this.#core;
    const bit = 1 << this.#index;
    dispatcher.wanted |= registrations.wanted;
    if (!registrations.wants(Slot.retransmission) || limits.compareBytes === 0) return;
    dispatcher.keeping |= bit;
    dispatcher.comparing |= bit;
  }

  /** From now on the flow has this object, until it ends. */
  $pin(flow: Flow<Context>, row: number): void {
    const flows = this.#flows;
    if (flows[row] === flow) return;
    while (flows.length < row) flows.push(undefined);
    flows[row] = flow;
    const { words } = this.#core.table;
    const at = row * RECORD_WORDS + Word.flags;
    words[at] = (words[at] as number) | RowFlag.pinned;
  }

  /** The flow in a row as this monitor knows it. */
  #flowOf(row: number): Flow<Context> {
    const flags = this.#core.table.words[row * RECORD_WORDS + Word.flags] as number;
    if ((flags & RowFlag.pinned) !== 0) {
      const pinned = this.#flows[row];
      if (pinned !== undefined) return pinned;
    }
    if (this.#recent?.$is(row, flags) !== true) {
      this.#recent = new Flow<Context>(this, this.#core, row, generationOf(flags));
    }
    return this.#recent as Flow<Context>;
  }

  /** The same if anything is known of it. */
  #known(row: number): Flow<Context> | undefined {
    const flags = this.#core.table.words[row * RECORD_WORDS + Word.flags] as number;
    const pinned = (flags & RowFlag.pinned) === 0 ? undefined : this.#flows[row];
    if (pinned !== undefined) return pinned;
    return this.#recent?.$is(row, flags) === true ? this.#recent : undefined;
  }

  /** The set of all its flows. */
  get $registrations(): Registrations<never> {
    return this.#registrations;
  }

  /** A flow has got a set of its own. */
  $wants(registrations: Registrations<never>): void {
    this.#want(registrations);
  }

  /** Tells of an event of a flow that this monitor follows. */
  $tell(slot: number, row: number, event: EventObject): void {
    const flow = this.#flowOf(row);
    const set = flow.$own ?? this.#registrations;
    if ((set.wanted & (1 << slot)) === 0 || flow.$isStopped(event.sender)) return;
    set.run(slot, flow as never, event, this.#onError);
  }

  /** Tells of an event that belongs to no flow. */
  $tellNone(slot: number, event: EventObject): void {
    const set = this.#registrations;
    if ((set.wanted & (1 << slot)) === 0) return;
    set.run(slot, undefined as never, event, this.#onError);
  }

  /**
   * Tells of bytes of a flow that can be read now, up to `to`; those from `from` on may not have been told of.
   * @returns how many it has left unread
   */
  $tellData(row: number, direction: Direction, from: number, to: number, event: EventObject): number {
    const flow = this.#flowOf(row);
    const set = flow.$own ?? this.#registrations;
    if ((set.wanted & (1 << Slot.newData)) === 0 || flow.$isStopped(event.sender)) return 0;
    flow.$arrived(direction, from, to);
    set.run(Slot.newData, flow as never, event, this.#onError);
    const unread = flow.$unread(direction);
    if (unread === 0) return 0;
    this.$pin(flow, row);
    return Math.min(unread, this.unreadBytesMax);
  }

  /** Where the bytes begin that this monitor may still ask for; those up to `told` may have been told of. */
  $needed(row: number, direction: Direction, told: number): number {
    const unread = this.#known(row)?.$unread(direction) ?? 0;
    return told - Math.min(unread, this.unreadBytesMax);
  }

  $takeBack(row: number, direction: Direction, offset: number): void {
    this.#known(row)?.$takeBack(direction, offset);
  }

  /** The row is free again. */
  $end(row: number): void {
    const flow = this.#known(row);
    if (flow === undefined) return;
    flow.$end();
    // Writing behind the end would make the list a dictionary.
    if (row < this.#flows.length) this.#flows[row] = undefined;
  }

  readonly #onError = (error: unknown, what: unknown): void => {
    this.errorCount++;
    this.#core.failed(this.name, error, what as Registration<never> | UserEvent);
  };
}
