/**
 * When flows time out: a timer wheel (Varghese and Lauck, "Hashed and Hierarchical Timing Wheels", 1987) whose lists
 * run through the flows' records. It is lazy: a packet only writes `lastSeen`; what hangs in a slot is looked at when
 * that slot's time comes, and goes on to its right slot if it was seen since.
 *
 * Time is cut into ticks of {@link TICK} and blocks of 8192 ticks (8.7 minutes). This block and the next have a slot for
 * each tick; later blocks have one slot each, whose flows are spread as soon as their block is the next one. So
 * whatever hangs in a tick's slot is due before everything that hangs in a block's.
 * @module
 */
import * as record from "./record.ts";

// The module's own, so that the compiler has their numbers; imported ones it looks up each time.
const { RECORD_WORDS, Word } = record;

/** The wheel's resolution in milliseconds: a flow fires at the end of the tick in which it is due. */
export const TICK = 64;

const BLOCK_TICKS = 8192;
const NEAR_SLOTS = 2 * BLOCK_TICKS;
/** 6.2 days; what is due later waits in the last one and is looked at then. */
const FAR_SLOTS = 1024;
const SLOTS = NEAR_SLOTS + FAR_SLOTS;

/** What `timerPrevious` holds while a record is not in use. */
export const FREE = -0x8000_0000;

const TIMEOUT_CLASS_BYTE = Word.bytes * 4 + 3;

/** Where the wheel reads and writes; `timeouts` are milliseconds by timeout class. */
export interface TimerRecords {
  readonly words: Int32Array;
  readonly numbers: Float64Array;
  readonly bytes: Uint8Array;
  readonly timeouts: Float64Array;
}

/** Told of a flow that is due, and when it was, in milliseconds since 1970. */
export type Expired = (row: number, deadline: number) => void;

/** The wheel over the records of one table. */
export class TimerWheel {
  readonly #words: Int32Array;
  readonly #numbers: Float64Array;
  readonly #bytes: Uint8Array;
  readonly #timeouts: Float64Array;
  /** The first and last row of each slot, -1 for none. Their outer links hold `~slot`. */
  readonly #first: Int32Array = new Int32Array(SLOTS).fill(-1);
  readonly #last: Int32Array = new Int32Array(SLOTS).fill(-1);
  /** A bit for each slot that holds something, and how many of either kind do. */
  readonly #used: Int32Array = new Int32Array(SLOTS / 32);
  #nearUsed = 0;
  #farUsed = 0;
  /** All slots before this tick have fired; it lies in `#block`, or right behind it while that one's last tick fires. */
  #tick: number;
  #block: number;
  /** The tick before which the present advance ends. */
  #endTick: number;
  /** Where flows go that are due already: behind all that the present advance fires. */
  #overdueTick: number;
  #tickEnd: number;

  constructor(records: TimerRecords, now: number) {
    this.#words = records.words;
    this.#numbers = records.numbers;
    this.#bytes = records.bytes;
    this.#timeouts = records.timeouts;
    this.#tick = Math.floor(now / TICK);
    this.#block = Math.floor(this.#tick / BLOCK_TICKS);
    this.#endTick = this.#tick;
    this.#overdueTick = this.#tick;
    this.#tickEnd = (this.#tick + 1) * TICK;
  }

  /** Until then there is nothing to do, in milliseconds since 1970. */
  get tickEnd(): number {
    return this.#tickEnd;
  }

  /** When the flow times out unless it is seen again, in milliseconds since 1970. */
  deadline(row: number): number {
    const base = row * RECORD_WORDS;
    const timeout = this.#timeouts[this.#bytes[base * 4 + TIMEOUT_CLASS_BYTE] as number] as number;
    return (this.#numbers[(base + Word.lastSeen) >> 1] as number) + timeout;
  }

  /** Hangs a row that hangs nowhere behind all others in the slot of its deadline. */
  link(row: number): void {
    const slot = this.#slotOf(row);
    const at = row * RECORD_WORDS;
    const last = this.#last[slot] as number;
    if (last < 0) {
      this.#first[slot] = row;
      this.#words[at + Word.timerPrevious] = ~slot;
      this.#toggle(slot, 1);
    } else {
      this.#words[last * RECORD_WORDS + Word.timerNext] = row;
      this.#words[at + Word.timerPrevious] = last;
    }
    this.#words[at + Word.timerNext] = ~slot;
    this.#last[slot] = row;
  }

  /** Takes a row out of the slot in which it hangs. */
  unlink(row: number): void {
    const words = this.#words;
    const at = row * RECORD_WORDS;
    const previous = words[at + Word.timerPrevious] as number;
    const next = words[at + Word.timerNext] as number;
    if (previous < 0 && next < 0) this.#toggle(~previous, -1);
    if (previous < 0) this.#first[~previous] = next < 0 ? -1 : next;
    else words[previous * RECORD_WORDS + Word.timerNext] = next;
    if (next < 0) this.#last[~next] = previous < 0 ? -1 : previous;
    else words[next * RECORD_WORDS + Word.timerPrevious] = previous;
  }

  /** What `FlowTable.advance` says. */
  advance(now: number, expired: Expired): void {
    if (now < this.#tickEnd) return;
    this.#endTick = Math.floor(now / TICK);
    this.#overdueTick = this.#endTick;
    this.#tickEnd = (this.#endTick + 1) * TICK;
    while (this.#tick < this.#endTick) {
      const blockEnd = (this.#block + 1) * BLOCK_TICKS;
      this.#fireUntil(blockEnd, expired);
      if (blockEnd <= this.#endTick) this.#enterBlock(Math.floor(this.#endTick / BLOCK_TICKS));
    }
  }

  /** What `FlowTable.pause` says. */
  pause(at: number): void {
    const tick = Math.max(Math.floor(at / TICK), this.#tick);
    if (tick >= this.#endTick) return;
    this.#endTick = tick;
    this.#tickEnd = (tick + 1) * TICK;
  }

  /** What `FlowTable.soonest` says: slots are put right from the front until one's first row belongs there. */
  soonest(): number {
    for (;;) {
      const slot = this.#firstUsed();
      if (slot < 0) return -1;
      const row = this.#first[slot] as number;
      if (this.#slotOf(row) === slot) return row;
      this.#relink(row);
    }
  }

  #slotOf(row: number): number {
    let tick = Math.floor(this.deadline(row) / TICK);
    if (!(tick >= this.#tick)) tick = this.#overdueTick;
    const block = Math.floor(tick / BLOCK_TICKS);
    if (block <= this.#block + 1) return tick & (NEAR_SLOTS - 1);
    return NEAR_SLOTS + (Math.min(block, this.#block + FAR_SLOTS - 1) & (FAR_SLOTS - 1));
  }

  /** Fires the slots up to the end of the block, or of the advance. */
  #fireUntil(blockEnd: number, expired: Expired): void {
    const blockTick = this.#block * BLOCK_TICKS;
    const blockSlot = blockTick & (NEAR_SLOTS - 1);
    for (;;) {
      const end = Math.min(this.#endTick, blockEnd);
      const slot = this.#usedFrom(blockSlot + (this.#tick - blockTick), blockSlot + (end - blockTick));
      this.#tick = slot < 0 ? end : blockTick + (slot - blockSlot) + 1;
      if (slot < 0) return;
      try {
        this.#fire(slot, this.#tick * TICK, expired);
      } finally {
        // Left by an exception, the rest of the slot is for the next advance.
        if ((this.#first[slot] as number) >= 0) this.#tick--;
      }
    }
  }

  #fire(slot: number, end: number, expired: Expired): void {
    for (;;) {
      const row = this.#first[slot] as number;
      if (row < 0) return;
      const deadline = this.deadline(row);
      // It hangs in a later slot before anybody is told, so that the wheel is whole whatever they do.
      this.#relink(row);
      if (!(deadline < end)) continue;
      expired(row, deadline);
      if (this.#words[row * RECORD_WORDS + Word.timerPrevious] !== FREE) this.#relink(row);
    }
  }

  /** Goes on to the next block in which there is something to do, and spreads the one behind it. */
  #enterBlock(endBlock: number): void {
    let block = this.#block + 1;
    if (this.#nearUsed === 0) block = Math.max(block, Math.min(endBlock, this.#firstFarBlock() - 1));
    this.#block = block;
    this.#tick = block * BLOCK_TICKS;
    const slot = NEAR_SLOTS + ((block + 1) & (FAR_SLOTS - 1));
    for (;;) {
      const row = this.#first[slot] as number;
      if (row < 0) return;
      this.#relink(row);
    }
  }

  #relink(row: number): void {
    this.unlink(row);
    this.link(row);
  }

  /** The used slot with the earliest time, -1 when there is none. */
  #firstUsed(): number {
    if (this.#nearUsed > 0) {
      const blockTick = this.#block * BLOCK_TICKS;
      const here = blockTick & (NEAR_SLOTS - 1);
      const slot = this.#usedFrom(here + (this.#tick - blockTick), here + BLOCK_TICKS);
      if (slot >= 0) return slot;
      const there = here ^ BLOCK_TICKS;
      const next = this.#usedFrom(there, there + BLOCK_TICKS);
      if (next >= 0) return next;
    }
    const block = this.#firstFarBlock();
    return block === Number.POSITIVE_INFINITY ? -1 : NEAR_SLOTS + (block & (FAR_SLOTS - 1));
  }

  /** The next block that has its own slot and anything in it; infinite when there is none. */
  #firstFarBlock(): number {
    if (this.#farUsed === 0) return Number.POSITIVE_INFINITY;
    const from = this.#block + 2;
    const fromSlot = NEAR_SLOTS + (from & (FAR_SLOTS - 1));
    const slot = this.#usedFrom(fromSlot, SLOTS);
    if (slot >= 0) return from + (slot - fromSlot);
    return from + FAR_SLOTS + this.#usedFrom(NEAR_SLOTS, fromSlot) - fromSlot;
  }

  /** The first used slot from `slot` on and before `end`, -1 when there is none. */
  #usedFrom(slot: number, end: number): number {
    const used = this.#used;
    if (slot >= end) return -1;
    let index = slot >> 5;
    let bits = (used[index] as number) & (-1 << (slot & 31));
    while (bits === 0) {
      index++;
      if (index * 32 >= end) return -1;
      bits = used[index] as number;
    }
    const found = index * 32 + 31 - Math.clz32(bits & -bits);
    return found < end ? found : -1;
  }

  #toggle(slot: number, change: 1 | -1): void {
    this.#used[slot >> 5] = (this.#used[slot >> 5] as number) ^ (1 << (slot & 31));
    if (slot < NEAR_SLOTS) this.#nearUsed += change;
    else this.#farUsed += change;
  }
}
