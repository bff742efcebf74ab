/**
 * A flow as one monitor knows it (mOS's active monitoring socket): its two ends, a context of the monitor's own, and what
 * can be done with the packet at hand. It may be kept until `connectionEnd` has returned.
 *
 * A flow that nothing is remembered of has no object: two events may bring two for one flow. As soon as it has a context, a
 * timer, registrations of its own or unread bytes it is always the same one.
 * @module
 */
import type { Timer } from "#base/clock.ts";
import type { Duration, Instant } from "#base/time.ts";
import type { Packet } from "#packet/packet.ts";
import type { FlowCore } from "./core.ts";
import { FlowEndedError, NoPacketError } from "./errors.ts";
import type { AnyCallback, Registration } from "./event/dispatch.ts";
import type { EventName, Hook } from "./event/events.ts";
import type { Registrations } from "./event/registrations.ts";
import { Subscription } from "./event/subscription.ts";
import type { AnyEvent, Callback, HooksOf, UserEvent } from "./event/user-event.ts";
import { FlowEnd } from "./flow-end.ts";
import type { FlowMonitor } from "./monitor.ts";
import type { Direction, Side } from "./side.ts";
import * as bits from "./table/flags.ts";
import { generationOf } from "./table/flags.ts";
import * as record from "./table/record.ts";

// The module's own, so that the compiler has their numbers; imported ones it looks up each time.
const { RowFlag } = bits;
const { RECORD_WORDS, Word } = record;

/** What only few flows have. */
class Extra {
  registrations: Registrations<never> | undefined = undefined;
  /** Directions that are not followed any more: a bit for each. */
  stopped = 0;
  readonly timers: Set<Timer> = new Set();
}

export class Flow<Context = unknown> {
  readonly monitor: FlowMonitor<Context>;
  readonly #core: FlowCore;
  readonly #row: number;
  /** Which of the flows that the row has held. */
  readonly #generation: number;
  #context: Context | undefined;
  /** Of each direction what was told of, -1 when nothing was, and where the first byte is that was not read. */
  #clientTold: number;
  #clientRead: number;
  #serverTold: number;
  #serverRead: number;
  #extra: Extra | undefined;

  /** Made by the monitor. */
  constructor(monitor: FlowMonitor<Context>, core: FlowCore, row: number, generation: number) {
    this.monitor = monitor;
    this.#core = core;
    this.#row = row;
    this.#generation = generation;
    this.#context = undefined;
    // Fields that held `undefined` first take numbers as they come; others would have a box each, made with the flow.
    this.#clientTold = -1;
    this.#clientRead = 0;
    this.#serverTold = -1;
    this.#serverRead = 0;
  }

  /** A number that no other open flow of the engine has, 0 to 2^53 - 1. */
  get id(): number {
    return this.#row * 65_536 + this.#generation;
  }

  /** The monitor's own, for this flow: nobody else sees it. `undefined` until it is set. */
  get context(): Context {
    return this.#context as Context;
  }

  set context(context: Context) {
    this.#context = context;
    this.monitor.$pin(this, this.$row);
  }

  /** Who opened the flow. */
  get client(): FlowEnd {
    return new FlowEnd(this as unknown as Flow<unknown>, this.#core, 0);
  }

  get server(): FlowEnd {
    return new FlowEnd(this as unknown as Flow<unknown>, this.#core, 1);
  }

  /** One of the two, as events name them. */
  end(side: Side): FlowEnd {
    return new FlowEnd(this as unknown as Flow<unknown>, this.#core, side === "client" ? 0 : 1);
  }

  /** The number of the IP protocol: 6 TCP, 17 UDP, 1 ICMP, 58 ICMPv6 … */
  get protocol(): number {
    return this.#core.table.bytes[this.$base * 4 + Word.bytes * 4] as number;
  }

  /** The version of IP. */
  get version(): 4 | 6 {
    return this.#core.table.version(this.$row);
  }

  /** Whether its start was not seen: who is the client is a guess then, and offsets count from what was seen first. */
  get isPartial(): boolean {
    return this.#has(RowFlag.partial);
  }

  /** Whether it has not ended: a flow that has can be asked nothing any more. */
  get isOpen(): boolean {
    const flags = this.#core.table.words[this.#row * RECORD_WORDS + Word.flags] as number;
    return generationOf(flags) === this.#generation;
  }

  /** What tells flows with the same addresses apart: VLANs and tunnels, as a number; 0 without. */
  get encapsulation(): number {
    return this.#core.table.words[this.$base + Word.encapsulation] as number;
  }

  get firstSeen(): Instant {
    return this.#core.table.numbers[(this.$base + Word.firstSeen) >> 1] as Instant;
  }

  get lastSeen(): Instant {
    return this.#core.table.numbers[(this.$base + Word.lastSeen) >> 1] as Instant;
  }

  /**
   * The packet at hand, from its IP header on: good until the callback returns.
   * @throws NoPacketError where an event has none, such as a time-out.
   * @throws FlowEndedError when the flow has ended.
   */
  get packet(): Packet {
    this.#assertOpen();
    const packet = this.#core.packet();
    if (packet === undefined) throw new NoPacketError("Cannot give the packet: this event has none");
    return packet;
  }

  /** TCP only: the flags' byte of the packet at hand: FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32, ECE 64, CWR 128. */
  get tcpFlags(): number {
    return this.#core.layers.flags;
  }

  /** TCP only: of the packet at hand, 0 to 2^32 - 1. */
  get tcpSequence(): number {
    return this.#core.layers.sequence >>> 0;
  }

  /** TCP only: the window of the packet at hand as it stands there, unscaled. */
  get tcpWindow(): number {
    return this.#core.layers.window;
  }

  /** Payload bytes of the packet at hand, by its headers. */
  get payloadBytes(): number {
    return this.#core.layers.payloadBytes;
  }

  /** ICMP only: type and code of the packet at hand. */
  get icmpType(): number {
    return this.#core.layers.icmpType;
  }

  get icmpCode(): number {
    return this.#core.layers.icmpCode;
  }

  /**
   * Lets the packet at hand go no further. The receiver's stack does not see it when the sender's hook drops it.
   * @throws FlowEndedError when the flow has ended: the packet is another one's.
   */
  drop(): void {
    this.#assertOpen();
    this.#core.dispatcher.isDropped = true;
  }

  /** Sends a reset to both ends, as from each other. */
  reset(): void {
    this.#core.reset(this.$row);
  }

  /** Is told nothing more of what one end sends, or of either. */
  stop(side?: Side): void {
    const extra = this.#more();
    if (side !== "server") extra.stopped |= 1;
    if (side !== "client") extra.stopped |= 2;
    if (side !== "server") this.#clientRead = this.#clientTold;
    if (side !== "client") this.#serverRead = this.#serverTold;
  }

  /**
   * Calls `callback` for this flow only, besides what the monitor has registered for all at this moment.
   * @throws ConfigurationError when the event cannot be met at the hook.
   */
  on<const E extends AnyEvent<Flow<Context>>>(
    event: E,
    hook: HooksOf<E>,
    callback: Callback<E, Flow<Context>>,
  ): Subscription {
    const extra = this.#more();
    extra.registrations = (extra.registrations ?? this.monitor.$registrations).with(
      event as never,
      hook as never,
      callback as never,
    );
    this.monitor.$wants(extra.registrations);
    return new Subscription(
      this,
      event as EventName | UserEvent,
      hook as Hook,
      callback as AnyCallback<never>,
    );
  }

  unsubscribe(registration: Registration<never>): void {
    if (this.#extra?.registrations === undefined) return;
    this.#extra.registrations = this.#extra.registrations.without(registration);
  }

  /**
   * Calls `callback` once packets are `delay` later than the one at hand, unless the flow ends before.
   * @throws LimitExceededError when too many timers wait.
   */
  setTimer(delay: Duration, callback: (flow: Flow<Context>) => void): Timer {
    const { timers } = this.#more();
    const timer = this.#core.setTimer(delay, () => {
      timers.delete(timer);
      try {
        callback(this);
      } catch (error) {
        this.monitor.errorCount++;
        this.#core.failed(this.monitor.name, error, undefined);
      }
    });
    timers.add(timer);
    return timer;
  }

  /** @throws FlowEndedError when the flow has ended. */
  get $row(): number {
    this.#assertOpen();
    return this.#row;
  }

  /** Whether this is the flow that a row with these flags holds. */
  $is(row: number, flags: number): boolean {
    // Both, always: a part that is seen only later costs the code that was compiled before.
    return ((this.#row ^ row) | (this.#generation ^ generationOf(flags))) === 0;
  }

  get $base(): number {
    return this.$row * RECORD_WORDS;
  }

  get $own(): Registrations<never> | undefined {
    return this.#extra?.registrations;
  }

  $isStopped(sender: Side): boolean {
    const { stopped } = this.#extra ?? NOT_STOPPED;
    return stopped !== 0 && (stopped & (sender === "client" ? 1 : 2)) !== 0;
  }

  /** Bytes told of and not read, gaps among them. */
  $unread(direction: Direction): number {
    const told = direction === 0 ? this.#clientTold : this.#serverTold;
    return told < 0 ? 0 : told - this.$readOffset(direction);
  }

  /** Where the first byte is that was not read. */
  $readOffset(direction: Direction): number {
    return direction === 0 ? this.#clientRead : this.#serverRead;
  }

  /** All up to `offset` has been read. */
  $readTo(direction: Direction, offset: number): void {
    if (direction === 0) this.#clientRead = offset;
    else this.#serverRead = offset;
  }

  /** All up to `to` can be read; who was told of nothing before begins at `from`. */
  $arrived(direction: Direction, from: number, to: number): void {
    if (direction === 0) {
      if (this.#clientTold < 0) this.#clientRead = from;
      this.#clientTold = to;
    } else {
      if (this.#serverTold < 0) this.#serverRead = from;
      this.#serverTold = to;
    }
  }

  /** Nothing from `offset` on has been told of. */
  $takeBack(direction: Direction, offset: number): void {
    if (direction === 0) {
      this.#clientTold = Math.min(this.#clientTold, offset);
      this.#clientRead = Math.min(this.#clientRead, offset);
    } else {
      this.#serverTold = Math.min(this.#serverTold, offset);
      this.#serverRead = Math.min(this.#serverRead, offset);
    }
  }

  $end(): void {
    if (this.#extra === undefined) return;
    for (const timer of this.#extra.timers) timer.cancel();
    this.#extra = undefined;
  }

  #assertOpen(): void {
    if (this.isOpen) return;
    throw new FlowEndedError("Cannot ask the flow: it has ended; copy what is needed at connectionEnd");
  }

  #more(): Extra {
    if (this.#extra === undefined) {
      this.#extra = new Extra();
      this.monitor.$pin(this, this.$row);
    }
    return this.#extra;
  }

  #has(flag: number): boolean {
    return ((this.#core.table.words[this.$base + Word.flags] as number) & flag) !== 0;
  }
}

const NOT_STOPPED = { stopped: 0 };
