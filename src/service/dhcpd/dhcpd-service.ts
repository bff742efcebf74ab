/**
 * The DHCPv4 server (RFC 2131): reads packets, begins the exchange of each, keeps the leases' time, and answers what
 * is asked about them. No lease is acknowledged before the store has it.
 * @module
 */
import type { Clock, Timer } from "#base/clock.ts";
import { IpAddress } from "#base/ip-address.ts";
import { MacAddress } from "#base/mac-address.ts";
import { between, type Duration, type Instant, milliseconds } from "#base/time.ts";
import type { Value } from "#base/value.ts";
import type { BroadcastSocket, Datagram } from "#io/datagram.ts";
import type { Store } from "#io/store.ts";
import type { Bus } from "#mailbox/bus.ts";
import { Message } from "#mailbox/message.ts";
import type { Attachment } from "#mailbox/router.ts";
import { answer, type Stop, stop } from "#mailbox/verdict.ts";
import type { Lease, LeaseState } from "#protocol/dhcp4/lease.ts";
import { type ClientRequest, readRequest } from "#protocol/dhcp4/request.ts";
import { type Dhcp4Message, decodeDhcp4, optionOf } from "#wire/dhcp4.ts";
import { DHCP4_OPTION, decodeOptionValue } from "#wire/dhcp4-options.ts";
import { type DhcpdConfig, type DhcpdOptions, dhcpdConfig, type ServedSubnet } from "./config.ts";
import { CONVERSATION_COUNT_MAX, type Conversation, Conversations } from "./conversation.ts";
import { type CounterName, Counters } from "./counters.ts";
import { Decisions } from "./decisions.ts";
import { Exchange } from "./exchange.ts";
import { LEASE_TABLE, parseLease } from "./lease-record.ts";
import { listLeases } from "./listing.ts";
import type { DhcpdLog, Parts } from "./parts.ts";
import { Replies } from "./replies.ts";
import { subOption } from "./tags.ts";

/** Leases that end in one turn at the most; the others follow in the next. */
export const EXPIRE_COUNT_MAX = 1000;

/** Host names of clients are cut to this many characters. */
export const HOST_NAME_LENGTH_MAX = 255;

/** RFC 3527: the sub-option of relay agent information that names the client's subnet. */
const LINK_SELECTION = 5;

export interface DhcpdServiceOptions {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly store: Store;
  /** One per interface, port 67; the service closes them when it stops. */
  readonly sockets: readonly BroadcastSocket[];
  readonly config: DhcpdOptions;
  readonly log: DhcpdLog;
}

export class DhcpdService {
  readonly counters: Counters = new Counters();
  readonly #bus: Bus;
  readonly #clock: Clock;
  readonly #store: Store;
  readonly #sockets: readonly BroadcastSocket[];
  readonly #log: DhcpdLog;
  readonly #config: DhcpdConfig;
  readonly #conversations = new Conversations();
  readonly #decisions: Decisions;
  readonly #exchange: Exchange;
  readonly #attachments: Attachment[] = [];
  #timer: { readonly at: Instant; readonly timer: Timer } | undefined;
  #isStopped = false;

  /** @throws ConfigurationError when the configuration contradicts itself. */
  constructor(options: DhcpdServiceOptions) {
    const { bus, clock, store, log } = options;
    this.#bus = bus;
    this.#clock = clock;
    this.#store = store;
    this.#sockets = options.sockets;
    this.#log = log;
    this.#config = dhcpdConfig(options.config);
    this.#decisions = new Decisions(bus, (path, error) => {
      this.counters.count("listener-error");
      log("warn", `A listener of ${path} failed, and was passed over`, { mailbox: path, error });
    });
    const parts: Parts = {
      bus,
      clock,
      store,
      config: this.#config,
      counters: this.counters,
      conversations: this.#conversations,
      log,
      schedule: () => this.#schedule(),
    };
    this.#exchange = new Exchange(parts, this.#decisions, new Replies(parts, this.#decisions));
  }

  /**
   * Reads the leases back, then begins to serve.
   * @throws the store's errors when they cannot be read.
   */
  async start(): Promise<void> {
    this.#restore();
    this.#attachments.push(
      await this.#bus.provide("/dhcpd/lookup", (message) => this.#poolAnswers(message as Message)),
      await this.#bus.provide("/dhcpd/lookup-response", (message) => this.#takeAnswer(message as Message)),
      await this.#bus.provide("/dhcpd/leases", (query) => {
        const { subnets } = this.#config;
        const page = listLeases(subnets, {
          state: query.get("state"),
          after: query.get("after"),
          limit: query.get("limit"),
        });
        return answer({ ...page });
      }),
      await this.#bus.provide("/dhcpd/statistics", () =>
        answer({ counter: this.counters.names(), count: this.counters.values() }),
      ),
    );
    for (const socket of this.#sockets) {
      socket.onTrouble((error) =>
        this.#log("warn", error.message, { interface: socket.interfaceName, code: error.code }),
      );
      socket.onDatagrams((batch) => {
        for (const datagram of batch) this.#receive(socket, datagram);
      });
    }
    this.#schedule();
  }

  /** Stops serving; leases stay, and the store is the caller's to close. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    for (const socket of this.#sockets) socket.close();
    this.#timer?.timer.cancel();
    this.#conversations.clear();
    for (const attachment of this.#attachments.splice(0)) await attachment.detach();
  }

  #restore(): void {
    const now = this.#clock.now();
    let strangeCount = 0;
    for (const [key, value] of this.#store.entries(LEASE_TABLE)) {
      const kept = parseLease(key, value);
      const served = kept && this.#config.subnets.find(({ subnet }) => subnet.contains(kept.address));
      if (kept && served) served.subnet.leases.restore(kept, now);
      else strangeCount++;
    }
    if (strangeCount === 0) return;
    this.#log("warn", `${strangeCount} kept leases are outside of every subnet, and are left alone`, {
      strangeCount,
    });
  }

  #receive(socket: BroadcastSocket, { payload, source }: Datagram): void {
    const message = decodeDhcp4(payload, (fault) => this.counters.count(`malformed-${fault}`));
    if (!message) return;
    this.#decisions.ask(
      "/dhcpd/packet",
      () => ["interface", socket.interfaceName, "source", source.address, "payload", payload],
      (decided) => {
        if (this.#isStopped) return;
        if (decided.verdict === "go") this.#begin(socket, message);
        else this.counters.count("dropped-by-listener");
      },
    );
  }

  readonly #isOurs = (server: number): boolean =>
    this.#config.subnets.some(({ subnet }) => subnet.server === server);

  #begin(socket: BroadcastSocket, message: Dhcp4Message): void {
    const request = readRequest(message, this.#isOurs);
    if ("ignored" in request) {
      this.counters.count(`ignored-${request.ignored}`);
      if (request.clientKey !== undefined) this.#dropOffers(request.clientKey);
      return;
    }
    this.counters.count(RECEIVED[request.kind]);
    const served = this.#subnetOf(socket, request);
    const obstacle = served ? this.#makeRoom(request) : "dropped-no-subnet";
    if (!served || obstacle) {
      this.counters.count(obstacle ?? "dropped-no-subnet");
      return;
    }
    const conversation = makeConversation(socket, request, served);
    this.#conversations.add(conversation);
    this.#exchange.run(conversation);
  }

  /** One conversation per client: a new one overtakes the old, a copy of the same is dropped. */
  #makeRoom({ clientKey, kind, message }: ClientRequest): CounterName | undefined {
    const earlier = this.#conversations.ofClient(clientKey);
    if (earlier) {
      const { request } = earlier;
      if (request.message.xid === message.xid && request.kind === kind) return "dropped-duplicate";
      this.counters.count("dropped-superseded");
      this.#conversations.end(earlier);
    }
    return this.#conversations.size < CONVERSATION_COUNT_MAX ? undefined : "dropped-busy";
  }

  /** The client took another server's offer (RFC 2131 section 3.1 step 4). */
  #dropOffers(clientKey: string): void {
    for (const { subnet } of this.#config.subnets) subnet.leases.drop(clientKey);
  }

  /** RFC 2131 section 4.3.1: the subnet of the relay, else the interface's; the client's own address narrows it. */
  #subnetOf(socket: BroadcastSocket, { message }: ClientRequest): ServedSubnet | undefined {
    const { subnets } = this.#config;
    if (message.giaddr !== 0) {
      const link = linkSelection(message) ?? message.giaddr;
      return subnets.find(({ subnet }) => subnet.contains(link));
    }
    const here = subnets.filter((served) => served.interface === socket.interfaceName);
    if (message.ciaddr === 0) return here[0];
    // A client behind a relay renews by unicast, without the relay.
    return subnets.find(({ subnet }) => subnet.contains(message.ciaddr)) ?? here[0];
  }

  /** The pool's listener on a lookup: everybody who had a better idea came before. */
  #poolAnswers(message: Message): Stop {
    const conversation = this.#awaiting(message);
    if (!conversation) return stop;
    const given = message.get("address");
    const chosen = given === undefined ? conversation.served.subnet.choose(conversation.request) : undefined;
    const tuples: (string | Value)[] = ["xid", conversation.request.message.xid];
    if (conversation.mac) tuples.push("chaddr", conversation.mac);
    if (given !== undefined) tuples.push("address", given);
    else if (chosen !== undefined) tuples.push("address", IpAddress.fromUint32(chosen));
    tuples.push("source", given === undefined ? "pool" : "lookup");
    // A rejected answer leaves the lookup to its deadline.
    const sent = this.#bus.send("/dhcpd/lookup-response", Message.fromTuples(tuples));
    sent?.catch(() => this.counters.count("listener-error"));
    return stop;
  }

  #takeAnswer(message: Message): Stop {
    const conversation = this.#awaiting(message);
    if (conversation) this.#exchange.answer(conversation, message);
    return stop;
  }

  #awaiting(message: Message): Conversation | undefined {
    const xid = message.get("xid");
    const chaddr = message.get("chaddr");
    const mac = chaddr instanceof MacAddress ? chaddr : undefined;
    const conversation = typeof xid === "number" ? this.#conversations.awaiting(xid, mac) : undefined;
    if (!conversation) this.counters.count("lookup-late-answer");
    return conversation;
  }

  /** Sees to it that the next lease to end is noticed in time. */
  #schedule(): void {
    if (this.#isStopped) return;
    let earliest: Instant | undefined;
    for (const { subnet } of this.#config.subnets) {
      const at = subnet.leases.wakeAt();
      if (at !== undefined && (earliest === undefined || at < earliest)) earliest = at;
    }
    if (earliest === undefined || (this.#timer && this.#timer.at <= earliest)) return;
    this.#timer?.timer.cancel();
    const delay = milliseconds(Math.min(TIMER_MAX, Math.max(0, between(this.#clock.now(), earliest))));
    this.#timer = { at: earliest, timer: this.#clock.after(delay, () => this.#expire()) };
  }

  #expire(): void {
    this.#timer = undefined;
    const now = this.#clock.now();
    let count = 0;
    for (const { subnet } of this.#config.subnets) {
      while (count < EXPIRE_COUNT_MAX) {
        const ended = subnet.leases.expire(now);
        if (!ended) break;
        count++;
        this.#ended(ended.lease, ended.was);
      }
    }
    this.#schedule();
  }

  #ended(lease: Lease, was: LeaseState): void {
    if (was === "offered") this.counters.count("offer-expired");
    if (was !== "bound") return;
    this.counters.count("lease-expired");
    const { key, chaddr } = lease.client;
    const tuples: (string | Value)[] = ["address", IpAddress.fromUint32(lease.address), "client", key];
    if (chaddr.length === ETHERNET_BYTES) tuples.push("chaddr", new MacAddress(chaddr));
    this.#decisions.ask(
      "/dhcpd/expire",
      () => tuples,
      () => undefined,
    );
  }
}

/** Timers of 32-bit milliseconds are what clocks take; a longer wait is made of several. */
const TIMER_MAX: Duration = milliseconds(2 ** 31 - 1);

const ETHERNET_BYTES = 6;

const RECEIVED: Record<ClientRequest["kind"], CounterName> = {
  discover: "received-discover",
  selecting: "received-request",
  "init-reboot": "received-request",
  renewing: "received-request",
  release: "received-release",
  decline: "received-decline",
  inform: "received-inform",
};

function makeConversation(
  socket: BroadcastSocket,
  request: ClientRequest,
  served: ServedSubnet,
): Conversation {
  const { message, clientKey } = request;
  const hostName = optionOf(message, DHCP4_OPTION["host-name"]);
  const text = hostName && decodeOptionValue("text", hostName);
  const mac = message.chaddr.length === ETHERNET_BYTES ? new MacAddress(message.chaddr) : undefined;
  return {
    request,
    client: {
      key: clientKey,
      // A copy: the lease outlives the packet, whose bytes a view would keep.
      chaddr: mac?.bytes ?? message.chaddr.slice(),
      hostName: typeof text === "string" ? text.slice(0, HOST_NAME_LENGTH_MAX) : undefined,
    },
    mac,
    socket,
    served,
    classes: [],
    tuples: undefined,
    awaitsAnswer: false,
    deadline: undefined,
    address: 0,
    leaseTime: undefined,
    overrides: new Map(),
    isOver: false,
  };
}

function linkSelection(message: Dhcp4Message): number | undefined {
  const relayed = optionOf(message, DHCP4_OPTION["relay-agent-information"]);
  const data = relayed && subOption(relayed, LINK_SELECTION);
  return data?.length === 4 ? new IpAddress(data).toUint32() : undefined;
}
