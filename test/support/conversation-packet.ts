/**
 * One packet of a made-up conversation, which is a capture's record as well, and what stands around its payload:
 * addresses, IP, VLAN tags, Ethernet.
 * @module
 */
import { build } from "#packet/build.ts";
import { ethernet } from "#packet/ethernet.ts";
import { ipv4 } from "#packet/ipv4.ts";
import { ipv6 } from "#packet/ipv6.ts";
import { LinkType } from "#packet/link-type.ts";
import type { Header } from "#packet/protocol.ts";
import { vlan } from "#packet/vlan.ts";
import type { CaptureRecord } from "#wire/capture-record.ts";

/** 2023-11-14T22:13:20Z in milliseconds: what a conversation's times count from unless told otherwise. */
export const CONVERSATION_EPOCH = 1_700_000_000_000;

/** The capture's link type; `raw` is IP with nothing in front. */
export type ConversationLink = "ethernet" | "raw";

/** A packet and a record: what a reader of captures gives, but an object of its own each time. */
export class ConversationPacket implements CaptureRecord {
  readonly seconds: number;
  readonly nanoseconds: number;
  readonly isTimed = true;
  readonly capturedBytes: number;
  readonly originalBytes: number;
  readonly linkType: number;
  readonly interfaceId = 0;
  readonly bytes: Uint8Array;
  readonly offset = 0;
  /** Milliseconds since 1970, with a fraction. */
  readonly time: number;

  constructor(time: number, linkType: number, bytes: Uint8Array, originalBytes: number = bytes.length) {
    this.time = time;
    this.seconds = Math.floor(time / 1000);
    this.nanoseconds = Math.round((time - this.seconds * 1000) * 1e6);
    this.linkType = linkType;
    this.bytes = bytes;
    this.capturedBytes = bytes.length;
    this.originalBytes = originalBytes;
  }

  /** The same at another time. */
  at(time: number): ConversationPacket {
    return new ConversationPacket(time, this.linkType, this.bytes, this.originalBytes);
  }
}

/** An address with its port: `10.0.0.1:1025` or `[2001:db8::1]:1025`. */
export interface Endpoint {
  readonly address: string;
  readonly port: number;
}

/** The two parts of `10.0.0.1:1025` or `[2001:db8::1]:1025`; without a port it is 0. */
export function parseEndpoint(text: string): Endpoint {
  const match = /^(?:\[([0-9a-f:.]+)\]|([0-9.]+))(?::(\d+))?$/i.exec(text);
  const address = match?.[1] ?? match?.[2];
  if (address === undefined) throw new TypeError(`'${text}' is not like 10.0.0.1:80 or [2001:db8::1]:80`);
  return { address, port: Number(match?.[3] ?? 0) };
}

/** What can be said of one packet outside of its transport. */
export interface PacketStep {
  /** Milliseconds from the conversation's start; 1 after the packet before unless given. */
  readonly time?: number;
  /** Time to live or hop limit, 64 unless given. */
  readonly ttl?: number;
  /** Other fields of the IPv4 or IPv6 header by the names that `ipv4.header` and `ipv6.header` know. */
  readonly network?: Readonly<Record<string, unknown>>;
  /** The transport's checksum is wrong. */
  readonly badChecksum?: boolean;
  /** The checksum of the IPv4 header is wrong. */
  readonly badIpChecksum?: boolean;
  /** How many bytes the capture's snap length cut off at the end. */
  readonly payloadCut?: number;
}

/** Where the packets of a conversation go, and in what. */
export interface Surroundings {
  readonly link: ConversationLink;
  /** VLAN ids, the outermost first. */
  readonly vlan: readonly number[];
  readonly source: Endpoint;
  readonly target: Endpoint;
}

/** What is inside of the IP packet. */
export interface Inside {
  /** The transport's header and its payload, or bytes of any kind. */
  readonly parts: readonly (Header | Uint8Array)[];
  /** Where in them the checksum is that `badChecksum` spoils. */
  readonly checksumAt: number;
  /** IPv4's identification. */
  readonly identification: number;
  /** Milliseconds since 1970. */
  readonly time: number;
}

/** Builds the packet around a transport's header and its payload. */
export function wrap(around: Surroundings, step: PacketStep, inside: Inside): ConversationPacket {
  const { source, target } = around;
  const isIpv6 = source.address.includes(":");
  const addresses = { source: source.address, destination: target.address };
  const network = isIpv6
    ? ipv6.header({ ...addresses, hopLimit: step.ttl ?? 64, ...step.network })
    : ipv4.header({
        ...addresses,
        identification: inside.identification,
        timeToLive: step.ttl ?? 64,
        ...step.network,
      });
  const frame: Header[] = [];
  if (around.link === "ethernet") {
    frame.push(ethernet.header({ source: 0x0200_0000_0001, destination: 0x0200_0000_0002 }));
    for (const identifier of around.vlan) frame.push(vlan.header({ identifier }));
  }
  const bytes = build(...frame, network, ...inside.parts).toBytes();
  const networkAt = around.link === "ethernet" ? 14 + 4 * around.vlan.length : 0;
  if (step.badIpChecksum && !isIpv6) spoil(bytes, networkAt + 10);
  if (step.badChecksum) spoil(bytes, networkAt + (isIpv6 ? 40 : 20) + inside.checksumAt);
  const linkType = around.link === "ethernet" ? LinkType.ethernet : LinkType.raw;
  const captured = bytes.subarray(0, bytes.length - (step.payloadCut ?? 0));
  return new ConversationPacket(inside.time, linkType, captured, bytes.length);
}

/** Makes a 16-bit checksum a wrong one, but never 0, which in UDP would mean that there is none. */
function spoil(bytes: Uint8Array, at: number): void {
  bytes[at] = (bytes[at] as number) ^ 0x5a;
  if (bytes[at] === 0 && bytes[at + 1] === 0) bytes[at + 1] = 1;
}
