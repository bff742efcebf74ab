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
/** Tuples that are remembered because they were not found once. */
const MISSING_COUNT_MAX = 4096;
/** The part of the time that listing may take, and how much of it may be saved up, in milliseconds. */
const LISTING_SHARE = 1 / 50;
const LISTING_CREDIT_MAX = 100;

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
  /** What was not found once, in either direction. */
  readonly #missing = new Set<string>();
  #credit = LISTING_CREDIT_MAX;
  #creditAt = 0;

  constructor(list: ListConnections) {
    this.#list = list;
  }

  /**
   * The direction of the packet that was not found otherwise. What was never missing before and may be a first packet is
   * not looked for: listing is dear.
   * @param now milliseconds of a clock that is never set
   */
  find(packet: ConntrackTuple, mayBeFirst: boolean, now: () => number): TranslatedDirection | undefined {
    const key = tupleKey(packet);
    const known = this.#directions.get(key);
    if (known) return known;
    if (mayBeFirst && !this.#wasMissing(packet, key)) return undefined;
    const start = now();
    this.#credit = Math.min(this.#credit + (start - this.#creditAt) * LISTING_SHARE, LISTING_CREDIT_MAX);
    this.#creditAt = start;
    if (this.#credit <= 0) return undefined;
    this.#refresh();
    this.#credit -= now() - start;
    return this.#directions.get(key);
  }

  /** The connection is gone. */
  forget(packet: ConntrackTuple): void {
    this.#directions.delete(tupleKey(packet));
  }

  #wasMissing(packet: ConntrackTuple, key: string): boolean {
    if (this.#missing.has(key)) return true;
    if (this.#missing.size >= MISSING_COUNT_MAX) this.#missing.clear();
    this.#missing.add(key);
    this.#missing.add(tupleKey(invertTuple(packet)));
    return false;
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
