/**
 * Packets for floods: one frame that is written over for each of them, so that what grows in a run is the engine.
 * @module
 */
import type { FlowEngine, FlowFrame } from "#flow/engine.ts";
import { LinkType } from "#packet/link-type.ts";

/** Flags of TCP. */
export const Flag = { fin: 1, syn: 2, rst: 4, psh: 8, ack: 16, urg: 32 } as const;

/** What a packet says; what is not given is as in the packet before. */
export interface SoakPacket {
  readonly version?: 4 | 6;
  /** The last word of the address; the rest is always the same. */
  readonly source?: number;
  readonly target?: number;
  readonly sourcePort?: number;
  readonly targetPort?: number;
  readonly sequence?: number;
  readonly acknowledgement?: number;
  readonly flags?: number;
  readonly window?: number;
  readonly lengthBytes?: number;
  /** IPv4 only: a fragment of a datagram; offset in units of 8 bytes. */
  readonly fragment?: { readonly id: number; readonly offset: number; readonly hasMore: boolean };
}

const MEMORY_BYTES = 4096;
const IPV4_BYTES = 20;
const IPV6_BYTES = 40;
const TCP_BYTES = 20;

/** The byte that every flood sends at a sequence number. */
export function byteAt(sequence: number): number {
  return ((sequence ^ (sequence >>> 8)) * 31) & 255;
}

/** A raw IP packet with TCP in it; checksums are 0. */
export class SoakFrame implements FlowFrame {
  readonly bytes = new Uint8Array(MEMORY_BYTES);
  readonly offset = 0;
  readonly linkType = LinkType.raw;
  seconds = 0;
  nanoseconds = 0;
  capturedBytes = 0;
  originalBytes = 0;
  /** Milliseconds since 1970 of the next packet, and how much later each one is. */
  time = 1_700_000_000_000;
  step = 0.01;
  readonly #view = new DataView(this.bytes.buffer);
  #version: 4 | 6 = 4;
  #source = 0;
  #target = 0;
  #sourcePort = 0;
  #targetPort = 0;
  #sequence = 0;
  #acknowledgement = 0;
  #flags = 0;
  #window = 65_535;

  /** Hands the engine the next packet. */
  send(engine: FlowEngine, packet: SoakPacket): boolean {
    this.#version = packet.version ?? this.#version;
    this.#source = packet.source ?? this.#source;
    this.#target = packet.target ?? this.#target;
    this.#sourcePort = packet.sourcePort ?? this.#sourcePort;
    this.#targetPort = packet.targetPort ?? this.#targetPort;
    this.#sequence = packet.sequence ?? this.#sequence;
    this.#acknowledgement = packet.acknowledgement ?? this.#acknowledgement;
    this.#flags = packet.flags ?? this.#flags;
    this.#window = packet.window ?? this.#window;
    this.#write(packet.lengthBytes ?? 0, packet.fragment);
    this.time += this.step;
    this.seconds = Math.floor(this.time / 1000);
    this.nanoseconds = Math.floor((this.time - this.seconds * 1000) * 1e6);
    return engine.handle(this);
  }

  #write(lengthBytes: number, fragment: SoakPacket["fragment"]): void {
    const view = this.#view;
    const transport = this.#version === 4 ? IPV4_BYTES : IPV6_BYTES;
    const total = transport + TCP_BYTES + lengthBytes;
    this.capturedBytes = total;
    this.originalBytes = total;
    if (this.#version === 4) this.#writeIpv4(total, fragment);
    else this.#writeIpv6(total - IPV6_BYTES);
    view.setUint16(transport, this.#sourcePort);
    view.setUint16(transport + 2, this.#targetPort);
    view.setUint32(transport + 4, this.#sequence);
    view.setUint32(transport + 8, this.#acknowledgement);
    view.setUint16(transport + 12, (5 << 12) | this.#flags);
    view.setUint16(transport + 14, this.#window);
    // The checksum, and the urgent pointer: the first byte of the payload.
    view.setUint32(transport + 16, 1);
    const start = transport + TCP_BYTES;
    for (let index = 0; index < lengthBytes; index++) {
      this.bytes[start + index] = byteAt((this.#sequence + index) >>> 0);
    }
  }

  #writeIpv4(total: number, fragment: SoakPacket["fragment"]): void {
    const view = this.#view;
    view.setUint16(0, 0x4500);
    view.setUint16(2, total);
    view.setUint16(4, fragment?.id ?? 0);
    view.setUint16(6, fragment === undefined ? 0 : fragment.offset | (fragment.hasMore ? 0x2000 : 0));
    view.setUint16(8, 0x4006);
    view.setUint16(10, 0);
    view.setUint32(12, this.#source);
    view.setUint32(16, this.#target);
  }

  #writeIpv6(payloadBytes: number): void {
    const view = this.#view;
    view.setUint32(0, 0x6000_0000);
    view.setUint16(4, payloadBytes);
    view.setUint16(6, 0x0640);
    for (const at of [8, 24]) {
      view.setUint32(at, 0x2001_0db8);
      view.setUint32(at + 4, 0);
      view.setUint32(at + 8, 0);
    }
    view.setUint32(20, this.#source);
    view.setUint32(36, this.#target);
  }
}
