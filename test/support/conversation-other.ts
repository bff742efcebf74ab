/**
 * Made-up packets without a connection: UDP both ways, ICMP echoes, a packet cut into IP fragments; and how packets
 * are given to an engine.
 * @module
 */
import { icmp } from "#packet/icmp.ts";
import { icmpv6 } from "#packet/icmpv6.ts";
import type { Header } from "#packet/protocol.ts";
import { udp } from "#packet/udp.ts";
import { type CaptureRecord, MutableCaptureRecord } from "#wire/capture-record.ts";
import {
  CONVERSATION_EPOCH,
  type ConversationLink,
  type ConversationPacket,
  type Endpoint,
  type PacketStep,
  parseEndpoint,
  wrap,
} from "./conversation-packet.ts";

/** Two ends that exchange datagrams. */
export interface TalkOptions {
  /** `10.0.0.1:1025`, `[2001:db8::1]:1025`; for echoes without a port. */
  readonly client?: string;
  readonly server?: string;
  readonly link?: ConversationLink;
  readonly vlan?: readonly number[];
  /** Milliseconds since 1970 at the start. */
  readonly epoch?: number;
}

/** Counts time and identifications for packets both ways. */
class Talk {
  readonly #options: TalkOptions;
  readonly client: Endpoint;
  readonly server: Endpoint;
  #time = -1;
  #identification = 0;

  constructor(options: TalkOptions) {
    this.#options = options;
    this.client = parseEndpoint(options.client ?? "10.0.0.1:1025");
    this.server = parseEndpoint(options.server ?? "10.0.0.2:53");
  }

  packet(
    sender: "client" | "server",
    step: PacketStep,
    inside: { readonly parts: readonly (Header | Uint8Array)[]; readonly checksumAt: number },
  ): ConversationPacket {
    const { link = "ethernet", vlan = [], epoch = CONVERSATION_EPOCH } = this.#options;
    const [source, target] = sender === "client" ? [this.client, this.server] : [this.server, this.client];
    this.#time = step.time ?? this.#time + 1;
    this.#identification = (this.#identification + 1) & 0xffff;
    const identification = this.#identification;
    return wrap({ link, vlan, source, target }, step, {
      ...inside,
      identification,
      time: epoch + this.#time,
    });
  }
}

/** Datagrams of one client and one server. */
export interface UdpTalk {
  client(payload: string | Uint8Array, step?: PacketStep): ConversationPacket;
  server(payload: string | Uint8Array, step?: PacketStep): ConversationPacket;
}

/** Datagrams both ways. */
export function udpTalk(options: TalkOptions = {}): UdpTalk {
  const talk = new Talk(options);
  const send = (from: "client" | "server", payload: string | Uint8Array, step: PacketStep) => {
    const [sourcePort, destinationPort] =
      from === "client" ? [talk.client.port, talk.server.port] : [talk.server.port, talk.client.port];
    const parts = [udp.header({ sourcePort, destinationPort }), bytesOf(payload)];
    return talk.packet(from, step, { parts, checksumAt: 6 });
  };
  return {
    client: (payload, step = {}) => send("client", payload, step),
    server: (payload, step = {}) => send("server", payload, step),
  };
}

/** What an echo has besides its addresses. */
export interface EchoStep extends PacketStep {
  /** 1 unless given. */
  readonly identifier?: number;
  /** 1 unless given. */
  readonly sequence?: number;
}

/** Echoes of one client and one server. */
export interface EchoTalk {
  request(payload: string | Uint8Array, step?: EchoStep): ConversationPacket;
  reply(payload: string | Uint8Array, step?: EchoStep): ConversationPacket;
}

/** Echo requests and replies of ICMP (RFC 792), or of ICMPv6 (RFC 4443) between IPv6 addresses. */
export function icmpEcho(options: TalkOptions = {}): EchoTalk {
  const talk = new Talk(options);
  const isIpv6 = talk.client.address.includes(":");
  const send = (from: "client" | "server", payload: string | Uint8Array, step: EchoStep) => {
    const { identifier = 1, sequence = 1 } = step;
    const header = isIpv6
      ? icmpv6.header({ type: from === "client" ? 128 : 129, identifier, sequence })
      : icmp.header({ type: from === "client" ? 8 : 0, identifier, sequence });
    return talk.packet(from, step, { parts: [header, bytesOf(payload)], checksumAt: 2 });
  };
  return {
    request: (payload, step = {}) => send("client", payload, step),
    reply: (payload, step = {}) => send("server", payload, step),
  };
}

function bytesOf(payload: string | Uint8Array): Uint8Array {
  return typeof payload === "string" ? new TextEncoder().encode(payload) : payload;
}

/** What takes packets: a flow engine, or a stand-in. */
export interface PacketTaker<Verdict> {
  handle(record: CaptureRecord): Verdict;
}

/** Gives the packets to an engine, in order; its verdicts. */
export function play<Verdict>(
  engine: PacketTaker<Verdict>,
  packets: Iterable<ConversationPacket>,
): Verdict[] {
  return Array.from(packets, (packet) => engine.handle(recordOf(packet)));
}

/** A copy as a reader of captures fills it, inside of a larger buffer: offsets that count from 0 show up. */
export function recordOf(packet: ConversationPacket, offset = 7): CaptureRecord {
  const record = new MutableCaptureRecord();
  record.seconds = packet.seconds;
  record.nanoseconds = packet.nanoseconds;
  record.capturedBytes = packet.capturedBytes;
  record.originalBytes = packet.originalBytes;
  record.linkType = packet.linkType;
  record.bytes = new Uint8Array(offset + packet.capturedBytes + 5).fill(0xee);
  record.bytes.set(packet.bytes, offset);
  record.offset = offset;
  return record;
}
