/**
 * The leases of one subnet: by address and by client, their ends, and what happens to them. It is told the time and
 * the events, and answers with the leases whose records changed.
 * @module
 */
import { after, type Duration, type Instant } from "#base/time.ts";
import { ExpiryHeap } from "./expiry-heap.ts";
import { type Lease, type LeaseClient, type LeaseEvent, type LeaseState, TRANSITIONS } from "./lease.ts";
import type { AddressPool } from "./pool.ts";

/** Records of one subnet at the most: what one JavaScript map can hold. */
export const LEASE_COUNT_MAX: number = 2 ** 24 - 1;

/** Why an address cannot be a client's. */
export type Obstacle = "leased" | "offered" | "declined" | "full";

export interface LeaseTableOptions {
  readonly pool: AddressPool;
  /** The most records; {@link LEASE_COUNT_MAX} when not given. At the limit no address without a record is given. */
  readonly leaseCountMax?: number;
  /** How long an address that was found in use is given to nobody. */
  readonly quarantine: Duration;
}

/** A lease as it is kept, to be put back at the start. */
export interface KeptLease {
  readonly address: number;
  readonly state: LeaseState;
  readonly client: LeaseClient;
  readonly expires: Instant;
}

export class LeaseTable {
  readonly #pool: AddressPool;
  readonly #leaseCountMax: number;
  readonly #quarantine: Duration;
  readonly #byAddress = new Map<number, Lease>();
  readonly #byClient = new Map<string, Lease>();
  readonly #heap = new ExpiryHeap();

  constructor(options: LeaseTableOptions) {
    this.#pool = options.pool;
    this.#leaseCountMax = Math.min(LEASE_COUNT_MAX, options.leaseCountMax ?? LEASE_COUNT_MAX);
    this.#quarantine = options.quarantine;
  }

  /** Records, of whatever state. */
  get size(): number {
    return this.#byAddress.size;
  }

  at(address: number): Lease | undefined {
    return this.#byAddress.get(address);
  }

  /** The lease that a client has, had last or is offered. */
  of(clientKey: string): Lease | undefined {
    return this.#byClient.get(clientKey);
  }

  /** When {@link expire} has something to do; `undefined` when nothing ends. */
  wakeAt(): Instant | undefined {
    return this.#heap.earliest;
  }

  /** Why `address` cannot be given to the client; `undefined` when it can. */
  obstacle(address: number, clientKey: string): Obstacle | undefined {
    const lease = this.#byAddress.get(address);
    if (lease === undefined) return this.#byAddress.size < this.#leaseCountMax ? undefined : "full";
    if (lease.state === "declined") return "declined";
    if (lease.client.key === clientKey) return undefined;
    if (lease.state === "bound") return "leased";
    return lease.state === "offered" ? "offered" : undefined;
  }

  /**
   * The address the pool would give: what the client has or had, what it asks for, one never used, the one free for
   * the longest; `undefined` when there is none left.
   */
  choose(clientKey: string, requested: number): number | undefined {
    const own = this.#byClient.get(clientKey);
    if (own && own.state !== "declined") return own.address;
    if (requested !== 0 && this.#pool.contains(requested) && !this.obstacle(requested, clientKey))
      return requested;
    return this.#pool.next(this.#isKnown, this.#byAddress.size < this.#leaseCountMax);
  }

  readonly #isKnown = (address: number): boolean => this.#byAddress.has(address);

  /** Holds an address for a client until `until`. The caller has asked {@link obstacle}. */
  offer(address: number, client: LeaseClient, until: Instant): Lease {
    const lease = this.#claim(address, client);
    const wasBound = lease.state === "bound";
    this.#step(lease, "offer");
    if (!wasBound) this.#endAt(lease, until);
    return lease;
  }

  /** Leases an address until `until`; gives the records to keep: it, and what the client had before. */
  bind(address: number, client: LeaseClient, until: Instant): readonly Lease[] {
    const lease = this.#claim(address, client);
    const { replaces } = lease;
    lease.replaces = undefined;
    this.#step(lease, "bind");
    this.#endAt(lease, until);
    if (!replaces || replaces.client.key !== client.key || replaces.state !== "bound") return [lease];
    this.#step(replaces, "drop");
    return [lease, replaces];
  }

  /** The client wants its lease no longer; the record to keep, `undefined` when it is not the client's. */
  release(address: number, clientKey: string): Lease | undefined {
    const lease = this.#ofClient(address, clientKey);
    return lease?.state === "bound" && this.#step(lease, "release") ? lease : undefined;
  }

  /** The client found the address in use; the record to keep, `undefined` when it is not the client's. */
  decline(address: number, clientKey: string, now: Instant): Lease | undefined {
    const lease = this.#ofClient(address, clientKey);
    if (!lease || !this.#step(lease, "decline")) return undefined;
    if (this.#byClient.get(clientKey) === lease) this.#byClient.delete(clientKey);
    this.#endAt(lease, after(now, this.#quarantine));
    return lease;
  }

  /** The client took another server's offer. */
  drop(clientKey: string): void {
    const lease = this.#byClient.get(clientKey);
    if (lease?.state === "offered") this.#end(lease, "drop");
  }

  /** Ends what is over, one record at a time, and tells what it was; `undefined` when nothing (more) is. */
  expire(now: Instant): { readonly lease: Lease; readonly was: LeaseState } | undefined {
    const lease = this.#heap.take(now);
    if (!lease) return undefined;
    const was = lease.state;
    this.#end(lease, "time-out");
    return { lease, was };
  }

  /** Puts back what was kept, at the start; the caller passes each address once. */
  restore(kept: KeptLease, now: Instant): void {
    const isOver = (kept.state === "bound" || kept.state === "declined") && kept.expires <= now;
    const lease = makeLease(kept.address, kept.client);
    lease.state = isOver ? "expired" : kept.state;
    lease.expires = kept.expires;
    this.#byAddress.set(kept.address, lease);
    if (lease.state === "declined") {
      this.#heap.schedule(lease);
      return;
    }
    const other = this.#byClient.get(kept.client.key);
    if (other?.state !== "bound" || lease.state === "bound") this.#byClient.set(kept.client.key, lease);
    if (lease.state === "bound") this.#heap.schedule(lease);
    else this.#pool.giveBack(lease);
  }

  /** The record of an address, made the client's own. */
  #claim(address: number, client: LeaseClient): Lease {
    let lease = this.#byAddress.get(address);
    if (!lease) {
      lease = makeLease(address, client);
      this.#byAddress.set(address, lease);
    } else if (lease.client.key !== client.key && this.#byClient.get(lease.client.key) === lease) {
      this.#byClient.delete(lease.client.key);
    }
    lease.client = client;
    const had = this.#byClient.get(client.key);
    if (had === lease) return lease;
    lease.replaces = had;
    this.#byClient.set(client.key, lease);
    return lease;
  }

  #ofClient(address: number, clientKey: string): Lease | undefined {
    const lease = this.#byAddress.get(address);
    return lease?.client.key === clientKey ? lease : undefined;
  }

  /** An offer or lease is over: the client is remembered with it, or goes back to what it had before. */
  #end(lease: Lease, event: "drop" | "time-out"): void {
    this.#step(lease, event);
    const { replaces } = lease;
    lease.replaces = undefined;
    const { key } = lease.client;
    const isLatest = this.#byClient.get(key) === lease;
    if (isLatest && replaces?.client.key === key && replaces.state === "bound")
      this.#byClient.set(key, replaces);
    if (!this.#pool.contains(lease.address)) this.#forget(lease);
  }

  /** An address that is not the pool's to give needs no record once nobody has it. */
  #forget(lease: Lease): void {
    this.#byAddress.delete(lease.address);
    if (this.#byClient.get(lease.client.key) === lease) this.#byClient.delete(lease.client.key);
  }

  #endAt(lease: Lease, until: Instant): void {
    lease.expires = until;
    this.#heap.schedule(lease);
  }

  /** Takes one step of the protocol; false when the event means nothing in the lease's state. */
  #step(lease: Lease, event: LeaseEvent): boolean {
    const step = TRANSITIONS[lease.state][event];
    if (!step) return false;
    lease.state = step.next;
    if (step.actions.includes("take")) this.#pool.take(lease);
    if (step.actions.includes("give-back")) this.#pool.giveBack(lease);
    return true;
  }
}

function makeLease(address: number, client: LeaseClient): Lease {
  const lease: Partial<Lease> & Pick<Lease, "address" | "client"> = {
    address,
    state: "free",
    client,
    expires: 0 as Instant,
    wakesAt: Number.POSITIVE_INFINITY,
    replaces: undefined,
  };
  lease.previous = lease as Lease;
  lease.next = lease as Lease;
  return lease as Lease;
}
