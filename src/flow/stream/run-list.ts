/**
 * Runs of bytes in ascending order, apart or touching, never overlapping. Each belongs to a segment, of which the
 * boundaries are remembered: those it had when it came, which may lie beyond the run. Four numbers a run in one array.
 * @module
 */

/** Numbers of a run: start, end, and start and end of the segment that it came with. */
const CELLS = 4;
const INITIAL_RUNS = 4;
/** Up to so many numbers a loop is faster than the call that moves any number of them. */
const LOOP_CELLS_MAX = 64;

export class RunList {
  #cells = new Float64Array(INITIAL_RUNS * CELLS);
  #count = 0;

  get count(): number {
    return this.#count;
  }

  start(index: number): number {
    return this.#cells[index * CELLS] as number;
  }

  end(index: number): number {
    return this.#cells[index * CELLS + 1] as number;
  }

  segmentStart(index: number): number {
    return this.#cells[index * CELLS + 2] as number;
  }

  segmentEnd(index: number): number {
    return this.#cells[index * CELLS + 3] as number;
  }

  setStart(index: number, start: number): void {
    this.#cells[index * CELLS] = start;
  }

  setEnd(index: number, end: number): void {
    this.#cells[index * CELLS + 1] = end;
  }

  setSegmentEnd(index: number, end: number): void {
    this.#cells[index * CELLS + 3] = end;
  }

  /** The first run from `low` on that ends above `offset`; `count` when there is none. */
  find(offset: number, low: number): number {
    const cells = this.#cells;
    let high = this.#count;
    // Most of what comes lies behind all that is there.
    if (high > low && (cells[(high - 1) * CELLS + 1] as number) <= offset) return high;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((cells[middle * CELLS + 1] as number) > offset) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** Puts a run in front of the one at `index`. */
  insert(index: number, start: number, end: number, segmentStart: number, segmentEnd: number): void {
    this.#move(index, index + 1);
    const cells = this.#cells;
    const at = index * CELLS;
    cells[at] = start;
    cells[at + 1] = end;
    cells[at + 2] = segmentStart;
    cells[at + 3] = segmentEnd;
  }

  /** Takes out the runs from `first` to `last`, `last` not included. */
  remove(first: number, last: number): void {
    if (first < last) this.#move(last, first);
  }

  /** Puts all runs of `other` where those from `first` to `last` are, `last` not included. */
  replace(first: number, last: number, other: RunList): void {
    this.#move(last, first + other.#count);
    this.#cells.set(other.#cells.subarray(0, other.#count * CELLS), first * CELLS);
  }

  /** Adds a run behind all; it grows the last one where it touches it and is of the same segment. */
  append(start: number, end: number, segmentStart: number, segmentEnd: number): void {
    const last = (this.#count - 1) * CELLS;
    const cells = this.#cells;
    if (
      last >= 0 &&
      cells[last + 1] === start &&
      cells[last + 2] === segmentStart &&
      cells[last + 3] === segmentEnd
    ) {
      cells[last + 1] = end;
    } else this.insert(this.#count, start, end, segmentStart, segmentEnd);
  }

  /** Makes one of all that touch, from `first` on: their segments count as one from then on. */
  joinTouching(first: number): void {
    const cells = this.#cells;
    let to = first * CELLS;
    for (let from = to + CELLS; from < this.#count * CELLS; from += CELLS) {
      if (cells[from] === cells[to + 1]) {
        cells[to + 1] = cells[from + 1] as number;
        cells[to + 2] = Math.min(cells[to + 2] as number, cells[from + 2] as number);
        cells[to + 3] = Math.max(cells[to + 3] as number, cells[from + 3] as number);
      } else {
        to += CELLS;
        if (to !== from)
          for (let cell = 0; cell < CELLS; cell++) cells[to + cell] = cells[from + cell] as number;
      }
    }
    if (first < this.#count) this.#count = to / CELLS + 1;
  }

  clear(): void {
    this.#count = 0;
  }

  /** Makes room for, or closes the room of, the runs between: the run at `from` comes to stand at `to`. */
  #move(from: number, to: number): void {
    const count = this.#count + to - from;
    if (count * CELLS > this.#cells.length) {
      const cells = new Float64Array(Math.max(count, this.#cells.length / 2) * CELLS);
      cells.set(this.#cells);
      this.#cells = cells;
    }
    const cells = this.#cells;
    const start = from * CELLS;
    const end = this.#count * CELLS;
    const shift = (to - from) * CELLS;
    if (end - start > LOOP_CELLS_MAX) cells.copyWithin(start + shift, start, end);
    else if (shift > 0) for (let at = end - 1; at >= start; at--) cells[at + shift] = cells[at] as number;
    else for (let at = start; at < end; at++) cells[at + shift] = cells[at] as number;
    this.#count = count;
  }
}
