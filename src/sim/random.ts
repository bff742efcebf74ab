/**
 * Random bytes that are the same for the same seed (xoshiro128**, Blackman and Vigna 2018); not for secrets.
 * @module
 */
import type { Random } from "#base/random.ts";

export class SimRandom implements Random {
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

  bytes(count: number): Uint8Array {
    const bytes = new Uint8Array(count);
    for (let index = 0; index < count; index += 4) {
      const word = this.#next();
      for (let part = 0; part < 4 && index + part < count; part++) bytes[index + part] = word >>> (part * 8);
    }
    return bytes;
  }

  #next(): number {
    const s = this.#state;
    const [a = 0, b = 0, c = 0, d = 0] = s;
    const result = Math.imul(rotate(Math.imul(b, 5), 7), 9);
    s[0] = a ^ d ^ b;
    s[1] = b ^ c ^ a;
    s[2] = c ^ a ^ (b << 9);
    s[3] = rotate(d ^ b, 11);
    return result >>> 0;
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
