/**
 * HalfSipHash, a keyed pseudorandom function of 32 bits made for hash tables on 32-bit arithmetic (Aumasson and
 * Bernstein, "SipHash: a fast short-input PRF", 2012, and its reference implementation): who does not know the key
 * cannot choose inputs that collide.
 * @module
 */

/**
 * The hash of `words[0]` to `words[count - 1]`, of which the last is SipHash's own final word: the length in bytes in
 * its upper byte, the one to three bytes left over below. The answer is signed, so that it stays a small integer.
 */
export function halfSipHash(
  words: Int32Array,
  count: number,
  key0: number,
  key1: number,
  compressionCount: number,
  finalizationCount: number,
): number {
  let v0 = key0 | 0;
  let v1 = key1 | 0;
  let v2 = key0 ^ 0x6c79_6765;
  let v3 = key1 ^ 0x7465_6462;
  for (let index = 0; index <= count; index++) {
    const last = index === count;
    const word = last ? 0 : (words[index] as number);
    if (last) v2 ^= 0xff;
    v3 ^= word;
    for (let round = last ? finalizationCount : compressionCount; round > 0; round--) {
      v0 = (v0 + v1) | 0;
      v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
      v0 = (v0 << 16) | (v0 >>> 16);
      v2 = (v2 + v3) | 0;
      v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
      v0 = (v0 + v3) | 0;
      v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
      v2 = (v2 + v1) | 0;
      v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
      v2 = (v2 << 16) | (v2 >>> 16);
    }
    v0 ^= word;
  }
  return v1 ^ v3;
}

/**
 * HalfSipHash-1-3 of four words, the same as `halfSipHash(words, 4, key0, key1, 1, 3)`: what a table asks for every
 * packet, without memory between.
 */
export function halfSipHashOfFour(
  first: number,
  second: number,
  third: number,
  fourth: number,
  key0: number,
  key1: number,
): number {
  let v0 = key0 | 0;
  let v1 = key1 | 0;
  let v2 = key0 ^ 0x6c79_6765;
  let v3 = key1 ^ 0x7465_6462;
  let word = first;
  let next = second;
  let afterNext = third;
  let last = fourth;
  // Four rounds with a word each, and three with none.
  for (let round = 0; round < 7; round++) {
    if (round === 4) v2 ^= 0xff;
    v3 ^= word;
    v0 = (v0 + v1) | 0;
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
    v0 = (v0 << 16) | (v0 >>> 16);
    v2 = (v2 + v3) | 0;
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
    v2 = (v2 << 16) | (v2 >>> 16);
    v0 ^= word;
    word = next;
    next = afterNext;
    afterNext = last;
    last = 0;
  }
  return v1 ^ v3;
}
