/**
 * The segment at hand and the record of its flow: one object, aimed again for every segment.
 *
 * Sequence numbers are signed 32-bit numbers in the record, compared by the sign of their difference (RFC 9293 §3.4).
 * @module
 */
import type { Layers } from "../layers/layers.ts";
import type { Direction } from "../side.ts";
import * as bits from "../table/flags.ts";
import type { FlowTable } from "../table/flow-table.ts";
import * as record from "../table/record.ts";
import { SegmentOptions } from "./options.ts";
import * as states from "./state.ts";

// The module's own, so that the compiler has their numbers; imported ones it looks up each time.
const { EndFlag, NO_SHIFT, RowFlag } = bits;
const { DIRECTION_WORDS, DirectionWord, RECORD_WORDS, Word } = record;
const { State } = states;

/** Bits of the flags' byte (RFC 9293 §3.1). */
export const TcpFlag = { fin: 1, syn: 2, rst: 4, psh: 8, ack: 16, urg: 32 } as const;

const STATES_AT = Word.bytes * 4 + 1;
const FLAGS_AT = DirectionWord.options * 4 + 1;
/** The window shift, in the bytes of a direction. */
export const SHIFT_AT: number = DirectionWord.options * 4;

/** Where the words of a direction begin. */
export function directionAt(row: number, direction: Direction): number {
  return row * RECORD_WORDS + Word.directions + direction * DIRECTION_WORDS;
}

/** Whether an end in this state is done. */
export function isEnd(state: number): boolean {
  return state === State.closed || state === State.timeWait;
}

export class Segment {
  readonly table: FlowTable;
  readonly options: SegmentOptions = new SegmentOptions();
  row = 0;
  /** Where the record begins, in words, and where the words of the sender and of the receiver do. */
  base = 0;
  mine = 0;
  other = 0;
  direction: Direction = 0;
  otherDirection: Direction = 1;
  /** Where their states are, in bytes. */
  mineState = 0;
  otherState = 0;
  isReset = false;
  /** What of this segment was there before: a SYN or a FIN. */
  repeats: "" | "syn" | "fin" = "";

  constructor(table: FlowTable) {
    this.table = table;
  }

  /** Aims it at a packet of the flow in `row`, and reads its options. */
  begin(row: number, direction: Direction, layers: Layers): void {
    this.aim(row, direction, layers);
    this.readOptions(layers);
  }

  readOptions(layers: Layers): void {
    const { bytes, view, transportOffset, payloadOffset, frameEnd } = layers;
    this.options.read(bytes, view, transportOffset + 20, Math.min(payloadOffset, frameEnd));
  }

  /** The same without the options, which are left over. */
  aim(row: number, direction: Direction, layers: Layers): void {
    const base = row * RECORD_WORDS;
    this.row = row;
    this.base = base;
    this.direction = direction;
    this.otherDirection = (1 - direction) as Direction;
    this.mine = base + Word.directions + direction * DIRECTION_WORDS;
    this.other = base + Word.directions + (1 - direction) * DIRECTION_WORDS;
    this.mineState = base * 4 + STATES_AT + direction;
    this.otherState = base * 4 + STATES_AT + 1 - direction;
    this.isReset = (layers.flags & TcpFlag.rst) !== 0;
    this.repeats = "";
  }

  /** The `EndFlag` bits of the end whose words begin at `at`. */
  flagsOf(at: number): number {
    return this.table.bytes[at * 4 + FLAGS_AT] as number;
  }

  setFlag(at: number, flag: number): void {
    const { bytes } = this.table;
    bytes[at * 4 + FLAGS_AT] = (bytes[at * 4 + FLAGS_AT] as number) | flag;
  }

  /** What the sender's SYN offers, by {@link options}; `flags` of its end are set besides. */
  setOffers(flags: number): void {
    const { options, mine } = this;
    const { bytes } = this.table;
    const at = mine * 4;
    const maximum = Math.max(0, options.maximumSegmentBytes);
    bytes[at + SHIFT_AT] = options.windowShift < 0 ? NO_SHIFT : options.windowShift;
    bytes[at + SHIFT_AT + 2] = maximum >>> 8;
    bytes[at + SHIFT_AT + 3] = maximum & 255;
    this.setFlag(mine, options.isSelectivePermitted ? flags | EndFlag.selective : flags);
  }

  /** Sets a bit of `RowFlag`. */
  setRowFlag(flag: number): void {
    const { words } = this.table;
    words[this.base + Word.flags] = (words[this.base + Word.flags] as number) | flag;
  }

  clearFlag(at: number, flag: number): void {
    const { bytes } = this.table;
    bytes[at * 4 + FLAGS_AT] = (bytes[at * 4 + FLAGS_AT] as number) & ~flag;
  }

  /**
   * A SYN comes again after a reset that had refused it: the attempt goes on as if it were the first.
   * @returns whether that is so
   */
  revive(isAnswer: boolean): boolean {
    const { words, bytes } = this.table;
    const flags = words[this.base + Word.flags] as number;
    const wasAnswered = (this.flagsOf(this.other) & EndFlag.syn) !== 0;
    if (isAnswer || wasAnswered || (flags & RowFlag.reset) === 0) return false;
    words[this.base + Word.flags] = flags & ~(RowFlag.reset | RowFlag.ended);
    bytes[this.mineState] = State.closed;
    bytes[this.otherState] = State.listen;
    return true;
  }

  /** The numbering of a direction whose SYN was not seen: its first byte is at `sequence`. */
  learn(at: number, sequence: number): void {
    const { words } = this.table;
    words[at + DirectionWord.initialSequence] = (sequence - 1) | 0;
    words[at + DirectionWord.sentNext] = sequence | 0;
    this.setFlag(at, EndFlag.sequence);
  }
}
