/**
 * What is to happen later: items by their time, of the same time in the order of their coming. Told the time,
 * it answers what is due; it waits for nothing.
 * @module
 */
import { ConfigurationError } from "#base/errors.ts";
import { Heap } from "#base/heap.ts";
import type { Instant } from "#base/time.ts";

/** How many items may wait unless told otherwise; each may hold a packet. */
export const TIMED_COUNT_MAX = 65_536;

/** Cancelled items that are kept until their time comes; with more, all are thrown out at once. */
const CANCELLED_SLACK = 64;

/** An item that waits. */
export interface TimedItem<Item> {
  readonly at: Instant;
  readonly item: Item;
}

type State = "waiting" | "done" | "cancelled";

class Entry<Item> implements TimedItem<Item> {
  readonly at: Instant;
  readonly item: Item;
  state: State = "waiting";

  constructor(at: Instant, item: Item) {
    this.at = at;
    this.item = item;
  }
}

/** A queue by time that holds `countMax` items and refuses the next, which is counted. */
export class TimeQueue<Item> {
  readonly countMax: number;
  readonly #heap = new Heap<Entry<Item>>();
  #size = 0;
  #refused = 0;

  /** @throws ConfigurationError unless `countMax` is a positive integer. */
  constructor(countMax: number = TIMED_COUNT_MAX) {
    if (!Number.isInteger(countMax) || countMax < 1) {
      throw new ConfigurationError(
        `Cannot make a queue by time: room for ${countMax} items, wanted 1 or more`,
      );
    }
    this.countMax = countMax;
  }

  /** How many items wait. */
  get size(): number {
    return this.#size;
  }

  /** How many were refused because {@link countMax} waited. */
  get refused(): number {
    return this.#refused;
  }

  /** When the next item is due; `undefined` when none waits. */
  wakeAt(): Instant | undefined {
    this.#dropCancelled();
    return this.#heap.firstKey as Instant | undefined;
  }

  /** Lets `item` wait until `at`; a time that is over is due at the next {@link advance}. `undefined`: no room. */
  add(at: Instant, item: Item): TimedItem<Item> | undefined {
    // An item without a time would never come up, and would bring the order of the others into disorder.
    if (this.#size >= this.countMax || Number.isNaN(at)) {
      this.#refused++;
      return undefined;
    }
    const entry = new Entry(at, item);
    this.#heap.add(at, entry);
    this.#size++;
    return entry;
  }

  /** Takes out an item; `false` when it is out already. */
  cancel(waiting: TimedItem<Item>): boolean {
    const entry = waiting as Entry<Item>;
    if (entry.state !== "waiting") return false;
    entry.state = "cancelled";
    this.#size--;
    if (this.#heap.size > 2 * this.#size + CANCELLED_SLACK) this.#heap.keep(isWaiting);
    return true;
  }

  /** Takes out all that is due at `now`, the earliest first. What is added meanwhile comes with the next call. */
  advance(now: Instant): Item[] {
    const due: Item[] = [];
    for (;;) {
      const at = this.#heap.firstKey;
      if (at === undefined || at > now) return due;
      const entry = this.#heap.take();
      if (entry === undefined || !isWaiting(entry)) continue;
      entry.state = "done";
      this.#size--;
      due.push(entry.item);
    }
  }

  #dropCancelled(): void {
    for (let first = this.#heap.first; first && !isWaiting(first); first = this.#heap.first)
      this.#heap.take();
  }
}

function isWaiting(entry: Entry<unknown>): boolean {
  return entry.state === "waiting";
}
