/**
 * Tells the monitors what became of a flow's bytes: what is missing, was there before, or had no room.
 * @module
 */
import type { Dispatcher } from "./dispatcher.ts";
import * as slots from "./event/slot.ts";
import { type Direction, SIDES } from "./side.ts";
import type { LostTo } from "./stream/place-report.ts";
import type { FlowTable } from "./table/flow-table.ts";
import * as record from "./table/record.ts";
import type { UrgentMarks } from "./urgent.ts";

// The module's own, so that the compiler has their numbers; imported ones it looks up each time.
const { Slot } = slots;
const { DIRECTION_WORDS, DirectionWord, RECORD_WORDS, Word } = record;

const MISSED_MAX = 0xffff_ffff;

export class DeliveryTeller {
  readonly #table: FlowTable;
  readonly #dispatcher: Dispatcher;
  readonly #urgent: UrgentMarks;

  constructor(table: FlowTable, dispatcher: Dispatcher, urgent: UrgentMarks) {
    this.#table = table;
    this.#dispatcher = dispatcher;
    this.#urgent = urgent;
  }

  /** Bytes were lost to a limit. */
  tellOverrun(row: number, direction: Direction, offset: number, lengthBytes: number, lostTo: LostTo): void {
    const { bufferOverrun } = this.#dispatcher.events;
    bufferOverrun.offset = offset;
    bufferOverrun.lengthBytes = lengthBytes;
    bufferOverrun.limit = lostTo === "" ? "stream-bytes" : lostTo;
    this.#dispatcher.raise(Slot.bufferOverrun, row, direction, bufferOverrun);
  }

  /** The urgent bytes of `[from, to)` are gaps for whoever reads. */
  tellUrgent(row: number, direction: Direction, from: number, to: number): void {
    for (let at = from; ; at++) {
      at = this.#urgent.from(row * 2 + direction, at, to);
      if (at < 0) return;
      const { gap } = this.#dispatcher.events;
      gap.offset = at;
      gap.lengthBytes = 1;
      this.#dispatcher.raise(Slot.gap, row, direction, gap);
    }
  }

  /** Bytes will not come. */
  tellGap(row: number, direction: Direction, offset: number, lengthBytes: number): void {
    const { words } = this.#table;
    const at = row * RECORD_WORDS + Word.directions + direction * DIRECTION_WORDS + DirectionWord.missedBytes;
    words[at] = Math.min(MISSED_MAX, ((words[at] as number) >>> 0) + lengthBytes) | 0;
    const { gap } = this.#dispatcher.events;
    gap.offset = offset;
    gap.lengthBytes = lengthBytes;
    gap.end = SIDES[direction];
    this.#dispatcher.raise(Slot.gap, row, direction, gap);
  }

  /** Bytes came that had come before. */
  tellRepeated(
    row: number,
    direction: Direction,
    offset: number,
    lengthBytes: number,
    content: "same" | "different" | "unknown",
    differenceOffset: number,
  ): void {
    const { retransmission } = this.#dispatcher.events;
    retransmission.kind = "data";
    retransmission.offset = offset;
    retransmission.lengthBytes = lengthBytes;
    retransmission.content = content;
    retransmission.differenceOffset = differenceOffset;
    this.#dispatcher.raise(Slot.retransmission, row, direction, retransmission);
  }
}
