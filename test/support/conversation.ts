/**
 * TCP conversations as packets, one readable line for each, in the spirit of packetdrill: what is not said is what
 * two honest ends would send, and everything can be said. No sockets, no clock, no randomness.
 *
 *     const talk = conversation({ client: "10.0.0.1:1025", server: "10.0.0.2:80", clientSequence: 0xffff_fff0 });
 *     play(engine, [...talk.handshake(), talk.client("GET /"), talk.server("no", { flags: "PA" }), ...talk.close()]);
 *
 * @module
 */
import { tcp } from "#packet/tcp.ts";
import {
  CONVERSATION_EPOCH,
  type ConversationLink,
  type ConversationPacket,
  type Endpoint,
  type PacketStep,
  parseEndpoint,
  wrap,
} from "./conversation-packet.ts";
import { Receiver, type TcpOptions, tcpOptionBytes } from "./conversation-tcp.ts";

export type { ConversationPacket } from "./conversation-packet.ts";

/** Who sends. */
export type Sender = "client" | "server";

/** What a conversation is between, and what its ends agree on. */
export interface ConversationOptions {
  /** `10.0.0.1:1025` or `[2001:db8::1]:1025`. */
  readonly client?: string;
  readonly server?: string;
  /** The sequence number of the SYN, 1000 and 5000 unless given. */
  readonly clientSequence?: number;
  readonly serverSequence?: number;
  readonly link?: ConversationLink;
  /** VLAN ids, the outermost first. */
  readonly vlan?: readonly number[];
  /** What both SYNs carry; with timestamps, what every packet does. */
  readonly options?: TcpOptions;
  /** Milliseconds since 1970 at the conversation's start. */
  readonly epoch?: number;
}

/** What differs from what an honest end would send now. */
export interface Step extends PacketStep {
  /** Where in the sender's stream the payload begins: 0 is the byte behind the SYN, -1 the SYN. */
  readonly at?: number;
  /** The number in the packet; goes before `at`. */
  readonly sequence?: number;
  /** The number in the packet; what has arrived in order unless given. */
  readonly acknowledgement?: number;
  /** How much of the other's stream is acknowledged, from the byte behind its SYN on. */
  readonly acknowledged?: number;
  /** As it stands in the packet, unscaled; 65535 unless given. */
  readonly window?: number;
  /** Letters out of F S R P A U E C. */
  readonly flags?: string;
  /** The urgent pointer; the URG flag with it. */
  readonly urgent?: number;
  /** TSval and TSecr; `false`: none, although they were agreed. */
  readonly timestamp?: readonly [value: number, echo: number] | false;
  /** SACK blocks, as ranges of the other's stream: from, to and without. */
  readonly sack?: readonly (readonly [from: number, to: number])[];
  /** All options as bytes, a multiple of 4, instead of those that belong there. */
  readonly options?: Uint8Array;
  /** Other fields of the TCP header by the names that `tcp.header` knows. */
  readonly transport?: Readonly<Record<string, unknown>>;
  /** The receiver gets it; `false`: lost behind the tap, so that nothing of it is acknowledged. */
  readonly arrives?: boolean;
}

/** A conversation that nothing has been said in. */
export function conversation(options: ConversationOptions = {}): Conversation {
  return new Conversation(options);
}

/** One end as the conversation goes on. */
class End {
  readonly endpoint: Endpoint;
  readonly initialSequence: number;
  /** The offset of the next byte to send; -1 before the SYN. A FIN takes one. */
  next = -1;
  /** What it has of the other's stream. */
  readonly received = new Receiver();
  /** The TSval it saw last. */
  echo = 0;

  constructor(endpoint: Endpoint, initialSequence: number) {
    this.endpoint = endpoint;
    this.initialSequence = initialSequence;
  }

  /** The sequence number of an offset; offsets may be beyond 2^32. */
  sequence(offset: number): number {
    return (this.initialSequence + 1 + (offset % 0x1_0000_0000) + 0x1_0000_0000) % 0x1_0000_0000;
  }

  /** The offset nearest to what was sent that has this sequence number. */
  offset(sequence: number): number {
    return this.next + ((sequence - this.sequence(this.next)) | 0);
  }
}

/** Two ends and their packets. Each method makes packets and counts on; nothing is sent anywhere. */
export class Conversation {
  readonly #options: ConversationOptions;
  readonly #ends: Readonly<Record<Sender, End>>;
  #time = -1;
  #identification = 0;

  constructor(options: ConversationOptions) {
    this.#options = options;
    this.#ends = {
      client: new End(parseEndpoint(options.client ?? "10.0.0.1:1025"), options.clientSequence ?? 1000),
      server: new End(parseEndpoint(options.server ?? "10.0.0.2:80"), options.serverSequence ?? 5000),
    };
  }

  /** SYN, SYN and ACK, ACK. */
  handshake(): ConversationPacket[] {
    return [this.syn(), this.synAck(), this.ack("client")];
  }

  /** A SYN; with a payload it is Fast Open's or a liar's. */
  syn(step: Step = {}, payload: string | Uint8Array = "", sender: Sender = "client"): ConversationPacket {
    return this.send(sender, payload, { flags: "S", at: -1, ...step });
  }

  synAck(step: Step = {}, payload: string | Uint8Array = "", sender: Sender = "server"): ConversationPacket {
    return this.send(sender, payload, { flags: "SA", at: -1, ...step });
  }

  /** What the client sends. */
  client(payload: string | Uint8Array, step: Step = {}): ConversationPacket {
    return this.send("client", payload, step);
  }

  /** What the server sends. */
  server(payload: string | Uint8Array, step: Step = {}): ConversationPacket {
    return this.send("server", payload, step);
  }

  /** An acknowledgement without data. */
  ack(sender: Sender, step: Step = {}): ConversationPacket {
    return this.send(sender, "", { flags: "A", ...step });
  }

  fin(sender: Sender, step: Step = {}): ConversationPacket {
    return this.send(sender, "", { flags: "FA", ...step });
  }

  reset(sender: Sender, step: Step = {}): ConversationPacket {
    return this.send(sender, "", { flags: "R", ...step });
  }

  /** A byte, or none, from before what was acknowledged, as keep-alives are sent (RFC 9293 §3.8.4). */
  keepAlive(sender: Sender, payload: string | Uint8Array = "", step: Step = {}): ConversationPacket {
    return this.send(sender, payload, { flags: "A", at: this.#ends[sender].next - 1, ...step });
  }

  /** FIN, FIN and ACK, ACK; the client's first unless told otherwise. */
  close(first: Sender = "client"): ConversationPacket[] {
    const second = other(first);
    return [this.fin(first), this.fin(second), this.ack(first)];
  }

  /** Lets time pass before the next packet; milliseconds. */
  wait(duration: number): this {
    this.#time += duration;
    return this;
  }

  /** Where in its stream the sender is: the offset of the next byte. */
  next(sender: Sender): number {
    return this.#ends[sender].next;
  }

  /** Moves the sender's stream on without a packet: bytes that the tap never sees, but the receiver has. */
  miss(sender: Sender, lengthBytes: number): this {
    const end = this.#ends[sender];
    this.#ends[other(sender)].received.add(end.next, end.next + lengthBytes);
    end.next += lengthBytes;
    return this;
  }

  /** A packet of any kind. */
  send(sender: Sender, payload: string | Uint8Array, step: Step = {}): ConversationPacket {
    const end = this.#ends[sender];
    const peer = this.#ends[other(sender)];
    const data = typeof payload === "string" ? new TextEncoder().encode(payload) : payload;
    const flags = step.flags ?? (data.length > 0 ? "PA" : "A");
    const start = step.sequence === undefined ? (step.at ?? end.next) : end.offset(step.sequence);
    const synBytes = flags.includes("S") ? 1 : 0;
    const stop = start + synBytes + data.length + (flags.includes("F") ? 1 : 0);
    this.#time = step.time ?? this.#time + 1;
    const timestamp = this.#timestamp(end, step);
    const header = tcp.header(
      {
        sourcePort: end.endpoint.port,
        destinationPort: peer.endpoint.port,
        sequence: step.sequence ?? end.sequence(start),
        acknowledgment: flags.includes("A")
          ? this.#acknowledgement(end, peer, step)
          : (step.acknowledgement ?? 0),
        flags: flagBits(flags) | (step.urgent === undefined ? 0 : 32),
        window: step.window ?? 65_535,
        urgentPointer: step.urgent ?? 0,
        ...step.transport,
      },
      step.options ??
        tcpOptionBytes({
          agreed: synBytes > 0 ? this.#options.options : undefined,
          timestamp,
          sack: step.sack?.map(([from, to]) => [peer.sequence(from), peer.sequence(to)]),
        }),
    );
    end.next = Math.max(end.next, stop);
    if (step.arrives !== false && !step.badChecksum && !step.badIpChecksum) {
      peer.received.add(start, stop);
      if (timestamp !== undefined) peer.echo = timestamp[0];
    }
    const { link = "ethernet", vlan = [], epoch = CONVERSATION_EPOCH } = this.#options;
    const around = { link, vlan, source: end.endpoint, target: peer.endpoint };
    this.#identification = (this.#identification + 1) & 0xffff;
    const identification = this.#identification;
    return wrap(around, step, {
      parts: data.length > 0 ? [header, data] : [header],
      checksumAt: 16,
      identification,
      time: epoch + this.#time,
    });
  }

  #acknowledgement(end: End, peer: End, step: Step): number {
    return step.acknowledgement ?? peer.sequence(step.acknowledged ?? end.received.next);
  }

  /** Each end's clock ticks in milliseconds and starts at its initial sequence number. */
  #timestamp(end: End, step: Step): readonly [number, number] | undefined {
    if (step.timestamp === false) return undefined;
    if (step.timestamp !== undefined) return step.timestamp;
    if (!this.#options.options?.timestamps) return undefined;
    return [(end.initialSequence + Math.floor(this.#time)) >>> 0, end.echo];
  }
}

function other(sender: Sender): Sender {
  return sender === "client" ? "server" : "client";
}

const FLAGS = "FSRPAUEC";

function flagBits(letters: string): number {
  let bits = 0;
  for (const letter of letters) {
    const index = FLAGS.indexOf(letter);
    if (index < 0) throw new TypeError(`'${letter}' is none of ${FLAGS}`);
    bits |= 1 << index;
  }
  return bits;
}
