/**
 * How connections begin, and when a SYN begins another one between the same ports (RFC 9293 §3.10.7.4, RFC 1122
 * §4.2.2.13).
 * @module
 */
import type { Layers } from "../layers/layers.ts";
import type { FlowPolicy } from "../policy.ts";
import * as bits from "../table/flags.ts";
import type { FlowTable } from "../table/flow-table.ts";
import * as record from "../table/record.ts";
import * as segments from "./segment.ts";
import { directionAt } from "./segment.ts";
import * as states from "./state.ts";
import type { TcpTracker } from "./tracker.ts";

// The module's own, so that the compiler has their numbers; imported ones it looks up each time.
const { EndFlag, NO_SHIFT, RowFlag, WINDOW_UNKNOWN } = bits;
const { DIRECTION_WORDS, DirectionWord, RECORD_WORDS, Word } = record;
const { TcpFlag } = segments;
const { State } = states;

const FLAGS_AT = DirectionWord.options * 4 + 1;

/** How a packet that belongs to no connection begins one. */
export interface Opening {
  /** Its sender is the server. */
  readonly isReversed: boolean;
  readonly isSyn: boolean;
  readonly isAnswer: boolean;
}

/** What a packet of no connection begins; `undefined` when it begins none. */
export function openingOf(layers: Layers, policy: FlowPolicy): Opening | undefined {
  const { flags } = layers;
  const isSyn = (flags & TcpFlag.syn) !== 0;
  const isAnswer = isSyn && (flags & TcpFlag.ack) !== 0;
  if (!isSyn && policy.midstream === "off") return undefined;
  const isGuessed = !isSyn && policy.midstream === "guess" && isFromServer(layers);
  return { isReversed: isAnswer || isGuessed, isSyn, isAnswer };
}

/** Fills the record of a connection that has just begun so. */
export function open(
  table: FlowTable,
  tracker: TcpTracker,
  row: number,
  opening: Opening,
  layers: Layers,
): void {
  const { words, bytes } = table;
  const base = row * RECORD_WORDS;
  const client = base + Word.directions;
  const server = client + DIRECTION_WORDS;
  words[client + DirectionWord.window] = WINDOW_UNKNOWN;
  words[server + DirectionWord.window] = WINDOW_UNKNOWN;
  bytes[(client + DirectionWord.options) * 4] = NO_SHIFT;
  bytes[(server + DirectionWord.options) * 4] = NO_SHIFT;
  const states = base * 4 + Word.bytes * 4 + 1;
  const flags = words[base + Word.flags] as number;
  if (!opening.isSyn) {
    words[base + Word.flags] = flags | RowFlag.partial;
    bytes[states] = State.established;
    bytes[states + 1] = State.established;
  } else if (opening.isAnswer) {
    words[base + Word.flags] = flags | RowFlag.answered;
    bytes[states] = State.synSent;
    bytes[states + 1] = State.synReceived;
    tracker.learn(row, 0, layers.acknowledgement);
  } else bytes[states + 1] = State.listen;
}

/** Whether a packet of the connection in `row`, sent in the table's `direction`, begins another one. */
export function isReuse(table: FlowTable, tracker: TcpTracker, row: number, layers: Layers): boolean {
  const { flags, sequence, acknowledgement } = layers;
  if ((flags & TcpFlag.syn) === 0 || (flags & (TcpFlag.rst | TcpFlag.fin)) !== 0) return false;
  const { words, bytes, direction } = table;
  const base = row * RECORD_WORDS;
  const at = directionAt(row, direction);
  const rowFlags = words[base + Word.flags] as number;
  const endFlags = bytes[at * 4 + FLAGS_AT] as number;
  const isKnown = (endFlags & EndFlag.sequence) !== 0;
  const isAnswer = (flags & TcpFlag.ack) !== 0;
  const hasEnded = (rowFlags & RowFlag.ended) !== 0;
  // What it answers tells connections apart, also those of a server that always begins with the same number.
  if (isAnswer && !hasEnded) return tracker.isAnotherAnswer(row, direction, acknowledgement);
  if (isKnown && words[at + DirectionWord.initialSequence] === (sequence | 0)) return false;
  if (isAnswer) {
    const other = directionAt(row, direction === 0 ? 1 : 0);
    return words[other + DirectionWord.initialSequence] !== ((acknowledgement - 1) | 0);
  }
  if (hasEnded) return true;
  const other = directionAt(row, direction === 0 ? 1 : 0);
  // Nobody who could confirm it is seen, and nothing is known of how the other connection began.
  if ((rowFlags & RowFlag.partial) !== 0) return isKnown && words[other + DirectionWord.packetCount] === 0;
  // The client has given its first attempt up: the server has not answered it.
  const server = bytes[base * 4 + Word.bytes * 4 + 2] as number;
  const client = bytes[base * 4 + Word.bytes * 4 + 1] as number;
  const isAttempt = client === State.synSent && server <= State.synReceived;
  return (endFlags & EndFlag.syn) !== 0 && direction === 0 && isAttempt;
}

/** Who is more likely the server, by the signs of the ports: the well-known one, or the lower. */
function isFromServer(layers: Layers): boolean {
  const { sourcePort, targetPort } = layers;
  const source = sourcePort < 1024;
  const target = targetPort < 1024;
  if (source !== target) return source;
  return sourcePort < targetPort;
}
