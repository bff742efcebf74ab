/**
 * Where urgent bytes lie (RFC 6093): the pointer names the byte behind them, as all systems have it, and each pointer
 * makes one byte urgent. Only for policies that take them out of the stream.
 * @module
 */

/** Marks of one direction; where it is reached the oldest goes, and its byte is one like all others. */
export const URGENT_COUNT_MAX = 64;

export class UrgentMarks {
  readonly #marks = new Map<number, number[]>();

  /** Whether there are none at all. */
  get isEmpty(): boolean {
    return this.#marks.size === 0;
  }

  /** The byte at `offset` of the stream `key` is urgent. */
  add(key: number, offset: number): void {
    const marks = this.#marks.get(key);
    if (marks === undefined) this.#marks.set(key, [offset]);
    else if (!marks.includes(offset)) {
      if (marks.length >= URGENT_COUNT_MAX) marks.shift();
      marks.push(offset);
      marks.sort((a, b) => a - b);
    }
  }

  /** The first at or behind `offset` and in front of `end`; -1 when there is none. */
  from(key: number, offset: number, end: number): number {
    const mark = this.#marks.get(key)?.find((at) => at >= offset) ?? end;
    return mark < end ? mark : -1;
  }

  clear(key: number): void {
    this.#marks.delete(key);
  }
}
