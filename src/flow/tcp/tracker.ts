/**
 * The two emulated TCP ends of a flow: every segment passes the sender's stack, then the receiver's (mOS, NSDI 2017,
 * §3.1). What a segment does is judged first, by what the receiver would do with it (RFC 9293 §3.10.7, RFC 5961,
 * RFC 7323 §5): what the receiver will not take changes neither end.
 * @module
 */
import type { Delivery } from "../delivery.ts";
import type { Dispatcher } from "../dispatcher.ts";
import type { Layers } from "../layers/layers.ts";
import type { FlowPolicy } from "../policy.ts";
import type { Direction } from "../side.ts";
import * as bits from "../table/flags.ts";
import type { FlowTable } from "../table/flow-table.ts";
import * as record from "../table/record.ts";
import { Course } from "./course.ts";
import { Judge, Refusal } from "./judge.ts";
import { Prediction } from "./prediction.ts";
import * as segments from "./segment.ts";
import { directionAt, Segment } from "./segment.ts";
import * as states from "./state.ts";
import { Teller } from "./teller.ts";
import { classify } from "./timeouts.ts";
import * as transitions from "./transitions.ts";
import { nextState } from "./transitions.ts";

// The module's own, so that the compiler has their numbers; imported ones it looks up each time.
const { EndFlag, NO_SHIFT, RowFlag, WINDOW_UNKNOWN } = bits;
const { DirectionWord, Word } = record;
const { SHIFT_AT, TcpFlag } = segments;
const { State } = states;
const { Stimulus } = transitions;

export class TcpTracker {
  readonly #segment: Segment;
  readonly #judge: Judge;
  readonly #prediction: Prediction | undefined;
  readonly #course: Course | undefined;
  readonly #teller: Teller;
  readonly #policy: FlowPolicy;
  readonly #dispatcher: Dispatcher;
  readonly #delivery: Delivery;

  constructor(table: FlowTable, policy: FlowPolicy, dispatcher: Dispatcher, delivery: Delivery) {
    this.#policy = policy;
    this.#dispatcher = dispatcher;
    this.#delivery = delivery;
    this.#segment = new Segment(table);
    this.#judge = new Judge(this.#segment, policy, dispatcher, delivery);
    this.#teller = new Teller(this.#segment, dispatcher, delivery);
    this.#prediction = policy.predicts ? new Prediction(table, policy, dispatcher, delivery) : undefined;
    this.#course = policy.predicts ? new Course(this.#segment, policy, dispatcher, this.#teller) : undefined;
  }

  /** One segment of a flow, whose TCP header is whole. Its events are told on the way. */
  segment(row: number, direction: Direction, layers: Layers): void {
    if (this.#prediction?.take(row, direction, layers) === true) return;
    if (this.#course?.take(row, direction, layers) === true) return;
    this.#process(row, direction, layers);
  }

  /** The same, the long way. */
  #process(row: number, direction: Direction, layers: Layers): void {
    const segment = this.#segment;
    const teller = this.#teller;
    const dispatcher = this.#dispatcher;
    segment.begin(row, direction, layers);
    this.#delivery.begin();
    const refusal = this.#judge.judge(layers);
    const { bytes } = segment.table;
    const { mineState, otherState } = segment;
    const mineBefore = bytes[mineState] as number;
    const otherBefore = bytes[otherState] as number;
    if (refusal === Refusal.none) this.#send(layers);
    teller.tellSender(mineBefore, bytes[mineState] as number);
    if (!dispatcher.isDropped) {
      const next = this.#delivery.next(segment.mine);
      if (refusal === Refusal.none) this.#pass(layers, otherBefore);
      else {
        teller.tellRefused(layers, refusal);
        if (refusal === Refusal.urgent) dispatcher.isDropped = true;
        else teller.tellReceiver(otherBefore, otherBefore);
      }
      if (dispatcher.isDropped) this.#takeBack(layers, next);
    } else if (dispatcher.isFirst) segment.setRowFlag(RowFlag.unstarted);
    if (mineBefore !== bytes[mineState] || otherBefore !== bytes[otherState]) classify(segment);
  }

  /** The receiver's part of a segment that it takes: the stack, the bytes, and a FIN when all in front is there. */
  #pass(layers: Layers, before: number): void {
    const segment = this.#segment;
    const teller = this.#teller;
    const { bytes } = segment.table;
    const { mineState, otherState } = segment;
    this.#receive(layers);
    if (this.#dispatcher.isDropped) return;
    teller.tellReceiver(before, bytes[otherState] as number);
    if (this.#dispatcher.isDropped) return;
    this.#delivery.deliver(segment.row, segment.direction);
    if (this.#dispatcher.isDropped) return;
    const between = bytes[otherState] as number;
    if (this.#finIsReached()) teller.tellReceiverState(between, bytes[otherState] as number);
    const early = bytes[mineState] as number;
    if (this.#finIsConfirmed()) teller.tellSenderState(early, bytes[mineState] as number);
  }

  /** Somebody has dropped the packet behind the sender's stack: its receiver has not got it. */
  #takeBack(layers: Layers, next: number): void {
    const segment = this.#segment;
    const isSyn = (layers.flags & TcpFlag.syn) !== 0;
    const isFirstFin = (layers.flags & TcpFlag.fin) !== 0 && segment.repeats === "";
    if (isFirstFin && (segment.flagsOf(segment.mine) & EndFlag.finReached) === 0) {
      segment.clearFlag(segment.mine, EndFlag.fin);
    }
    const offset = this.#delivery.offsetAt(segment.mine, next, isSyn ? layers.sequence + 1 : layers.sequence);
    this.#delivery.takeBack(segment.row, segment.direction, next, offset, offset + layers.payloadBytes);
  }

  /** A flow is over: nothing is remembered of it. */
  forget(row: number): void {
    this.#judge.suspects.forget(row);
  }

  /** Whether a SYN with ACK answers a SYN that was refused: another connection between the same ports. */
  isAnotherAnswer(row: number, direction: Direction, acknowledgement: number): boolean {
    return this.#judge.suspects.isAnswer(row, direction, acknowledgement);
  }

  /** The numbering of a direction of a new flow, whose first byte is at `sequence`. */
  learn(row: number, direction: Direction, sequence: number): void {
    this.#segment.learn(directionAt(row, direction), sequence);
  }

  #send(layers: Layers): void {
    const segment = this.#segment;
    const { words, bytes } = segment.table;
    const { flags, payloadBytes } = layers;
    const mine = segment.mine;
    const stateAt = segment.mineState;
    const state = bytes[stateAt] as number;
    if ((flags & TcpFlag.rst) !== 0) {
      bytes[stateAt] = nextState(state, Stimulus.reset);
      return;
    }
    if ((flags & TcpFlag.syn) !== 0) {
      if (segment.repeats === "") this.#sendSyn(layers, stateAt);
    } else {
      this.#infer(flags, state, stateAt);
      const isFin = (flags & TcpFlag.fin) !== 0;
      const end = (layers.sequence + payloadBytes + (isFin ? 1 : 0)) | 0;
      const ahead = (end - (words[mine + DirectionWord.sentNext] as number)) | 0;
      const hasEnded = (segment.flagsOf(mine) & EndFlag.fin) !== 0;
      if (ahead > 0 && !hasEnded) words[mine + DirectionWord.sentNext] = end;
      if (isFin) this.#sendFin(end, ahead, hasEnded);
    }
    if ((flags & TcpFlag.ack) !== 0 && !this.#isStale(layers)) this.#acknowledge(layers);
  }

  /** RFC 9293 §3.10.7.4: a segment that lies below the window as a whole says nothing; its ACK does not count. */
  #isStale(layers: Layers): boolean {
    const segment = this.#segment;
    if ((segment.flagsOf(segment.other) & EndFlag.acknowledges) === 0) return false;
    const { sequence, payloadBytes, flags } = layers;
    const end = (sequence + payloadBytes + (flags & TcpFlag.fin) + ((flags & TcpFlag.syn) >> 1)) | 0;
    const acknowledged = segment.table.words[segment.other + DirectionWord.acknowledged] as number;
    if (((end - acknowledged) | 0) >= 0) return false;
    return ((end - this.#delivery.nextSequence(segment.mine)) | 0) < 0;
  }

  /** A FIN takes effect at its place in the stream, also when bytes behind it were sent before, which are none then. */
  #sendFin(end: number, ahead: number, hasEnded: boolean): void {
    const segment = this.#segment;
    const { words, bytes } = segment.table;
    const { mine, mineState } = segment;
    if (hasEnded) {
      if (ahead === 0) segment.repeats = "fin";
      return;
    }
    if (ahead < 0) {
      const offset = this.#delivery.offsetOf(mine, end) - 1;
      if (offset < this.#delivery.next(mine)) return;
      this.#delivery.endAt(segment.row, segment.direction, offset);
      words[mine + DirectionWord.sentNext] = end;
    }
    segment.setFlag(mine, EndFlag.fin);
    bytes[mineState] = nextState(bytes[mineState] as number, Stimulus.sendFin);
  }

  #sendSyn(layers: Layers, stateAt: number): void {
    const segment = this.#segment;
    const { words, bytes } = segment.table;
    const mine = segment.mine;
    const isAnswer = (layers.flags & TcpFlag.ack) !== 0;
    const end = (layers.sequence + 1 + layers.payloadBytes) | 0;
    const before = words[mine + DirectionWord.sentNext] as number;
    // A SYN that comes behind what it opens, in a capture that is not in order, must not take that back.
    const isLate =
      words[mine + DirectionWord.initialSequence] === (layers.sequence | 0) && this.#delivery.next(mine) > 0;
    words[mine + DirectionWord.initialSequence] = layers.sequence | 0;
    if (!isLate || ((end - before) | 0) > 0) words[mine + DirectionWord.sentNext] = end;
    words[segment.base + Word.flags] = (words[segment.base + Word.flags] as number) & ~RowFlag.answered;
    segment.setOffers(EndFlag.syn | EndFlag.sequence);
    bytes[stateAt] = nextState(bytes[stateAt] as number, isAnswer ? Stimulus.sendSynAck : Stimulus.sendSyn);
  }

  /** States that packets which were not captured must have led to. */
  #infer(flags: number, state: number, stateAt: number): void {
    const segment = this.#segment;
    if (this.#policy.unseen === "refuse") return;
    const { words, bytes } = segment.table;
    // Who acknowledges without SYN has had the other's SYN.
    if (state === State.synSent && (flags & TcpFlag.ack) !== 0) bytes[stateAt] = State.established;
    const otherSent = words[segment.other + DirectionWord.packetCount] as number;
    // Only this direction is seen: the acknowledgement of its SYN was not.
    if (state === State.synReceived && otherSent === 0) bytes[stateAt] = State.established;
  }

  /** Moves what the sender has acknowledged, and the edge of its window, which never goes back (RFC 9293 §3.8.6). */
  #acknowledge(layers: Layers): void {
    const segment = this.#segment;
    const { words } = segment.table;
    const mine = segment.mine;
    const acknowledgement = layers.acknowledgement | 0;
    const isFirst = (segment.flagsOf(mine) & EndFlag.acknowledges) === 0;
    const before = words[mine + DirectionWord.acknowledged] as number;
    const moved = isFirst ? 0 : (acknowledgement - before) | 0;
    if (moved < 0) return;
    words[mine + DirectionWord.acknowledged] = acknowledgement;
    if (isFirst) segment.setFlag(mine, EndFlag.acknowledges);
    const shift = this.#windowShift(layers.flags);
    if (shift < 0) return;
    const window = layers.window << shift;
    const known = words[mine + DirectionWord.window] as number;
    const left = isFirst || known === WINDOW_UNKNOWN ? 0 : known - moved;
    words[mine + DirectionWord.window] = Math.max(window, left);
  }

  /** How far the sender's window is shifted; -1 when that is not known because a SYN was not seen. */
  #windowShift(flags: number): number {
    const segment = this.#segment;
    if ((flags & TcpFlag.syn) !== 0) return 0;
    const bothSyns = segment.flagsOf(segment.mine) & segment.flagsOf(segment.other) & EndFlag.syn;
    if (bothSyns === 0) return -1;
    const { bytes } = segment.table;
    const mine = bytes[segment.mine * 4 + SHIFT_AT] as number;
    const other = bytes[segment.other * 4 + SHIFT_AT] as number;
    return mine === NO_SHIFT || other === NO_SHIFT ? 0 : mine;
  }

  #receive(layers: Layers): void {
    const segment = this.#segment;
    const { words, bytes } = segment.table;
    const { flags } = layers;
    const stateAt = segment.otherState;
    if ((flags & TcpFlag.rst) !== 0) {
      bytes[stateAt] = nextState(bytes[stateAt] as number, Stimulus.reset);
      words[segment.base + Word.flags] =
        (words[segment.base + Word.flags] as number) | RowFlag.ended | RowFlag.reset;
      this.#delivery.endTails(segment.row);
      return;
    }
    if (segment.options.hasTimestamps) this.#keepTimestamp(layers);
    if (segment.repeats !== "") this.#teller.tellRepeated(this.#finOffset());
    if ((flags & TcpFlag.syn) !== 0) {
      bytes[stateAt] = nextState(bytes[stateAt] as number, Stimulus.receiveSyn);
    }
    if ((flags & TcpFlag.ack) !== 0) this.#receiveAcknowledgement(layers, stateAt);
    this.#receivePayload(layers);
  }

  #receiveAcknowledgement(layers: Layers, stateAt: number): void {
    const segment = this.#segment;
    const { words, bytes } = segment.table;
    const other = segment.other;
    const sentNext = words[other + DirectionWord.sentNext] as number;
    const ahead = (layers.acknowledgement - sentNext) | 0;
    // It was sent, for it was received: a capture has lost it.
    if (ahead > 0) words[other + DirectionWord.sentNext] = layers.acknowledgement | 0;
    const state = bytes[stateAt] as number;
    // RFC 9293 §3.10.7.3: an ACK alone opens nothing for who waits for a SYN; bytes say that the SYN was there.
    const isOpen =
      state === State.synReceived || (layers.flags & TcpFlag.syn) !== 0 || layers.payloadBytes > 0;
    if (state <= State.synReceived && state >= State.synSent && isOpen) {
      const first = (words[other + DirectionWord.initialSequence] as number) + 1;
      if (((layers.acknowledgement - first) | 0) >= 0) {
        bytes[stateAt] = nextState(state, Stimulus.receiveAckOfSyn);
      }
    }
    const otherFlags = segment.flagsOf(other);
    if ((otherFlags & (EndFlag.fin | EndFlag.finAcknowledged)) === EndFlag.fin && ahead === 0) {
      segment.setFlag(other, EndFlag.finAcknowledged);
      bytes[stateAt] = nextState(bytes[stateAt] as number, Stimulus.receiveAckOfFin);
    }
    if ((layers.flags & TcpFlag.syn) !== 0)
      this.#delivery.settleFastOpen(segment.row, segment.otherDirection);
  }

  #receivePayload(layers: Layers): void {
    const segment = this.#segment;
    const { flags, payloadOffset, payloadBytes } = layers;
    const isSyn = (flags & TcpFlag.syn) !== 0;
    if ((flags & TcpFlag.urg) !== 0) this.#markUrgent(layers);
    if (payloadBytes === 0 && (flags & TcpFlag.fin) !== 0) return;
    let offset = this.#delivery.offsetOf(segment.mine, isSyn ? layers.sequence + 1 : layers.sequence);
    if (payloadBytes <= 1 && !isSyn && this.#isKeepAlive(offset, payloadBytes)) {
      this.#teller.tellKeepAlive(offset, payloadBytes);
      return;
    }
    if (payloadBytes === 0) return;
    let start = payloadOffset;
    if (offset < 0) {
      const before = Math.min(-offset, payloadBytes);
      // What lies in front of the first byte is not of this stream, unless that is only the first that was seen.
      if (this.#isPartial()) this.#teller.tellEarlier(offset, before);
      else this.#teller.tellOutside(Refusal.window, offset, before);
      offset += before;
      start += before;
    }
    let length = payloadOffset + payloadBytes - start;
    const room = this.#room(offset);
    if (room < length) {
      const inside = Math.max(0, room);
      this.#teller.tellOutside(Refusal.window, offset + inside, length - inside);
      length = inside;
    }
    if (length === 0) return;
    const captured = Math.min(length, Math.max(0, payloadOffset + layers.capturedPayloadBytes - start));
    const isHeld =
      isSyn && (flags & TcpFlag.ack) === 0 && (segment.flagsOf(segment.other) & EndFlag.acknowledges) === 0;
    this.#delivery.take(segment.row, segment.direction, offset, layers, start, start + captured, isHeld);
    if (captured < length) this.#delivery.cut(offset + captured, offset + length);
  }

  /**
   * RFC 9293 §3.8.4: a segment one below the next, with nothing or one byte of any value in it, asks whether the other is
   * there. A byte that the receiver has not acknowledged is sent again.
   */
  #isKeepAlive(offset: number, payloadBytes: number): boolean {
    const segment = this.#segment;
    const next = this.#delivery.next(segment.mine);
    if (offset !== next - 1) return false;
    if (payloadBytes === 0) return true;
    return this.#delivery.acknowledgedOffset(segment.row, segment.direction) >= next;
  }

  #isPartial(): boolean {
    const { base, table } = this.#segment;
    return ((table.words[base + Word.flags] as number) & RowFlag.partial) !== 0;
  }

  /** RFC 6093 §3: the pointer names the byte behind the urgent one; 0, as Linux has it, the first. */
  #markUrgent(layers: Layers): void {
    const { urgent } = this.#policy;
    if (urgent === "inline" || urgent === "drop") return;
    const segment = this.#segment;
    const isSyn = (layers.flags & TcpFlag.syn) !== 0;
    const offset = this.#delivery.offsetOf(segment.mine, isSyn ? layers.sequence + 1 : layers.sequence);
    const at = offset + Math.max(0, layers.urgentPointer - 1);
    if (at < this.#delivery.next(segment.mine)) return;
    this.#delivery.urgent.add(segment.row * 2 + segment.direction, at);
  }

  /** Bytes from `offset` to the sender's FIN, or to the edge of the receiver's window. */
  #room(offset: number): number {
    const segment = this.#segment;
    const { words } = segment.table;
    let room = Number.MAX_SAFE_INTEGER;
    if ((segment.flagsOf(segment.mine) & EndFlag.fin) !== 0) room = this.#finOffset() - offset;
    const window = words[segment.other + DirectionWord.window] as number;
    if (window !== WINDOW_UNKNOWN && this.#policy.window === "advertised") {
      const edge = ((words[segment.other + DirectionWord.acknowledged] as number) + window) | 0;
      room = Math.min(room, this.#delivery.offsetOf(segment.mine, edge) - offset);
    }
    return room;
  }

  #finOffset(): number {
    const segment = this.#segment;
    return this.#delivery.offsetOf(
      segment.mine,
      (segment.table.words[segment.mine + DirectionWord.sentNext] as number) - 1,
    );
  }

  /** Gives the receiver the sender's FIN when all in front of it is there; whether that is new. */
  #finIsReached(): boolean {
    const segment = this.#segment;
    const flags = segment.flagsOf(segment.mine);
    if ((flags & (EndFlag.fin | EndFlag.finReached)) !== EndFlag.fin) return false;
    if (this.#delivery.next(segment.mine) < this.#finOffset()) return false;
    const { bytes } = segment.table;
    const stateAt = segment.otherState;
    segment.setFlag(segment.mine, EndFlag.finReached);
    bytes[stateAt] = nextState(bytes[stateAt] as number, Stimulus.receiveFin);
    return true;
  }

  /** Gives the sender the other's FIN when it has acknowledged that: it has had all in front, seen or not. */
  #finIsConfirmed(): boolean {
    const segment = this.#segment;
    const wanted = EndFlag.fin | EndFlag.finAcknowledged;
    if ((segment.flagsOf(segment.other) & (wanted | EndFlag.finReached)) !== wanted) return false;
    const { bytes, words } = segment.table;
    const fin = (words[segment.other + DirectionWord.sentNext] as number) - 1;
    const finOffset = this.#delivery.offsetOf(segment.other, fin);
    this.#delivery.giveUpTo(segment.row, segment.otherDirection, finOffset);
    segment.setFlag(segment.other, EndFlag.finReached);
    bytes[segment.mineState] = nextState(bytes[segment.mineState] as number, Stimulus.receiveFin);
    return true;
  }

  /**
   * RFC 7323 §4.3: the timestamp of a segment that begins at or before what was last acknowledged. What ends before that as
   * well, such as a retransmission that was not needed, is outside of the window, and its timestamp is not kept.
   */
  #keepTimestamp(layers: Layers): void {
    const segment = this.#segment;
    const { words } = segment.table;
    const mine = segment.mine;
    const isKnown = (segment.flagsOf(mine) & EndFlag.timestamps) !== 0;
    if (!isKnown) segment.setFlag(mine, EndFlag.timestamps);
    else {
      if ((segment.flagsOf(segment.other) & EndFlag.acknowledges) !== 0) {
        const { sequence, payloadBytes, flags } = layers;
        const ahead = (sequence - (words[segment.other + DirectionWord.acknowledged] as number)) | 0;
        const length = payloadBytes + (flags & TcpFlag.fin) + ((flags & TcpFlag.syn) >> 1);
        if (ahead > 0 || ahead + length < 0) return;
      }
      const before = words[mine + DirectionWord.timestamp] as number;
      if (((segment.options.timestampValue - before) | 0) < 0) return;
    }
    words[mine + DirectionWord.timestamp] = segment.options.timestampValue;
  }
}
