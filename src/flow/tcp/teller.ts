/**
 * Tells the monitors what a segment did to the two ends, in the order of mOS's events.
 * @module
 */
import type { Delivery } from "../delivery.ts";
import type { Dispatcher } from "../dispatcher.ts";
import type { OutOfWindowEvent } from "../event/events.ts";
import * as slots from "../event/slot.ts";
import type { Layers } from "../layers/layers.ts";
import { type Direction, SIDES } from "../side.ts";
import * as bits from "../table/flags.ts";
import * as record from "../table/record.ts";
import { isEnd, type Segment } from "./segment.ts";
import * as states from "./state.ts";
import { TCP_STATES, type TcpState } from "./state.ts";

// The module's own, so that the compiler has their numbers; imported ones it looks up each time.
const { Slot } = slots;
const { EndFlag, RowFlag } = bits;
const { Word } = record;
const { State } = states;

// An event's call stands behind its mask: what nobody listens to costs no call, and is not compiled.
const PACKET_SENDER: number = 1 << Slot.packetSender;
const PACKET_RECEIVER: number = 1 << Slot.packetReceiver;
const START_SENDER: number = 1 << Slot.connectionStartSender;
const START_RECEIVER: number = 1 << Slot.connectionStartReceiver;
const ESTABLISHED_SENDER: number = 1 << Slot.establishedSender;
const ESTABLISHED_RECEIVER: number = 1 << Slot.establishedReceiver;
const STATE_SENDER: number = (1 << Slot.stateChangeSender) | (1 << Slot.connectionEndSender);
const STATE_RECEIVER: number = (1 << Slot.stateChangeReceiver) | (1 << Slot.connectionEndReceiver);

const REFUSAL_CAUSES: readonly (OutOfWindowEvent["cause"] | undefined)[] = [
  undefined,
  "window",
  "timestamp",
  "reset",
  "acknowledgement",
  "syn",
  "urgent",
];

export class Teller {
  readonly #segment: Segment;
  readonly #dispatcher: Dispatcher;
  readonly #delivery: Delivery;

  constructor(segment: Segment, dispatcher: Dispatcher, delivery: Delivery) {
    this.#segment = segment;
    this.#dispatcher = dispatcher;
    this.#delivery = delivery;
  }

  /** What the sender's stack made of the segment, in the order of mOS's events. */
  tellSender(before: number, after: number): void {
    const segment = this.#segment;
    const dispatcher = this.#dispatcher;
    const { events } = dispatcher;
    if ((dispatcher.wanted & PACKET_SENDER) !== 0) {
      dispatcher.raise(Slot.packetSender, segment.row, segment.direction, events.packet);
    }
    if (dispatcher.isFirst && (dispatcher.wanted & START_SENDER) !== 0) {
      dispatcher.raise(Slot.connectionStartSender, segment.row, segment.direction, events.connectionStart);
    }
    if (after === State.established && this.#isNews(RowFlag.establishedSender)) {
      if ((dispatcher.wanted & ESTABLISHED_SENDER) !== 0) {
        dispatcher.raise(Slot.establishedSender, segment.row, segment.direction, events.established);
      }
    }
    this.tellSenderState(before, after);
  }

  tellSenderState(before: number, after: number): void {
    if (before === after || (this.#dispatcher.wanted & STATE_SENDER) === 0) return;
    const { direction } = this.#segment;
    this.#tellState(Slot.stateChangeSender, direction, before, after);
    if (isEnd(after)) this.#tellEnd(Slot.connectionEndSender, direction);
  }

  tellReceiver(before: number, after: number): void {
    const segment = this.#segment;
    const dispatcher = this.#dispatcher;
    const { events } = dispatcher;
    if ((dispatcher.wanted & PACKET_RECEIVER) !== 0) {
      dispatcher.raise(Slot.packetReceiver, segment.row, segment.direction, events.packet);
    }
    const isStart = dispatcher.isFirst || this.#startsLate();
    if (isStart && (dispatcher.wanted & START_RECEIVER) !== 0) {
      dispatcher.raise(Slot.connectionStartReceiver, segment.row, segment.direction, events.connectionStart);
    }
    this.tellReceiverState(before, after);
  }

  tellReceiverState(before: number, after: number): void {
    if (before === after) return;
    const segment = this.#segment;
    const dispatcher = this.#dispatcher;
    const mine = segment.table.bytes[segment.mineState] as number;
    if (after >= State.established && mine >= State.established && this.#isNews(RowFlag.established)) {
      if ((dispatcher.wanted & ESTABLISHED_RECEIVER) !== 0) {
        const { established } = dispatcher.events;
        dispatcher.raise(Slot.establishedReceiver, segment.row, segment.direction, established);
      }
    }
    if ((dispatcher.wanted & STATE_RECEIVER) === 0) return;
    this.#tellState(Slot.stateChangeReceiver, segment.otherDirection, before, after);
    if (isEnd(after)) this.#tellEnd(Slot.connectionEndReceiver, segment.otherDirection);
  }

  /** Whether nothing has come through to the receiver before. */
  #startsLate(): boolean {
    const { base, table } = this.#segment;
    const flags = table.words[base + Word.flags] as number;
    if ((flags & RowFlag.unstarted) === 0) return false;
    table.words[base + Word.flags] = flags & ~RowFlag.unstarted;
    return true;
  }

  /** Sets a flag of the record; false when it was set, or the flow's start was not seen. */
  #isNews(flag: number): boolean {
    const segment = this.#segment;
    const { words } = segment.table;
    const flags = words[segment.base + Word.flags] as number;
    if ((flags & (flag | RowFlag.partial)) !== 0) return false;
    words[segment.base + Word.flags] = flags | flag;
    return true;
  }

  #tellState(slot: number, end: Direction, from: number, to: number): void {
    const segment = this.#segment;
    const { stateChange } = this.#dispatcher.events;
    stateChange.end = SIDES[end];
    stateChange.from = TCP_STATES[from] as TcpState;
    stateChange.to = TCP_STATES[to] as TcpState;
    this.#dispatcher.raise(slot, segment.row, segment.direction, stateChange);
  }

  #tellEnd(slot: number, end: Direction): void {
    const segment = this.#segment;
    const { connectionEnd } = this.#dispatcher.events;
    const flags = segment.table.words[segment.base + Word.flags] as number;
    const isReset = segment.isReset || (flags & RowFlag.reset) !== 0;
    connectionEnd.end = SIDES[end];
    connectionEnd.reason = isReset ? "reset" : "closed";
    this.#dispatcher.raise(slot, segment.row, segment.direction, connectionEnd);
  }

  /** The receiver does not take the segment. */
  tellRefused(layers: Layers, refusal: number): void {
    const segment = this.#segment;
    const isKnown = (segment.flagsOf(segment.mine) & EndFlag.sequence) !== 0;
    const offset = isKnown ? this.#delivery.offsetOf(segment.mine, layers.sequence) : 0;
    this.tellOutside(refusal, offset, layers.payloadBytes);
  }

  /** The receiver does not take some bytes. */
  tellOutside(refusal: number, offset: number, lengthBytes: number): void {
    const segment = this.#segment;
    const { outOfWindow } = this.#dispatcher.events;
    outOfWindow.cause = REFUSAL_CAUSES[refusal] ?? "window";
    outOfWindow.offset = offset;
    outOfWindow.lengthBytes = lengthBytes;
    this.#dispatcher.raise(Slot.outOfWindow, segment.row, segment.direction, outOfWindow);
  }

  tellRepeated(finOffset: number): void {
    const segment = this.#segment;
    const { retransmission } = this.#dispatcher.events;
    if (segment.repeats === "") return;
    retransmission.kind = segment.repeats;
    retransmission.content = "same";
    retransmission.offset = segment.repeats === "syn" ? 0 : finOffset;
    retransmission.lengthBytes = 0;
    this.#dispatcher.raise(Slot.retransmission, segment.row, segment.direction, retransmission);
  }

  /** Nobody wants an answer to the bytes but that they were got. */
  tellKeepAlive(offset: number, lengthBytes: number): void {
    this.#tellOld("keep-alive", offset, lengthBytes);
  }

  /** Bytes in front of the first that was seen. */
  tellEarlier(offset: number, lengthBytes: number): void {
    this.#tellOld("data", offset, lengthBytes);
  }

  #tellOld(kind: "keep-alive" | "data", offset: number, lengthBytes: number): void {
    const segment = this.#segment;
    const { retransmission } = this.#dispatcher.events;
    retransmission.kind = kind;
    retransmission.content = "unknown";
    retransmission.offset = offset;
    retransmission.lengthBytes = lengthBytes;
    this.#dispatcher.raise(Slot.retransmission, segment.row, segment.direction, retransmission);
  }
}
