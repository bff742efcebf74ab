/**
 * One client's packet on its way through the decisions, and all that are on their way now.
 * @module
 */
import type { Timer } from "#base/clock.ts";
import type { MacAddress } from "#base/mac-address.ts";
import type { Duration } from "#base/time.ts";
import type { Value } from "#base/value.ts";
import type { BroadcastSocket } from "#io/datagram.ts";
import type { LeaseClient } from "#protocol/dhcp4/lease.ts";
import type { ClientRequest } from "#protocol/dhcp4/request.ts";
import type { ServedSubnet } from "./config.ts";

/** Packets on their way at the most; one more is dropped and counted, and its client asks again. */
export const CONVERSATION_COUNT_MAX = 4096;

export interface Conversation {
  readonly request: ClientRequest;
  readonly client: LeaseClient;
  /** The hardware address when it is Ethernet's. */
  readonly mac: MacAddress | undefined;
  readonly socket: BroadcastSocket;
  served: ServedSubnet;
  classes: readonly string[];
  /** Tags of the request, made when the first listener needs them. */
  tuples: readonly (string | Value)[] | undefined;
  /** Waits for the lookup's answer. */
  awaitsAnswer: boolean;
  deadline: Timer | undefined;
  /** The address it will get; 0 until that is known. */
  address: number;
  /** What a listener said the lease time shall be. */
  leaseTime: Duration | undefined;
  /** Options that listeners set or took away, by code; `undefined` is taken away. */
  readonly overrides: Map<number, Value | undefined>;
  /** Answered, dropped or overtaken: nothing more is done for it. */
  isOver: boolean;
}

/** Who is being served now, by client and by transaction. */
export class Conversations {
  readonly #byClient = new Map<string, Conversation>();
  /** Clients choose their transaction numbers at random, so two may have the same. */
  readonly #byTransaction = new Map<number, Conversation[]>();

  get size(): number {
    return this.#byClient.size;
  }

  ofClient(clientKey: string): Conversation | undefined {
    return this.#byClient.get(clientKey);
  }

  /** The one that waits for the answer to a lookup. */
  awaiting(xid: number, mac: MacAddress | undefined): Conversation | undefined {
    return this.#byTransaction
      .get(xid)
      ?.find((each) => each.awaitsAnswer && (mac === undefined || each.mac?.equals(mac) === true));
  }

  add(conversation: Conversation): void {
    const { clientKey, message } = conversation.request;
    this.#byClient.set(clientKey, conversation);
    const others = this.#byTransaction.get(message.xid);
    if (others) others.push(conversation);
    else this.#byTransaction.set(message.xid, [conversation]);
  }

  /** Ends a conversation; harmless the second time. */
  end(conversation: Conversation): void {
    if (conversation.isOver) return;
    conversation.isOver = true;
    conversation.deadline?.cancel();
    const { clientKey, message } = conversation.request;
    this.#byClient.delete(clientKey);
    const same = this.#byTransaction.get(message.xid) ?? [];
    if (same.length <= 1) this.#byTransaction.delete(message.xid);
    else same.splice(same.indexOf(conversation), 1);
  }

  /** Ends them all, when the service stops. */
  clear(): void {
    for (const conversation of [...this.#byClient.values()]) this.end(conversation);
  }
}
