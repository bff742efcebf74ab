/**
 * HalfSipHash-1-3 (Aumasson and Bernstein 2012; the hash of Linux's own tables on 32-bit machines) over 32-bit
 * words: without the key nobody can choose keys of a map that fall into one bucket.
 * @module
 */

/** Bytes of a hash's key. */
export const HASH_SEED_BYTES = 8;

/**
 * The hash of the first `count` words under the key `(k0, k1)`, as a signed 32-bit integer; the same as over
 * their bytes in little-endian order.
 */
export function hashWords(words: Int32Array, count: number, k0: number, k1: number): number {
  let a = k0;
  let b = k1;
  let c = k0 ^ 0x6c79_6765;
  let d = k1 ^ 0x7465_6462;
  // One round for each word and for the length, which stands in the last word's highest byte.
  for (let index = 0; index <= count; index++) {
    const word = index < count ? (words[index] as number) : count << 26;
    d ^= word;
    a = (a + b) | 0;
    b = ((b << 5) | (b >>> 27)) ^ a;
    a = (a << 16) | (a >>> 16);
    c = (c + d) | 0;
    d = ((d << 8) | (d >>> 24)) ^ c;
    a = (a + d) | 0;
    d = ((d << 7) | (d >>> 25)) ^ a;
    c = (c + b) | 0;
    b = ((b << 13) | (b >>> 19)) ^ c;
    c = (c << 16) | (c >>> 16);
    a ^= word;
  }
  c ^= 0xff;
  for (let round = 0; round < 3; round++) {
    a = (a + b) | 0;
    b = ((b << 5) | (b >>> 27)) ^ a;
    a = (a << 16) | (a >>> 16);
    c = (c + d) | 0;
    d = ((d << 8) | (d >>> 24)) ^ c;
    a = (a + d) | 0;
    d = ((d << 7) | (d >>> 25)) ^ a;
    c = (c + b) | 0;
    b = ((b << 13) | (b >>> 19)) ^ c;
    c = (c << 16) | (c >>> 16);
  }
  return b ^ d;
}
