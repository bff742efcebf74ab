/**
 * Frames of synthetic conversations, one after another in the same memory: Ethernet, perhaps a VLAN tag, IPv4 or IPv6,
 * then TCP, UDP or ICMP echo with right checksums. What a stream carries at an offset depends on flow, direction and
 * offset alone, so that a retransmission has the same bytes.
 * @module
 */
import { checksumOf, sumWords } from "#base/checksum.ts";
import { SeededRandom } from "#base/seeded-random.ts";

/** How a conversation's packets are wrapped. */
export interface Wrapping {
  readonly version: 4 | 6;
  readonly protocol: "tcp" | "udp" | "icmp";
  /** 802.1Q; undefined for an untagged frame. */
  readonly vlan: number | undefined;
}

/** Who talks to whom; the client's is the first address and port. */
export interface Conversation {
  /** Chooses what the streams carry. */
  flow: number;
  wrapping: Wrapping;
  /** The lower 32 bits of an IPv6 address. */
  client: number;
  server: number;
  clientPort: number;
  serverPort: number;
}

/** One packet of a conversation, from the client (0) or the server (1). */
export interface Step {
  direction: number;
  sequence: number;
  acknowledgement: number;
  flags: number;
  /** Where in the stream the payload begins. */
  offset: number;
  payloadBytes: number;
}

/** The shortest Ethernet frame without its check sequence. */
export const FRAME_BYTES_MIN = 60;
/** A full Ethernet frame's payload of TCP without options. */
export const SEGMENT_BYTES = 1460;

const POOL_BYTES = 65_536;
const NUMBER_OF = { tcp: 6, udp: 17, icmp: 1 } as const;
const HEADER_BYTES = { tcp: 20, udp: 8, icmp: 8 } as const;
const ICMPV6 = 58;

/** The frame that was made last: `lengthBytes` of `bytes`, from 0 on. */
export class FrameMaker {
  readonly bytes: Uint8Array = new Uint8Array(2048);
  lengthBytes = 0;
  readonly #view = new DataView(this.bytes.buffer);
  /** Its head again behind its tail, so that a payload may begin anywhere. */
  readonly #pool: Uint8Array = new Uint8Array(POOL_BYTES + 2048);
  #identification = 0;

  readonly #lengthBytesMin: number;

  /** @param isPadded whether short frames are filled up to {@link FRAME_BYTES_MIN}, as a card receives them. */
  constructor(seed: number, isPadded: boolean) {
    this.#lengthBytesMin = isPadded ? FRAME_BYTES_MIN : 0;
    const random = new SeededRandom(seed);
    for (let at = 0; at < POOL_BYTES; at++) this.#pool[at] = random.word() & 0xff;
    this.#pool.copyWithin(POOL_BYTES, 0, 2048);
  }

  make(conversation: Conversation, step: Step): void {
    const { wrapping } = conversation;
    const network = this.#ethernet(wrapping, step.direction);
    const networkBytes = wrapping.version === 4 ? 20 : 40;
    const transport = network + networkBytes;
    const transportBytes = HEADER_BYTES[wrapping.protocol] + step.payloadBytes;
    const pseudo =
      wrapping.version === 4
        ? this.#ipv4(conversation, step.direction, network, transportBytes)
        : this.#ipv6(conversation, step.direction, network, transportBytes);
    this.#payload(conversation.flow, step, transport + HEADER_BYTES[wrapping.protocol]);
    if (wrapping.protocol === "tcp") this.#tcp(conversation, step, transport, pseudo);
    else if (wrapping.protocol === "udp")
      this.#udp(conversation, step.direction, transport, transportBytes, pseudo);
    else this.#icmp(conversation, step, transport, transportBytes, pseudo);
    const end = transport + transportBytes;
    if (end < this.#lengthBytesMin) this.bytes.fill(0, end, this.#lengthBytesMin);
    this.lengthBytes = Math.max(this.#lengthBytesMin, end);
  }

  #ethernet({ version, vlan }: Wrapping, direction: number): number {
    const view = this.#view;
    view.setUint32(0, 0x0200_0000);
    view.setUint16(4, direction === 0 ? 2 : 1);
    view.setUint32(6, 0x0200_0000);
    view.setUint16(10, direction === 0 ? 1 : 2);
    let at = 12;
    if (vlan !== undefined) {
      view.setUint32(at, 0x8100_0000 + vlan);
      at += 4;
    }
    view.setUint16(at, version === 4 ? 0x0800 : 0x86dd);
    return at + 2;
  }

  /** Gives the sum of the pseudo header's words (RFC 9293 §3.1). */
  #ipv4(conversation: Conversation, direction: number, at: number, transportBytes: number): number {
    const view = this.#view;
    const protocol = NUMBER_OF[conversation.wrapping.protocol];
    view.setUint16(at, 0x4500);
    view.setUint16(at + 2, 20 + transportBytes);
    this.#identification = (this.#identification + 1) & 0xffff;
    view.setUint16(at + 4, this.#identification);
    view.setUint16(at + 6, 0x4000);
    view.setUint16(at + 8, (64 << 8) | protocol);
    view.setUint16(at + 10, 0);
    view.setUint32(at + 12, direction === 0 ? conversation.client : conversation.server);
    view.setUint32(at + 16, direction === 0 ? conversation.server : conversation.client);
    view.setUint16(at + 10, checksumOf(sumWords(view, at, 20)));
    return sumWords(view, at + 12, 8) + protocol + transportBytes;
  }

  #ipv6(conversation: Conversation, direction: number, at: number, transportBytes: number): number {
    const view = this.#view;
    const { protocol } = conversation.wrapping;
    const next = protocol === "icmp" ? ICMPV6 : NUMBER_OF[protocol];
    view.setUint32(at, 0x6000_0000);
    view.setUint16(at + 4, transportBytes);
    view.setUint16(at + 6, (next << 8) | 64);
    this.bytes.fill(0, at + 8, at + 40);
    view.setUint32(at + 8, 0x2001_0db8);
    view.setUint32(at + 20, direction === 0 ? conversation.client : conversation.server);
    view.setUint32(at + 24, 0x2001_0db8);
    view.setUint32(at + 36, direction === 0 ? conversation.server : conversation.client);
    return sumWords(view, at + 8, 32) + next + transportBytes;
  }

  #tcp(conversation: Conversation, step: Step, at: number, pseudo: number): void {
    const view = this.#view;
    this.#ports(conversation, step.direction, at);
    view.setUint32(at + 4, step.sequence);
    view.setUint32(at + 8, step.acknowledgement);
    view.setUint16(at + 12, 0x5000 | step.flags);
    view.setUint16(at + 14, 0xffff);
    view.setUint32(at + 16, 0);
    view.setUint16(at + 16, checksumOf(pseudo + sumWords(view, at, 20 + step.payloadBytes)));
  }

  #udp(c: Conversation, direction: number, at: number, transportBytes: number, pseudo: number): void {
    const view = this.#view;
    this.#ports(c, direction, at);
    view.setUint16(at + 4, transportBytes);
    view.setUint16(at + 6, 0);
    view.setUint16(at + 6, checksumOf(pseudo + sumWords(view, at, transportBytes)) || 0xffff);
  }

  /** An echo's request or reply; the offset counts them. */
  #icmp(c: Conversation, step: Step, at: number, transportBytes: number, pseudo: number): void {
    const view = this.#view;
    const isSixth = c.wrapping.version === 6;
    view.setUint16(at, (isSixth ? 128 + step.direction : 8 - 8 * step.direction) << 8);
    view.setUint16(at + 2, 0);
    view.setUint16(at + 4, c.clientPort);
    view.setUint16(at + 6, step.offset);
    const sum = sumWords(view, at, transportBytes) + (isSixth ? pseudo : 0);
    view.setUint16(at + 2, checksumOf(sum));
  }

  #ports({ clientPort, serverPort }: Conversation, direction: number, at: number): void {
    this.#view.setUint16(at, direction === 0 ? clientPort : serverPort);
    this.#view.setUint16(at + 2, direction === 0 ? serverPort : clientPort);
  }

  #payload(flow: number, { direction, offset, payloadBytes }: Step, at: number): void {
    const start = (Math.imul(flow, 7919) + direction * 30_011 + offset) & (POOL_BYTES - 1);
    const { bytes } = this;
    if (payloadBytes > 64) bytes.set(this.#pool.subarray(start, start + payloadBytes), at);
    else
      for (let index = 0; index < payloadBytes; index++)
        bytes[at + index] = this.#pool[start + index] as number;
  }
}
