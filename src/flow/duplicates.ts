/**
 * Packets that a tap shows twice: a mirror port of a switch that copies what comes in and what goes out. They are
 * the same from their IP header on but for what a router changes, and come within a moment; a retransmission has
 * another identification, or comes later.
 * @module
 */
import type { Layers } from "./layers/layers.ts";

/** Packets remembered; more within the time are not recognised. */
export const DUPLICATE_SLOT_COUNT = 4096;

/** Words of the payload that count: the checksum stands for the rest. */
const SAMPLE_BYTES_MAX = 64;

export class DuplicateJudge {
  readonly #within: number;
  readonly #first = new Int32Array(DUPLICATE_SLOT_COUNT);
  readonly #second = new Int32Array(DUPLICATE_SLOT_COUNT);
  readonly #times = new Float64Array(DUPLICATE_SLOT_COUNT).fill(Number.NEGATIVE_INFINITY);
  #count = 0;

  /** @param within milliseconds; 0: no packet is a duplicate. */
  constructor(within: number) {
    this.#within = within;
  }

  /** Packets that were. */
  get count(): number {
    return this.#count;
  }

  /** Whether the packet was there a moment ago; it is remembered if not. */
  isDuplicate(layers: Layers, now: number): boolean {
    if (this.#within <= 0) return false;
    const { view, version, networkOffset, transportOffset, frameEnd } = layers;
    // IPv4's identification tells a retransmission from a copy; IPv6 has none.
    const identification = version === 4 ? view.getUint16(networkOffset + 4) : 0;
    let first = mix(layers.source3 ^ layers.networkBytes, layers.target3);
    let second = mix(identification ^ (layers.protocol << 16), layers.source0 ^ layers.target0);
    first = mix(first, layers.source1 ^ layers.target1);
    second = mix(second, layers.source2 ^ layers.target2);
    const end = Math.min(frameEnd, networkOffset + layers.networkBytes, transportOffset + SAMPLE_BYTES_MAX);
    for (let at = transportOffset; at + 4 <= end; at += 4) {
      const word = view.getInt32(at);
      first = mix(first, word);
      second = mix(second ^ word, first);
    }
    const slot = (first ^ (second >>> 7)) & (DUPLICATE_SLOT_COUNT - 1);
    const isSame = this.#first[slot] === first && this.#second[slot] === second;
    if (isSame && now - (this.#times[slot] as number) <= this.#within) {
      this.#count++;
      return true;
    }
    this.#first[slot] = first;
    this.#second[slot] = second;
    this.#times[slot] = now;
    return false;
  }
}

/** One step of a hash (Murmur3's): nobody gains by making packets collide that are told apart for a moment only. */
function mix(hash: number, word: number): number {
  let mixed = Math.imul(word, 0xcc9e2d51);
  mixed = Math.imul((mixed << 15) | (mixed >>> 17), 0x1b873593) ^ hash;
  mixed = (mixed << 13) | (mixed >>> 19);
  return (Math.imul(mixed, 5) + 0xe6546b64) | 0;
}
