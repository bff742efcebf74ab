/**
 * The way of one client's packet: classes, subnet, lookup, then offer, commit, renewal or NAK; release, decline and
 * inform have shorter ways. Each step is a decision that listeners may steer.
 * @module
 */
import { IpAddress } from "#base/ip-address.ts";
import { after, type Duration, milliseconds } from "#base/time.ts";
import type { StoreWrite } from "#io/store.ts";
import type { Message } from "#mailbox/message.ts";
import type { Lease } from "#protocol/dhcp4/lease.ts";
import { optionOf } from "#wire/dhcp4.ts";
import { DHCP4_OPTION, decodeOptionValue } from "#wire/dhcp4-options.ts";
import type { Conversation } from "./conversation.ts";
import type { Decided, Decisions } from "./decisions.ts";
import { formatLease } from "./lease-record.ts";
import type { Parts } from "./parts.ts";
import type { Replies } from "./replies.ts";
import { clientTuples, readOptionTags, requestTuples } from "./tags.ts";

export class Exchange {
  readonly #parts: Parts;
  readonly #decisions: Decisions;
  readonly #replies: Replies;

  constructor(parts: Parts, decisions: Decisions, replies: Replies) {
    this.#parts = parts;
    this.#decisions = decisions;
    this.#replies = replies;
  }

  /** Takes a conversation that has just begun to its end. */
  run(conversation: Conversation): void {
    this.#decisions.ask(
      "/dhcpd/classify",
      () => requestTuples(conversation),
      (decided) => {
        if (this.#isOff(conversation, decided)) return;
        const classes = decided.message?.all("class").filter((name) => typeof name === "string") ?? [];
        if (classes.length > 0) {
          conversation.classes = classes;
          conversation.tuples = undefined;
        }
        this.#decisions.ask(
          "/dhcpd/subnet",
          () => this.#subnetTuples(conversation),
          (chosen) => {
            if (this.#isOff(conversation, chosen)) return;
            if (this.#takeSubnet(conversation, chosen.message)) this.#serve(conversation);
          },
        );
      },
    );
  }

  /** Takes an answer to a lookup; `undefined` leaves it to the pool. */
  answer(conversation: Conversation, message: Message): void {
    const address = message.get("address");
    const { subnet } = conversation.served;
    const { clientKey } = conversation.request;
    if (!(address instanceof IpAddress)) {
      this.#byPool(conversation);
      return;
    }
    // A listener may have changed the pool's own answer on its way.
    const isPools =
      message.get("source") === "pool" && address.toUint32() === subnet.choose(conversation.request);
    if (isPools) {
      this.#byPool(conversation);
      return;
    }
    const refusal = subnet.refusal(address.toUint32(), clientKey);
    if (refusal !== undefined) {
      this.#parts.counters.count("lookup-bad-answer");
      const fields = { client: clientKey, address: String(address), refusal };
      this.#parts.log("warn", `A lookup's answer ${address} cannot be given: ${refusal}`, fields);
      this.#byPool(conversation);
      return;
    }
    const leaseTime = message.get("lease-time");
    if (typeof leaseTime === "number" && leaseTime >= 1000) conversation.leaseTime = milliseconds(leaseTime);
    readOptionTags(conversation, message, false);
    this.#answered(conversation, "lookup-by-listener", address.toUint32());
  }

  #subnetTuples(conversation: Conversation): (string | IpAddress | Conversation["served"]["prefix"])[] {
    return [...(requestTuples(conversation) as string[]), "subnet", conversation.served.prefix];
  }

  /** The subnet a listener chose; false, and the end, when there is no such. */
  #takeSubnet(conversation: Conversation, message: Message | undefined): boolean {
    const wanted = message?.get("subnet");
    if (wanted === undefined || wanted === conversation.served.prefix) return true;
    const served = this.#parts.config.subnets.find(({ prefix }) => String(prefix) === String(wanted));
    if (served) conversation.served = served;
    else this.#drop(conversation, "dropped-no-subnet");
    return served !== undefined;
  }

  #serve(conversation: Conversation): void {
    const { kind, address } = conversation.request;
    if (kind === "release" || kind === "decline") {
      this.#giveUp(conversation, `/dhcpd/${kind}`);
    } else if (kind === "inform") {
      conversation.address = address;
      this.#replies.grant(conversation, "ack", undefined);
    } else {
      this.#lookup(conversation);
    }
  }

  #lookup(conversation: Conversation): void {
    const decisions = this.#decisions;
    conversation.awaitsAnswer = true;
    if (decisions.isQuiet("/dhcpd/lookup", 1) && decisions.isQuiet("/dhcpd/lookup-response", 1)) {
      decisions.pass("/dhcpd/lookup");
      decisions.pass("/dhcpd/lookup-response");
      this.#byPool(conversation);
      return;
    }
    const tuples = [...requestTuples(conversation), "subnet", conversation.served.prefix];
    tuples.push("tentative", conversation.request.kind === "discover");
    decisions.run("/dhcpd/lookup", tuples, (decided) => {
      if (!conversation.awaitsAnswer || conversation.isOver) return;
      if (decided.verdict !== "reject") return;
      conversation.awaitsAnswer = false;
      this.#refuse(conversation, decided.reason);
    });
    if (!conversation.awaitsAnswer || conversation.isOver) return;
    // Stopped, or parked: whoever did it has until the deadline to answer.
    conversation.deadline = this.#parts.clock.after(this.#parts.config.lookupDeadline, () => {
      if (!conversation.awaitsAnswer) return;
      this.#parts.counters.count("lookup-deadline");
      this.#byPool(conversation);
    });
  }

  #byPool(conversation: Conversation): void {
    this.#answered(conversation, "lookup-by-pool", conversation.served.subnet.choose(conversation.request));
  }

  #answered(
    conversation: Conversation,
    source: "lookup-by-pool" | "lookup-by-listener",
    address: number | undefined,
  ): void {
    if (!conversation.awaitsAnswer || conversation.isOver) return;
    conversation.awaitsAnswer = false;
    conversation.deadline?.cancel();
    this.#parts.counters.count(source);
    const { request, served } = conversation;
    if (request.kind === "discover") {
      if (address === undefined) {
        this.#drop(conversation, "dropped-exhausted");
        return;
      }
      this.#hold(conversation, address);
      this.#offer(conversation);
      return;
    }
    const judgement = served.subnet.judge(request, address);
    if (judgement.verdict === "silent") {
      this.#drop(conversation, "ignored-unknown-client");
      return;
    }
    if (judgement.verdict === "nak") {
      this.#replies.refuse(conversation, judgement.reason);
      return;
    }
    this.#hold(conversation, judgement.address);
    this.#commit(conversation);
  }

  /** Nobody else gets the address while the decisions about it are under way. */
  #hold(conversation: Conversation, address: number): void {
    const { served, client } = conversation;
    conversation.address = address;
    served.subnet.leases.offer(address, client, after(this.#parts.clock.now(), served.offerHold));
    this.#parts.schedule();
  }

  #offer(conversation: Conversation): void {
    const leaseTime = this.#leaseTime(conversation);
    this.#decisions.ask(
      "/dhcpd/offer",
      () => this.#replies.tuples(conversation, leaseTime),
      (decided) => {
        if (this.#isOff(conversation, decided)) return;
        const granted = this.#takeReplyTags(conversation, decided.message, leaseTime);
        this.#replies.grant(conversation, "offer", granted);
      },
    );
  }

  #commit(conversation: Conversation): void {
    const leaseTime = this.#leaseTime(conversation);
    const path = conversation.request.kind === "renewing" ? "/dhcpd/renew" : "/dhcpd/commit";
    this.#decisions.ask(
      path,
      () => this.#replies.tuples(conversation, leaseTime),
      (decided) => {
        if (decided.verdict === "reject") {
          if (path === "/dhcpd/renew") this.#release(conversation);
          this.#refuse(conversation, decided.reason);
          return;
        }
        if (this.#isOff(conversation, decided)) return;
        this.#keep(conversation, this.#takeReplyTags(conversation, decided.message, leaseTime));
      },
    );
  }

  /** What listeners may change of an offer or lease: how long, and the options. */
  #takeReplyTags(conversation: Conversation, message: Message | undefined, leaseTime: Duration): Duration {
    if (!message) return leaseTime;
    readOptionTags(conversation, message, true);
    const changed = message.get("lease-time");
    const isFit = typeof changed === "number" && changed >= 1000;
    return isFit ? milliseconds(changed) : leaseTime;
  }

  /** Nothing is acknowledged before it is durable. */
  #keep(conversation: Conversation, leaseTime: Duration): void {
    const { served, client, address } = conversation;
    const { leases } = served.subnet;
    const { clock, store } = this.#parts;
    const expires = after(clock.now(), leaseTime);
    const writes: StoreWrite[] = [formatLease(address, "bound", client, expires)];
    const replaced = leases.at(address)?.replaces;
    if (replaced?.state === "bound" && replaced.client.key === client.key) {
      writes.push(formatLease(replaced.address, "released", replaced.client, clock.now()));
    }
    store.commit(writes).then(
      () => {
        // The hold may have ended while a slow disk was at it, and another client may have the address.
        if (leases.obstacle(address, client.key)) {
          this.#drop(conversation, "dropped-store");
          return;
        }
        leases.bind(address, client, expires);
        this.#parts.schedule();
        if (!conversation.isOver) this.#replies.grant(conversation, "ack", leaseTime);
      },
      (error: unknown) => this.#storeFailed(conversation, error),
    );
  }

  #giveUp(conversation: Conversation, path: "/dhcpd/release" | "/dhcpd/decline"): void {
    const { request, served } = conversation;
    const { leases } = served.subnet;
    const tuples = (): (string | number | IpAddress)[] => [
      ...(clientTuples(conversation) as string[]),
      "address",
      IpAddress.fromUint32(request.address),
    ];
    this.#decisions.ask(path, tuples, (decided) => {
      if (this.#isOff(conversation, decided)) return;
      const { address, clientKey } = request;
      const isOwn =
        path === "/dhcpd/release"
          ? this.#release(conversation)
          : this.#record(leases.decline(address, clientKey, this.#parts.clock.now()));
      if (!isOwn) {
        this.#drop(conversation, "dropped-not-the-client");
        return;
      }
      this.#parts.conversations.end(conversation);
      this.#parts.schedule();
    });
  }

  #release({ served, request }: Conversation): boolean {
    return this.#record(served.subnet.leases.release(request.address, request.clientKey));
  }

  /**
   * Keeps the record of a lease that ended; false when there is none. Nobody waits for it to be durable: after a
   * crash the lease simply lasts until its end.
   */
  #record(lease: Lease | undefined): boolean {
    if (!lease) return false;
    const { address, state, client, expires } = lease;
    this.#parts.store.commit([formatLease(address, state, client, expires)]).catch((error: unknown) => {
      this.#parts.log("error", "The end of a lease could not be kept", { client: client.key, error });
    });
    return true;
  }

  #storeFailed(conversation: Conversation, error: unknown): void {
    const { client } = conversation;
    this.#parts.log("error", "A lease could not be kept, so it was not acknowledged", {
      client: client.key,
      error,
    });
    this.#drop(conversation, "dropped-store");
  }

  /** A listener refused the client: a NAK where the protocol has one, else silence. */
  #refuse(conversation: Conversation, reason: string): void {
    if (conversation.isOver) return;
    if (conversation.request.kind === "discover") this.#drop(conversation, "dropped-by-listener");
    else this.#replies.refuse(conversation, reason);
  }

  /** Whether a decision ended the conversation, or it was over already. */
  #isOff(
    conversation: Conversation,
    decided: Decided,
  ): decided is Exclude<Decided, { readonly verdict: "go" }> {
    if (conversation.isOver) return true;
    if (decided.verdict === "go") return false;
    this.#drop(conversation, "dropped-by-listener");
    return true;
  }

  #drop(conversation: Conversation, reason: Parameters<Parts["counters"]["count"]>[0]): void {
    if (conversation.isOver) return;
    this.#parts.counters.count(reason);
    this.#parts.conversations.end(conversation);
  }

  #leaseTime(conversation: Conversation): Duration {
    if (conversation.leaseTime !== undefined) return conversation.leaseTime;
    const data = optionOf(conversation.request.message, DHCP4_OPTION["lease-time"]);
    const wanted = data && decodeOptionValue("seconds", data);
    return conversation.served.subnet.leaseTime(
      typeof wanted === "number" ? milliseconds(wanted) : undefined,
    );
  }
}
