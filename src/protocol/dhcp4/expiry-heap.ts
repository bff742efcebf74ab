/**
 * When leases end: a binary heap that is put right lazily, so that renewing a lease costs nothing here. A lease has
 * an entry at or before its end; an entry that comes up early is put back at the end the lease has by then.
 * @module
 */
import { Heap } from "#base/heap.ts";
import type { Instant } from "#base/time.ts";
import type { Lease } from "./lease.ts";

export class ExpiryHeap {
  readonly #heap = new Heap<Lease>();

  /** Entries, stale ones included; at most two per lease and change of its end to an earlier time. */
  get size(): number {
    return this.#heap.size;
  }

  /** When the earliest entry is due; nothing ends before. */
  get earliest(): Instant | undefined {
    return this.#heap.firstKey as Instant | undefined;
  }

  /** Sees to it that `lease` comes up no later than its end. */
  schedule(lease: Lease): void {
    if (lease.wakesAt <= lease.expires) return;
    lease.wakesAt = lease.expires;
    this.#heap.add(lease.expires, lease);
  }

  /** Takes out one lease whose end has come; `undefined` when there is none (any more). */
  take(now: Instant): Lease | undefined {
    for (;;) {
      const at = this.#heap.firstKey;
      if (at === undefined || at > now) return undefined;
      const lease = this.#heap.take();
      if (lease === undefined) return undefined;
      if (at !== lease.wakesAt) continue; // a later entry of a lease that has an earlier one, or had
      lease.wakesAt = Number.POSITIVE_INFINITY;
      if (lease.state === "released" || lease.state === "expired" || lease.state === "free") continue;
      if (lease.expires <= now) return lease;
      this.schedule(lease);
    }
  }
}
