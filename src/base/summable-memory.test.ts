import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { fold, sumWords } from "./checksum.ts";
import { SeededRandom } from "./seeded-random.ts";
import { summableMemory, WordSummer } from "./summable-memory.ts";

describe("WordSummer", () => {
  test("sum() says what sumWords() says, at any place and of any length, in both kinds of memory", () => {
    const seed = 7;
    const random = new SeededRandom(seed);
    const memory = summableMemory(200_000);
    const plain = new Uint8Array(200_000);
    for (let at = 0; at < memory.length; at++) memory[at] = random.word();
    plain.set(memory);
    for (const bytes of [memory, plain]) {
      const data = new DataView(bytes.buffer, bytes.byteOffset + 1000, 190_000);
      const summer = new WordSummer();
      summer.aim(data);
      for (let round = 0; round < 2000; round++) {
        const length = round < 300 ? round : random.below(round % 10 === 0 ? 150_000 : 2000);
        const start = random.below(data.byteLength - length);
        const told = [fold(summer.sum(start, length)), fold(sumWords(data, start, length))];
        assert.equal(told[0], told[1], `seed ${seed}: ${length} bytes at ${start}`);
      }
    }
  });

  test("sum() does not run over: the most bytes of ones", () => {
    const bytes = summableMemory(131_072).fill(0xff);
    const summer = new WordSummer();
    summer.aim(new DataView(bytes.buffer, 0, bytes.length));
    assert.equal(fold(summer.sum(0, bytes.length)), 0xffff);
    assert.equal(summer.sum(0, 0), 0);
  });
});

describe("summableMemory()", () => {
  test("summableMemory() gives as many bytes of zeros as asked for", () => {
    for (const length of [0, 1, 65_536, 65_537, 10_000_000]) {
      const bytes = summableMemory(length);
      assert.equal(bytes.length, length);
      assert.equal(
        bytes.findLastIndex((byte) => byte !== 0),
        -1,
      );
    }
  });

  test("summableMemory() gives memory that works where there is no WebAssembly", () => {
    const kept = globalThis.WebAssembly;
    try {
      Reflect.deleteProperty(globalThis, "WebAssembly");
      assert.equal(summableMemory(100).length, 100);
    } finally {
      globalThis.WebAssembly = kept;
    }
  });
});
