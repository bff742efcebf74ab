/**
 * Makes one list of what several workers say of one capture: flows in the order of the frames that ended them, numbered in
 * the order of the frames that began them, as one worker alone would have it.
 * @module
 */
import type { LaneBatch } from "./replay-lane.ts";

/** Is given each row, and `4 * number + StreamKind` of the flow. */
export type TakeRow = (row: string, mark: number) => void;

interface Lane {
  /** Batches that wait, the oldest first, and how far that one has been taken. */
  readonly batches: LaneBatch[];
  at: number;
  frames: number;
}

export class ReplayMerge {
  readonly #lanes: readonly Lane[];
  readonly #take: TakeRow;
  /** Beginnings that wait for workers that are behind. */
  #starts: number[] = [];
  /** Numbers by first frame, of flows whose rows are to come. */
  readonly #numbers = new Map<number, number>();
  /** By kind. */
  readonly #counts: number[] = [0, 0, 0];

  constructor(laneCount: number, take: TakeRow) {
    this.#lanes = Array.from({ length: laneCount }, () => ({ batches: [], at: 0, frames: 0 }));
    this.#take = take;
  }

  /** Takes a batch; @returns how many batches of each worker are done with by it. */
  add(index: number, batch: LaneBatch): readonly number[] {
    const lane = this.#lanes[index] as Lane;
    lane.frames = batch.frames;
    lane.batches.push(batch);
    for (const start of batch.starts) this.#starts.push(start);
    const before = this.#lanes.map(({ batches }) => batches.length);
    const frames = Math.min(...this.#lanes.map((each) => each.frames));
    this.#number(frames);
    this.#give(frames);
    return this.#lanes.map(({ batches }, at) => (before[at] as number) - batches.length);
  }

  #number(frames: number): void {
    const later: number[] = [];
    const now: number[] = [];
    for (const start of this.#starts) (Math.floor(start / 8) <= frames ? now : later).push(start);
    this.#starts = later;
    for (const start of now.sort((a, b) => a - b)) {
      const kind = (start >> 1) & 3;
      const number = this.#counts[kind] as number;
      this.#counts[kind] = number + 1;
      if ((start & 1) !== 0) this.#numbers.set(Math.floor(start / 8), number);
    }
  }

  /** All rows that were ended by the first `frames` frames: no worker has an earlier one any more. */
  #give(frames: number): void {
    for (;;) {
      let first: Lane | undefined;
      let end = Number.POSITIVE_INFINITY;
      for (const lane of this.#lanes) {
        const own = endOf(lane);
        if (own === undefined || own > frames || own >= end) continue;
        first = lane;
        end = own;
      }
      if (first === undefined) return;
      const batch = first.batches[0] as LaneBatch;
      this.#giveOne(batch.rows[first.at] as string, batch.marks[first.at] as number);
      first.at++;
    }
  }

  #giveOne(row: string, mark: number): void {
    const kind = mark & 3;
    const frame = Math.floor(mark / 4);
    const number = kind === 0 ? 0 : (this.#numbers.get(frame) ?? 0);
    this.#numbers.delete(frame);
    this.#take(row, number * 4 + kind);
  }
}

/** The frame that ended the lane's next row; batches that are done with are let go. */
function endOf(lane: Lane): number | undefined {
  for (;;) {
    const [batch] = lane.batches;
    if (batch === undefined) return undefined;
    if (lane.at < batch.ends.length) return batch.ends[lane.at];
    lane.batches.shift();
    lane.at = 0;
  }
}
