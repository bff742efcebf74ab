/**
 * The bytes of TCP flows on their way to the monitors. What comes in order and is read at once is shown where it lies,
 * in the packet; only what is out of order, unread, unacknowledged or wanted for comparison goes to a StreamBuffer.
 * @module
 */
import type { Dispatcher } from "./dispatcher.ts";
import { Slot } from "./event/slot.ts";
import type { Layers } from "./layers/layers.ts";
import type { FlowLimits, FlowPolicy } from "./policy.ts";
import { type Direction, SIDES } from "./side.ts";
import { PagePool } from "./stream/page-pool.ts";
import { PlaceReport } from "./stream/place-report.ts";
import { StreamBuffer } from "./stream/stream-buffer.ts";
import { EndFlag, RowFlag } from "./table/flags.ts";
import type { FlowTable } from "./table/flow-table.ts";
import { DIRECTION_WORDS, DirectionWord, RECORD_WORDS, Word } from "./table/record.ts";

/** Bytes of a page: small, for most flows that need one need little. */
const PAGE_BYTES = 2048;
const MISSED_MAX = 0xffff_ffff;
const BUFFER_FLAGS = [RowFlag.clientBuffer, RowFlag.serverBuffer] as const;
const STOPPED_FLAGS = [RowFlag.clientStopped, RowFlag.serverStopped] as const;
const FAST_OPEN_FLAGS = [RowFlag.clientFastOpen, RowFlag.serverFastOpen] as const;

/** In-order bytes that lie in the packet at hand. */
class Piece {
  row = -1;
  direction: Direction = 0;
  offset = 0;
  end = 0;
  bytes: Uint8Array = new Uint8Array(0);
  start = 0;
}

export class Delivery {
  readonly #table: FlowTable;
  readonly #dispatcher: Dispatcher;
  readonly #policy: FlowPolicy;
  readonly #limits: FlowLimits;
  readonly #pool: PagePool;
  /** By row and direction: `row * 2 + direction`. */
  readonly #buffers = new Map<number, StreamBuffer>();
  /** What of a direction the monitors of the acknowledged view have been shown; by row and direction. */
  readonly #shown = new Map<number, number>();
  readonly #report = new PlaceReport();
  readonly #piece = new Piece();
  /** Where the bytes of the segment at hand begin that have not been told of; -1 for none. */
  #untold = -1;

  constructor(table: FlowTable, dispatcher: Dispatcher, policy: FlowPolicy, limits: FlowLimits) {
    this.#table = table;
    this.#dispatcher = dispatcher;
    this.#policy = policy;
    this.#limits = limits;
    this.#pool = new PagePool({ pageBytes: PAGE_BYTES, totalBytesMax: limits.totalBytesMax });
  }

  /** Bytes of all streams that are kept at the moment, in whole pages. */
  get heldBytes(): number {
    return this.#pool.usedBytes;
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

  /**
   * Payload that the receiver takes: `bytes[start, end)` of the packet begins at `offset` of the stream. It is told of by
   * {@link deliver}. Bytes of a SYN are held until its answer says whether they were taken (RFC 7413 §4.2).
   */
  take(
    row: number,
    direction: Direction,
    offset: number,
    layers: Layers,
    start: number,
    end: number,
    isHeld: boolean,
  ): void {
    const base = row * RECORD_WORDS;
    const at = base + Word.directions + direction * DIRECTION_WORDS;
    const { words, numbers } = this.#table;
    const flags = words[base + Word.flags] as number;
    if ((flags & STOPPED_FLAGS[direction]) !== 0 || start >= end) return;
    const next = numbers[(at + DirectionWord.nextOffset) >> 1] as number;
    const keeps = ((words[base + Word.monitors] as number) & this.#dispatcher.keeping) !== 0;
    if (offset === next && !keeps && !isHeld && (flags & BUFFER_FLAGS[direction]) === 0) {
      this.#show(row, direction, offset, layers.bytes, start, end);
      numbers[(at + DirectionWord.nextOffset) >> 1] = offset + (end - start);
      return;
    }
    this.#place(row, direction, offset, layers, start, end, isHeld);
  }

  /** In-order bytes in the packet itself. */
  #show(
    row: number,
    direction: Direction,
    offset: number,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): void {
    const piece = this.#piece;
    piece.row = row;
    piece.direction = direction;
    piece.offset = offset;
    piece.end = offset + (end - start);
    piece.bytes = bytes;
    piece.start = start;
    this.#untold = offset;
  }

  /** The rest: behind, ahead, or to be kept. */
  #place(
    row: number,
    direction: Direction,
    offset: number,
    layers: Layers,
    start: number,
    end: number,
    isHeld: boolean,
  ): void {
    const base = row * RECORD_WORDS;
    const at = base + Word.directions + direction * DIRECTION_WORDS;
    const { words } = this.#table;
    const next = this.next(at);
    const hasBuffer = ((words[base + Word.flags] as number) & BUFFER_FLAGS[direction]) !== 0;
    const keeps = ((words[base + Word.monitors] as number) & this.#dispatcher.keeping) !== 0;
    if (!hasBuffer && !keeps && !isHeld && offset <= next) {
      const overlapEnd = Math.min(next, offset + (end - start));
      this.#tellRepeated(row, direction, offset, overlapEnd - offset, "unknown", 0);
      const rest = start + (next - offset);
      if (rest < end) this.take(row, direction, next, layers, rest, end, false);
      return;
    }
    const buffer = this.#bufferOf(row, direction, next);
    const report = this.#report;
    buffer.place(offset, layers.bytes, start, end, report);
    if (report.lostBytes > 0) this.#overrun(row, direction, buffer, layers, start - offset);
    const { overlapOffset, overlapBytes, content, differenceOffset } = report;
    if (overlapBytes > 0 && content !== "none") {
      this.#tellRepeated(row, direction, overlapOffset, overlapBytes, content, differenceOffset);
      if (content === "different") this.#dispatcher.conflict?.(buffer, offset, start, end);
    }
    if (isHeld) {
      words[base + Word.flags] = (words[base + Word.flags] as number) | FAST_OPEN_FLAGS[direction];
      return;
    }
    const advanced = buffer.advance();
    if (advanced === next) return;
    this.#table.numbers[(at + DirectionWord.nextOffset) >> 1] = advanced;
    this.#untold = next;
  }

  /** The answer to a SYN that carried bytes: those it acknowledges were taken, others come again. */
  settleFastOpen(row: number, direction: Direction): void {
    const base = row * RECORD_WORDS;
    const { words, numbers } = this.#table;
    const flags = words[base + Word.flags] as number;
    if ((flags & FAST_OPEN_FLAGS[direction]) === 0) return;
    words[base + Word.flags] = flags & ~FAST_OPEN_FLAGS[direction];
    const at = base + Word.directions + direction * DIRECTION_WORDS;
    const buffer = this.#buffers.get(row * 2 + direction);
    if (buffer === undefined) return;
    if (this.#acknowledgedOffset(row, direction) <= 0) {
      this.#dropBuffer(row, direction);
      return;
    }
    numbers[(at + DirectionWord.nextOffset) >> 1] = buffer.advance();
    this.#tellData(row, direction, 0, this.next(at));
    this.#settle(row, direction, buffer);
  }

  /** Tells of what the segment at hand, sent in `direction`, brought and of what it acknowledged. */
  deliver(row: number, direction: Direction): void {
    const base = row * RECORD_WORDS;
    const flags = this.#table.words[base + Word.flags] as number;
    const other = (1 - direction) as Direction;
    const buffers = flags & (RowFlag.clientBuffer | RowFlag.serverBuffer);
    if (this.#untold >= 0) {
      const from = this.#untold;
      this.#untold = -1;
      const unread = this.#tellData(row, direction, from, this.next(this.#at(row, direction)));
      if (buffers === 0 && unread > 0) this.#keepPiece(row, direction, unread);
      this.#piece.row = -1;
    }
    if (buffers === 0) return;
    const mine = this.#buffers.get(row * 2 + direction);
    if (mine !== undefined) {
      this.#giveUpHoles(row, direction, mine);
      this.#settle(row, direction, mine);
    }
    const theirs = this.#buffers.get(row * 2 + other);
    if (theirs !== undefined) {
      this.#giveUpHoles(row, other, theirs);
      this.#tellAcknowledged(row, other);
      this.#settle(row, other, theirs);
    }
  }

  /** A datagram: all of it is in order. */
  deliverDatagram(row: number, direction: Direction, layers: Layers): void {
    const at = this.#at(row, direction);
    const { numbers } = this.#table;
    const from = this.next(at);
    const start = layers.payloadOffset;
    this.#show(row, direction, from, layers.bytes, start, start + layers.capturedPayloadBytes);
    this.#untold = -1;
    numbers[(at + DirectionWord.nextOffset) >> 1] = from + layers.capturedPayloadBytes;
    this.#dispatcher.raiseData(row, direction, from, this.next(at), false, 0);
    this.#piece.row = -1;
  }

  /** Kept bytes from `offset` on that lie together, or those of the packet at hand; `undefined` where there are none. */
  span(row: number, direction: Direction, offset: number, lengthMax: number): Uint8Array | undefined {
    const piece = this.#piece;
    if (piece.row === row && piece.direction === direction && offset >= piece.offset && offset < piece.end) {
      const start = piece.start + (offset - piece.offset);
      const { buffer, byteOffset } = piece.bytes;
      // Faster than subarray(), which asks for the class of what it makes.
      return new Uint8Array(buffer, byteOffset + start, Math.min(lengthMax, piece.end - offset));
    }
    const flags = this.#table.words[row * RECORD_WORDS + Word.flags] as number;
    if ((flags & BUFFER_FLAGS[direction]) === 0) return undefined;
    return this.#buffers.get(row * 2 + direction)?.span(offset, lengthMax);
  }

  /** The first kept byte at or behind `offset`, at most `end`: what lies between is gone. */
  keptFrom(row: number, direction: Direction, offset: number, end: number): number {
    const piece = this.#piece;
    const pieceAt = piece.row === row && piece.direction === direction ? piece.offset : end;
    const buffer = this.#buffers.get(row * 2 + direction);
    const kept = buffer?.keptFrom(offset) ?? -1;
    return Math.min(end, Math.max(offset, pieceAt), kept < 0 ? end : kept);
  }

  /** What lies above the next byte in order. */
  fragments(row: number, direction: Direction): { readonly offset: number; readonly lengthBytes: number }[] {
    return this.#buffers.get(row * 2 + direction)?.fragments() ?? [];
  }

  /** How far the other end has acknowledged a direction, as an offset; never beyond what is there. */
  acknowledgedOffset(row: number, direction: Direction): number {
    return Math.min(this.#acknowledgedOffset(row, direction), this.next(this.#at(row, direction)));
  }

  /** How far those who want only what was acknowledged have been shown a direction. */
  shownOffset(row: number, direction: Direction): number {
    return this.#shown.get(row * 2 + direction) ?? 0;
  }

  /** The flow is over: what was acknowledged and never seen is told of, and all memory goes back. */
  finish(row: number): void {
    for (const direction of [0, 1] as const) {
      const buffer = this.#buffers.get(row * 2 + direction);
      if (buffer !== undefined) this.#giveUpHoles(row, direction, buffer);
      const at = this.#at(row, direction);
      const endFlags = this.#table.bytes[at * 4 + DirectionWord.options * 4 + 1] as number;
      const fin = (endFlags & EndFlag.finAcknowledged) !== 0 ? 1 : 0;
      const missed = this.#acknowledgedOffset(row, direction) - fin - this.next(at);
      if (missed > 0) this.#tellGap(row, direction, this.next(at), missed);
      this.#dropBuffer(row, direction);
      this.#shown.delete(row * 2 + direction);
    }
  }

  #at(row: number, direction: Direction): number {
    return row * RECORD_WORDS + Word.directions + direction * DIRECTION_WORDS;
  }

  #acknowledgedOffset(row: number, direction: Direction): number {
    const other = this.#at(row, (1 - direction) as Direction);
    const { words, bytes } = this.#table;
    const flags = bytes[other * 4 + DirectionWord.options * 4 + 1] as number;
    if ((flags & EndFlag.acknowledges) === 0) return 0;
    return this.offsetOf(this.#at(row, direction), words[other + DirectionWord.acknowledged] as number);
  }

  #bufferOf(row: number, direction: Direction, startOffset: number): StreamBuffer {
    const key = row * 2 + direction;
    let buffer = this.#buffers.get(key);
    if (buffer === undefined) {
      const { streamBytesMax, segmentCountMax, compareBytes } = this.#limits;
      const keeps =
        ((this.#table.words[row * RECORD_WORDS + Word.monitors] as number) & this.#dispatcher.keeping) !== 0;
      buffer = new StreamBuffer({
        pool: this.#pool,
        policy: this.#policy.overlap,
        bytesMax: streamBytesMax,
        segmentCountMax,
        compareBytes: keeps ? compareBytes : 0,
        startOffset,
      });
      this.#buffers.set(key, buffer);
      const { words } = this.#table;
      const at = row * RECORD_WORDS + Word.flags;
      words[at] = (words[at] as number) | BUFFER_FLAGS[direction];
    }
    return buffer;
  }

  #dropBuffer(row: number, direction: Direction): void {
    const at = row * RECORD_WORDS + Word.flags;
    const { words } = this.#table;
    if (((words[at] as number) & BUFFER_FLAGS[direction]) === 0) return;
    words[at] = (words[at] as number) & ~BUFFER_FLAGS[direction];
    this.#buffers.get(row * 2 + direction)?.clear();
    this.#buffers.delete(row * 2 + direction);
  }

  /** A monitor has left bytes of the packet unread: they are copied before the packet goes. */
  #keepPiece(row: number, direction: Direction, unread: number): void {
    const piece = this.#piece;
    const from = Math.max(piece.offset, piece.end - unread);
    const buffer = this.#bufferOf(row, direction, from);
    const start = piece.start + (from - piece.offset);
    buffer.place(from, piece.bytes, start, piece.start + (piece.end - piece.offset), this.#report);
    if (this.#report.lostBytes > 0) this.#tellOverrun(row, direction);
    buffer.advance();
    if (buffer.next < piece.end) buffer.skipTo(piece.end);
  }

  /** Holes that the receiver has acknowledged, or that nobody is seen to acknowledge, are gaps. */
  #giveUpHoles(row: number, direction: Direction, buffer: StreamBuffer): void {
    for (;;) {
      const hold = buffer.firstHoldOffset();
      if (hold < 0) return;
      const isFilled = this.#acknowledgedOffset(row, direction) >= hold;
      if (!isFilled && !this.#isOneSided(row, direction, buffer)) return;
      this.#giveUpHole(row, direction, buffer, hold);
    }
  }

  #giveUpHole(row: number, direction: Direction, buffer: StreamBuffer, hold: number): void {
    const from = buffer.next;
    const next = buffer.skipTo(hold);
    this.#table.numbers[(this.#at(row, direction) + DirectionWord.nextOffset) >> 1] = next;
    this.#tellGap(row, direction, from, hold - from);
    this.#tellData(row, direction, hold, next, hold - from);
  }

  /** What is missing before `offset` will not come: its receiver has acknowledged what is behind it. */
  giveUpTo(row: number, direction: Direction, offset: number): void {
    const at = this.#at(row, direction);
    const next = this.next(at);
    if (next >= offset) return;
    this.#buffers.get(row * 2 + direction)?.skipTo(offset);
    this.#table.numbers[(at + DirectionWord.nextOffset) >> 1] = offset;
    this.#tellGap(row, direction, next, offset - next);
  }

  #isOneSided(row: number, direction: Direction, buffer: StreamBuffer): boolean {
    const other = this.#at(row, (1 - direction) as Direction);
    if ((this.#table.words[other + DirectionWord.packetCount] as number) > 0) return false;
    return buffer.heldBytes > this.#policy.oneSidedBytes;
  }

  #tellData(row: number, direction: Direction, from: number, to: number, skippedBytes = 0): number {
    if (to <= from) return 0;
    const unread = this.#dispatcher.raiseData(row, direction, from, to, false, skippedBytes);
    if (this.#dispatcher.acknowledged !== 0) this.#tellAcknowledged(row, direction);
    return unread;
  }

  /** The view of those who want only what has reached the receiver. */
  #tellAcknowledged(row: number, direction: Direction): void {
    if (this.#dispatcher.acknowledged === 0) return;
    const key = row * 2 + direction;
    const shown = this.#shown.get(key) ?? 0;
    const to = this.acknowledgedOffset(row, direction);
    if (to <= shown) return;
    this.#shown.set(key, to);
    this.#dispatcher.raiseData(row, direction, shown, to, true, 0);
  }

  /** Lets go of what nobody needs any more. */
  #settle(row: number, direction: Direction, buffer: StreamBuffer): void {
    const needed = this.#dispatcher.neededFrom(
      row,
      direction,
      buffer.next,
      this.#shown.get(row * 2 + direction),
    );
    buffer.release(needed);
    const keeps =
      ((this.#table.words[row * RECORD_WORDS + Word.monitors] as number) & this.#dispatcher.keeping) !== 0;
    if (!keeps && buffer.heldBytes === 0) this.#dropBuffer(row, direction);
  }

  #overrun(row: number, direction: Direction, buffer: StreamBuffer, layers: Layers, shift: number): void {
    const { lostOffset, lostBytes } = this.#report;
    if (this.#limits.overrun === "stop") {
      this.#tellOverrun(row, direction);
      const { words } = this.#table;
      const at = row * RECORD_WORDS + Word.flags;
      words[at] = (words[at] as number) | STOPPED_FLAGS[direction];
      buffer.clear();
      return;
    }
    if (this.#limits.overrun === "oldest") {
      const at = this.#at(row, direction);
      const before = this.next(at);
      buffer.advance();
      const hold = buffer.firstHoldOffset();
      if (hold >= 0) this.#giveUpHole(row, direction, buffer, hold);
      buffer.release(buffer.next);
      this.#dispatcher.forget(row, direction);
      const next = this.#table.numbers;
      next[(at + DirectionWord.nextOffset) >> 1] = Math.max(before, buffer.next);
      const again = new PlaceReport();
      buffer.place(lostOffset, layers.bytes, lostOffset + shift, lostOffset + lostBytes + shift, again);
    }
    this.#tellOverrun(row, direction);
  }

  #tellOverrun(row: number, direction: Direction): void {
    const { bufferOverrun } = this.#dispatcher.events;
    const { lostOffset, lostBytes, lostTo } = this.#report;
    bufferOverrun.offset = lostOffset;
    bufferOverrun.lengthBytes = lostBytes;
    bufferOverrun.limit = lostTo === "" ? "stream-bytes" : lostTo;
    this.#dispatcher.raise(Slot.bufferOverrun, row, direction, bufferOverrun);
  }

  #tellGap(row: number, direction: Direction, offset: number, lengthBytes: number): void {
    const { words } = this.#table;
    const at = this.#at(row, direction) + DirectionWord.missedBytes;
    words[at] = Math.min(MISSED_MAX, ((words[at] as number) >>> 0) + lengthBytes) | 0;
    const { gap } = this.#dispatcher.events;
    gap.offset = offset;
    gap.lengthBytes = lengthBytes;
    gap.end = SIDES[direction];
    this.#dispatcher.raise(Slot.gap, row, direction, gap);
  }

  #tellRepeated(
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
