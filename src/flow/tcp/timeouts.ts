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
const { State } = states;

/** Puts the flow of the segment at hand into the timeout class of what its ends are in; both done: it has ended. */
export function classify(segment: Segment): void {
  const { bytes, words } = segment.table;
  const mine = bytes[segment.mineState] as number;
  const other = bytes[segment.otherState] as number;
  let timeoutClass: number = TimeoutClass.closing;
  if (isEnd(mine) && isEnd(other)) {
    const flags = words[segment.base + Word.flags] as number;
    // Numbers that differ have to be translated for as long as an end may send again.
    timeoutClass = (flags & RowFlag.rewritten) !== 0 ? TimeoutClass.closing : TimeoutClass.closed;
    words[segment.base + Word.flags] = flags | RowFlag.ended;
  } else if (isOpening(mine) || isOpening(other)) timeoutClass = TimeoutClass.attempt;
  else if (mine === State.established && other === State.established) {
    timeoutClass = TimeoutClass.established;
  }
  segment.table.setTimeoutClass(segment.row, timeoutClass);
}

/** Whether an end in this state has still to be opened. */
function isOpening(state: number): boolean {
  return state > State.closed && state < State.established;
}
