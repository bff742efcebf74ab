import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ConfigurationError } from "#base/errors.ts";
import { SeededRandom } from "#base/seeded-random.ts";
import { type Duration, type Instant, instant, seconds } from "#base/time.ts";
import { MemoryMap } from "./memory-map.ts";
import { hashWords } from "./shared-map-hash.ts";
import type { SharedMapKey } from "./shared-map-key.ts";
import { createSharedMap, HEADER, type MapOptions } from "./shared-map-layout.ts";

const seed = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);

function makeMap<Key extends SharedMapKey = number>(options: MapOptions = {}) {
  const time = { now: instant(1000) };
  const handle = createSharedMap({ name: "test", seed, ...options });
  const words = new Int32Array(handle.memory);
  return { map: new MemoryMap<Key>(handle, { owner: 1, time }), time, handle, words };
}

describe("hashWords()", () => {
  // Linux lib/tests/siphash_kunit.c, HalfSipHash-1-3: the hash of the bytes 0..n-1 under the key 00 01 .. 07.
  for (const [lengthBytes, expected] of [
    [0, 0x5814_c896],
    [4, 0x7e05_9ea6],
    [8, 0x5779_99b1],
    [12, 0x6b28_096c],
    [16, 0x8b31_d501],
    [20, 0x911b_b605],
  ] as const) {
    it(`of ${lengthBytes} bytes is Linux's`, () => {
      const words = new Int32Array(Uint8Array.from({ length: lengthBytes }, (_, index) => index).buffer);
      assert.equal(hashWords(words, words.length, 0x0302_0100, 0x0706_0504) >>> 0, expected);
    });
  }
});

describe("MemoryMap", () => {
  it("get(), has(), set() and delete() do what a Map's do", () => {
    const { map } = makeMap();
    assert.equal(map.get(1), undefined);
    assert.equal(map.set(1, 2.5), true);
    assert.deepEqual([map.get(1), map.has(1), map.has(2), map.size], [2.5, true, false, 1]);
    assert.deepEqual([map.delete(1), map.delete(1), map.size], [true, false, 0]);
  });

  it("add() answers the new sum and begins with 0", () => {
    const { map } = makeMap();
    assert.deepEqual([map.add(7), map.add(7, 4), map.add(7, -6), map.get(7)], [1, 5, -1, -1]);
  });

  it("compareAndSet() sets only where the expected number stands, or nothing", () => {
    const { map } = makeMap();
    assert.equal(map.compareAndSet(1, 0, 5), false);
    assert.equal(map.compareAndSet(1, undefined, 5), true);
    assert.equal(map.compareAndSet(1, undefined, 6), false);
    assert.equal(map.compareAndSet(1, 5, 6), true);
    assert.equal(map.get(1), 6);
  });

  const cases: { key: MapOptions["key"]; keyBytes?: number; good: SharedMapKey[]; bad: SharedMapKey[] }[] = [
    {
      key: "number",
      good: [0, 1, 0xffff_ffff, 0x1_0000_0000, 0xffff_ffff_ffff, Number.MAX_SAFE_INTEGER],
      bad: [-1, 0.5, Number.NaN, 2 ** 53, Number.POSITIVE_INFINITY],
    },
    { key: "bigint", good: [0n, 1n, 1n << 64n, (1n << 128n) - 1n], bad: [-1n, 1n << 128n] },
    {
      key: "text",
      keyBytes: 9,
      good: ["", "a", "a\0", "abcd", "abcde", "aé€😀".slice(1), "ninebytes"],
      bad: ["ten bytes!", "ééééé", "\ud800", "\udc00a", "x\ud83d"],
    },
    {
      key: "bytes",
      keyBytes: 5,
      good: [Uint8Array.of(0, 0, 0, 0, 0), Uint8Array.of(1, 2, 3, 4, 5), Uint8Array.of(1, 2, 3, 4, 255)],
      bad: [Uint8Array.of(1, 2, 3, 4), Uint8Array.of(1, 2, 3, 4, 5, 6)],
    },
  ];
  for (const { key, keyBytes, good, bad } of cases) {
    it(`keys() gives ${key} keys back as they went in`, () => {
      const { map } = makeMap<SharedMapKey>({ key: key!, ...(keyBytes ? { keyBytes } : {}) });
      for (const [index, one] of good.entries()) assert.equal(map.set(one, index), true, String(one));
      for (const [index, one] of good.entries()) assert.equal(map.get(one), index, String(one));
      assert.equal(map.size, good.length);
      assert.deepEqual(
        [...map.entries()].sort((a, b) => a[1] - b[1]).map(([one]) => one),
        good,
      );
    });

    it(`set() refuses what is no ${key} key, and get() does not find it`, () => {
      const { map } = makeMap<SharedMapKey>({ key: key!, ...(keyBytes ? { keyBytes } : {}) });
      for (const one of bad) {
        assert.equal(map.set(one, 1), false, String(one));
        assert.deepEqual([map.get(one), map.has(one), map.delete(one)], [undefined, false, false]);
      }
      assert.deepEqual([map.size, map.describe().refused], [0, bad.length]);
    });
  }

  it("get() says so when a key is of another type than the map's", () => {
    const { map } = makeMap<SharedMapKey>();
    assert.throws(() => map.get("192.0.2.1"), ConfigurationError);
  });

  it("set() refuses one key more than countMax, counts it, and takes it when there is room again", () => {
    const { map } = makeMap({ countMax: 3 });
    assert.deepEqual(
      [1, 2, 3, 4].map((key) => map.set(key, key)),
      [true, true, true, false],
    );
    assert.equal(map.set(3, 33), true);
    assert.deepEqual([map.add(5), map.compareAndSet(5, undefined, 1)], [undefined, false]);
    assert.deepEqual([map.describe().refused, map.size], [3, 3]);
    map.delete(1);
    assert.equal(map.set(4, 4), true);
  });

  it("set() of a full lru map evicts the key that was used longest ago; has() and keys() are no use", () => {
    const { map } = makeMap({ kind: "lru", countMax: 3 });
    for (const key of [1, 2, 3]) map.set(key, key);
    map.get(1);
    map.has(2);
    assert.equal([...map.keys()].length, 3);
    map.set(4, 4);
    assert.deepEqual([...map.keys()].sort(), [1, 3, 4]);
    map.add(3, 1);
    map.touch(1);
    map.set(5, 5);
    assert.deepEqual([...map.keys()].sort(), [1, 3, 5]);
    assert.deepEqual([map.describe().evicted, map.describe().refused], [2, 0]);
  });

  it("an array has all its keys from the start, loses none, and refuses others", () => {
    const { map } = makeMap({ kind: "array", countMax: 3 });
    assert.deepEqual([...map.entries()].flat(), [0, 0, 1, 0, 2, 0]);
    assert.deepEqual([map.add(2, 5), map.delete(2), map.get(2), map.size], [5, false, 5, 3]);
    assert.deepEqual([map.set(3, 1), map.get(3), map.has(2 ** 40)], [false, undefined, false]);
    map.clear();
    assert.equal(map.get(2), 0);
  });

  it("set(), touch() and compareAndSet() begin the time to live anew, add() and get() do not", () => {
    const { map, time } = makeMap({ timeToLive: seconds(10) });
    const at = (second: number): void => {
      time.now = instant(1000 + second * 1000);
    };
    for (const key of [1, 2, 3, 4, 5]) map.set(key, 1);
    at(9);
    map.set(1, 2);
    map.touch(2);
    map.compareAndSet(3, 1, 2);
    map.add(4, 1);
    map.get(5);
    at(10);
    assert.deepEqual(
      [1, 2, 3, 4, 5].map((key) => map.has(key)),
      [true, true, true, false, false],
    );
    assert.deepEqual([map.size, map.describe().expired], [3, 2]);
    assert.equal(map.add(4, 1), 1);
    at(19);
    assert.equal(map.size, 1);
  });

  it("set() of a full map takes the place of an entry whose time is over before it refuses or evicts", () => {
    for (const kind of ["hash", "lru"] as const) {
      const { map, time } = makeMap({ kind, countMax: 2, timeToLive: seconds(10) });
      map.set(1, 1);
      time.now = instant(6000);
      map.set(2, 2);
      time.now = instant(11_000);
      assert.equal(map.set(3, 3), true);
      assert.deepEqual([...map.keys()].sort(), [2, 3]);
      const { refused, evicted, expired } = map.describe();
      assert.deepEqual([refused, evicted, expired], [0, 0, 1]);
    }
  });

  it("setBytes() and getBytes() keep bytes beside the number", () => {
    const { map } = makeMap({ valueBytes: 18 });
    const value = Uint8Array.from({ length: 18 }, (_, index) => index + 1);
    const into = new Uint8Array(20);
    assert.deepEqual([map.getBytes(1, into), map.setBytes(1, value.subarray(1))], [false, false]);
    assert.equal(map.setBytes(1, value), true);
    assert.deepEqual([map.getBytes(1, new Uint8Array(17)), map.getBytes(1, into)], [false, true]);
    assert.deepEqual([...into], [...value, 0, 0]);
    map.set(1, 9);
    assert.equal(map.getBytes(1, into), true);
    assert.deepEqual([map.get(1), into[17]], [9, 18]);
    map.delete(1);
    map.set(2, 1); // takes the same entry
    map.getBytes(2, into);
    assert.ok(into.every((byte) => byte === 0));
  });

  it("entries() gives what is there throughout exactly once while others come and go", () => {
    const { map } = makeMap({ countMax: 2000 });
    for (let key = 0; key < 1000; key++) map.set(key, key);
    const seen: number[] = [];
    for (const [key] of map.entries()) {
      seen.push(key);
      if (key % 2 === 1) map.delete(key);
      map.set(1000 + key, 0);
    }
    const even = seen.filter((key) => key < 1000 && key % 2 === 0);
    assert.deepEqual([even.length, new Set(even).size], [500, 500]);
  });

  it("of prefixes get(), has() and add() find the longest one an address lies in", () => {
    const { map } = makeMap({ kind: "prefix" });
    assert.equal(map.get(0x0a01_0203), undefined);
    assert.equal(map.setPrefix(0x0a00_0000, 8, 1), true);
    assert.equal(map.setPrefix(0x0a01_ffff, 16, 2), true);
    assert.equal(map.set(0x0a01_0203, 3), true);
    assert.deepEqual(
      [0x0a01_0203, 0x0a01_0204, 0x0a02_0000, 0x0b00_0000].map((key) => map.get(key)),
      [3, 2, 1, undefined],
    );
    assert.equal(map.setPrefix(0, 0, 9), true);
    assert.deepEqual([map.get(0x0b00_0000), map.has(0xffff_ffff), map.size], [9, true, 4]);
    assert.deepEqual([map.add(0x0a02_0000, 5), map.get(0x0a03_0000)], [6, 6]);
    assert.deepEqual(
      [...map.prefixes()].sort(([, one], [, other]) => one - other),
      [
        [0, 0, 9],
        [0x0a00_0000, 8, 6],
        [0x0a01_0000, 16, 2],
        [0x0a01_0203, 32, 3],
      ],
    );
    assert.deepEqual([map.delete(0x0a01_0203), map.delete(0x0a01_0203)], [true, false]);
    assert.deepEqual([map.deletePrefix(0x0a01_0000, 16), map.deletePrefix(0x0a01_0000, 17)], [true, false]);
    assert.equal(map.get(0x0a01_0203), 6);
    map.clear();
    assert.deepEqual([map.get(0x0a01_0203), map.add(0x0a01_0203), map.size], [undefined, undefined, 0]);
  });

  it("of IPv6 prefixes get() finds the longest one", () => {
    const { map } = makeMap<bigint>({ kind: "prefix", key: "bigint" });
    const net = 0x2001_0db8n << 96n;
    for (const [bits, value] of [
      [32, 1],
      [64, 2],
      [127, 3],
      [128, 4],
    ] as const) {
      assert.equal(map.setPrefix(net, bits, value), true);
    }
    const near = [0n, 1n, 2n, 1n << 64n, 1n << 96n].map((more) => map.get(net + more));
    assert.deepEqual(near, [4, 3, 2, 1, undefined]);
    assert.deepEqual(map.compareAndSet(net, 4, 5), true);
    assert.equal(map.get(net), 5);
  });

  it("of prefixes a key that is none is refused", () => {
    const { map } = makeMap({ kind: "prefix", countMax: 1 });
    assert.deepEqual(
      [map.setPrefix(1, 33, 1), map.setPrefix(2 ** 32, 8, 1), map.set(-1, 1)],
      [false, false, false],
    );
    assert.deepEqual([map.setPrefix(1, 32, 1), map.setPrefix(2, 32, 1)], [true, false]);
    assert.throws(() => makeMap().map.setPrefix(1, 8, 1), /kind hash; make it with kind prefix/);
    assert.deepEqual([...makeMap().map.prefixes()], []);
  });

  it("of a number for each processor scripts only add and delete", () => {
    const { map } = makeMap({ perProcessor: true });
    assert.deepEqual([map.add(1, 2), map.add(1, 3), map.get(1), map.delete(1)], [2, 5, 5, true]);
    assert.throws(() => map.set(1, 1), /perProcessor, and those only add and delete/);
    assert.throws(() => map.compareAndSet(1, 1, 1), /perProcessor/);
  });

  const impossible: [string, MapOptions][] = [
    ["a kind that is none", { kind: "tree" as never }],
    ["no room", { countMax: 0 }],
    ["too much room", { countMax: 4_194_305 }],
    ["too much memory", { countMax: 4_194_304, valueBytes: 256 }],
    ["an array of texts", { kind: "array", key: "text" }],
    ["an array that forgets", { kind: "array", timeToLive: seconds(1) }],
    ["a number of 4 bytes", { keyBytes: 4 }],
    ["keys too long", { key: "text", keyBytes: 257 }],
    ["values too long", { valueBytes: 257 }],
    ["no time to live", { timeToLive: 0 as Duration }],
    ["prefixes of bytes", { kind: "prefix", key: "bytes" }],
    ["prefixes that expire", { kind: "prefix", timeToLive: seconds(1) }],
    ["prefixes for each processor", { kind: "prefix", perProcessor: true }],
    ["a number for each processor that expires", { perProcessor: true, timeToLive: seconds(1) }],
    ["bytes for each processor", { perProcessor: true, valueBytes: 4 }],
    ["perhaps a number for each processor", { perProcessor: "yes" as never }],
  ];
  for (const [what, options] of impossible) {
    it(`createSharedMap() refuses ${what}`, () => {
      assert.throws(() => createSharedMap({ name: "x", seed, ...options }), ConfigurationError);
    });
  }

  it("an owner's number is 1 to 2^30 - 1", () => {
    const { handle } = makeMap();
    for (const owner of [0, -1, 1.5, 2 ** 30]) {
      assert.throws(() => new MemoryMap(handle, { owner, time: { now: instant(0) } }), ConfigurationError);
    }
  });

  it("breakLocksOf() frees a dead owner's lock and makes the links anew, from any half-done state", () => {
    const { handle, words, map, time } = makeMap({ kind: "lru", countMax: 100 });
    for (let key = 0; key < 80; key++) map.set(key, key);
    for (let key = 0; key < 80; key += 4) map.delete(key);
    const supervisor = new MemoryMap<number>(handle, { owner: 2, time });
    assert.equal(supervisor.breakLocksOf(1), false);
    words[HEADER.lock] = 1;
    words[HEADER.isChanging] = 1;
    // Links as nobody would leave them: rings, and lists of entries in use.
    for (const word of [HEADER.free, HEADER.oldest, HEADER.newest, HEADER.count]) words[word] = 5;
    for (let at = 16; at < 16 + 128; at++) words[at] = 3;
    assert.equal(supervisor.breakLocksOf(7), false);
    assert.equal(supervisor.breakLocksOf(1), true);
    assert.equal(supervisor.size, 60);
    for (let key = 0; key < 80; key++) assert.equal(supervisor.get(key), key % 4 === 0 ? undefined : key);
    for (let key = 100; key < 140; key++) assert.equal(supervisor.set(key, key), true);
    assert.deepEqual(
      [supervisor.size, supervisor.describe().evicted, supervisor.describe().repairs],
      [100, 0, 1],
    );
  });

  it("a full stack in the middle of an operation leaves neither a held lock nor a broken map", () => {
    const { handle, words, map, time } = makeMap({ kind: "lru", countMax: 64 });
    const other = new MemoryMap<number>(handle, { owner: 2, time });
    for (let key = 0; key < 64; key++) map.set(key, key);
    let next = 64;
    let overflowCount = 0;
    const descend = (padding: number): number => {
      const wide = [padding, padding + 1, padding + 2];
      map.set(next++, 1);
      return descend(padding + 1) + wide.length;
    };
    for (let round = 0; round < 200; round++) {
      try {
        descend(round);
      } catch (error) {
        assert.ok(error instanceof RangeError);
        overflowCount++;
      }
      assert.equal(words[HEADER.lock], 0, "the lock is still held");
      assert.ok(other.set(round, round) && other.get(round) === round);
      assert.equal([...other.keys()].length, other.size);
    }
    assert.equal(overflowCount, 200);
  });

  for (const kind of ["hash", "lru"] as const) {
    for (const timeToLive of [undefined, 40 as Duration]) {
      it(`does what a model of ${kind}${timeToLive ? " with a time to live" : ""} does, over random runs`, () => {
        for (let run = 1; run <= 40; run++) agreeWithModel(run, kind, timeToLive);
      });
    }
  }
});

/** A random run against a Map in the order of use (lru) or setting (hash). */
function agreeWithModel(run: number, kind: "hash" | "lru", timeToLive: Duration | undefined): void {
  const countMax = 20;
  const random = new SeededRandom(run);
  const { map, time } = makeMap({ kind, countMax, ...(timeToLive ? { timeToLive } : {}) });
  const model = new Map<number, { value: number; ends: number }>();
  const isLive = (key: number): boolean => (model.get(key)?.ends ?? Number.NEGATIVE_INFINITY) > time.now;
  const place = (key: number, entry: { value: number; ends: number }): void => {
    model.delete(key);
    model.set(key, entry);
  };
  const makeRoom = (): boolean => {
    if (model.size < countMax) return true;
    const [oldest] = model.keys();
    if (kind === "hash" && isLive(oldest!)) return false;
    return model.delete(oldest!);
  };
  const write = (key: number, value: number, isSet: boolean): boolean => {
    const entry = model.get(key);
    const ends = timeToLive ? time.now + timeToLive : Number.POSITIVE_INFINITY;
    if (entry && isSet) place(key, { value, ends });
    else if (entry && kind === "lru") place(key, { value, ends: entry.ends });
    else if (entry) entry.value = value;
    else if (makeRoom()) place(key, { value, ends });
    else return false;
    return true;
  };
  for (let step = 0; step < 2000; step++) {
    time.now = (time.now + random.below(4)) as Instant;
    const key = random.below(40);
    const says = `run ${run}, step ${step}`;
    if (!isLive(key)) model.delete(key); // as the map does when it looks there
    const seen = model.get(key);
    switch (random.below(6)) {
      case 0:
        assert.equal(map.get(key), seen?.value, says);
        if (seen && kind === "lru") place(key, seen);
        break;
      case 1:
        assert.equal(map.set(key, step), write(key, step, true), says);
        break;
      case 2: {
        const sum = (seen?.value ?? 0) + 3;
        assert.equal(map.add(key, 3), write(key, sum, false) ? sum : undefined, says);
        break;
      }
      case 3:
        assert.equal(map.delete(key), model.delete(key), says);
        break;
      case 4: {
        const expected = random.below(2) === 0 ? seen?.value : undefined;
        const isDone = expected === seen?.value && write(key, step, true);
        assert.equal(map.compareAndSet(key, expected, step), isDone, says);
        break;
      }
      default: {
        if (random.below(50) === 0) {
          map.clear();
          model.clear();
        }
        const live = [...model].filter(([one]) => isLive(one)).map(([one, { value }]) => [one, value]);
        assert.deepEqual(
          [...map.entries()].sort((a, b) => a[0] - b[0]),
          live.sort((a, b) => a[0]! - b[0]!),
          says,
        );
        if (kind === "hash" && !timeToLive) assert.equal(map.size, live.length, says);
      }
    }
  }
}
