/**
 * The addresses a subnet may give on its own, and which comes next: one that was never used, then the one that has
 * been free the longest. Memory and time do not depend on the size of the ranges.
 * @module
 */
import { ConfigurationError } from "#base/errors.ts";
import { IpAddress } from "#base/ip-address.ts";
import type { Lease } from "./lease.ts";

/** Addresses from `first` to `last`, both included; unsigned 32-bit. */
export interface AddressRange {
  readonly first: number;
  readonly last: number;
}

export class AddressPool {
  readonly #ranges: readonly AddressRange[];
  /** The next address never given: an offset into the range of that index. */
  #rangeIndex = 0;
  #offset = 0;
  /** The queue's ends: the longest free, and the one that came last. */
  #oldest: Lease | undefined;
  #newest: Lease | undefined;
  #idleCount = 0;

  /** @throws ConfigurationError when a range ends before it begins, or two overlap. */
  constructor(ranges: readonly AddressRange[]) {
    this.#ranges = ranges.toSorted((left, right) => left.first - right.first);
    for (const [index, { first, last }] of this.#ranges.entries()) {
      const before = this.#ranges[index - 1];
      if (first > last || (before && before.last >= first)) {
        throw new ConfigurationError(
          `Cannot make a pool of ${IpAddress.fromUint32(first)} to ${IpAddress.fromUint32(last)}: ${first > last ? "it ends before it begins" : "it overlaps another"}`,
        );
      }
    }
  }

  /** How many addresses there are in all ranges. */
  get size(): number {
    return this.#ranges.reduce((sum, { first, last }) => sum + last - first + 1, 0);
  }

  /** How many were given once and may be given again. */
  get idleCount(): number {
    return this.#idleCount;
  }

  contains(address: number): boolean {
    for (const { first, last } of this.#ranges) if (address >= first && address <= last) return true;
    return false;
  }

  /**
   * The address to give next, without giving it: the first never used of which `isKnown` says no, else the
   * longest free; `undefined` when every address is in use. With `mayBeNew` false only the longest free will do.
   */
  next(isKnown: (address: number) => boolean, mayBeNew = true): number | undefined {
    while (mayBeNew) {
      const range = this.#ranges[this.#rangeIndex];
      if (range === undefined) break;
      const address = range.first + this.#offset;
      if (address > range.last) {
        this.#rangeIndex++;
        this.#offset = 0;
      } else if (isKnown(address)) {
        this.#offset++; // once known, for good: its record stays
      } else {
        return address;
      }
    }
    return this.#oldest?.address;
  }

  /** Queues an address behind all that may be given again; harmless when it is queued, or not of this pool. */
  giveBack(lease: Lease): void {
    if (this.#isQueued(lease) || !this.contains(lease.address)) return;
    if (this.#newest) {
      this.#newest.next = lease;
      lease.previous = this.#newest;
    } else {
      this.#oldest = lease;
    }
    this.#newest = lease;
    this.#idleCount++;
  }

  /** Takes an address out of the queue, wherever it stands; harmless when it is not in it. */
  take(lease: Lease): void {
    if (!this.#isQueued(lease)) return;
    const before = lease.previous === lease ? undefined : lease.previous;
    const behind = lease.next === lease ? undefined : lease.next;
    if (before) before.next = behind ?? before;
    else this.#oldest = behind;
    if (behind) behind.previous = before ?? behind;
    else this.#newest = before;
    lease.previous = lease;
    lease.next = lease;
    this.#idleCount--;
  }

  #isQueued(lease: Lease): boolean {
    return lease.previous !== lease || lease.next !== lease || this.#oldest === lease;
  }
}
