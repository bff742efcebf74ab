/**
 * What a tap can know of a stream: which bytes it saw before it saw them acknowledged, and which it did not.
 * @module
 */
import type { StreamGap, SummaryStream } from "./flow-summaries.ts";

/** What may be said of one byte. */
const UNSEEN = 0;
const SEEN = 1;
/** Acknowledged while it was unseen: whether it came later or not, a gap is a right answer. */
const MISSED = 2;
/** The same, and it came later: the byte is a right answer too. */
const LATE = 3;

/** One direction as the tap has it. */
export class StreamTruth {
  /** All that the sender wanted to send. */
  readonly bytes: Uint8Array;
  /** What the tap has seen acknowledged, from the first byte on. */
  acknowledged = 0;
  readonly #states: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.#states = new Uint8Array(bytes.length);
  }

  /** The tap sees these bytes. */
  see(from: number, to: number): void {
    for (let at = Math.max(0, from); at < Math.min(to, this.bytes.length); at++) {
      const state = this.#states[at];
      this.#states[at] = state === UNSEEN || state === SEEN ? SEEN : LATE;
    }
  }

  /** The tap sees an acknowledgement of all before `to`. */
  acknowledge(to: number): void {
    const end = Math.min(to, this.bytes.length);
    for (let at = this.acknowledged; at < end; at++)
      if (this.#states[at] === UNSEEN) this.#states[at] = MISSED;
    this.acknowledged = Math.max(this.acknowledged, end);
  }

  /** Whether the tap saw all of a range before it was acknowledged. */
  hasSeen(from: number, to: number): boolean {
    return this.#states.subarray(Math.max(0, from), to).every((state) => state === SEEN);
  }

  /** The ranges that must be named as gaps: acknowledged, and never seen. */
  get missed(): StreamGap[] {
    const gaps: { offset: number; lengthBytes: number }[] = [];
    for (let at = 0; at < this.acknowledged; at++) {
      if (this.#states[at] !== MISSED) continue;
      const last = gaps.at(-1);
      if (last !== undefined && last.offset + last.lengthBytes === at) last.lengthBytes++;
      else gaps.push({ offset: at, lengthBytes: 1 });
    }
    return gaps;
  }

  /**
   * What is wrong with an engine's answer, in words; `undefined` when it is right: all bytes that were acknowledged are
   * there, or are named as a gap where the tap had no chance; what comes behind them is the stream's as well. Where no
   * FIN was seen, a last number that is missing may have been one, and need not be named.
   */
  check({ bytes, gaps }: SummaryStream, hasFin: boolean): string | undefined {
    let at = 0;
    let taken = 0;
    for (const gap of [...gaps, { offset: Number.POSITIVE_INFINITY, lengthBytes: 0 }]) {
      const end = Math.min(gap.offset, at + bytes.length - taken);
      if (gap.offset !== Number.POSITIVE_INFINITY && end < gap.offset)
        return `a gap at ${gap.offset}, but bytes up to ${end} only`;
      for (; at < end; at++, taken++) {
        if (this.#states[at] === undefined) return `byte ${at} is behind the end at ${this.bytes.length}`;
        if (this.#states[at] === UNSEEN || this.#states[at] === MISSED) return `byte ${at} was never seen`;
        if (bytes[taken] !== this.bytes[at]) return `byte ${at} is ${bytes[taken]}, was ${this.bytes[at]}`;
      }
      for (const stop = at + gap.lengthBytes; at < stop; at++) {
        const state = this.#states[at];
        if (state === SEEN || state === undefined) return `byte ${at} is in a gap, but was seen`;
      }
    }
    if (!hasFin && at === this.acknowledged - 1 && this.#states[at] === MISSED) return undefined;
    if (at < this.acknowledged) return `it ends at ${at}, acknowledged was ${this.acknowledged}`;
    return undefined;
  }
}
