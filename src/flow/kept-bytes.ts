/**
 * Where the bytes of a stream that can be read lie: in the packet at hand, or in a buffer.
 * @module
 */
import type { Piece } from "./piece.ts";
import type { Direction } from "./side.ts";
import { BUFFER_FLAGS, type Streams } from "./streams.ts";
import type { FlowTable } from "./table/flow-table.ts";
import { RECORD_WORDS, Word } from "./table/record.ts";

export class KeptBytes {
  readonly #table: FlowTable;
  readonly #streams: Streams;
  readonly #piece: Piece;

  constructor(table: FlowTable, streams: Streams, piece: Piece) {
    this.#table = table;
    this.#streams = streams;
    this.#piece = piece;
  }

  /** Kept bytes from `offset` on that lie together, or those of the packet at hand; `undefined` where there are none. */
  span(row: number, direction: Direction, offset: number, lengthMax: number): Uint8Array | undefined {
    const piece = this.#piece;
    if (piece.has(row, direction, offset)) return piece.span(offset, lengthMax);
    const flags = this.#table.words[row * RECORD_WORDS + Word.flags] as number;
    if ((flags & BUFFER_FLAGS[direction]) === 0) return undefined;
    return this.#streams.get(row, direction)?.span(offset, lengthMax);
  }

  /** The first kept byte at or behind `offset`, at most `end`: what lies between is gone. */
  keptFrom(row: number, direction: Direction, offset: number, end: number): number {
    const piece = this.#piece;
    const pieceAt = piece.row === row && piece.direction === direction ? piece.offset : end;
    const buffer = this.#streams.get(row, direction);
    const kept = buffer?.keptFrom(offset) ?? -1;
    return Math.min(end, Math.max(offset, pieceAt), kept < 0 ? end : kept);
  }

  /** What lies above the next byte in order. */
  fragments(row: number, direction: Direction): { readonly offset: number; readonly lengthBytes: number }[] {
    return this.#streams.get(row, direction)?.fragments() ?? [];
  }
}
