/**
 * The two emulated TCP ends of a flow: every segment passes the sender's stack, then the receiver's (mOS, NSDI 2017,
 * §3.1). What a segment does is judged first, by what the receiver would do with it (RFC 9293 §3.10.7, RFC 5961,
 * RFC 7323 §5): what the receiver will not take changes neither end.
 *
 * Sequence numbers are signed 32-bit numbers here, compared by the sign of their difference (RFC 9293 §3.4).
 * @module
 */
import type { Delivery } from "../delivery.ts";
import type { Dispatcher } from "../dispatcher.ts";
import type { OutOfWindowEvent } from "../event/events.ts";
import { Slot } from "../event/slot.ts";
import type { Layers } from "../layers/layers.ts";
import type { FlowPolicy } from "../policy.ts";
import { type Direction, SIDES } from "../side.ts";
import { EndFlag, NO_SHIFT, RowFlag, TimeoutClass, WINDOW_UNKNOWN } from "../table/flags.ts";
import type { FlowTable } from "../table/flow-table.ts";
import { DIRECTION_WORDS, DirectionWord, RECORD_WORDS, Word } from "../table/record.ts";
import { SegmentOptions } from "./options.ts";
import { State, TCP_STATES, type TcpState } from "./state.ts";
import { nextState, Stimulus } from "./transitions.ts";

/** Bits of the flags' byte (RFC 9293 §3.1). */
export const TcpFlag = { fin: 1, syn: 2, rst: 4, psh: 8, ack: 16, urg: 32 } as const;

/** What the receiver will not take a segment for; 0 when it takes it. */
export const Refusal = { none: 0, window: 1, timestamp: 2, reset: 3, acknowledgement: 4, syn: 5 } as const;

/** How far an acknowledgement may run ahead of what was seen while the window is not known: an eighth of the space. */
const AHEAD_MAX = 1 << 29;
/** A window nobody has scaled. */
const WINDOW_MAX_UNSCALED = 65_535;
/** RFC 7323 §5.5: a timestamp older than 24 days says nothing. */
const TIMESTAMP_AGE_MAX = 24 * 86_400_000;

/** Where things lie in the bytes of a record. */
const STATES_AT = Word.bytes * 4 + 1;
const FLAGS_AT = DirectionWord.options * 4 + 1;
const SHIFT_AT = DirectionWord.options * 4;

export class TcpTracker {
  readonly options: SegmentOptions = new SegmentOptions();
  readonly #table: FlowTable;
  readonly #policy: FlowPolicy;
  readonly #dispatcher: Dispatcher;
  readonly #delivery: Delivery;
  /** The record at hand: where it begins, and where the words of the sender and of the receiver do. */
  #row = 0;
  #base = 0;
  #mine = 0;
  #other = 0;
  #direction: Direction = 0;
  #otherDirection: Direction = 1;
  #isReset = false;
  /** What of this segment was there before: a SYN or a FIN. */
  #repeats: "" | "syn" | "fin" = "";

  constructor(table: FlowTable, policy: FlowPolicy, dispatcher: Dispatcher, delivery: Delivery) {
    this.#table = table;
    this.#policy = policy;
    this.#dispatcher = dispatcher;
    this.#delivery = delivery;
  }

  /** One segment of a flow, whose TCP header is whole. Its events are told on the way. */
  segment(row: number, direction: Direction, layers: Layers): void {
    const base = row * RECORD_WORDS;
    this.#row = row;
    this.#base = base;
    this.#direction = direction;
    this.#otherDirection = (1 - direction) as Direction;
    this.#mine = base + Word.directions + direction * DIRECTION_WORDS;
    this.#other = base + Word.directions + (1 - direction) * DIRECTION_WORDS;
    this.#repeats = "";
    this.#isReset = (layers.flags & TcpFlag.rst) !== 0;
    const { transportOffset } = layers;
    this.options.read(
      layers.bytes,
      layers.view,
      transportOffset + 20,
      transportOffset + layers.transportHeaderBytes,
    );
    const refusal = this.#judge(layers);
    const { bytes } = this.#table;
    const mineState = base * 4 + STATES_AT + direction;
    const otherState = base * 4 + STATES_AT + 1 - direction;
    const mineBefore = bytes[mineState] as number;
    const otherBefore = bytes[otherState] as number;
    if (refusal === Refusal.none) this.#send(layers);
    this.#tellSender(mineBefore, bytes[mineState] as number);
    if (this.#dispatcher.isDropped) return;
    if (refusal === Refusal.none) this.#receive(layers);
    else this.#tellRefused(layers, refusal);
    this.#tellReceiver(otherBefore, bytes[otherState] as number);
    if (refusal === Refusal.none) {
      this.#delivery.deliver(row, direction);
      const before = bytes[otherState] as number;
      // A FIN behind a hole is reached once the hole has been given up.
      if (this.#finIsReached()) this.#tellReceiverState(before, bytes[otherState] as number);
    }
    if (mineBefore !== bytes[mineState] || otherBefore !== bytes[otherState]) this.#classify();
  }

  /** The numbering of a direction of a new flow, whose first byte is at `sequence`. */
  learn(row: number, direction: Direction, sequence: number): void {
    this.#learn(row * RECORD_WORDS + Word.directions + direction * DIRECTION_WORDS, sequence);
  }

  /** Whether, and why not, the receiver takes the segment. Learns the numbers of a flow met in the middle. */
  #judge(layers: Layers): number {
    const { flags } = layers;
    const { words } = this.#table;
    if ((flags & TcpFlag.syn) !== 0) return this.#judgeSyn(layers);
    if ((flags & TcpFlag.rst) !== 0) return this.#judgeReset(layers);
    const rowFlags = words[this.#base + Word.flags] as number;
    if ((rowFlags & RowFlag.reset) !== 0) return Refusal.reset;
    if ((this.#endFlags(this.#mine) & EndFlag.sequence) === 0) this.#learn(this.#mine, layers.sequence);
    if ((flags & TcpFlag.ack) !== 0) {
      if ((this.#endFlags(this.#other) & EndFlag.sequence) === 0) {
        this.#learn(this.#other, layers.acknowledgement);
      } else if (!this.#isPlausible(layers.acknowledgement)) return Refusal.acknowledgement;
    }
    if (this.options.hasTimestamps && this.#isOldTimestamp()) return Refusal.timestamp;
    const occupies = layers.payloadBytes + (flags & TcpFlag.fin);
    if (occupies > 0 && this.#policy.window === "advertised") {
      const window = words[this.#other + DirectionWord.window] as number;
      if (window !== WINDOW_UNKNOWN) {
        const edge = ((words[this.#other + DirectionWord.acknowledged] as number) + window) | 0;
        const beyond = (layers.sequence - edge) | 0;
        if (beyond > 0 || (beyond === 0 && layers.payloadBytes > 0)) return Refusal.window;
      }
    }
    return Refusal.none;
  }

  /** RFC 9293 §3.10.7.4: an acknowledgement of what was not sent yet is refused; lost packets of a capture allow some. */
  #isPlausible(acknowledgement: number): boolean {
    const { words } = this.#table;
    const ahead = (acknowledgement - (words[this.#other + DirectionWord.sentNext] as number)) | 0;
    if (ahead <= 0) return true;
    const window = words[this.#mine + DirectionWord.window] as number;
    const limit = window === WINDOW_UNKNOWN ? AHEAD_MAX : Math.max(window, WINDOW_MAX_UNSCALED);
    return ahead <= limit;
  }

  #isOldTimestamp(): boolean {
    if (!this.#policy.paws || (this.#endFlags(this.#mine) & EndFlag.timestamps) === 0) return false;
    const recent = this.#table.words[this.#mine + DirectionWord.timestamp] as number;
    if (((this.options.timestampValue - recent) | 0) >= 0) return false;
    return this.#dispatcher.idle(this.#row) < TIMESTAMP_AGE_MAX;
  }

  #judgeSyn(layers: Layers): number {
    const { words } = this.#table;
    const mineFlags = this.#endFlags(this.#mine);
    const otherFlags = this.#endFlags(this.#other);
    if ((mineFlags & EndFlag.sequence) !== 0) {
      const isSame =
        (mineFlags & EndFlag.syn) !== 0 &&
        (words[this.#mine + DirectionWord.initialSequence] as number | 0) === (layers.sequence | 0);
      if (!isSame) return Refusal.syn;
      // Of a simultaneous open the SYN comes again with an ACK, which says something new.
      const isAnswer = (layers.flags & TcpFlag.ack) !== 0 && (mineFlags & EndFlag.acknowledges) === 0;
      if (!isAnswer) this.#repeats = "syn";
    }
    if ((layers.flags & TcpFlag.ack) !== 0 && (otherFlags & EndFlag.sequence) !== 0) {
      const first = (words[this.#other + DirectionWord.initialSequence] as number) + 1;
      const sentNext = words[this.#other + DirectionWord.sentNext] as number;
      if (((layers.acknowledgement - first) | 0) < 0) return Refusal.acknowledgement;
      if (((layers.acknowledgement - sentNext) | 0) > 0) return Refusal.acknowledgement;
    }
    return Refusal.none;
  }

  /**
   * RFC 5961 §3.2: a reset counts when its number is exactly the next one expected. What the receiver expects lies between
   * what it has acknowledged and what has reached it; the sender's own next number is what a closing host uses.
   */
  #judgeReset(layers: Layers): number {
    const { words, bytes } = this.#table;
    const mineFlags = this.#endFlags(this.#mine);
    const otherFlags = this.#endFlags(this.#other);
    const otherState = bytes[this.#base * 4 + STATES_AT + 1 - this.#direction] as number;
    if (otherState === State.synSent && (mineFlags & EndFlag.sequence) === 0) {
      // RFC 9293 §3.10.7.3: in SYN-SENT a reset has to acknowledge the SYN.
      const first = (words[this.#other + DirectionWord.initialSequence] as number) + 1;
      const isAnswer = (layers.flags & TcpFlag.ack) !== 0 && ((layers.acknowledgement - first) | 0) >= 0;
      return isAnswer && this.#isPlausible(layers.acknowledgement) ? Refusal.none : Refusal.reset;
    }
    if ((mineFlags & EndFlag.sequence) === 0) return Refusal.none;
    const sequence = layers.sequence | 0;
    if (sequence === (words[this.#mine + DirectionWord.sentNext] as number | 0)) return Refusal.none;
    if (sequence === this.#delivery.nextSequence(this.#mine)) return Refusal.none;
    if ((otherFlags & EndFlag.acknowledges) === 0) return Refusal.reset;
    const expected = words[this.#other + DirectionWord.acknowledged] as number;
    if (sequence === (expected | 0)) return Refusal.none;
    if (this.#policy.reset === "exact") return Refusal.reset;
    const window = words[this.#other + DirectionWord.window] as number;
    const ahead = (sequence - expected) | 0;
    const limit = window === WINDOW_UNKNOWN ? WINDOW_MAX_UNSCALED : window;
    return ahead >= 0 && ahead < limit ? Refusal.none : Refusal.reset;
  }

  /** The numbering of a direction whose SYN was not seen: its first byte is at `sequence`. */
  #learn(at: number, sequence: number): void {
    const { words } = this.#table;
    words[at + DirectionWord.initialSequence] = (sequence - 1) | 0;
    words[at + DirectionWord.sentNext] = sequence | 0;
    this.#setEndFlag(at, EndFlag.sequence);
  }

  #send(layers: Layers): void {
    const { words, bytes } = this.#table;
    const { flags, payloadBytes } = layers;
    const mine = this.#mine;
    const stateAt = this.#base * 4 + STATES_AT + this.#direction;
    const state = bytes[stateAt] as number;
    if ((flags & TcpFlag.rst) !== 0) {
      bytes[stateAt] = nextState(state, Stimulus.reset);
      return;
    }
    if ((flags & TcpFlag.syn) !== 0) {
      if (this.#repeats === "") this.#sendSyn(layers, stateAt);
    } else {
      this.#infer(flags, state, stateAt);
      const isFin = (flags & TcpFlag.fin) !== 0;
      const end = (layers.sequence + payloadBytes + (isFin ? 1 : 0)) | 0;
      const ahead = (end - (words[mine + DirectionWord.sentNext] as number)) | 0;
      const hasEnded = (this.#endFlags(mine) & EndFlag.fin) !== 0;
      if (ahead > 0 && !hasEnded) words[mine + DirectionWord.sentNext] = end;
      if (isFin) {
        if (hasEnded) this.#repeats = "fin";
        else if (ahead >= 0) {
          this.#setEndFlag(mine, EndFlag.fin);
          bytes[stateAt] = nextState(bytes[stateAt] as number, Stimulus.sendFin);
        }
      }
    }
    if ((flags & TcpFlag.ack) !== 0) this.#acknowledge(layers);
  }

  #sendSyn(layers: Layers, stateAt: number): void {
    const { words, bytes } = this.#table;
    const { options } = this;
    const mine = this.#mine;
    words[mine + DirectionWord.initialSequence] = layers.sequence | 0;
    words[mine + DirectionWord.sentNext] = (layers.sequence + 1 + layers.payloadBytes) | 0;
    const at = mine * 4;
    bytes[at + SHIFT_AT] = options.windowShift < 0 ? NO_SHIFT : options.windowShift;
    bytes[at + SHIFT_AT + 2] = Math.max(0, options.maximumSegmentBytes) >>> 8;
    bytes[at + SHIFT_AT + 3] = Math.max(0, options.maximumSegmentBytes) & 255;
    this.#setEndFlag(mine, EndFlag.syn | EndFlag.sequence);
    if (options.isSelectivePermitted) this.#setEndFlag(mine, EndFlag.selective);
    bytes[stateAt] = nextState(bytes[stateAt] as number, Stimulus.sendSyn);
  }

  /** States that packets which were not captured must have led to. */
  #infer(flags: number, state: number, stateAt: number): void {
    const { words, bytes } = this.#table;
    // Who acknowledges without SYN has had the other's SYN.
    if (state === State.synSent && (flags & TcpFlag.ack) !== 0) bytes[stateAt] = State.established;
    const otherSent = words[this.#other + DirectionWord.packetCount] as number;
    // Only this direction is seen: the acknowledgement of its SYN was not.
    if (state === State.synReceived && otherSent === 0) bytes[stateAt] = State.established;
  }

  /** Moves what the sender has acknowledged, and the edge of its window, which never goes back (RFC 9293 §3.8.6). */
  #acknowledge(layers: Layers): void {
    const { words } = this.#table;
    const mine = this.#mine;
    const acknowledgement = layers.acknowledgement | 0;
    const isFirst = (this.#endFlags(mine) & EndFlag.acknowledges) === 0;
    const before = words[mine + DirectionWord.acknowledged] as number;
    const moved = isFirst ? 0 : (acknowledgement - before) | 0;
    if (moved < 0) return;
    words[mine + DirectionWord.acknowledged] = acknowledgement;
    if (isFirst) this.#setEndFlag(mine, EndFlag.acknowledges);
    const shift = this.#windowShift(layers.flags);
    if (shift < 0) return;
    const window = layers.window << shift;
    const known = words[mine + DirectionWord.window] as number;
    const left = isFirst || known === WINDOW_UNKNOWN ? 0 : known - moved;
    words[mine + DirectionWord.window] = Math.max(window, left);
  }

  /** How far the sender's window is shifted; -1 when that is not known because a SYN was not seen. */
  #windowShift(flags: number): number {
    if ((flags & TcpFlag.syn) !== 0) return 0;
    const bothSyns = this.#endFlags(this.#mine) & this.#endFlags(this.#other) & EndFlag.syn;
    if (bothSyns === 0) return -1;
    const { bytes } = this.#table;
    const mine = bytes[this.#mine * 4 + SHIFT_AT] as number;
    const other = bytes[this.#other * 4 + SHIFT_AT] as number;
    return mine === NO_SHIFT || other === NO_SHIFT ? 0 : mine;
  }

  #receive(layers: Layers): void {
    const { words, bytes } = this.#table;
    const { flags } = layers;
    const stateAt = this.#base * 4 + STATES_AT + 1 - this.#direction;
    if ((flags & TcpFlag.rst) !== 0) {
      bytes[stateAt] = nextState(bytes[stateAt] as number, Stimulus.reset);
      words[this.#base + Word.flags] =
        (words[this.#base + Word.flags] as number) | RowFlag.ended | RowFlag.reset;
      return;
    }
    if (this.options.hasTimestamps) this.#keepTimestamp(layers);
    if (this.#repeats !== "") this.#tellRepeated();
    if ((flags & TcpFlag.syn) !== 0) {
      bytes[stateAt] = nextState(bytes[stateAt] as number, Stimulus.receiveSyn);
    }
    if ((flags & TcpFlag.ack) !== 0) this.#receiveAcknowledgement(layers, stateAt);
    this.#receivePayload(layers);
    this.#finIsReached();
  }

  #receiveAcknowledgement(layers: Layers, stateAt: number): void {
    const { words, bytes } = this.#table;
    const other = this.#other;
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
    const otherFlags = this.#endFlags(other);
    if ((otherFlags & (EndFlag.fin | EndFlag.finAcknowledged)) === EndFlag.fin && ahead === 0) {
      this.#setEndFlag(other, EndFlag.finAcknowledged);
      bytes[stateAt] = nextState(bytes[stateAt] as number, Stimulus.receiveAckOfFin);
    }
    if ((layers.flags & TcpFlag.syn) !== 0) this.#delivery.settleFastOpen(this.#row, this.#otherDirection);
  }

  #receivePayload(layers: Layers): void {
    const { flags, payloadOffset, capturedPayloadBytes } = layers;
    const isSyn = (flags & TcpFlag.syn) !== 0;
    if (layers.payloadBytes === 0 && (flags & TcpFlag.fin) !== 0) return;
    const offset = this.#delivery.offsetOf(this.#mine, isSyn ? layers.sequence + 1 : layers.sequence);
    const next = this.#delivery.next(this.#mine);
    if (!isSyn && offset === next - 1 && layers.payloadBytes <= 1 && next > 0) {
      this.#tellKeepAlive(offset, layers.payloadBytes);
      return;
    }
    if (layers.payloadBytes === 0) return;
    let end = payloadOffset + capturedPayloadBytes;
    const room = this.#room(offset);
    if (room < capturedPayloadBytes) end = payloadOffset + Math.max(0, room);
    const isHeld = isSyn && (flags & TcpFlag.ack) === 0;
    this.#delivery.take(this.#row, this.#direction, offset, layers, payloadOffset, end, isHeld);
  }

  /** Bytes from `offset` to the sender's FIN, or to the edge of the receiver's window. */
  #room(offset: number): number {
    const { words } = this.#table;
    let room = Number.MAX_SAFE_INTEGER;
    if ((this.#endFlags(this.#mine) & EndFlag.fin) !== 0) room = this.#finOffset() - offset;
    const window = words[this.#other + DirectionWord.window] as number;
    if (window !== WINDOW_UNKNOWN && this.#policy.window === "advertised") {
      const edge = ((words[this.#other + DirectionWord.acknowledged] as number) + window) | 0;
      room = Math.min(room, this.#delivery.offsetOf(this.#mine, edge) - offset);
    }
    return room;
  }

  #finOffset(): number {
    return this.#delivery.offsetOf(
      this.#mine,
      (this.#table.words[this.#mine + DirectionWord.sentNext] as number) - 1,
    );
  }

  /** Gives the receiver the sender's FIN when all in front of it is there; whether that is new. */
  #finIsReached(): boolean {
    const flags = this.#endFlags(this.#mine);
    if ((flags & (EndFlag.fin | EndFlag.finReached)) !== EndFlag.fin) return false;
    if (this.#delivery.next(this.#mine) < this.#finOffset()) return false;
    const { bytes } = this.#table;
    const stateAt = this.#base * 4 + STATES_AT + 1 - this.#direction;
    this.#setEndFlag(this.#mine, EndFlag.finReached);
    bytes[stateAt] = nextState(bytes[stateAt] as number, Stimulus.receiveFin);
    return true;
  }

  /** RFC 7323 §4.3: the timestamp of a segment that begins at or before what was last acknowledged. */
  #keepTimestamp(layers: Layers): void {
    const { words } = this.#table;
    const mine = this.#mine;
    const isKnown = (this.#endFlags(mine) & EndFlag.timestamps) !== 0;
    if (!isKnown) this.#setEndFlag(mine, EndFlag.timestamps);
    else {
      const isAhead =
        (this.#endFlags(this.#other) & EndFlag.acknowledges) !== 0 &&
        ((layers.sequence - (words[this.#other + DirectionWord.acknowledged] as number)) | 0) > 0;
      const before = words[mine + DirectionWord.timestamp] as number;
      if (isAhead || ((this.options.timestampValue - before) | 0) < 0) return;
    }
    words[mine + DirectionWord.timestamp] = this.options.timestampValue;
  }

  #endFlags(at: number): number {
    return this.#table.bytes[at * 4 + FLAGS_AT] as number;
  }

  #setEndFlag(at: number, flag: number): void {
    const { bytes } = this.#table;
    bytes[at * 4 + FLAGS_AT] = (bytes[at * 4 + FLAGS_AT] as number) | flag;
  }

  /** The timeout class by what both ends are in. */
  #classify(): void {
    const { bytes, words } = this.#table;
    const client = bytes[this.#base * 4 + STATES_AT] as number;
    const server = bytes[this.#base * 4 + STATES_AT + 1] as number;
    let timeoutClass: number = TimeoutClass.closing;
    if (isEnd(client) && isEnd(server)) {
      timeoutClass = TimeoutClass.closed;
      words[this.#base + Word.flags] = (words[this.#base + Word.flags] as number) | RowFlag.ended;
    } else if (client < State.established || server < State.established) timeoutClass = TimeoutClass.attempt;
    else if (client === State.established && server === State.established) {
      timeoutClass = TimeoutClass.established;
    }
    this.#table.setTimeoutClass(this.#row, timeoutClass);
  }

  /** What the sender's stack made of the segment, in the order of mOS's events. */
  #tellSender(before: number, after: number): void {
    const dispatcher = this.#dispatcher;
    const { events } = dispatcher;
    if (dispatcher.wants(Slot.packetSender)) {
      dispatcher.raise(Slot.packetSender, this.#row, this.#direction, events.packet);
    }
    if (dispatcher.isFirst) {
      dispatcher.raise(Slot.connectionStartSender, this.#row, this.#direction, events.connectionStart);
    }
    if (before === after && after !== State.established) return;
    if (after === State.established && this.#isNews(RowFlag.establishedSender)) {
      dispatcher.raise(Slot.establishedSender, this.#row, this.#direction, events.established);
    }
    if (before === after) return;
    this.#tellState(Slot.stateChangeSender, this.#direction, before, after);
    if (isEnd(after)) this.#tellEnd(Slot.connectionEndSender, this.#direction);
  }

  #tellReceiver(before: number, after: number): void {
    const dispatcher = this.#dispatcher;
    const { events } = dispatcher;
    if (dispatcher.wants(Slot.packetReceiver)) {
      dispatcher.raise(Slot.packetReceiver, this.#row, this.#direction, events.packet);
    }
    if (dispatcher.isFirst) {
      dispatcher.raise(Slot.connectionStartReceiver, this.#row, this.#direction, events.connectionStart);
    }
    if (before !== after) this.#tellReceiverState(before, after);
  }

  #tellReceiverState(before: number, after: number): void {
    const dispatcher = this.#dispatcher;
    const mine = this.#table.bytes[this.#base * 4 + STATES_AT + this.#direction] as number;
    if (after >= State.established && mine >= State.established && this.#isNews(RowFlag.established)) {
      dispatcher.raise(Slot.establishedReceiver, this.#row, this.#direction, dispatcher.events.established);
    }
    this.#tellState(Slot.stateChangeReceiver, this.#otherDirection, before, after);
    if (isEnd(after)) this.#tellEnd(Slot.connectionEndReceiver, this.#otherDirection);
  }

  /** Sets a flag of the record; false when it was set, or the flow's start was not seen. */
  #isNews(flag: number): boolean {
    const { words } = this.#table;
    const flags = words[this.#base + Word.flags] as number;
    if ((flags & (flag | RowFlag.partial)) !== 0) return false;
    words[this.#base + Word.flags] = flags | flag;
    return true;
  }

  #tellState(slot: number, end: Direction, from: number, to: number): void {
    const { stateChange } = this.#dispatcher.events;
    stateChange.end = SIDES[end];
    stateChange.from = TCP_STATES[from] as TcpState;
    stateChange.to = TCP_STATES[to] as TcpState;
    this.#dispatcher.raise(slot, this.#row, this.#direction, stateChange);
  }

  #tellEnd(slot: number, end: Direction): void {
    const { connectionEnd } = this.#dispatcher.events;
    const flags = this.#table.words[this.#base + Word.flags] as number;
    const isReset = this.#isReset || (flags & RowFlag.reset) !== 0;
    connectionEnd.end = SIDES[end];
    connectionEnd.reason = isReset ? "reset" : "closed";
    this.#dispatcher.raise(slot, this.#row, this.#direction, connectionEnd);
  }

  #tellRefused(layers: Layers, refusal: number): void {
    const { outOfWindow } = this.#dispatcher.events;
    outOfWindow.cause = REFUSAL_CAUSES[refusal] ?? "window";
    outOfWindow.offset = this.#delivery.offsetOf(this.#mine, layers.sequence);
    outOfWindow.lengthBytes = layers.payloadBytes;
    this.#dispatcher.raise(Slot.outOfWindow, this.#row, this.#direction, outOfWindow);
  }

  #tellRepeated(): void {
    const { retransmission } = this.#dispatcher.events;
    if (this.#repeats === "") return;
    retransmission.kind = this.#repeats;
    retransmission.content = "same";
    retransmission.offset = this.#repeats === "syn" ? 0 : this.#finOffset();
    retransmission.lengthBytes = 0;
    this.#dispatcher.raise(Slot.retransmission, this.#row, this.#direction, retransmission);
  }

  #tellKeepAlive(offset: number, lengthBytes: number): void {
    const { retransmission } = this.#dispatcher.events;
    retransmission.kind = "keep-alive";
    retransmission.content = "unknown";
    retransmission.offset = offset;
    retransmission.lengthBytes = lengthBytes;
    this.#dispatcher.raise(Slot.retransmission, this.#row, this.#direction, retransmission);
  }
}

const REFUSAL_CAUSES: readonly (OutOfWindowEvent["cause"] | undefined)[] = [
  undefined,
  "window",
  "timestamp",
  "reset",
  "acknowledgement",
  "syn",
];

/** Whether an end in this state is done. */
function isEnd(state: number): boolean {
  return state === State.closed || state === State.timeWait;
}
