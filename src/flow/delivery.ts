/**
 * The bytes of TCP flows on their way to the monitors. What comes in order and is read at once is shown where it lies,
 * in the packet; only what is out of order, unread, unacknowledged or wanted for comparison goes to a StreamBuffer.
 * @module
 */
import { ConfirmedView } from "./confirmed-view.ts";
import { rewriteConflict } from "./conflict.ts";
import { DeliveryTeller } from "./delivery-teller.ts";
import type { Dispatcher } from "./dispatcher.ts";
import * as slots from "./event/slot.ts";
import { KeptBytes } from "./kept-bytes.ts";
import type { Layers } from "./layers/layers.ts";
import * as layer from "./layers/layers.ts";
import { Piece } from "./piece.ts";
import type { FlowLimits, FlowPolicy } from "./policy.ts";
import type { Direction } from "./side.ts";
import { type LostTo, PlaceReport } from "./stream/place-report.ts";
import type { StreamBuffer } from "./stream/stream-buffer.ts";
import { StreamOffsets } from "./stream-offsets.ts";
import { BUFFER_FLAGS, Streams } from "./streams.ts";
import * as bits from "./table/flags.ts";
import type { FlowTable } from "./table/flow-table.ts";
import * as record from "./table/record.ts";
import { directionAt } from "./tcp/segment.ts";
import { UrgentMarks } from "./urgent.ts";

// The module's own, so that the compiler has their numbers; imported ones it looks up each time.
const { Slot } = slots;
const { IpProtocol } = layer;
const { RowFlag } = bits;
const { DIRECTION_WORDS, DirectionWord, RECORD_WORDS, Word } = record;

const STOPPED_FLAGS = [RowFlag.clientStopped, RowFlag.serverStopped] as const;
const DIRECTIONS = [0, 1] as const;
const BOTH_BUFFERS: number = RowFlag.clientBuffer | RowFlag.serverBuffer;
const PACKET_RECEIVER: number = 1 << Slot.packetReceiver;
const FAST_OPEN_FLAGS = [RowFlag.clientFastOpen, RowFlag.serverFastOpen] as const;

export class Delivery extends StreamOffsets {
  /** Bytes that can be read. */
  readonly kept: KeptBytes;
  /** Bytes that are urgent, by `row * 2 + direction`; what that means is the policy's. */
  readonly urgent: UrgentMarks = new UrgentMarks();
  readonly #table: FlowTable;
  readonly #dispatcher: Dispatcher;
  readonly #policy: FlowPolicy;
  readonly #limits: FlowLimits;
  readonly #streams: Streams;
  readonly #teller: DeliveryTeller;
  readonly #confirmed: ConfirmedView;
  readonly #report = new PlaceReport();
  readonly #again = new PlaceReport();
  readonly #piece = new Piece();
  // Offsets begin as no small integers: fields that become doubles only later cost the code that was compiled before.
  /** Where the bytes of the segment at hand begin that have not been told of; below 0, or NaN, for none. */
  #untold = Number.NaN;
  /** What became of the bytes of the segment at hand: nothing, kept, or shown where there was no room to keep them. */
  #became: "" | "kept" | "shown" = "";
  /** What the capture has cut off the segment at hand: a range of the stream, `[from, to)`. */
  #cutFrom = Number.NaN;
  #cutTo = Number.NaN;

  constructor(table: FlowTable, dispatcher: Dispatcher, policy: FlowPolicy, limits: FlowLimits) {
    super(table);
    this.#table = table;
    this.#dispatcher = dispatcher;
    this.#policy = policy;
    this.#limits = limits;
    this.#streams = new Streams(table, dispatcher, policy, limits);
    this.kept = new KeptBytes(table, this.#streams, this.#piece);
    this.#confirmed = new ConfirmedView(dispatcher);
    this.#teller = new DeliveryTeller(table, dispatcher, this.urgent);
  }

  /** Bytes of all streams that are kept at the moment, in whole pages. */
  get heldBytes(): number {
    return this.#streams.heldBytes;
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
    const next = numbers[(at + DirectionWord.nextOffset) >> 1] as number;
    if ((flags & STOPPED_FLAGS[direction]) !== 0) {
      numbers[(at + DirectionWord.nextOffset) >> 1] = Math.max(next, offset + (end - start));
      return;
    }
    if (start >= end) return;
    const keeps = ((words[base + Word.monitors] as number) & this.#dispatcher.keeping) !== 0;
    if (offset === next && !keeps && !isHeld && (flags & BUFFER_FLAGS[direction]) === 0) {
      this.#piece.show(row, direction, offset, layers.bytes, start, end);
      this.#untold = offset;
      numbers[(at + DirectionWord.nextOffset) >> 1] = offset + (end - start);
      return;
    }
    this.#place(row, direction, offset, layers, start, end, isHeld);
  }

  /**
   * All of it for a segment about whose payload there is nothing to decide: it lies at `next`, is whole, and nothing of
   * its direction is kept. The receiver's hook is told of the packet in front of its bytes.
   */
  pass(row: number, direction: Direction, next: number, layers: Layers): void {
    const dispatcher = this.#dispatcher;
    const { payloadOffset, payloadBytes } = layers;
    const at = row * RECORD_WORDS + Word.directions + direction * DIRECTION_WORDS;
    const end = next + payloadBytes;
    this.#piece.show(row, direction, next, layers.bytes, payloadOffset, payloadOffset + payloadBytes);
    this.#table.numbers[(at + DirectionWord.nextOffset) >> 1] = end;
    if ((dispatcher.wanted & PACKET_RECEIVER) !== 0) {
      dispatcher.raise(Slot.packetReceiver, row, direction, dispatcher.events.packet);
    }
    const unread = dispatcher.isDropped ? 0 : dispatcher.raiseData(row, direction, next, end, false, 0);
    if (dispatcher.isDropped) {
      this.takeBack(row, direction, next, next, end);
      return;
    }
    if (unread > 0) this.#keepPiece(row, direction, unread);
    this.#piece.row = -1;
    if (unread > 0) this.#look(row, direction);
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
      this.#teller.tellRepeated(row, direction, offset, overlapEnd - offset, "unknown", 0);
      const rest = start + (next - offset);
      if (rest < end) this.take(row, direction, next, layers, rest, end, false);
      return;
    }
    const buffer = this.#streams.open(row, direction, next);
    const report = this.#report;
    this.#became = "kept";
    buffer.place(offset, layers.bytes, start, end, report);
    const { overlapOffset, overlapBytes, content, differenceOffset } = report;
    if (overlapBytes > 0 && content !== "none") {
      this.#teller.tellRepeated(row, direction, overlapOffset, overlapBytes, content, differenceOffset);
      if (content === "different") this.#settleConflict(buffer, offset, layers, start, end);
    }
    const isLost =
      report.lostBytes > 0 && !this.#overrun(row, direction, buffer, layers, start - offset, end);
    if (((words[base + Word.flags] as number) & STOPPED_FLAGS[direction]) !== 0) return;
    if (isHeld) {
      words[base + Word.flags] = (words[base + Word.flags] as number) | FAST_OPEN_FLAGS[direction];
      return;
    }
    const from = this.next(at);
    const stop = offset + (end - start);
    buffer.advance();
    // In order, and there is no room to keep it: who reads it at once gets it all the same.
    if (isLost && offset <= from && stop > buffer.next && buffer.firstHoldOffset() < 0) {
      this.#piece.show(row, direction, from, layers.bytes, start + (from - offset), end);
      buffer.skipTo(stop);
      this.#became = "shown";
    }
    if (buffer.next === from) return;
    this.#table.numbers[(at + DirectionWord.nextOffset) >> 1] = buffer.next;
    this.#untold = from;
  }

  /** A segment that brings other bytes than those that its receiver has: it gets the same, or not at all. */
  #settleConflict(buffer: StreamBuffer, offset: number, layers: Layers, start: number, end: number): void {
    if (this.#policy.conflict === "drop") this.#dispatcher.isDropped = true;
    if (this.#policy.conflict !== "rewrite") return;
    if (rewriteConflict(buffer, offset, layers, start, end) > 0) this.#dispatcher.isRewritten = true;
  }

  /** The capture has only the start of a segment: `[from, to)` of the stream was sent, and is not there. */
  cut(from: number, to: number): void {
    this.#cutFrom = from;
    this.#cutTo = to;
  }

  /** Nothing at or behind `offset` belongs to the stream: it has ended there. */
  endAt(row: number, direction: Direction, offset: number): void {
    this.#streams.get(row, direction)?.takeBack(offset, Number.MAX_SAFE_INTEGER);
  }

  /** Another segment is at hand. */
  begin(): void {
    this.#became = "";
  }

  /**
   * The packet at hand goes no further: what it brought, `[offset, end)`, its receiver has not, so that it is new when it
   * is sent again. `next` is what was in order before.
   */
  takeBack(row: number, direction: Direction, next: number, offset: number, end: number): void {
    this.#untold = -1;
    this.#cutTo = -1;
    this.#piece.row = -1;
    const at = directionAt(row, direction);
    const { numbers } = this.#table;
    if (end <= next && this.next(at) === next) return;
    const buffer = this.#streams.get(row, direction);
    if (this.#became === "shown") buffer?.takeBack(Math.max(next, offset), end);
    else if (this.#became === "kept") buffer?.undo();
    // What it made readable besides its own bytes, nobody has been told of.
    buffer?.takeBack(next, next);
    numbers[(at + DirectionWord.nextOffset) >> 1] = buffer?.next ?? next;
    this.#dispatcher.takeBack(row, direction, this.next(at));
  }

  /** The answer to a SYN that carried bytes: those it acknowledges were taken, others come again. */
  settleFastOpen(row: number, direction: Direction): void {
    const base = row * RECORD_WORDS;
    const { words, numbers } = this.#table;
    const flags = words[base + Word.flags] as number;
    if ((flags & FAST_OPEN_FLAGS[direction]) === 0) return;
    words[base + Word.flags] = flags & ~FAST_OPEN_FLAGS[direction];
    const at = base + Word.directions + direction * DIRECTION_WORDS;
    const buffer = this.#streams.get(row, direction);
    if (buffer === undefined) return;
    const from = this.next(at);
    buffer.takeBack(Math.max(from, this.saidOffset(row, direction)), Number.MAX_SAFE_INTEGER);
    numbers[(at + DirectionWord.nextOffset) >> 1] = buffer.advance();
    this.#tellData(row, direction, from, this.next(at));
    this.#settle(row, direction, buffer);
  }

  /**
   * Tells of what the segment at hand, sent in `direction`, brought and of what it acknowledged. Who drops it meanwhile
   * ends this: {@link takeBack} has to follow.
   */
  deliver(row: number, direction: Direction): void {
    const { words } = this.#table;
    const flagsAt = row * RECORD_WORDS + Word.flags;
    const other = (1 - direction) as Direction;
    // What it acknowledges was there before it was sent: a reply comes behind its request.
    if (((words[flagsAt] as number) & BUFFER_FLAGS[other]) !== 0) this.#look(row, other);
    if (this.#dispatcher.isDropped) return;
    if (this.#untold >= 0) {
      const from = this.#untold;
      this.#untold = -1;
      const unread = this.#tellData(row, direction, from, this.next(directionAt(row, direction)));
      if (this.#dispatcher.isDropped) return;
      const hasBuffer = ((words[flagsAt] as number) & BUFFER_FLAGS[direction]) !== 0;
      if (unread > 0 && !hasBuffer) this.#keepPiece(row, direction, unread);
      this.#piece.row = -1;
    }
    if (this.#cutTo >= 0) this.#skipCut(row, direction);
    if (((words[flagsAt] as number) & BUFFER_FLAGS[direction]) !== 0) this.#look(row, direction);
  }

  /** What can be told of a direction whose bytes are kept, and what need not be kept any more. */
  #look(row: number, direction: Direction): void {
    const buffer = this.#streams.get(row, direction);
    if (buffer === undefined) return;
    const flags = this.#table.words[row * RECORD_WORDS + Word.flags] as number;
    const isHeld = (flags & FAST_OPEN_FLAGS[direction]) !== 0 && buffer.next === 0;
    if (isHeld && this.saidOffset(row, direction) <= 0) return;
    this.#giveUpHoles(row, direction, buffer);
    this.#tellAcknowledged(row, direction);
    this.#settle(row, direction, buffer);
  }

  /** What the capture has cut off is a gap once all in front of it is there. */
  #skipCut(row: number, direction: Direction): void {
    const to = this.#cutTo;
    this.#cutTo = -1;
    const at = directionAt(row, direction);
    const next = this.next(at);
    const flags = this.#table.words[row * RECORD_WORDS + Word.flags] as number;
    if (next >= to || next < this.#cutFrom || (flags & STOPPED_FLAGS[direction]) !== 0) return;
    const buffer = this.#streams.get(row, direction);
    const reached = buffer === undefined ? to : buffer.skipTo(to);
    this.#table.numbers[(at + DirectionWord.nextOffset) >> 1] = reached;
    this.#teller.tellGap(row, direction, next, to - next);
    this.#tellData(row, direction, to, reached, to - next);
  }

  /** A datagram: all of it is in order, and confirmed. */
  deliverDatagram(row: number, direction: Direction, layers: Layers): void {
    const at = directionAt(row, direction);
    const { numbers } = this.#table;
    const from = this.next(at);
    const start = layers.payloadOffset;
    const to = from + layers.capturedPayloadBytes;
    const buffer = this.#streams.get(row, direction);
    this.#piece.show(row, direction, from, layers.bytes, start, start + layers.capturedPayloadBytes);
    numbers[(at + DirectionWord.nextOffset) >> 1] = to;
    let unread = this.#dispatcher.raiseData(row, direction, from, to, false, 0);
    if (this.#dispatcher.acknowledged !== 0) {
      unread = Math.max(unread, this.#confirmed.tell(row, direction, to));
    }
    if (unread > 0) this.#keepPiece(row, direction, unread);
    this.#piece.row = -1;
    if (buffer !== undefined) this.#settle(row, direction, buffer);
  }

  /** The flow was reset, or is over: what is behind holes is shown now, or never. */
  endTails(row: number): void {
    const flags = this.#table.words[row * RECORD_WORDS + Word.flags] as number;
    if ((flags & BOTH_BUFFERS) === 0 && this.#dispatcher.acknowledged === 0) return;
    for (const direction of DIRECTIONS) {
      const buffer = this.#streams.get(row, direction);
      if (buffer !== undefined) this.#giveUpHoles(row, direction, buffer);
      if (this.#policy.tail !== "deliver" && !this.isOneSided(row, direction)) continue;
      if (buffer !== undefined) {
        for (let hold = buffer.firstHoldOffset(); hold >= 0; hold = buffer.firstHoldOffset()) {
          this.#giveUpHole(row, direction, buffer, hold);
        }
      }
      if (this.#dispatcher.acknowledged !== 0) {
        this.#confirmed.tell(row, direction, this.next(directionAt(row, direction)));
      }
    }
  }

  /** The flow is over: what was acknowledged and never seen is told of. {@link release} has to follow. */
  finish(row: number): void {
    this.#untold = -1;
    if (this.#table.bytes[row * RECORD_WORDS * 4 + Word.bytes * 4] !== IpProtocol.tcp) return;
    this.endTails(row);
    this.giveUpTo(row, 0, this.confirmedEnd(row, 0));
    this.giveUpTo(row, 1, this.confirmedEnd(row, 1));
  }

  /** Gives the memory of a flow back. */
  release(row: number): void {
    const flags = this.#table.words[row * RECORD_WORDS + Word.flags] as number;
    const hasMore = this.#dispatcher.acknowledged !== 0 || !this.urgent.isEmpty;
    if ((flags & BOTH_BUFFERS) === 0 && !hasMore) return;
    for (const direction of DIRECTIONS) {
      this.#streams.close(row, direction);
      this.#confirmed.clear(row, direction);
      this.urgent.clear(row * 2 + direction);
    }
  }

  /** A monitor has left bytes of the packet unread: they are copied before the packet goes. */
  #keepPiece(row: number, direction: Direction, unread: number): void {
    const piece = this.#piece;
    const from = Math.max(piece.offset, piece.end - unread);
    const buffer = this.#streams.open(row, direction, from);
    const start = piece.start + (from - piece.offset);
    const report = this.#report;
    if (buffer.next < from) buffer.skipTo(from);
    this.#became = "kept";
    buffer.place(from, piece.bytes, start, piece.start + (piece.end - piece.offset), report);
    if (report.lostBytes > 0)
      this.#teller.tellOverrun(row, direction, report.lostOffset, report.lostBytes, report.lostTo);
    buffer.advance();
    if (buffer.next < piece.end) buffer.skipTo(piece.end);
  }

  /** Holes that the receiver has acknowledged, or that nobody is seen to acknowledge, are gaps. */
  #giveUpHoles(row: number, direction: Direction, buffer: StreamBuffer): void {
    for (;;) {
      const hold = buffer.firstHoldOffset();
      if (hold < 0) return;
      const isFilled = this.saidOffset(row, direction) >= hold;
      if (!isFilled) {
        const isEnough = buffer.heldBytes > this.#policy.oneSidedBytes;
        if (!isEnough || !this.isOneSided(row, direction)) return;
        if (buffer.heldAboveBytes <= this.#policy.oneSidedBytes) return;
      }
      this.#giveUpHole(row, direction, buffer, hold);
    }
  }

  #giveUpHole(row: number, direction: Direction, buffer: StreamBuffer, hold: number): void {
    const from = buffer.next;
    const next = buffer.skipTo(hold);
    this.#table.numbers[(directionAt(row, direction) + DirectionWord.nextOffset) >> 1] = next;
    // Bytes of a SYN that were never answered lie behind no hole.
    if (hold > from) this.#teller.tellGap(row, direction, from, hold - from);
    this.#tellData(row, direction, hold, next, hold - from);
  }

  /** What is missing in front of `offset` will not come: its receiver has acknowledged what is behind it. */
  giveUpTo(row: number, direction: Direction, offset: number): void {
    const at = directionAt(row, direction);
    const next = this.next(at);
    if (next >= offset) return;
    this.#streams.get(row, direction)?.skipTo(offset);
    this.#table.numbers[(at + DirectionWord.nextOffset) >> 1] = offset;
    const flags = this.#table.words[row * RECORD_WORDS + Word.flags] as number;
    if ((flags & STOPPED_FLAGS[direction]) !== 0) return;
    this.#teller.tellGap(row, direction, next, offset - next);
    this.#tellData(row, direction, offset, offset, offset - next);
  }

  #tellData(row: number, direction: Direction, from: number, to: number, skippedBytes = 0): number {
    if (to <= from && skippedBytes === 0) return 0;
    if (!this.urgent.isEmpty && this.#policy.urgent === "gap")
      this.#teller.tellUrgent(row, direction, from, to);
    const unread = this.#dispatcher.raiseData(row, direction, from, to, false, skippedBytes);
    if (this.#dispatcher.acknowledged !== 0) this.#tellAcknowledged(row, direction);
    return unread;
  }

  /** The view of those who want only what has reached the receiver. */
  #tellAcknowledged(row: number, direction: Direction): void {
    if (this.#dispatcher.acknowledged === 0) return;
    this.#confirmed.tell(row, direction, this.acknowledgedOffset(row, direction));
  }

  /** Lets go of what nobody needs any more. */
  #settle(row: number, direction: Direction, buffer: StreamBuffer): void {
    if (buffer.isWaiting) return;
    const shown = this.#confirmed.shown(row, direction);
    const needed = this.#dispatcher.neededFrom(row, direction, buffer.next, shown);
    buffer.release(needed);
    const { words } = this.#table;
    const isKept = ((words[row * RECORD_WORDS + Word.monitors] as number) & this.#dispatcher.keeping) !== 0;
    if (!isKept && needed >= buffer.next && buffer.firstHoldOffset() < 0) this.#streams.close(row, direction);
  }

  /**
   * No room for the end of a segment, which ends at `layers.bytes[end]` and has the byte at `offset` in
   * `layers.bytes[offset + shift]`. By the policy it is lost, or what is oldest is, or nothing is kept from here on.
   * @returns whether all of the segment is kept now
   */
  #overrun(
    row: number,
    direction: Direction,
    buffer: StreamBuffer,
    layers: Layers,
    shift: number,
    end: number,
  ): boolean {
    const { lostBytes, lostTo } = this.#report;
    let { lostOffset } = this.#report;
    if (this.#limits.overrun === "oldest") {
      while (this.#makeRoom(row, direction, buffer, lostTo)) {
        const again = this.#again;
        buffer.place(lostOffset, layers.bytes, lostOffset + shift, end, again);
        if (again.lostBytes === 0) return true;
        lostOffset = again.lostOffset;
      }
    }
    this.#teller.tellOverrun(row, direction, lostOffset, lostBytes, lostTo);
    if (this.#limits.overrun !== "stop") return false;
    const { words, numbers } = this.#table;
    const at = row * RECORD_WORDS + Word.flags;
    words[at] = (words[at] as number) | STOPPED_FLAGS[direction];
    const next = (directionAt(row, direction) + DirectionWord.nextOffset) >> 1;
    numbers[next] = Math.max(numbers[next] as number, lostOffset + lostBytes);
    this.#streams.close(row, direction);
    return false;
  }

  /** Gives the oldest bytes up: those unread, then those behind a hole, which are shown first. Whether there were any. */
  #makeRoom(row: number, direction: Direction, buffer: StreamBuffer, limit: LostTo): boolean {
    const { heldBytes, segmentCount } = buffer;
    const at = directionAt(row, direction);
    const shown = this.#confirmed.shown(row, direction);
    for (;;) {
      const before = this.next(at);
      const next = buffer.advance();
      this.#table.numbers[(at + DirectionWord.nextOffset) >> 1] = next;
      this.#tellData(row, direction, before, next);
      const needed = this.#dispatcher.neededFrom(row, direction, next, shown);
      buffer.release(next);
      buffer.forgetReleased();
      if (buffer.heldBytes < heldBytes || buffer.segmentCount < segmentCount) {
        if (needed < next) this.#teller.tellOverrun(row, direction, needed, next - needed, limit);
        return true;
      }
      const hold = buffer.firstHoldOffset();
      if (hold < 0) return false;
      this.#teller.tellOverrun(row, direction, next, hold - next, limit);
      this.#giveUpHole(row, direction, buffer, hold);
    }
  }
}
