/**
 * All counters in pages. Reading them costs as much as there are permits, so the pages behind the first come from
 * the reading that the first was made of, as long as it is fresh.
 * @module
 */
import type { Clock } from "#base/clock.ts";
import type { IpAddress } from "#base/ip-address.ts";
import { type Duration, type Instant, after as later, seconds } from "#base/time.ts";
import type { Counted } from "./kernel-state.ts";

/** How old a reading may be that further pages are cut from. */
export const READING_LIFETIME: Duration = seconds(2);

/** Some of many, in the order of their addresses, IPv4 first. */
export interface CounterPage {
  readonly counted: readonly Counted[];
  /** There are others behind these. */
  readonly more: boolean;
}

export class CounterPages {
  readonly #read: () => Promise<readonly Counted[]>;
  readonly #clock: Clock;
  /** Kept until its last page was asked for or the next first one is. */
  #reading: { readonly sorted: readonly Counted[]; readonly until: Instant } | undefined;

  constructor(read: () => Promise<readonly Counted[]>, clock: Clock) {
    this.#read = read;
    this.#clock = clock;
  }

  /** At most `limit` counters from behind `after` on; without `after` they are read afresh. */
  async page(limit: number, after: IpAddress | undefined): Promise<CounterPage> {
    const sorted = after === undefined ? await this.#readAfresh() : await this.#known();
    const begin = after === undefined ? 0 : countUpTo(sorted, after);
    const counted = sorted.slice(begin, begin + limit);
    const more = begin + limit < sorted.length;
    if (!more) this.#reading = undefined;
    return { counted, more };
  }

  #known(): Promise<readonly Counted[]> | readonly Counted[] {
    const reading = this.#reading;
    return reading && this.#clock.now() < reading.until ? reading.sorted : this.#readAfresh();
  }

  async #readAfresh(): Promise<readonly Counted[]> {
    const sorted = [...(await this.#read())].sort((left, right) =>
      compare(left.client.address, right.client.address),
    );
    this.#reading = { sorted, until: later(this.#clock.now(), READING_LIFETIME) };
    return sorted;
  }
}

/** How many stand at or before an address. */
function countUpTo(sorted: readonly Counted[], address: IpAddress): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    const one = sorted[middle];
    if (one && compare(one.client.address, address) <= 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

function compare(left: IpAddress, right: IpAddress): number {
  if (left.family !== right.family) return left.family - right.family;
  for (let index = 0; index < left.bytes.length; index++) {
    const difference = (left.bytes[index] ?? 0) - (right.bytes[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
