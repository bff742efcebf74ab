/**
 * Finds the connections of packets in the kernel's table, for kernels whose queue does not bring them along, and sets
 * their marks. What is not in the table yet gets its mark when its first packet has passed.
 * @module
 */
import { ip } from "#base/ip-address.ts";
import { ConntrackTable } from "#linux/packet-queue-conntrack.ts";
import { type Conntrack, ConntrackInfo, ConntrackStatus, invertTuple, tupleKey } from "#wire/conntrack.ts";
import type { TrackedPacket } from "./connection-tuple.ts";
import { betweenTranslations, type TranslatedDirection, TranslatedTwice } from "./translated-twice.ts";

/** Marks that wait for their connection at most; further ones are lost. */
export const WAITING_MARK_COUNT_MAX = 4096;
/** Milliseconds after the verdict at which a mark is tried again; then it is lost. */
export const RETRY_DELAYS: readonly number[] = [1, 4, 16, 64, 256, 1024, 2048];
/** Marks tried in one go, each of which takes tens of microseconds. */
const TRY_COUNT_MAX = 256;

const TCP = 6;

/** A packet and what was found of it. */
export interface LookedUp {
  readonly packet: TrackedPacket;
  /** Whether addresses may have been translated before the packet came to its hook. */
  readonly isTranslated: boolean;
  /** As the table has it, or as the packet says. */
  readonly connection: Conntrack;
  /** One of {@link ConntrackInfo}. */
  readonly info: number;
  /** Whether it is in the table. */
  readonly isConfirmed: boolean;
}

/** A mark for a connection whose first packet has not passed. */
interface WaitingMark {
  readonly of: LookedUp;
  readonly mark: number;
  readonly onLost: () => void;
  tryCount: number;
  /** Milliseconds of a clock that is never set. */
  dueAt: number;
}

/** The kernel's connections, for one thread. Nothing here throws. */
export class ConnectionLookup {
  readonly #waiting = new Map<string, WaitingMark>();
  readonly #translated = new TranslatedTwice((status) => this.#ask((table) => table.list(status)) ?? []);
  readonly #onTrouble: (text: string) => void;
  #table: ConntrackTable | undefined;
  #isBroken = false;
  #isTryPlanned = false;
  #timer: NodeJS.Timeout | undefined;

  /** @param onTrouble is told once when the kernel does not answer; then no connection is found. */
  constructor(onTrouble: (text: string) => void) {
    this.#onTrouble = onTrouble;
  }

  /** The connection of a packet; `undefined` when the kernel cannot be asked. */
  find(packet: TrackedPacket, isTranslated: boolean): LookedUp | undefined {
    const found = this.#find(packet, isTranslated);
    if (found) {
      const connection = this.#waiting.size > 0 ? this.#withWaiting(found.connection) : found.connection;
      return { packet, isTranslated, isConfirmed: true, connection, info: found.info };
    }
    if (this.#isBroken) return undefined;
    const { tuple, isError } = packet;
    const mark = this.#waiting.get(tupleKey(tuple))?.mark ?? 0;
    const connection = { original: tuple, reply: invertTuple(tuple), status: 0, mark, zone: 0 };
    const info = isError ? ConntrackInfo.related : ConntrackInfo.new;
    return { packet, isTranslated, connection, info, isConfirmed: false };
  }

  /**
   * Sets the mark now, or when the packet has passed.
   * @param onLost is called when that cannot be
   */
  setMark(of: LookedUp, mark: number, onLost: () => void): void {
    if (of.isConfirmed) {
      if (!this.#ask((table) => table.setMark(of.connection.original, mark))) onLost();
      return;
    }
    const key = tupleKey(of.packet.tuple);
    if (this.#waiting.size >= WAITING_MARK_COUNT_MAX && !this.#waiting.has(key)) {
      onLost();
      return;
    }
    this.#waiting.set(key, { of, mark, onLost, tryCount: 0, dueAt: 0 });
    this.#planTry();
  }

  /** Tries the marks whose turn it is: before each batch, and by itself. */
  tryWaiting(): void {
    if (this.#waiting.size === 0) return;
    const now = performance.now();
    let count = 0;
    for (const [key, waiting] of this.#waiting) {
      if (waiting.dueAt > now) continue;
      if (++count > TRY_COUNT_MAX) break;
      if (this.#settles(waiting, now)) this.#waiting.delete(key);
    }
    this.#planRetry(now);
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#table?.close();
    this.#table = undefined;
    this.#isBroken = true;
  }

  /** The connection with the mark that waited for it. */
  #withWaiting(connection: Conntrack): Conntrack {
    const { original, reply } = connection;
    // As its first packet was at some hook.
    for (const tuple of [original, invertTuple(reply), betweenTranslations(connection)]) {
      const key = tupleKey(tuple);
      const waiting = this.#waiting.get(key);
      if (waiting === undefined) continue;
      const { mark } = waiting;
      this.#waiting.delete(key);
      if (this.#ask((table) => table.setMark(original, mark))) return { ...connection, mark };
      waiting.onLost();
    }
    return connection;
  }

  /** Whether nothing more is to be tried. */
  #settles(waiting: WaitingMark, now: number): boolean {
    const { of, mark } = waiting;
    const found = this.#find(of.packet, of.isTranslated);
    if (found && this.#ask((table) => table.setMark(found.connection.original, mark))) return true;
    const delay = RETRY_DELAYS[waiting.tryCount++];
    if (delay === undefined || this.#isBroken) {
      waiting.onLost();
      return true;
    }
    waiting.dueAt = now + delay;
    return false;
  }

  /** Behind the verdicts that are on their way, and before anything else. */
  #planTry(): void {
    if (this.#isTryPlanned) return;
    this.#isTryPlanned = true;
    queueMicrotask(() => {
      this.#isTryPlanned = false;
      this.tryWaiting();
    });
  }

  #planRetry(now: number): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#waiting.size === 0) return;
    let first = Number.POSITIVE_INFINITY;
    for (const { dueAt } of this.#waiting.values()) first = Math.min(first, dueAt);
    this.#timer = setTimeout(() => this.tryWaiting(), Math.max(1, first - now));
  }

  #find(
    packet: TrackedPacket,
    isTranslated: boolean,
  ): { readonly connection: Conntrack; readonly info: number } | undefined {
    const { tuple, isError, isOpening } = packet;
    const connection = this.#ask((table) => table.find(tuple, isTranslated));
    if (connection) return { connection, info: infoOf(connection, isReply(connection, packet), isError) };
    if (!isTranslated || this.#isBroken) return undefined;
    // Whatever of TCP does not open a connection is not the first packet of one.
    const mayBeFirst = isOpening || tuple.protocol !== TCP;
    const direction = this.#translated.find(tuple, mayBeFirst, () => performance.now());
    return direction && this.#findDirection(packet, direction);
  }

  #findDirection(packet: TrackedPacket, { original, isReply: isAnswer }: TranslatedDirection) {
    const connection = this.#ask((table) => table.find(original, false));
    if (connection) return { connection, info: infoOf(connection, isAnswer, packet.isError) };
    this.#translated.forget(packet.tuple);
    return undefined;
  }

  #ask<R>(question: (table: ConntrackTable) => R): R | undefined {
    if (this.#isBroken) return undefined;
    try {
      this.#table ??= new ConntrackTable();
      return question(this.#table);
    } catch (error) {
      this.close();
      this.#onTrouble(error instanceof Error ? error.message : String(error));
      return undefined;
    }
  }
}

/** Why the kernel cannot be asked for connections; `undefined` when it can. */
export function connectionLookupProblem(): string | undefined {
  let problem: string | undefined;
  const lookup = new ConnectionLookup((text) => {
    problem = text;
  });
  const tuple = {
    source: ip("192.0.2.1"),
    target: ip("192.0.2.2"),
    protocol: 6,
    sourcePort: 1,
    targetPort: 1,
  };
  lookup.find({ tuple, isError: false, isOpening: true }, false);
  lookup.close();
  return problem;
}

function isReply({ original, reply }: Conntrack, { tuple }: TrackedPacket): boolean {
  const isOriginal = tupleKey(tuple) === tupleKey(original);
  return !isOriginal && tupleKey(invertTuple(tuple)) !== tupleKey(reply);
}

/** As the kernel concludes (resolve_normal_ct of nf_conntrack_core.c). */
function infoOf({ status }: Conntrack, isAnswer: boolean, isError: boolean): number {
  if (isError) return isAnswer ? ConntrackInfo.relatedReply : ConntrackInfo.related;
  if (isAnswer) return ConntrackInfo.establishedReply;
  if ((status & ConntrackStatus.seenReply) !== 0) return ConntrackInfo.established;
  return (status & ConntrackStatus.expected) !== 0 ? ConntrackInfo.related : ConntrackInfo.new;
}
