/**
 * Between the engine and its monitors: which events anybody wants, and who is told of one, in which order. What the
 * client sends meets the monitors in the order of their making, what the server sends in reverse, as a chain of
 * middleboxes would (mOS, A.4 item 4).
 * @module
 */
import { type Instant, instant } from "#base/time.ts";
import { type EventObject, EventObjects } from "./event/event-object.ts";
import type { EndReason } from "./event/events.ts";
import * as slots from "./event/slot.ts";
import type { FlowMonitor } from "./monitor.ts";
import { type Direction, SIDES } from "./side.ts";
import type { FlowTable } from "./table/flow-table.ts";
import * as record from "./table/record.ts";

// The module's own, so that the compiler has their numbers; imported ones it looks up each time.
const { Slot } = slots;
const { RECORD_WORDS, Word } = record;

/** No small integer: fields that become doubles only later cost the code that was compiled before. */
const NOT_YET: Instant = instant(Number.NaN);

export class Dispatcher {
  readonly events: EventObjects = new EventObjects();
  readonly monitors: FlowMonitor<unknown>[] = [];
  /** A bit for every slot that any monitor, or any flow for itself, listens at. */
  wanted = 0;
  /** Monitors whose flows' bytes are kept whether or not they are in order: a bit for each. */
  keeping = 0;
  /** Of them, those who want to know what retransmissions bring. */
  comparing = 0;
  /** Monitors that may change bytes: their flows are translated from the start. */
  editing = 0;
  /** Monitors that are shown what was acknowledged, and not what was sent. */
  acknowledged = 0;
  /** The packets' clock. */
  now: Instant = NOT_YET;
  /** When the flow at hand was seen before this packet. */
  seenBefore: number = NOT_YET;
  /** Whether the packet at hand is its flow's first. */
  isFirst = false;
  /** Somebody has dropped the packet at hand. */
  isDropped = false;
  /** The payload of the packet at hand was written over: policy `conflict`. */
  isRewritten = false;
  readonly #table: FlowTable;

  constructor(table: FlowTable) {
    this.#table = table;
    this.now = instant(0);
  }

  /** Whether anybody listens at the slot. */
  wants(slot: number): boolean {
    return (this.wanted & (1 << slot)) !== 0;
  }

  /** Milliseconds since the flow at hand was seen before. */
  idle(_row: number): number {
    return this.now - this.seenBefore;
  }

  /** Tells the monitors that follow the flow. */
  raise(slot: number, row: number, direction: Direction, event: EventObject): void {
    if ((this.wanted & (1 << slot)) === 0) return;
    event.sender = SIDES[direction];
    event.now = this.now;
    const mask = this.#table.words[row * RECORD_WORDS + Word.monitors] as number;
    const { monitors } = this;
    for (let count = 0; count < monitors.length; count++) {
      const index = direction === 0 ? count : monitors.length - 1 - count;
      if ((mask & (1 << index)) !== 0) (monitors[index] as FlowMonitor<unknown>).$tell(slot, row, event);
    }
  }

  /**
   * Tells of bytes that can be read now, to the monitors of one view; `skippedBytes` of a gap lie in front of them.
   * @returns the most bytes that a monitor has left unread
   */
  raiseData(
    row: number,
    direction: Direction,
    from: number,
    to: number,
    isAcknowledged: boolean,
    skippedBytes: number,
  ): number {
    if ((this.wanted & (1 << Slot.newData)) === 0) return 0;
    const mask = this.#table.words[row * RECORD_WORDS + Word.monitors] as number;
    const view = isAcknowledged ? mask & this.acknowledged : mask & ~this.acknowledged;
    if (view === 0) return 0;
    const event = this.events.newData;
    event.sender = SIDES[direction];
    event.now = this.now;
    event.offset = from;
    event.lengthBytes = to - from;
    const { monitors } = this;
    let unread = 0;
    for (let count = 0; count < monitors.length; count++) {
      const index = direction === 0 ? count : monitors.length - 1 - count;
      if ((view & (1 << index)) === 0) continue;
      unread = Math.max(
        unread,
        (monitors[index] as FlowMonitor<unknown>).$tellData(row, direction, from - skippedBytes, to, event),
      );
    }
    return unread;
  }

  /** A flow is over: its monitors are told why, and all forget it. */
  end(row: number, reason: EndReason): void {
    if (this.wants(Slot.connectionEnd)) {
      const { connectionEnd } = this.events;
      connectionEnd.reason = reason;
      connectionEnd.end = "client";
      this.raise(Slot.connectionEnd, row, 0, connectionEnd);
    }
    const { monitors } = this;
    for (let index = 0; index < monitors.length; index++) (monitors[index] as FlowMonitor<unknown>).$end(row);
  }

  /** The lowest offset of a direction that a monitor may still read, `next` at most; `shown` is what was acknowledged. */
  neededFrom(row: number, direction: Direction, next: number, shown: number | undefined): number {
    const mask = this.#table.words[row * RECORD_WORDS + Word.monitors] as number;
    let needed = next;
    for (let index = 0; index < this.monitors.length; index++) {
      if ((mask & (1 << index)) === 0) continue;
      const told = (this.acknowledged & (1 << index)) === 0 ? next : (shown ?? 0);
      needed = Math.min(needed, (this.monitors[index] as FlowMonitor<unknown>).$needed(row, direction, told));
    }
    return needed;
  }

  /** Bytes of a direction from `offset` on were not passed on: nobody has read them. */
  takeBack(row: number, direction: Direction, offset: number): void {
    for (const monitor of this.monitors) monitor.$takeBack(row, direction, offset);
  }
}
