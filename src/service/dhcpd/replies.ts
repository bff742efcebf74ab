/**
 * Makes replies of what was decided, lets listeners have the last word, and sends them.
 * @module
 */
import { IpAddress, ip } from "#base/ip-address.ts";
import { MacAddress } from "#base/mac-address.ts";
import { type Duration, milliseconds } from "#base/time.ts";
import type { Value } from "#base/value.ts";
import { DATAGRAM_BYTES_MAX } from "#io/datagram.ts";
import { makeReply, type ReplyType, replyBytesMax, replyTarget, uint32Data } from "#protocol/dhcp4/reply.ts";
import { DHCP4_CLIENT_PORT, DHCP4_SERVER_PORT, encodeDhcp4 } from "#wire/dhcp4.ts";
import { DHCP4_OPTION, encodeOptionValue, specOfCode } from "#wire/dhcp4-options.ts";
import type { Conversation } from "./conversation.ts";
import type { Decisions } from "./decisions.ts";
import type { Parts } from "./parts.ts";
import { clientTuples, optionTuples, readOptionTags } from "./tags.ts";

const EVERYONE: IpAddress = ip("255.255.255.255");

/** RFC 2131 section 4.4.5: T1 and T2 as parts of the lease time. */
const RENEWAL_PART = 0.5;
const REBINDING_PART = 0.875;

const { "lease-time": LEASE_TIME, "renewal-time": T1, "rebinding-time": T2, message: TEXT } = DHCP4_OPTION;

export class Replies {
  readonly #parts: Parts;
  readonly #decisions: Decisions;

  constructor(parts: Parts, decisions: Decisions) {
    this.#parts = parts;
    this.#decisions = decisions;
  }

  /** The tuples of a reply's decision: who, which address, for how long, and the options. */
  tuples(conversation: Conversation, leaseTime: Duration | undefined, type?: ReplyType): (string | Value)[] {
    const tuples = clientTuples(conversation);
    if (type !== undefined) tuples.push("type", type);
    tuples.push("address", IpAddress.fromUint32(conversation.address));
    if (leaseTime !== undefined) tuples.push("lease-time", leaseTime);
    tuples.push(...optionTuples(conversation));
    return tuples;
  }

  /** Sends an offer or acknowledgement; without a lease time, the answer to an INFORM. Ends the conversation. */
  grant(conversation: Conversation, type: "offer" | "ack", leaseTime: Duration | undefined): void {
    this.#decisions.ask(
      "/dhcpd/reply",
      () => this.tuples(conversation, leaseTime, type),
      (decided) => {
        if (decided.verdict !== "go") {
          this.#drop(conversation);
          return;
        }
        if (decided.message) readOptionTags(conversation, decided.message, true);
        const options = this.#options(conversation);
        if (leaseTime !== undefined) putTimes(options, leaseTime);
        this.#send(conversation, type, options);
      },
    );
  }

  /** Sends a NAK. Ends the conversation. */
  refuse(conversation: Conversation, reason: string): void {
    conversation.address = 0;
    this.#decisions.ask(
      "/dhcpd/reply",
      () => [...this.tuples(conversation, undefined, "nak"), "message", reason],
      (decided) => {
        if (decided.verdict !== "go") {
          this.#drop(conversation);
          return;
        }
        const text = decided.message?.get("message") ?? reason;
        const data = encodeOptionValue("text", text);
        this.#send(conversation, "nak", new Map(data ? [[TEXT, data]] : []));
      },
    );
  }

  #drop(conversation: Conversation): void {
    this.#parts.counters.count("dropped-by-listener");
    this.#parts.conversations.end(conversation);
  }

  #options({ served, overrides }: Conversation): Map<number, Uint8Array> {
    const options = new Map(served.data);
    for (const [code, value] of overrides) {
      const data = value === undefined ? undefined : encodeOptionValue(specOfCode(code).kind, value);
      if (data) options.set(code, data);
      else if (value === undefined) options.delete(code);
      else this.#badOption(code, value);
    }
    return options;
  }

  #badOption(code: number, value: Value): void {
    this.#parts.counters.count("listener-bad-option");
    const { name } = specOfCode(code);
    this.#parts.log("warn", `A listener's value for option ${name} does not fit`, { option: name, value });
  }

  #send(conversation: Conversation, type: ReplyType, options: ReadonlyMap<number, Uint8Array>): void {
    const { request, served, socket, overrides } = conversation;
    const { counters, conversations } = this.#parts;
    if (conversation.isOver) return;
    conversations.end(conversation);
    const isInform = request.kind === "inform";
    const content = {
      type,
      server: served.subnet.server,
      address: isInform ? 0 : conversation.address,
      options,
      always: alwaysSent(overrides),
    };
    const payload = encodeDhcp4(makeReply(request.message, content), {
      bytesMax: replyBytesMax(request.message, DATAGRAM_BYTES_MAX),
      onLeftOut: () => counters.count("option-left-out"),
    });
    counters.count(`sent-${type}`);
    const target = replyTarget(request.message, content);
    const port = target.to === "relay" ? DHCP4_SERVER_PORT : DHCP4_CLIENT_PORT;
    if (target.to === "everyone") {
      socket.send(payload, { address: EVERYONE, port });
      return;
    }
    const address = IpAddress.fromUint32(target.address);
    if (target.to !== "hardware") socket.send(payload, { address, port });
    else socket.sendToLink(payload, { address, port, link: new MacAddress(target.chaddr) });
  }
}

/** What the client needs even when its parameter list forgets it (RFC 2131 table 3). */
const NEEDED: ReadonlySet<number> = new Set([DHCP4_OPTION["subnet-mask"], LEASE_TIME, T1, T2, TEXT]);

function alwaysSent(overrides: Conversation["overrides"]): ReadonlySet<number> {
  return overrides.size === 0 ? NEEDED : new Set([...NEEDED, ...overrides.keys()]);
}

function putTimes(options: Map<number, Uint8Array>, leaseTime: Duration): void {
  options.set(LEASE_TIME, secondsData(leaseTime));
  options.set(T1, secondsData(milliseconds(leaseTime * RENEWAL_PART)));
  options.set(T2, secondsData(milliseconds(leaseTime * REBINDING_PART)));
}

function secondsData(duration: Duration): Uint8Array {
  return uint32Data(Math.min(0xffff_ffff, Math.floor(duration / 1000)));
}
