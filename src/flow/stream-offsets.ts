/**
 * Sequence numbers as offsets of streams, which do not wrap: byte 0 is the one behind the SYN, and an offset may be as
 * large as 2^53.
 * @module
 */
import type { Direction } from "./side.ts";
import * as bits from "./table/flags.ts";
import type { FlowTable } from "./table/flow-table.ts";
import * as record from "./table/record.ts";
import { directionAt } from "./tcp/segment.ts";

// The module's own, so that the compiler has their numbers; imported ones it looks up each time.
const { EndFlag } = bits;
const { DirectionWord } = record;

const FLAGS_AT = DirectionWord.options * 4 + 1;

export class StreamOffsets {
  readonly #table: FlowTable;

  constructor(table: FlowTable) {
    this.#table = table;
  }

  /** The offset of the next byte in order; `at` is where a direction's words begin. */
  next(at: number): number {
    return this.#table.numbers[(at + DirectionWord.nextOffset) >> 1] as number;
  }

  /** Its sequence number, signed. */
  nextSequence(at: number): number {
    const initial = this.#table.words[at + DirectionWord.initialSequence] as number;
    return (initial + 1 + this.next(at)) | 0;
  }

  /** The offset that a sequence number stands for: the one nearest to the next byte (RFC 9293 §3.4). */
  offsetOf(at: number, sequence: number): number {
    return this.next(at) + ((sequence - this.nextSequence(at)) | 0);
  }

  /** The same for a next byte that was at offset `next`. */
  offsetAt(at: number, next: number, sequence: number): number {
    const initial = this.#table.words[at + DirectionWord.initialSequence] as number;
    return next + ((sequence - initial - 1 - next) | 0);
  }

  /** How far the other end has acknowledged a direction, as an offset; never beyond what is there. */
  acknowledgedOffset(row: number, direction: Direction): number {
    return Math.min(this.saidOffset(row, direction), this.next(directionAt(row, direction)));
  }

  /** Where a direction ends by what the other end has acknowledged of it: behind what is there, or where that ends. */
  confirmedEnd(row: number, direction: Direction): number {
    const at = directionAt(row, direction);
    const endFlags = this.#table.bytes[at * 4 + FLAGS_AT] as number;
    const fin = (endFlags & EndFlag.finAcknowledged) !== 0 ? 1 : 0;
    const next = this.next(at);
    const missed = this.saidOffset(row, direction) - fin - next;
    // One number that was acknowledged and never seen is a FIN that was missed, and no byte.
    const isByte = missed > 1 || (missed === 1 && (endFlags & EndFlag.fin) !== 0);
    return isByte ? next + missed : next;
  }

  /** Whether nothing was seen of who could acknowledge. */
  isOneSided(row: number, direction: Direction): boolean {
    const other = directionAt(row, (1 - direction) as Direction);
    return this.#table.words[other + DirectionWord.packetCount] === 0;
  }

  /** How far the other end says that it has a direction, as an offset; 0 when it says nothing. */
  saidOffset(row: number, direction: Direction): number {
    const other = directionAt(row, (1 - direction) as Direction);
    const { words, bytes } = this.#table;
    const flags = bytes[other * 4 + FLAGS_AT] as number;
    if ((flags & EndFlag.acknowledges) === 0) return 0;
    return this.offsetOf(directionAt(row, direction), words[other + DirectionWord.acknowledged] as number);
  }
}
