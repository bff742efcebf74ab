import assert from "node:assert/strict";
import { it } from "node:test";
import { SeededRandom } from "#base/seeded-random.ts";
import { halfSipHash, halfSipHashOfFour } from "./half-sip-hash.ts";

/** HalfSipHash-2-4's published answers of 32 bits to the messages "", 00, 00 01, …, under the key 00 01 … 07. */
const VECTORS = [
  "a9359f5b 27475ab8 fa62a603 8afee704 2a6e4689 c5fab669 5863fc23 8bcf63c5",
  "d0b8848f f806e779 94b07934 08083050 57f0872f 77e663ff d6fff87c 74fe2b97",
  "d9b5ac84 c474645b 465b8d9b 7befe387 e34d1045 613f62b3 70f367fe e6adb8bd",
  "27400c63 26787875 4f567b5f 3ab0e669 b0644000 ff670fb4 509e338b 5d589f1a",
  "fee72112 33753259 6a434f8c fe28b729 e75cc6ec 697e8d54 63688b0f 650b62b4",
  "b6bc1840 5d074505 2442fd2e 7bb7863a 7705d548 d75208b1 b6d499c8 0892202e",
  "69e12ce3 8db580e5 369764c6 016e0204 3b85f3d4 fedb66be 1e692a3a c68984c0",
  "a5c5b940 9be9e88c 7dbc8140 7c078ec5 d4e76c73 428fcbb9 bd83997a 59ea4a74",
];

it("halfSipHash() gives the reference's answers for messages of 0 to 63 bytes", () => {
  const message = Uint8Array.from({ length: 63 }, (_, index) => index);
  const answers = VECTORS.flatMap((line) => line.split(" "));
  assert.equal(answers.length, 64);
  for (const [lengthBytes, answer] of answers.entries()) {
    const words = wordsOf(message.subarray(0, lengthBytes));
    const hash = halfSipHash(words, words.length, 0x0302_0100, 0x0706_0504, 2, 4);
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setInt32(0, hash, true);
    assert.equal(Buffer.from(bytes).toString("hex"), answer, `${lengthBytes} bytes`);
  }
});

it("halfSipHash() depends on every bit of the key and on the number of rounds", () => {
  const words = Int32Array.of(1, 2, 3, 0x0c00_0000);
  const hashes = new Set<number>([halfSipHash(words, 4, 5, 6, 1, 3), halfSipHash(words, 4, 5, 6, 2, 4)]);
  for (let bit = 0; bit < 32; bit++) {
    hashes.add(halfSipHash(words, 4, 5 ^ (1 << bit), 6, 1, 3));
    hashes.add(halfSipHash(words, 4, 5, 6 ^ (1 << bit), 1, 3));
  }
  assert.equal(hashes.size, 66);
});

it("halfSipHashOfFour() is halfSipHash() of four words with one round a word and three at the end", () => {
  const random = new SeededRandom(5);
  for (let round = 0; round < 1000; round++) {
    const [key0 = 0, key1 = 0, ...rest] = new Int32Array(random.bytes(24).slice().buffer);
    const [first = 0, second = 0, third = 0, fourth = 0] = rest;
    const wanted = halfSipHash(Int32Array.from(rest), 4, key0, key1, 1, 3);
    assert.equal(halfSipHashOfFour(first, second, third, fourth, key0, key1), wanted);
  }
});

/** The message as little-endian words, with SipHash's final word behind them. */
function wordsOf(message: Uint8Array): Int32Array {
  const words = new Int32Array((message.length >> 2) + 1);
  for (const [index, byte] of message.entries()) {
    words[index >> 2] = (words[index >> 2] as number) | (byte << ((index & 3) * 8));
  }
  const last = words.length - 1;
  words[last] = (words[last] as number) | (message.length << 24);
  return words;
}
