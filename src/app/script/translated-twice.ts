/**
 * Connections whose source and destination are both translated. Between the two translations (at input, forward and
 * postrouting, before ours) a packet has the addresses of neither direction that the kernel's table is asked by: its
 * sender as one knows it and its receiver as the other does. Such connections are listed, and found by both ends.
 * @module
 */
import {
  type Conntrack,
  ConntrackStatus,
  type ConntrackTuple,
  invertTuple,
  tupleKey,
} from "#wire/conntrack.ts";

/** Connections that are remembered; further ones are not found. */
export const TRANSLATED_COUNT_MAX = 65_536;
/** Tuples that are remembered because they were not found. */
const MISSING_COUNT_MAX = 4096;
/** How long a first packet may be on its way through this machine, in milliseconds. */
const PASSING_TIME_MAX = 20;
/** The part of the time that listing may take, and how much of it may be saved up, in milliseconds. */
const LISTING_SHARE = 1 / 10;
const LISTING_CREDIT_MAX = 100;
/** A list without what it was made for counts as so many: nobody may be translating at all. */
const USELESS_COST = 20;

/** Lists the connections of which all bits of a status are set. */
export type ListConnections = (status: number) => readonly Conntrack[];

/** The direction of a connection that a packet belongs to. */
export interface TranslatedDirection {
  readonly original: ConntrackTuple;
  readonly isReply: boolean;
}

export class TranslatedTwice {
  readonly #list: ListConnections;
  readonly #directions = new Map<string, TranslatedDirection>();
  /** What was not found, and when for the first time. */
  readonly #missing = new Map<string, number>();
  #credit = LISTING_CREDIT_MAX;
  #creditAt = 0;

  constructor(list: ListConnections) {
    this.#list = list;
  }

  /**
   * The direction of the packet that was not found otherwise. Listing is dear: a packet is looked for only when it cannot
   * be the first one of its connection, as what answers another one or comes some time after it.
   * @param now milliseconds of a clock that is never set
   */
  find(packet: ConntrackTuple, mayBeFirst: boolean, now: () => number): TranslatedDirection | undefined {
    const key = tupleKey(packet);
    const known = this.#directions.get(key);
    if (known) return known;
    const start = now();
    if (this.#isFirst(packet, key, start) && mayBeFirst) return undefined;
    const earned = (start - this.#creditAt) * LISTING_SHARE;
    this.#credit = Math.min(this.#credit + earned, LISTING_CREDIT_MAX);
    this.#creditAt = start;
    if (this.#credit <= 0) return undefined;
    this.#refresh();
    const found = this.#directions.get(key);
    this.#credit -= (now() - start) * (found ? 1 : USELESS_COST);
    return found;
  }

  /** The connection is gone. */
  forget(packet: ConntrackTuple): void {
    this.#directions.delete(tupleKey(packet));
  }

  #isFirst(packet: ConntrackTuple, key: string, now: number): boolean {
    const before = this.#missing.get(key);
    if (before !== undefined) return now - before < PASSING_TIME_MAX;
    if (this.#missing.size >= MISSING_COUNT_MAX) this.#missing.clear();
    this.#missing.set(key, now);
    return !this.#missing.has(tupleKey(invertTuple(packet)));
  }

  #refresh(): void {
    this.#directions.clear();
    for (const connection of this.#list(ConntrackStatus.sourceNat | ConntrackStatus.targetNat)) {
      if (this.#directions.size >= 2 * TRANSLATED_COUNT_MAX) return;
      const { original } = connection;
      const between = betweenTranslations(connection);
      this.#directions.set(tupleKey(between), { original, isReply: false });
      this.#directions.set(tupleKey(invertTuple(between)), { original, isReply: true });
    }
  }
}

/** The tuple of the packets of who began, once their receiver is translated and before their sender is. */
export function betweenTranslations({ original, reply }: Conntrack): ConntrackTuple {
  const { source, sourcePort } = reply;
  return { ...original, target: source, ...(sourcePort === undefined ? {} : { targetPort: sourcePort }) };
}
