/**
 * Whether the checksum of a packet's transport is right (RFC 1071), and whether a wrong one is one that the sender's
 * hardware had still to complete: a capture on the sending machine sees those.
 * @module
 */
import { fold } from "#base/checksum.ts";
import { WordSummer } from "#base/summable-memory.ts";
import type { Layers } from "./layers/layers.ts";
import * as layer from "./layers/layers.ts";

// The module's own, so that the compiler has their numbers; imported ones it looks up each time.
const { IpProtocol } = layer;

/** `unknown`: there is none, or not all of the packet is there. `unfinished`: only the pseudo header is in it. */
export const Checksum = { good: 0, bad: 1, unfinished: 2, unknown: 3 } as const;

/** Bad checksums after which, and the share of all from which on, they are taken for the capture's and not the packets'. */
const BAD_COUNT_MIN = 16;
const BAD_SHARE_MIN = 0.25;

/** The checksum field of the transport, counted from its header, or -1. */
function fieldOf(protocol: number): number {
  if (protocol === IpProtocol.tcp) return 16;
  if (protocol === IpProtocol.udp) return 6;
  if (protocol === IpProtocol.icmp || protocol === IpProtocol.icmpv6) return 2;
  return -1;
}

/**
 * Judges a packet whose headers are whole, by one of {@link Checksum}.
 * @param summer aimed at the packet's memory
 */
export function checkTransport(layers: Layers, summer: WordSummer): number {
  const field = fieldOf(layers.protocol);
  const { view, transportOffset } = layers;
  const end = layers.payloadOffset + layers.payloadBytes;
  // Also where there is no payload the options of the header may be cut off.
  if (field < 0 || end > layers.frameEnd) return Checksum.unknown;
  const lengthBytes = end - transportOffset;
  const held = view.getUint16(transportOffset + field);
  if (held === 0 && layers.protocol === IpProtocol.udp) return Checksum.unknown;
  let pseudo = 0;
  if (layers.protocol !== IpProtocol.icmp) {
    pseudo = layers.protocol + (lengthBytes >>> 16) + (lengthBytes & 0xffff);
    pseudo += sumWord(layers.source3) + sumWord(layers.target3);
    if (layers.version === 6) {
      pseudo += sumWord(layers.source0) + sumWord(layers.source1) + sumWord(layers.source2);
      pseudo += sumWord(layers.target0) + sumWord(layers.target1) + sumWord(layers.target2);
    }
  }
  if (fold(pseudo + summer.sum(transportOffset, lengthBytes)) === 0xffff) return Checksum.good;
  return held === fold(pseudo) ? Checksum.unfinished : Checksum.bad;
}

function sumWord(word: number): number {
  return (word >>> 16) + (word & 0xffff);
}

/** Decides by the option, and by what was seen so far, whether a packet's checksum lets it pass. */
export class ChecksumJudge {
  readonly #mode: "verify" | "trust" | "auto";
  readonly #summer = new WordSummer();
  #view: DataView | undefined;
  #badCount = 0;
  #refusedCount = 0;
  #count = 0;

  constructor(mode: "verify" | "trust" | "auto") {
    this.#mode = mode;
  }

  /** Packets whose checksum was wrong. */
  get badCount(): number {
    return this.#badCount;
  }

  /** How many of them were not taken. */
  get refusedCount(): number {
    return this.#refusedCount;
  }

  /** Whether the receiver would take the packet. */
  passes(layers: Layers): boolean {
    const passes = this.#judge(layers);
    if (!passes) this.#refusedCount++;
    return passes;
  }

  #judge(layers: Layers): boolean {
    if (this.#mode === "trust") return true;
    if (layers.view !== this.#view) {
      this.#view = layers.view;
      this.#summer.aim(layers.view);
    }
    const checksum = checkTransport(layers, this.#summer);
    if (checksum === Checksum.unknown) return true;
    this.#count++;
    if (checksum === Checksum.good) return true;
    if (checksum === Checksum.unfinished && this.#mode === "auto") return true;
    this.#badCount++;
    if (this.#mode === "verify") return false;
    // Where none was ever right the capture has none to tell by: made up, or with other addresses put in.
    if (this.#badCount === this.#count) return true;
    return this.#badCount > BAD_COUNT_MIN && this.#badCount > this.#count * BAD_SHARE_MIN;
  }
}
