/**
 * The bytes of one direction of a flow that have to be kept: those above a hole, those that somebody has still to
 * read, and some that were read, to compare retransmissions with. Offsets are those of the stream, byte 0 behind the
 * SYN, and may be as large as 2^53.
 *
 * What lies below {@link StreamBuffer.next} is decided: a later segment is compared with it and changes nothing. What
 * lies above belongs byte by byte to a segment, and a later segment takes a byte over where the policy says so of the
 * two (`overlap.ts`).
 * @module
 */
import type { OverlapPolicy } from "../policy.ts";
import { joinsBehind, needsBoundaries, newSegmentWins, type OverlapCode, overlapCode } from "./overlap.ts";
import { PageMap } from "./page-map.ts";
import type { PagePool } from "./page-pool.ts";
import type { LostTo, PlaceReport } from "./place-report.ts";
import { RunList } from "./run-list.ts";

export interface StreamBufferOptions {
  readonly pool: PagePool;
  readonly policy: OverlapPolicy;
  /** Memory this stream may have, rounded down to pages, one at least. Above: the rest of a segment is lost. */
  readonly bytesMax: number;
  /**
   * Runs of bytes that are apart, or of which the policy must know the boundaries, at least 1. Where it is reached the
   * boundaries of touching ones are forgotten; where that gives no room, a segment that touches none is lost.
   */
  readonly segmentCountMax: number;
  /** How far below `next` bytes are kept for comparison after everybody has read them. */
  readonly compareBytes: number;
  /** The first offset that comes: `next` at the start. */
  readonly startOffset: number;
}

/** A range above `next` that is there. */
export interface Fragment {
  readonly offset: number;
  readonly lengthBytes: number;
}

const NO_BYTES: Uint8Array = new Uint8Array(0);

/** The segment that is placed at the moment: `bytes[at + base]` is the byte at offset `at`. */
const segment = { start: Number.NaN, end: Number.NaN, bytes: NO_BYTES, base: Number.NaN };

/** Where the runs of one call are put together; nothing of it outlives the call. */
const pieces = new RunList();

/** What the segment placed last has added, and to which stream. */
const added = new RunList();
let addedTo: StreamBuffer | undefined;

export class StreamBuffer {
  readonly #pages: PageMap;
  readonly #runs = new RunList();
  readonly #policy: OverlapCode;
  readonly #hasBoundaries: boolean;
  readonly #joins: boolean;
  readonly #pageCountMax: number;
  readonly #segmentCountMax: number;
  #compareBytes: number;
  /** How many of the runs lie below `next`. */
  #decidedCount = 0;
  /** Whether there may be runs above `next` that touch. */
  #mayTouch = false;
  // No small integers at first: fields that become doubles only later cost the code that was compiled before.
  #next: number = Number.NaN;
  #isReserving = false;
  /** Below it nobody needs bytes, except for comparison. */
  #released: number = Number.NaN;

  constructor(options: StreamBufferOptions) {
    this.#pages = new PageMap(options.pool);
    this.#policy = overlapCode(options.policy);
    this.#hasBoundaries = needsBoundaries(this.#policy);
    this.#joins = joinsBehind(this.#policy);
    this.#pageCountMax = Math.max(1, Math.floor(options.bytesMax / options.pool.pageBytes));
    this.#segmentCountMax = options.segmentCountMax;
    this.#compareBytes = options.compareBytes;
    this.#next = options.startOffset;
    this.#released = options.startOffset;
  }

  /** Makes a buffer that was {@link clear}ed that of another stream: to make one costs more than all it does. */
  reopen(startOffset: number, compareBytes: number): void {
    this.#compareBytes = compareBytes;
    this.#next = startOffset;
    this.#released = startOffset;
    if (addedTo === this) addedTo = undefined;
  }

  /** The first offset that is not there in order. */
  get next(): number {
    return this.#next;
  }

  /** The memory it has, in whole pages. */
  get heldBytes(): number {
    return this.#pages.heldBytes;
  }

  /** Runs that are apart, or of different segments. */
  get segmentCount(): number {
    return this.#runs.count;
  }

  /** The bytes above `next` that are there; walks over all runs of them. */
  get heldAboveBytes(): number {
    const runs = this.#runs;
    let bytes = 0;
    for (let index = this.#decidedCount; index < runs.count; index++)
      bytes += runs.end(index) - runs.start(index);
    return bytes;
  }

  /**
   * Puts a segment in whose payload `bytes[start, end)` begins at `offset`: below `next` it is compared with what is
   * kept, from there on the policy decides. Where no room is found the rest of it is lost; nothing throws.
   */
  place(offset: number, bytes: Uint8Array, start: number, end: number, report: PlaceReport): void {
    report.clear();
    if (start >= end) return;
    segment.start = offset;
    segment.end = offset + (end - start);
    segment.bytes = bytes;
    segment.base = start - offset;
    added.clear();
    addedTo = this;
    const stop = segment.end;
    const from = Math.max(offset, Math.min(stop, this.#next));
    if (from > offset) this.#compareDecided(offset, from, report);
    if (from < stop) this.#placeAbove(from, stop, report);
    segment.bytes = NO_BYTES;
  }

  /** The segment's part from `next` on, `[from, stop)`. */
  #placeAbove(from: number, stop: number, report: PlaceReport): void {
    const runs = this.#runs;
    if (runs.count >= this.#segmentCountMax) {
      this.#joinTouching();
      const isFull = runs.count >= this.#segmentCountMax;
      if (isFull && this.#isAlone(runs.find(from, this.#decidedCount), from, stop)) {
        this.#lose(from, stop, "segments", report);
        return;
      }
    }
    const to = this.#reserve(from, stop, report);
    if (from >= to) return;
    const first = runs.find(from, this.#decidedCount);
    if (first === runs.count || runs.start(first) >= to) this.#placeApart(first, from, to, report);
    else this.#placeOver(first, from, to, report);
    if (runs.count > this.#segmentCountMax) this.#joinTouching();
  }

  /** Moves `next` over what is there in order, and returns it: those bytes are decided now. */
  advance(): number {
    const runs = this.#runs;
    const first = this.#decidedCount;
    let end = first;
    let next = this.#next;
    while (end < runs.count && runs.start(end) === next) next = runs.end(end++);
    if (end === first) return next;
    if (first > 0 && runs.end(first - 1) === this.#next) {
      runs.setEnd(first - 1, next);
      runs.remove(first, end);
    } else {
      runs.setEnd(first, next);
      runs.remove(first + 1, end);
      this.#decidedCount++;
    }
    this.#next = next;
    return next;
  }

  /**
   * Gives `[next, offset)` up: what of it is there stays, the rest will not come. Moves `next` there and over what
   * follows in order, and returns it.
   */
  skipTo(offset: number): number {
    while (this.#next < offset) {
      const hold = this.firstHoldOffset();
      this.#next = hold < 0 ? offset : Math.min(offset, hold);
      this.advance();
    }
    return this.advance();
  }

  /**
   * Kept bytes from `offset` on, as far as they lie together in memory, at most `lengthMax`; `undefined` when that byte
   * is not kept. The view is good until the next call that changes the buffer.
   */
  span(offset: number, lengthMax: number): Uint8Array | undefined {
    const runs = this.#runs;
    const index = runs.find(offset, 0);
    if (index === runs.count || runs.start(index) > offset || lengthMax <= 0) return undefined;
    return this.#pages.view(offset, Math.min(lengthMax, runs.end(index) - offset));
  }

  /** The first byte at or behind `offset` that is kept, -1 when there is none. */
  keptFrom(offset: number): number {
    const runs = this.#runs;
    const index = runs.find(offset, 0);
    return index === runs.count ? -1 : Math.max(offset, runs.start(index));
  }

  /** What lies above `next`, in order; touching runs as one. */
  fragments(): Fragment[] {
    const runs = this.#runs;
    const list: Fragment[] = [];
    for (let index = this.#decidedCount; index < runs.count; ) {
      const offset = runs.start(index);
      let end = runs.end(index++);
      while (index < runs.count && runs.start(index) === end) end = runs.end(index++);
      list.push({ offset, lengthBytes: end - offset });
    }
    return list;
  }

  /** Where the first byte above `next` lies that is there; -1 when there is none. */
  firstHoldOffset(): number {
    return this.#decidedCount < this.#runs.count ? this.#runs.start(this.#decidedCount) : -1;
  }

  /** Whether it only waits for `next`: something lies above, and below nobody needs anything, so {@link release} is done. */
  get isWaiting(): boolean {
    return this.#released === this.#next && this.#decidedCount < this.#runs.count;
  }

  /** Nobody needs bytes below an offset any more; `compareBytes` below `next` stay while there is room. */
  release(before: number): void {
    const released = Math.min(before, this.#next);
    if (released > this.#released) this.#released = released;
    this.#drop(Math.min(this.#released, this.#next - this.#compareBytes));
  }

  /** Gives up what is kept for comparison only; not while it is looking for memory itself. */
  forgetReleased(): void {
    if (this.#isReserving) return;
    this.#drop(this.#released);
    // The last page is not below as a whole: nobody needs it all the same when nothing has come above.
    if (this.#runs.count === 0) this.#pages.clear();
  }

  /**
   * Writes the kept bytes over those of a segment in place, so that its receiver can take no others; returns how many
   * it changed. Bytes that are not kept stay as they are.
   */
  rewrite(offset: number, bytes: Uint8Array, start: number, end: number): number {
    const runs = this.#runs;
    const stop = offset + (end - start);
    let changeCount = 0;
    for (let index = runs.find(offset, 0); index < runs.count && runs.start(index) < stop; index++) {
      const from = Math.max(offset, runs.start(index));
      const to = Math.min(stop, runs.end(index));
      changeCount += this.#pages.read(from, bytes, start + (from - offset), start + (to - offset));
    }
    return changeCount;
  }

  /** Takes `[from, to)` back as if it had not come; where that lies below `next`, `next` goes back to `from`. */
  takeBack(from: number, to: number): void {
    const runs = this.#runs;
    let index = runs.find(from, 0);
    while (index < runs.count && runs.start(index) < to) {
      const start = runs.start(index);
      const end = runs.end(index);
      if (end > to) {
        if (start < from) runs.insert(index + 1, to, end, runs.segmentStart(index), runs.segmentEnd(index));
        else runs.setStart(index, to);
      }
      if (start < from) runs.setEnd(index++, from);
      else if (end <= to) runs.remove(index, index + 1);
      else break;
    }
    if (from < this.#next) this.#next = from;
    if (this.#released > this.#next) this.#released = this.#next;
    this.#decidedCount = runs.find(this.#next, 0);
  }

  /**
   * Takes back what the last {@link place} of all streams has added, if that was to this one. Bytes that it has replaced
   * stay replaced.
   */
  undo(): void {
    if (addedTo !== this) return;
    for (let index = added.count - 1; index >= 0; index--)
      this.takeBack(added.start(index), added.end(index));
    added.clear();
  }

  /** Gives all memory back: nothing is kept any more, `next` stays. */
  clear(): void {
    this.#pages.clear();
    this.#runs.clear();
    this.#decidedCount = 0;
    this.#mayTouch = false;
    this.#released = this.#next;
  }

  /** A segment whose `[from, to)` nothing overlaps that is there. */
  #placeApart(index: number, from: number, to: number, report: PlaceReport): void {
    const runs = this.#runs;
    this.#pages.write(from, segment.bytes, from + segment.base, to + segment.base);
    report.newBytes += to - from;
    added.append(from, to, 0, 0);
    const touchesLeft = index > this.#decidedCount && runs.end(index - 1) === from;
    const touchesRight = index < runs.count && runs.start(index) === to;
    if (this.#hasBoundaries) {
      if (this.#joins && touchesLeft && runs.segmentEnd(index - 1) === segment.start) {
        runs.setEnd(index - 1, to);
        runs.setSegmentEnd(index - 1, segment.end);
      } else runs.insert(index, from, to, segment.start, segment.end);
      if (touchesLeft || touchesRight) this.#mayTouch = true;
    } else if (touchesLeft && touchesRight) {
      runs.setEnd(index - 1, runs.end(index));
      runs.remove(index, index + 1);
    } else if (touchesLeft) runs.setEnd(index - 1, to);
    else if (touchesRight) runs.setStart(index, from);
    else runs.insert(index, from, to, 0, 0);
  }

  /** A segment whose `[from, to)` overlaps the run `first` and perhaps later ones. */
  #placeOver(first: number, from: number, to: number, report: PlaceReport): void {
    const runs = this.#runs;
    pieces.clear();
    const begin = this.#beginPieces(first, from);
    let last = first;
    let at = from;
    for (; last < runs.count && runs.start(last) < to; last++) {
      const oldStart = runs.segmentStart(last);
      const oldEnd = runs.segmentEnd(last);
      const runEnd = runs.end(last);
      if (runs.start(last) < from) pieces.append(runs.start(last), from, oldStart, oldEnd);
      else this.#fill(at, runs.start(last), report);
      at = Math.max(from, runs.start(last));
      const end = Math.min(runEnd, to);
      this.#compare(at, end, report);
      if (newSegmentWins(this.#policy, segment.start, segment.end, oldStart, oldEnd)) {
        this.#pages.write(at, segment.bytes, at + segment.base, end + segment.base);
        report.replacedBytes += end - at;
        this.#append(at, end);
      } else pieces.append(at, end, oldStart, oldEnd);
      if (end < runEnd) pieces.append(end, runEnd, oldStart, oldEnd);
      at = end;
    }
    this.#fill(at, to, report);
    if (!this.#hasBoundaries && last < runs.count && runs.start(last) === to) {
      pieces.append(to, runs.end(last++), 0, 0);
    }
    runs.replace(begin, last, pieces);
    this.#mayTouch = this.#hasBoundaries;
  }

  /** Forgets the boundaries between touching segments: who overlaps them later, overlaps one. */
  #joinTouching(): void {
    if (this.#mayTouch) this.#runs.joinTouching(this.#decidedCount);
    this.#mayTouch = false;
  }

  /** Takes the run in front of `first` to the pieces if it can become one with the segment; returns the first taken. */
  #beginPieces(first: number, from: number): number {
    const runs = this.#runs;
    const before = first - 1;
    if (before < this.#decidedCount || runs.end(before) !== from) return first;
    if (!this.#hasBoundaries) {
      pieces.append(runs.start(before), from, 0, 0);
      return before;
    }
    if (!this.#joins || runs.segmentEnd(before) !== segment.start || runs.start(first) <= from) return first;
    segment.start = runs.segmentStart(before);
    pieces.append(runs.start(before), from, segment.start, segment.end);
    return before;
  }

  /** Bytes of the segment that were not there. */
  #fill(from: number, to: number, report: PlaceReport): void {
    if (from >= to) return;
    this.#pages.write(from, segment.bytes, from + segment.base, to + segment.base);
    this.#append(from, to);
    report.newBytes += to - from;
    added.append(from, to, 0, 0);
  }

  #append(from: number, to: number): void {
    if (this.#hasBoundaries) pieces.append(from, to, segment.start, segment.end);
    else pieces.append(from, to, 0, 0);
  }

  /** Compares the segment with the kept bytes `[from, to)`, of which it brings others or the same. */
  #compare(from: number, to: number, report: PlaceReport): void {
    if (report.overlapBytes === 0) report.overlapOffset = from;
    report.overlapBytes += to - from;
    this.#compareKept(from, to, report);
  }

  #compareKept(from: number, to: number, report: PlaceReport): void {
    report.comparedBytes += to - from;
    if (report.content === "different") return;
    const at = this.#pages.difference(from, segment.bytes, from + segment.base, to + segment.base);
    report.content = at < 0 ? "same" : "different";
    if (at >= 0) report.differenceOffset = at - segment.base;
  }

  /** Compares the segment's part below `next`, `[from, to)`, as far as it is kept. */
  #compareDecided(from: number, to: number, report: PlaceReport): void {
    const runs = this.#runs;
    report.overlapOffset = from;
    report.overlapBytes = to - from;
    for (let index = runs.find(from, 0); index < this.#decidedCount && runs.start(index) < to; index++) {
      this.#compareKept(Math.max(from, runs.start(index)), Math.min(to, runs.end(index)), report);
    }
    // A keep-alive's one byte in front of the next may have any value (RFC 9293 §3.8.4).
    const isProbe = from === this.#next - 1 && segment.end - segment.start === 1;
    if (report.content === "none") report.content = "unknown";
    else if (isProbe && report.content === "different" && this.#decidedCount === runs.count) {
      report.content = "unknown";
      report.comparedBytes = 0;
    }
  }

  /** Whether bytes would be a run of their own that nothing makes smaller; the next in order may always come. */
  #isAlone(index: number, from: number, to: number): boolean {
    const runs = this.#runs;
    if (from === this.#next && runs.count === this.#segmentCountMax) return false;
    if (index > 0 && runs.end(index - 1) === from) return false;
    return index === runs.count || runs.start(index) > to;
  }

  /** Gets memory for `[from, to)`, if need be that of bytes kept for comparison only; returns how far it reaches. */
  #reserve(from: number, to: number, report: PlaceReport): number {
    const pages = this.#pages;
    this.#isReserving = true;
    let end = pages.reserve(from, to, this.#pageCountMax);
    this.#isReserving = false;
    if (end < to) {
      this.#drop(this.#released);
      this.#isReserving = true;
      end = pages.reserve(from, to, this.#pageCountMax);
      this.#isReserving = false;
      if (end < to)
        this.#lose(end, to, pages.count < this.#pageCountMax ? "total-bytes" : "stream-bytes", report);
    }
    return end;
  }

  /** Counts what of `[from, to)` is not there and has no room. */
  #lose(from: number, to: number, lostTo: LostTo, report: PlaceReport): void {
    const runs = this.#runs;
    let at = from;
    for (let index = runs.find(from, this.#decidedCount); at < to; index++) {
      const isLast = index === runs.count;
      const start = isLast ? to : Math.min(to, runs.start(index));
      if (start > at) {
        if (report.lostBytes === 0) report.lostOffset = at;
        report.lostBytes += start - at;
        report.lostTo = lostTo;
      }
      at = isLast ? to : runs.end(index);
    }
  }

  /** Forgets all below an offset that is not above `next`. */
  #drop(before: number): void {
    const runs = this.#runs;
    let count = 0;
    while (count < this.#decidedCount && runs.end(count) <= before) count++;
    if (count > 0) {
      runs.remove(0, count);
      this.#decidedCount -= count;
    }
    if (this.#decidedCount > 0 && runs.start(0) < before) runs.setStart(0, before);
    this.#pages.releaseBelow(before);
  }
}
