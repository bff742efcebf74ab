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
import { hasUsualHeader, keepTimestamp, windowOf } from "./usual.ts";

// The module's own, so that the compiler has their numbers; imported ones it looks up each time.
const { Slot } = slots;
const { EndFlag, RowFlag, WINDOW_UNKNOWN } = bits;
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
  RowFlag.unstarted |
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
// An event's call stands behind its mask: what nobody listens to is not compiled.
const PACKET_SENDER: number = 1 << Slot.packetSender;
const PACKET_RECEIVER: number = 1 << Slot.packetReceiver;

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
      if (layers.capturedPayloadBytes < payloadBytes || !delivery.urgent.isEmpty) return false;
      if (((words[base + Word.monitors] as number) & dispatcher.keeping) !== 0) return false;
      const window = words[other + DirectionWord.window] as number;
      if (window !== WINDOW_UNKNOWN && this.#checksWindow && ahead + payloadBytes > window) return false;
    }
    const isStamped = (mineFlags & EndFlag.timestamps) !== 0;
    if (!hasUsualHeader(this.#table, layers, mine, isStamped)) return false;
    words[mine + DirectionWord.sentNext] = (sequence + payloadBytes) | 0;
    words[mine + DirectionWord.acknowledged] = acknowledgement;
    if ((mineFlags & otherFlags & EndFlag.syn) !== 0) {
      words[mine + DirectionWord.window] = windowOf(words, layers.window, mine, other, moved);
    }
    const { events } = dispatcher;
    if ((dispatcher.wanted & PACKET_SENDER) !== 0)
      dispatcher.raise(Slot.packetSender, row, direction, events.packet);
    if (dispatcher.isDropped) return true;
    if (isStamped && ahead <= 0) keepTimestamp(this.#table, layers, mine);
    if (payloadBytes > 0) delivery.pass(row, direction, next, layers);
    else if ((dispatcher.wanted & PACKET_RECEIVER) !== 0) {
      dispatcher.raise(Slot.packetReceiver, row, direction, events.packet);
    }
    return true;
  }
}
