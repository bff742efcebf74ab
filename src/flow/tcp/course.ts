/**
 * The ordinary course of a connection besides its bytes: SYN, its answer, the third segment of the handshake, FIN and the
 * acknowledgements of either, each in order and without payload. They take a short way here, as the bytes do in
 * `prediction.ts`, with the same outcome as by the two stacks; whatever has anything unusual about it goes there.
 * @module
 */
import type { Dispatcher } from "../dispatcher.ts";
import type { Layers } from "../layers/layers.ts";
import type { FlowPolicy } from "../policy.ts";
import type { Direction } from "../side.ts";
import * as bits from "../table/flags.ts";
import * as record from "../table/record.ts";
import type { Segment } from "./segment.ts";
import * as segments from "./segment.ts";
import * as states from "./state.ts";
import type { Teller } from "./teller.ts";
import { classify } from "./timeouts.ts";
import * as transitions from "./transitions.ts";
import { nextState } from "./transitions.ts";
import { hasUsualHeader, keepTimestamp, windowOf } from "./usual.ts";

// The module's own, so that the compiler has their numbers; imported ones it looks up each time.
const { EndFlag, RowFlag, WINDOW_UNKNOWN } = bits;
const { DirectionWord, Word } = record;
const { TcpFlag } = segments;
const { State } = states;
const { Stimulus } = transitions;

/** PSH, ECE and CWR change nothing; ECE and CWR of a SYN only ask for ECN. */
const FLAGS_MASK: number = TcpFlag.fin | TcpFlag.syn | TcpFlag.rst | TcpFlag.ack | TcpFlag.urg;
const SYN_ACK: number = TcpFlag.syn | TcpFlag.ack;
const FIN_ACK: number = TcpFlag.fin | TcpFlag.ack;
/** What of a flow needs the long way. */
const UNUSUAL: number =
  RowFlag.partial |
  RowFlag.ended |
  RowFlag.reset |
  RowFlag.answered |
  RowFlag.unstarted |
  RowFlag.clientBuffer |
  RowFlag.serverBuffer |
  RowFlag.clientStopped |
  RowFlag.serverStopped |
  RowFlag.clientFastOpen |
  RowFlag.serverFastOpen;
/** What is known of an end that has sent its SYN, and of one whose answer was seen as well. */
const OPENED: number = EndFlag.syn | EndFlag.sequence;
const ANSWERED: number = EndFlag.syn | EndFlag.sequence | EndFlag.acknowledges;
const FIN_MASK: number = EndFlag.fin | EndFlag.finReached;

export class Course {
  readonly #segment: Segment;
  readonly #dispatcher: Dispatcher;
  readonly #teller: Teller;
  readonly #checksWindow: boolean;

  constructor(segment: Segment, policy: FlowPolicy, dispatcher: Dispatcher, teller: Teller) {
    this.#segment = segment;
    this.#dispatcher = dispatcher;
    this.#teller = teller;
    this.#checksWindow = policy.window === "advertised";
  }

  /** Does all that a segment asks for, if that is the usual; else nothing, and says false. */
  take(row: number, direction: Direction, layers: Layers): boolean {
    const flags = layers.flags & FLAGS_MASK;
    if (layers.payloadBytes !== 0) return false;
    const segment = this.#segment;
    segment.aim(row, direction, layers);
    if (((segment.table.words[segment.base + Word.flags] as number) & UNUSUAL) !== 0) return false;
    if (flags === TcpFlag.ack || flags === FIN_ACK) return this.#takeAcknowledgement(layers, flags);
    if (flags === TcpFlag.syn || flags === SYN_ACK) return this.#takeSyn(layers, flags);
    return false;
  }

  #takeSyn(layers: Layers, flags: number): boolean {
    const segment = this.#segment;
    const { words, bytes } = segment.table;
    const { mine, other, mineState, otherState } = segment;
    const mineBefore = bytes[mineState] as number;
    const otherBefore = bytes[otherState] as number;
    const otherFlags = segment.flagsOf(other);
    if (segment.flagsOf(mine) !== 0) return false;
    const sequence = layers.sequence | 0;
    if (flags === TcpFlag.syn) {
      if (!this.#dispatcher.isFirst || mineBefore !== State.closed || otherBefore !== State.listen)
        return false;
      if (otherFlags !== 0) return false;
      bytes[mineState] = State.synSent;
    } else {
      if (mineBefore !== State.synReceived || otherBefore !== State.synSent) return false;
      if ((otherFlags & (ANSWERED | FIN_MASK)) !== OPENED) return false;
      const first = ((words[other + DirectionWord.initialSequence] as number) + 1) | 0;
      const acknowledgement = layers.acknowledgement | 0;
      if (acknowledgement !== first || words[other + DirectionWord.sentNext] !== first) return false;
      words[mine + DirectionWord.acknowledged] = acknowledgement;
      words[mine + DirectionWord.window] = layers.window;
    }
    this.#noteSyn(layers, sequence, flags);
    this.#teller.tellSender(mineBefore, bytes[mineState] as number);
    if (!this.#dispatcher.isDropped) {
      if (segment.options.hasTimestamps) {
        segment.setFlag(mine, EndFlag.timestamps);
        words[mine + DirectionWord.timestamp] = segment.options.timestampValue;
      }
      const otherAfter = flags === TcpFlag.syn ? State.synReceived : State.established;
      bytes[otherState] = otherAfter;
      this.#teller.tellReceiver(otherBefore, otherAfter);
    } else if (this.#dispatcher.isFirst) segment.setRowFlag(RowFlag.unstarted);
    classify(segment);
    return true;
  }

  /** The numbers and the offers of a SYN. */
  #noteSyn(layers: Layers, sequence: number, flags: number): void {
    const segment = this.#segment;
    const { mine } = segment;
    const { words } = segment.table;
    segment.readOptions(layers);
    words[mine + DirectionWord.initialSequence] = sequence;
    words[mine + DirectionWord.sentNext] = (sequence + 1) | 0;
    segment.setOffers(flags === TcpFlag.syn ? OPENED : ANSWERED);
  }

  #takeAcknowledgement(layers: Layers, flags: number): boolean {
    const segment = this.#segment;
    const { words, bytes, numbers } = segment.table;
    const { mine, other, mineState, otherState } = segment;
    const mineBefore = bytes[mineState] as number;
    const otherBefore = bytes[otherState] as number;
    if (this.#dispatcher.isFirst || mineBefore < State.established) return false;
    if (otherBefore < State.established && otherBefore !== State.synReceived) return false;
    const mineFlags = segment.flagsOf(mine);
    const otherFlags = segment.flagsOf(other);
    if ((mineFlags & OPENED) !== OPENED || (otherFlags & ANSWERED) !== ANSWERED) return false;
    const isFin = flags === FIN_ACK;
    const hasEnded = (mineFlags & EndFlag.fin) !== 0;
    // A FIN that has not reached the other end yet lies behind a hole.
    if ((otherFlags & FIN_MASK) === EndFlag.fin || (hasEnded && isFin)) return false;
    const sequence = layers.sequence | 0;
    const next = numbers[(mine + DirectionWord.nextOffset) >> 1] as number;
    const first = (words[mine + DirectionWord.initialSequence] as number) + 1;
    if (sequence !== (words[mine + DirectionWord.sentNext] as number)) return false;
    if (sequence !== ((first + next + (hasEnded ? 1 : 0)) | 0)) return false;
    const acknowledgement = layers.acknowledgement | 0;
    const isKnown = (mineFlags & EndFlag.acknowledges) !== 0;
    const moved = isKnown ? (acknowledgement - (words[mine + DirectionWord.acknowledged] as number)) | 0 : 0;
    const beyond = (acknowledgement - (words[other + DirectionWord.sentNext] as number)) | 0;
    const initial = words[other + DirectionWord.initialSequence] as number;
    if (moved < 0 || beyond > 0 || ((acknowledgement - initial) | 0) <= 0) return false;
    const ahead = (sequence - (words[other + DirectionWord.acknowledged] as number)) | 0;
    const window = words[other + DirectionWord.window] as number;
    if (window !== WINDOW_UNKNOWN && this.#checksWindow && ahead > window) return false;
    // What an end has not said yet, nobody knows of it: its window is unknown then.
    const isStamped = (mineFlags & EndFlag.timestamps) !== 0;
    if (!hasUsualHeader(segment.table, layers, mine, isStamped)) return false;
    words[mine + DirectionWord.acknowledged] = acknowledgement;
    words[mine + DirectionWord.window] = windowOf(words, layers.window, mine, other, moved);
    if (isFin) words[mine + DirectionWord.sentNext] = (sequence + 1) | 0;
    segment.setFlag(mine, isFin ? EndFlag.acknowledges | EndFlag.fin : EndFlag.acknowledges);
    bytes[mineState] = isFin ? nextState(mineBefore, Stimulus.sendFin) : mineBefore;
    this.#teller.tellSender(mineBefore, bytes[mineState] as number);
    if (!this.#dispatcher.isDropped) {
      if (isStamped && ahead <= 0) keepTimestamp(segment.table, layers, mine);
      this.#receive(otherBefore, otherFlags, beyond === 0, isFin);
    }
    if (bytes[mineState] !== mineBefore || bytes[otherState] !== otherBefore) classify(segment);
    return true;
  }

  /** The receiver's part of an acknowledgement, of all that was sent to its sender if `isAll`, and of a FIN with it. */
  #receive(before: number, flags: number, isAll: boolean, isFin: boolean): void {
    const segment = this.#segment;
    const teller = this.#teller;
    const { bytes } = segment.table;
    let after: number = before === State.synReceived ? State.established : before;
    if (isAll && (flags & (EndFlag.fin | EndFlag.finAcknowledged)) === EndFlag.fin) {
      segment.setFlag(segment.other, EndFlag.finAcknowledged);
      after = nextState(after, Stimulus.receiveAckOfFin);
    }
    bytes[segment.otherState] = after;
    teller.tellReceiver(before, after);
    if (!isFin) return;
    if (this.#dispatcher.isDropped) {
      // Its receiver has not got it: it is new when it comes again.
      segment.clearFlag(segment.mine, EndFlag.fin);
      return;
    }
    segment.setFlag(segment.mine, EndFlag.finReached);
    bytes[segment.otherState] = nextState(after, Stimulus.receiveFin);
    teller.tellReceiverState(after, bytes[segment.otherState] as number);
  }
}
