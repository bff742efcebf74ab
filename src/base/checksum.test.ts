import assert from "node:assert/strict";
import { test } from "node:test";
import { checksumOf, fold, sumWords } from "./checksum.ts";
import { SeededRandom } from "./seeded-random.ts";

test("sumWords() says what a sum of single words says, at any place and of any length", () => {
  const seed = 3;
  const random = new SeededRandom(seed);
  const data = new DataView(random.bytes(4000).buffer);
  for (let round = 0; round < 1000; round++) {
    const length = round < 100 ? round : random.below(3000);
    const start = random.below(data.byteLength - length);
    let sum = 0;
    for (let at = 0; at < length; at += 2) {
      sum += (data.getUint8(start + at) << 8) | (at + 1 < length ? data.getUint8(start + at + 1) : 0);
    }
    assert.equal(fold(sumWords(data, start, length)), fold(sum), `seed ${seed}: ${length} bytes at ${start}`);
  }
});

test("sumWords() and checksumOf() give the example of RFC 1071 §3", () => {
  const data = new DataView(Uint8Array.of(0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7).buffer);
  assert.equal(fold(sumWords(data, 0, 8)), 0xddf2);
  assert.equal(checksumOf(sumWords(data, 0, 8)), 0x220d);
});

test("fold() loses no carry of sums of up to 53 bits", () => {
  const seed = 4;
  const random = new SeededRandom(seed);
  for (let round = 0; round < 10_000; round++) {
    // Near multiples of 2^32 the upper half carries into the lower, and that into the upper again.
    const high = round < 100 ? round : random.below(2 ** 21);
    const near = random.below(3) === 0 ? random.word() : -random.below(300);
    const sum = Math.max(0, high * 2 ** 32 + near);
    let folded = BigInt(sum);
    while (folded > 0xffffn) folded = (folded >> 16n) + (folded & 0xffffn);
    assert.equal(fold(sum), Number(folded), `seed ${seed}: ${sum}`);
  }
});
