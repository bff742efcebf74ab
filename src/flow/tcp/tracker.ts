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
import { EndFlag, NO_SHIFT, RowFlag, TimeoutClass, WINDOW_UNKNOWN } from "../table/flags.ts";
import type { FlowTable } from "../table/flow-table.ts";
import { DirectionWord, Word } from "../table/record.ts";
import { Judge, Refusal } from "./judge.ts";
import { directionAt, isEnd, Segment, SHIFT_AT, TcpFlag } from "./segment.ts";
import { State } from "./state.ts";
import { Teller } from "./teller.ts";
import { nextState, Stimulus } from "./transitions.ts";

export class TcpTracker {
  readonly #segment: Segment;
  readonly #judge: Judge;
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
  }

  /** One segment of a flow, whose TCP header is whole. Its events are told on the way. */
  segment(row: number, direction: Direction, layers: Layers): void {
    const segment = this.#segment;
    const teller = this.#teller;
    segment.begin(row, direction, layers);
    const refusal = this.#judge.judge(layers);
    const { bytes } = segment.table;
    const { mineState, otherState } = segment;
    const mineBefore = bytes[mineState] as number;
    const otherBefore = bytes[otherState] as number;
    if (refusal === Refusal.none) this.#send(layers);
    teller.tellSender(mineBefore, bytes[mineState] as number);
    if (this.#dispatcher.isDropped) return;
    if (refusal === Refusal.none) this.#receive(layers);
    else teller.tellRefused(layers, refusal);
    teller.tellReceiver(otherBefore, bytes[otherState] as number);
    if (refusal === Refusal.none) {
      this.#delivery.deliver(row, direction);
      const before = bytes[otherState] as number;
      // A FIN behind a hole is reached once the hole has been given up.
      if (this.#finIsReached()) teller.tellReceiverState(before, bytes[otherState] as number);
      const early = bytes[mineState] as number;
      if (this.#finIsConfirmed()) teller.tellSenderState(early, bytes[mineState] as number);
    }
    if (mineBefore !== bytes[mineState] || otherBefore !== bytes[otherState]) this.#classify();
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
      if (isFin) {
        if (hasEnded) segment.repeats = "fin";
        else if (ahead >= 0) {
          segment.setFlag(mine, EndFlag.fin);
          bytes[stateAt] = nextState(bytes[stateAt] as number, Stimulus.sendFin);
        }
      }
    }
    if ((flags & TcpFlag.ack) !== 0) this.#acknowledge(layers);
  }

  #sendSyn(layers: Layers, stateAt: number): void {
    const segment = this.#segment;
    const { words, bytes } = segment.table;
    const { options } = segment;
    const mine = segment.mine;
    words[mine + DirectionWord.initialSequence] = layers.sequence | 0;
    words[mine + DirectionWord.sentNext] = (layers.sequence + 1 + layers.payloadBytes) | 0;
    const at = mine * 4;
    bytes[at + SHIFT_AT] = options.windowShift < 0 ? NO_SHIFT : options.windowShift;
    bytes[at + SHIFT_AT + 2] = Math.max(0, options.maximumSegmentBytes) >>> 8;
    bytes[at + SHIFT_AT + 3] = Math.max(0, options.maximumSegmentBytes) & 255;
    segment.setFlag(mine, EndFlag.syn | EndFlag.sequence);
    if (options.isSelectivePermitted) segment.setFlag(mine, EndFlag.selective);
    bytes[stateAt] = nextState(bytes[stateAt] as number, Stimulus.sendSyn);
  }

  /** States that packets which were not captured must have led to. */
  #infer(flags: number, state: number, stateAt: number): void {
    const segment = this.#segment;
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
      return;
    }
    if (segment.options.hasTimestamps) this.#keepTimestamp(layers);
    if (segment.repeats !== "") this.#teller.tellRepeated(this.#finOffset());
    if ((flags & TcpFlag.syn) !== 0) {
      bytes[stateAt] = nextState(bytes[stateAt] as number, Stimulus.receiveSyn);
    }
    if ((flags & TcpFlag.ack) !== 0) this.#receiveAcknowledgement(layers, stateAt);
    this.#receivePayload(layers);
    this.#finIsReached();
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
    if (state === State.synReceived || state === State.synSent) {
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
    const { flags, payloadOffset, capturedPayloadBytes } = layers;
    const isSyn = (flags & TcpFlag.syn) !== 0;
    if (layers.payloadBytes === 0 && (flags & TcpFlag.fin) !== 0) return;
    const offset = this.#delivery.offsetOf(segment.mine, isSyn ? layers.sequence + 1 : layers.sequence);
    const next = this.#delivery.next(segment.mine);
    if (!isSyn && offset === next - 1 && layers.payloadBytes <= 1 && next > 0) {
      this.#teller.tellKeepAlive(offset, layers.payloadBytes);
      return;
    }
    if (layers.payloadBytes === 0) return;
    let end = payloadOffset + capturedPayloadBytes;
    const room = this.#room(offset);
    if (room < capturedPayloadBytes) end = payloadOffset + Math.max(0, room);
    const isHeld = isSyn && (flags & TcpFlag.ack) === 0;
    this.#delivery.take(segment.row, segment.direction, offset, layers, payloadOffset, end, isHeld);
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

  /** RFC 7323 §4.3: the timestamp of a segment that begins at or before what was last acknowledged. */
  #keepTimestamp(layers: Layers): void {
    const segment = this.#segment;
    const { words } = segment.table;
    const mine = segment.mine;
    const isKnown = (segment.flagsOf(mine) & EndFlag.timestamps) !== 0;
    if (!isKnown) segment.setFlag(mine, EndFlag.timestamps);
    else {
      const isAhead =
        (segment.flagsOf(segment.other) & EndFlag.acknowledges) !== 0 &&
        ((layers.sequence - (words[segment.other + DirectionWord.acknowledged] as number)) | 0) > 0;
      const before = words[mine + DirectionWord.timestamp] as number;
      if (isAhead || ((segment.options.timestampValue - before) | 0) < 0) return;
    }
    words[mine + DirectionWord.timestamp] = segment.options.timestampValue;
  }

  /** The timeout class by what both ends are in. */
  #classify(): void {
    const segment = this.#segment;
    const { bytes, words } = segment.table;
    const mine = bytes[segment.mineState] as number;
    const other = bytes[segment.otherState] as number;
    let timeoutClass: number = TimeoutClass.closing;
    if (isEnd(mine) && isEnd(other)) {
      timeoutClass = TimeoutClass.closed;
      words[segment.base + Word.flags] = (words[segment.base + Word.flags] as number) | RowFlag.ended;
    } else if (mine < State.established || other < State.established) timeoutClass = TimeoutClass.attempt;
    else if (mine === State.established && other === State.established) {
      timeoutClass = TimeoutClass.established;
    }
    segment.table.setTimeoutClass(segment.row, timeoutClass);
  }
}
