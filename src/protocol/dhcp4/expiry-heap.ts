/**
 * When leases end: a binary heap that is put right lazily, so that renewing a lease costs nothing here. A lease has
 * an entry at or before its end; an entry that comes up early is put back at the end the lease has by then.
 * @module
 */
import type { Instant } from "#base/time.ts";
import type { Lease } from "./lease.ts";

export class ExpiryHeap {
  readonly #times: number[] = [];
  readonly #leases: Lease[] = [];

  /** Entries, stale ones included; at most two per lease and change of its end to an earlier time. */
  get size(): number {
    return this.#times.length;
  }

  /** When the earliest entry is due; nothing ends before. */
  get earliest(): Instant | undefined {
    return this.#times[0] as Instant | undefined;
  }

  /** Sees to it that `lease` comes up no later than its end. */
  schedule(lease: Lease): void {
    if (lease.wakesAt <= lease.expires) return;
    lease.wakesAt = lease.expires;
    this.#push(lease.expires, lease);
  }

  /** Takes out one lease whose end has come; `undefined` when there is none (any more). */
  take(now: Instant): Lease | undefined {
    for (;;) {
      const at = this.#times[0];
      const lease = this.#leases[0];
      if (at === undefined || lease === undefined || at > now) return undefined;
      this.#pop();
      if (at !== lease.wakesAt) continue; // a later entry of a lease that has an earlier one, or had
      lease.wakesAt = Number.POSITIVE_INFINITY;
      if (lease.state === "released" || lease.state === "expired" || lease.state === "free") continue;
      if (lease.expires <= now) return lease;
      this.schedule(lease);
    }
  }

  #push(time: number, lease: Lease): void {
    let index = this.#times.length;
    while (index > 0) {
      const parent = (index - 1) >>> 1;
      if ((this.#times[parent] as number) <= time) break;
      this.#move(parent, index);
      index = parent;
    }
    this.#times[index] = time;
    this.#leases[index] = lease;
  }

  #pop(): void {
    const time = this.#times.pop();
    const lease = this.#leases.pop();
    const size = this.#times.length;
    if (time === undefined || lease === undefined || size === 0) return;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= size) break;
      if (child + 1 < size && (this.#times[child + 1] as number) < (this.#times[child] as number)) child++;
      if ((this.#times[child] as number) >= time) break;
      this.#move(child, index);
      index = child;
    }
    this.#times[index] = time;
    this.#leases[index] = lease;
  }

  #move(from: number, to: number): void {
    this.#times[to] = this.#times[from] as number;
    this.#leases[to] = this.#leases[from] as Lease;
  }
}
