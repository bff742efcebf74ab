/**
 * Randomness that is the same for the same seed (xoshiro128**, Blackman and Vigna 2018): for simulations, impaired
 * links and scripts whose runs can be repeated; not for secrets.
 * @module
 */
import type { Random } from "./random.ts";

/** 2 to the power of 32: how many values a word has. */
const WORD_VALUES = 0x1_0000_0000;

/** A generator with a period of 2^128 - 1 words; two with the same seed give the same words. */
export class SeededRandom implements Random {
  /** What it was made with; print it when a test fails. */
  readonly seed: number;
  readonly #state: Uint32Array;

  /** @param seed an integer; its lower 32 bits count. */
  constructor(seed: number) {
    this.seed = seed;
    // splitmix32 spreads neighbouring seeds, and never leaves all four words zero.
    this.#state = Uint32Array.from({ length: 4 }, (_, index) =>
      mix((seed + (index + 1) * 0x9e37_79b9) >>> 0),
    );
  }

  /** The next 32 bits, as an integer from 0 to 2^32 - 1. */
  word(): number {
    const s = this.#state;
    const a = s[0] as number;
    const b = s[1] as number;
    const c = s[2] as number;
    const d = s[3] as number;
    s[0] = a ^ d ^ b;
    s[1] = b ^ c ^ a;
    s[2] = c ^ a ^ (b << 9);
    s[3] = rotate(d ^ b, 11);
    return Math.imul(rotate(Math.imul(b, 5), 7), 9) >>> 0;
  }

  /** A number from 0 up to, but not including, 1, in steps of 2^-53; takes two words. */
  fraction(): number {
    const high = this.word() >>> 5;
    const low = this.word() >>> 6;
    return (high * 0x400_0000 + low) / 0x20_0000_0000_0000;
  }

  /**
   * An integer from 0 up to, but not including, `count`, each equally likely.
   * @param count an integer from 1 to 2^32; the answer is 0 for anything below.
   */
  below(count: number): number {
    if (!(count > 1)) return 0;
    // Words from the last, incomplete round of remainders would make the small ones likelier.
    const end = WORD_VALUES - (WORD_VALUES % count);
    for (;;) {
      const word = this.word();
      if (word < end) return word % count;
    }
  }

  /** `count` bytes, four of each word, the lowest first. */
  bytes(count: number): Uint8Array {
    const bytes = new Uint8Array(count);
    for (let index = 0; index < count; index += 4) {
      const word = this.word();
      for (let part = 0; part < 4 && index + part < count; part++) bytes[index + part] = word >>> (part * 8);
    }
    return bytes;
  }
}

function rotate(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}

function mix(word: number): number {
  let z = word;
  z = Math.imul(z ^ (z >>> 16), 0x85eb_ca6b);
  z = Math.imul(z ^ (z >>> 13), 0xc2b2_ae35);
  return (z ^ (z >>> 16)) >>> 0;
}
