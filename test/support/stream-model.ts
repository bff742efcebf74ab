/**
 * A stream buffer that can be checked by reading it: every byte stands alone in a map, with the segment it belongs to.
 * It has no limits and forgets no boundary.
 * @module
 */
import type { OverlapPolicy } from "#flow/policy.ts";

/** The boundaries that a segment had when it came. */
interface Segment {
  readonly start: number;
  end: number;
}

interface KeptByte {
  readonly value: number;
  readonly segment: Segment;
}

type Content = "same" | "different" | "unknown" | "none";

/** What a place report says, without limits. */
export interface ModelReport {
  newBytes: number;
  overlapOffset: number;
  overlapBytes: number;
  comparedBytes: number;
  content: Content;
  differenceOffset: number;
  replacedBytes: number;
}

/** Whether `late` takes the bytes of `early` over. */
const TAKES_OVER: Readonly<Record<OverlapPolicy, (late: Segment, early: Segment) => boolean>> = {
  first: () => false,
  last: () => true,
  bsd: beginsBefore,
  windows: beginsBefore,
  linux: (late, early) => beginsBefore(late, early) || (late.start === early.start && endsLater(late, early)),
  "old-linux": (late, early) =>
    beginsBefore(late, early) || (late.start === early.start && late.end >= early.end),
  solaris: (late, early) => endsLater(late, early) || (late.end === early.end && late.start <= early.start),
};

function beginsBefore(late: Segment, early: Segment): boolean {
  return late.start < early.start;
}

function endsLater(late: Segment, early: Segment): boolean {
  return late.end > early.end;
}

export class StreamModel {
  next: number;
  readonly #policy: OverlapPolicy;
  readonly #compareBytes: number;
  readonly #kept = new Map<number, KeptByte>();
  #released: number;

  constructor(policy: OverlapPolicy, compareBytes: number, startOffset: number) {
    this.#policy = policy;
    this.#compareBytes = compareBytes;
    this.next = startOffset;
    this.#released = startOffset;
  }

  /** The value of a kept byte, or `undefined`. */
  at(offset: number): number | undefined {
    return this.#kept.get(offset)?.value;
  }

  /** The offsets of all kept bytes above `next`, ascending. */
  above(): number[] {
    return [...this.#kept.keys()].filter((offset) => offset >= this.next).sort((a, b) => a - b);
  }

  place(offset: number, bytes: Uint8Array): ModelReport {
    const report = this.#compare(offset, bytes);
    const isProbe = bytes.length === 1 && offset === this.next - 1 && this.above().length === 0;
    if (isProbe && report.content === "different") {
      report.content = "unknown";
      report.comparedBytes = 0;
      report.differenceOffset = 0;
    }
    const segment = this.#segmentOf(offset, bytes.length);
    bytes.forEach((value, index) => {
      const at = offset + index;
      if (at < this.next) return;
      const kept = this.#kept.get(at);
      if (kept === undefined) report.newBytes++;
      else if (TAKES_OVER[this.#policy](segment, kept.segment)) report.replacedBytes++;
      else return;
      this.#kept.set(at, { value, segment });
    });
    return report;
  }

  advance(): number {
    while (this.#kept.has(this.next)) this.next++;
    return this.next;
  }

  skipTo(offset: number): number {
    this.next = Math.max(this.next, offset);
    return this.advance();
  }

  release(before: number): void {
    this.#released = Math.max(this.#released, Math.min(before, this.next));
    const end = Math.min(this.#released, this.next - this.#compareBytes);
    for (const offset of this.#kept.keys()) if (offset < end) this.#kept.delete(offset);
  }

  rewrite(offset: number, bytes: Uint8Array): number {
    let changeCount = 0;
    bytes.forEach((value, index) => {
      const kept = this.at(offset + index) ?? value;
      if (kept !== value) changeCount++;
      bytes[index] = kept;
    });
    return changeCount;
  }

  #compare(offset: number, bytes: Uint8Array): ModelReport {
    const came: number[] = [];
    const compared: number[] = [];
    const different: number[] = [];
    bytes.forEach((value, index) => {
      const at = offset + index;
      const kept = this.at(at);
      if (kept !== undefined) compared.push(at);
      if (kept !== undefined && kept !== value) different.push(at);
      if (kept !== undefined || at < this.next) came.push(at);
    });
    let content: Content = came.length === 0 ? "none" : "unknown";
    if (compared.length > 0) content = different.length > 0 ? "different" : "same";
    const [overlapOffset = 0] = came;
    const [differenceOffset = 0] = different;
    const counts = { overlapBytes: came.length, comparedBytes: compared.length };
    return { ...counts, newBytes: 0, overlapOffset, content, differenceOffset, replacedBytes: 0 };
  }

  /** In Linux a segment behind another and in front of a hole becomes a part of it. */
  #segmentOf(offset: number, lengthBytes: number): Segment {
    const before = this.#kept.get(offset - 1);
    const joins =
      this.#policy === "linux" &&
      offset > this.next &&
      before?.segment.end === offset &&
      this.#kept.get(offset) === undefined;
    if (!joins) return { start: offset, end: offset + lengthBytes };
    before.segment.end += lengthBytes;
    return before.segment;
  }
}
