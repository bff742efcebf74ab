/**
 * Header prediction (Van Jacobson, RFC 1323 appendix A's reference implementation): nearly every segment of an open
 * connection is the next one in order, or acknowledges something, and nothing else. Those take a short way here, with the
 * same outcome as by the two stacks; a segment with anything unusual about it, or about its flow, goes there.
 * @module
 */
import type { Delivery } from "../delivery.ts";
import type { Dispatcher } from "../dispatcher.ts";
import * as slots from "../event/slot.ts";
import type { Layers } from "../layers/layers.ts";
import type { FlowPolicy } from "../policy.ts";
import type { Direction } from "../side.ts";
import * as bits from "../table/flags.ts";
import type { FlowTable } from "../table/flow-table.ts";
import * as record from "../table/record.ts";
import * as segments from "./segment.ts";
import * as states from "./state.ts";

// The module's own, so that the compiler has their numbers; imported ones it looks up each time.
const { Slot } = slots;
const { EndFlag, NO_SHIFT, RowFlag, WINDOW_UNKNOWN } = bits;
const { DIRECTION_WORDS, DirectionWord, RECORD_WORDS, Word } = record;
const { TcpFlag } = segments;
const { State } = states;

/** Both ends' states, as they lie in `Word.bytes`. */
const STATES_MASK = 0x00ff_ff00;
const BOTH_ESTABLISHED: number = (State.established << 8) | (State.established << 16);
/** PSH, ECE and CWR change nothing. */
const FLAGS_MASK: number = TcpFlag.fin | TcpFlag.syn | TcpFlag.rst | TcpFlag.ack | TcpFlag.urg;
/** What of a flow needs the long way. */
const UNUSUAL: number =
  RowFlag.ended |
  RowFlag.reset |
  RowFlag.clientBuffer |
  RowFlag.serverBuffer |
  RowFlag.clientStopped |
  RowFlag.serverStopped |
  RowFlag.clientFastOpen |
  RowFlag.serverFastOpen;
const TOLD: number = RowFlag.established | RowFlag.establishedSender;
/** Of an end's flags: its numbers are known, and it has not ended. */
const END_MASK: number = EndFlag.sequence | EndFlag.acknowledges | EndFlag.fin;
const END_OPEN: number = EndFlag.sequence | EndFlag.acknowledges;
/** NOP, NOP, Timestamps, 10: all the options that an ordinary segment has. */
const USUAL_TIMESTAMPS = 0x0101080a;
const PLAIN_HEADER_BYTES = 20;
const TIMESTAMPS_HEADER_BYTES = 32;

export class Prediction {
  readonly #table: FlowTable;
  readonly #dispatcher: Dispatcher;
  readonly #delivery: Delivery;
  readonly #checksWindow: boolean;

  constructor(table: FlowTable, policy: FlowPolicy, dispatcher: Dispatcher, delivery: Delivery) {
    this.#table = table;
    this.#dispatcher = dispatcher;
    this.#delivery = delivery;
    this.#checksWindow = policy.window === "advertised";
  }

  /** Does all that a segment asks for, if that is the usual; else nothing, and says false. */
  take(row: number, direction: Direction, layers: Layers): boolean {
    const { words, numbers } = this.#table;
    const dispatcher = this.#dispatcher;
    const delivery = this.#delivery;
    const base = row * RECORD_WORDS;
    const mine = base + Word.directions + direction * DIRECTION_WORDS;
    const other = base + Word.directions + (1 - direction) * DIRECTION_WORDS;
    if ((layers.flags & FLAGS_MASK) !== TcpFlag.ack || dispatcher.isFirst || dispatcher.acknowledged !== 0) {
      return false;
    }
    if (((words[base + Word.bytes] as number) & STATES_MASK) !== BOTH_ESTABLISHED) return false;
    const flags = words[base + Word.flags] as number;
    if ((flags & UNUSUAL) !== 0 || ((flags & RowFlag.partial) === 0 && (flags & TOLD) !== TOLD)) return false;
    const mineFlags = ((words[mine + DirectionWord.options] as number) >> 8) & 255;
    const otherFlags = ((words[other + DirectionWord.options] as number) >> 8) & 255;
    if ((mineFlags & END_MASK) !== END_OPEN || (otherFlags & END_MASK) !== END_OPEN) return false;
    const sequence = layers.sequence | 0;
    if (sequence !== (words[mine + DirectionWord.sentNext] as number)) return false;
    const next = numbers[(mine + DirectionWord.nextOffset) >> 1] as number;
    const first = (words[mine + DirectionWord.initialSequence] as number) + 1;
    if (sequence !== ((first + next) | 0)) return false;
    const acknowledgement = layers.acknowledgement | 0;
    const moved = (acknowledgement - (words[mine + DirectionWord.acknowledged] as number)) | 0;
    if (moved < 0 || ((acknowledgement - (words[other + DirectionWord.sentNext] as number)) | 0) > 0)
      return false;
    const { payloadBytes } = layers;
    const ahead = (sequence - (words[other + DirectionWord.acknowledged] as number)) | 0;
    if (payloadBytes > 0) {
      if (layers.capturedPayloadBytes < payloadBytes || !delivery.isPlain) return false;
      if (((words[base + Word.monitors] as number) & dispatcher.keeping) !== 0) return false;
      const window = words[other + DirectionWord.window] as number;
      if (window !== WINDOW_UNKNOWN && this.#checksWindow && ahead + payloadBytes > window) return false;
    }
    if (!this.#takeTimestamp(layers, mine, (mineFlags & EndFlag.timestamps) !== 0, ahead)) return false;
    words[mine + DirectionWord.sentNext] = (sequence + payloadBytes) | 0;
    words[mine + DirectionWord.acknowledged] = acknowledgement;
    if ((mineFlags & otherFlags & EndFlag.syn) !== 0) this.#moveWindow(layers.window, mine, other, moved);
    this.#tell(row, direction, layers, next);
    return true;
  }

  /** The timestamp of a segment without other options; false when there is anything about it. */
  #takeTimestamp(layers: Layers, mine: number, isExpected: boolean, ahead: number): boolean {
    const { transportHeaderBytes, transportOffset, payloadOffset, frameEnd, view } = layers;
    if (transportHeaderBytes === PLAIN_HEADER_BYTES) return !isExpected;
    if (transportHeaderBytes !== TIMESTAMPS_HEADER_BYTES || !isExpected || payloadOffset > frameEnd) {
      return false;
    }
    if (view.getInt32(transportOffset + PLAIN_HEADER_BYTES) !== USUAL_TIMESTAMPS) return false;
    const { words } = this.#table;
    const value = view.getInt32(transportOffset + PLAIN_HEADER_BYTES + 4);
    if (((value - (words[mine + DirectionWord.timestamp] as number)) | 0) < 0) return false;
    // RFC 7323 §4.3: of a segment that begins at or before what was last acknowledged.
    if (ahead <= 0) words[mine + DirectionWord.timestamp] = value;
    return true;
  }

  /** The window's edge never goes back (RFC 9293 §3.8.6). */
  #moveWindow(window: number, mine: number, other: number, moved: number): void {
    const { words } = this.#table;
    const mineShift = (words[mine + DirectionWord.options] as number) & 255;
    const otherShift = (words[other + DirectionWord.options] as number) & 255;
    const shifted = mineShift === NO_SHIFT || otherShift === NO_SHIFT ? window : window << mineShift;
    const known = words[mine + DirectionWord.window] as number;
    const left = known === WINDOW_UNKNOWN ? 0 : known - moved;
    words[mine + DirectionWord.window] = Math.max(shifted, left);
  }

  /** The events of both hooks, and the bytes. */
  #tell(row: number, direction: Direction, layers: Layers, next: number): void {
    const dispatcher = this.#dispatcher;
    const delivery = this.#delivery;
    const { packet } = dispatcher.events;
    const { payloadBytes, payloadOffset } = layers;
    dispatcher.raise(Slot.packetSender, row, direction, packet);
    if (dispatcher.isDropped) return;
    const end = payloadOffset + payloadBytes;
    if (payloadBytes > 0) delivery.take(row, direction, next, layers, payloadOffset, end, false);
    dispatcher.raise(Slot.packetReceiver, row, direction, packet);
    if (payloadBytes === 0) return;
    if (!dispatcher.isDropped) delivery.deliver(row, direction);
    if (dispatcher.isDropped) delivery.takeBack(row, direction, next, next, next + payloadBytes);
  }
}
