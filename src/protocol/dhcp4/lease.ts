/**
 * The life of one lease, the server's half of RFC 2131 figure 5: what may happen to an address, and what follows.
 * @module
 */
import type { Instant } from "#base/time.ts";

/**
 * `offered`: held for a client that has not asked yet. `bound`: leased. `released` and `expired`: free to be given to
 * anybody, remembered for its last client. `declined`: found in use by a stranger, given to nobody for a while.
 * An address without a record is `free`.
 */
export type LeaseState = "free" | "offered" | "bound" | "released" | "expired" | "declined";

/** `drop`: the client took another server's offer, or another address of ours. */
export type LeaseEvent = "offer" | "bind" | "release" | "decline" | "drop" | "time-out";

/**
 * `take`: out of the queue of addresses that may be given again. `give-back`: to the end of that queue.
 * `keep`: the record must be durable before anybody is told.
 */
export type LeaseAction = "take" | "give-back" | "keep";

export interface LeaseStep {
  readonly next: LeaseState;
  readonly actions: readonly LeaseAction[];
}

/** The protocol. An event missing here leaves the state alone. */
export const TRANSITIONS: Record<LeaseState, Partial<Record<LeaseEvent, LeaseStep>>> = {
  free: {
    offer: { next: "offered", actions: [] },
    bind: { next: "bound", actions: ["keep"] },
  },
  offered: {
    offer: { next: "offered", actions: [] },
    bind: { next: "bound", actions: ["keep"] },
    decline: { next: "declined", actions: ["keep"] },
    drop: { next: "expired", actions: ["give-back"] },
    "time-out": { next: "expired", actions: ["give-back"] },
  },
  // A bound client that discovers again is offered what it has; the lease stands until it asks (RFC 2131 section 4.3.1).
  bound: {
    offer: { next: "bound", actions: [] },
    bind: { next: "bound", actions: ["keep"] },
    release: { next: "released", actions: ["keep", "give-back"] },
    decline: { next: "declined", actions: ["keep"] },
    drop: { next: "released", actions: ["keep", "give-back"] },
    // Not kept: the time of its end is on record already.
    "time-out": { next: "expired", actions: ["give-back"] },
  },
  released: {
    offer: { next: "offered", actions: ["take"] },
    bind: { next: "bound", actions: ["take", "keep"] },
  },
  expired: {
    offer: { next: "offered", actions: ["take"] },
    bind: { next: "bound", actions: ["take", "keep"] },
  },
  declined: {
    "time-out": { next: "expired", actions: ["give-back"] },
  },
};

/** Who a client is, and what is told of it. */
export interface LeaseClient {
  /** The client identifier when there is one, else the hardware address (RFC 2131 section 4.2); see `clientKeyOf`. */
  readonly key: string;
  /** The hardware address. */
  readonly chaddr: Uint8Array;
  readonly hostName?: string | undefined;
}

/** The record of one address. Only the lease table changes it. */
export interface Lease {
  /** Unsigned 32-bit. */
  readonly address: number;
  state: LeaseState;
  client: LeaseClient;
  /** When the offer, lease or quarantine ends; meaningless once `released` or `expired`. */
  expires: Instant;
  /** The time of its earliest entry in the table's heap, `Infinity` when it has none. */
  wakesAt: number;
  /** What the client had when it was offered this one. */
  replaces: Lease | undefined;
  /** Neighbours in the queue of addresses that may be given again; itself when not in it. */
  previous: Lease;
  next: Lease;
}
