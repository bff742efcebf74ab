/**
 * How long a connection may be silent, by the states of its ends.
 * @module
 */
import * as bits from "../table/flags.ts";
import * as record from "../table/record.ts";
import { isEnd, type Segment } from "./segment.ts";
import * as states from "./state.ts";

// The module's own, so that the compiler has their numbers; imported ones it looks up each time.
const { RowFlag, TimeoutClass } = bits;
const { Word } = record;
const { State, TCP_STATES } = states;

const STATE_COUNT = TCP_STATES.length;
/** By the states of both ends: a look at what a packet changes costs as much whatever it is. */
const CLASSES: Uint8Array = Uint8Array.from({ length: STATE_COUNT * STATE_COUNT }, (_, index) =>
  classOf(Math.floor(index / STATE_COUNT), index % STATE_COUNT),
);

/** Puts the flow of the segment at hand into the timeout class of what its ends are in; both done: it has ended. */
export function classify(segment: Segment): void {
  const { bytes, words } = segment.table;
  const mine = bytes[segment.mineState] as number;
  const other = bytes[segment.otherState] as number;
  const flagsAt = segment.base + Word.flags;
  const flags = words[flagsAt] as number;
  let timeoutClass = CLASSES[mine * STATE_COUNT + other] as number;
  const hasEnded = timeoutClass === TimeoutClass.closed;
  words[flagsAt] = hasEnded ? flags | RowFlag.ended : flags;
  // Numbers that differ have to be translated for as long as an end may send again.
  if (hasEnded && (flags & RowFlag.rewritten) !== 0) timeoutClass = TimeoutClass.closing;
  segment.table.setTimeoutClass(segment.row, timeoutClass);
}

function classOf(mine: number, other: number): number {
  if (isEnd(mine) && isEnd(other)) return TimeoutClass.closed;
  if (isOpening(mine) || isOpening(other)) return TimeoutClass.attempt;
  const areOpen = mine === State.established && other === State.established;
  return areOpen ? TimeoutClass.established : TimeoutClass.closing;
}

/** Whether an end in this state has still to be opened. */
function isOpening(state: number): boolean {
  return state > State.closed && state < State.established;
}
