import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ConfigurationError, LimitExceededError } from "#base/errors.ts";
import { SeededRandom } from "#base/seeded-random.ts";
import { instant, seconds } from "#base/time.ts";
import { IsolateMaps, MAP_COUNT_MAX, MapConflictError, MapDirectory } from "./map-directory.ts";

const time = { now: instant(0) };

function makeDirectory() {
  const directory = new MapDirectory({ random: new SeededRandom(1), owner: 1, time });
  const isolate = (owner: number): IsolateMaps =>
    new IsolateMaps({ ask: (request) => structuredClone(directory.answer(request)), owner, time });
  return { directory, isolate };
}

describe("MapDirectory", () => {
  it("open() gives all isolates the same map by its name", () => {
    const { directory, isolate } = makeDirectory();
    const [first, second] = [isolate(2), isolate(3)];
    first.open("nat", { countMax: 10 }).set(1, 5);
    assert.equal(second.open("nat", { countMax: 10 }).add(1, 2), 7);
    assert.equal(directory.open("nat").get(1), 7);
    assert.equal(second.open("other").get(1), undefined);
    assert.equal(first.open("nat"), first.open("nat", { countMax: 10, kind: "hash" }));
  });

  it("open() with other options is an error that tells both, in the isolate and at the supervisor's", () => {
    const { directory, isolate } = makeDirectory();
    const first = isolate(2);
    first.open("nat", { countMax: 10, timeToLive: seconds(2) });
    for (const open of [
      () => first.open("nat", { countMax: 20 }),
      () => isolate(3).open("nat", { countMax: 20 }),
      () => directory.open("nat", { countMax: 20 }),
    ]) {
      assert.throws(open, (error) => {
        assert.ok(error instanceof MapConflictError);
        assert.equal(error.code, "map-conflict");
        assert.deepEqual([error.made.countMax, error.wanted.countMax], [10, 20]);
        assert.equal(
          error.message,
          "Cannot open map 'nat': it was made with countMax 10, timeToLive 2000, and is wanted with " +
            "countMax 20, timeToLive absent; use the same options, or another name",
        );
        return true;
      });
    }
  });

  it("open() without options takes the map as it is, or makes the standard one", () => {
    const { isolate } = makeDirectory();
    isolate(2).open("a", { kind: "lru", countMax: 3 });
    assert.equal(isolate(3).open("a").shape.kind, "lru");
    const { kind, key, countMax } = isolate(3).open("b").shape;
    assert.deepEqual([kind, key, countMax], ["hash", "number", 65_536]);
  });

  it("open() refuses options and names that cannot be, as the error they are, in the isolate too", () => {
    const { isolate } = makeDirectory();
    assert.throws(() => isolate(2).open("x", { countMax: 0 }), ConfigurationError);
    for (const name of ["", "a b", "x".repeat(65)]) {
      assert.throws(() => isolate(2).open(name), ConfigurationError);
    }
  });

  it("open() makes no more than MAP_COUNT_MAX maps, and again one when one is removed", () => {
    const { directory, isolate } = makeDirectory();
    for (let index = 0; index < MAP_COUNT_MAX; index++) directory.open(`m${index}`, { countMax: 1 });
    assert.throws(() => isolate(2).open("one-more", { countMax: 1 }), LimitExceededError);
    assert.deepEqual([directory.remove("m3"), directory.remove("m3")], [true, false]);
    isolate(2).open("one-more", { countMax: 1 });
  });

  it("open() makes no more than a gigabyte of maps", () => {
    const { directory } = makeDirectory();
    const options = { countMax: 4_000_000, valueBytes: 64 };
    for (const name of ["a", "b"]) directory.open(name, options);
    assert.throws(() => directory.open("c", options), LimitExceededError);
  });

  it("list() describes all maps by name", () => {
    const { directory } = makeDirectory();
    directory.open("b").set(1, 1);
    directory.open("a", { kind: "lru", countMax: 2 });
    assert.deepEqual(
      directory.list().map(({ name, kind, size, countMax }) => [name, kind, size, countMax]),
      [
        ["a", "lru", 0, 2],
        ["b", "hash", 1, 65_536],
      ],
    );
  });

  it("breakLocksOf() frees what a dead thread held", () => {
    const { directory } = makeDirectory();
    const answer = directory.answer({ name: "a" });
    if (!("handle" in answer)) assert.fail("no map");
    const { memory } = answer.handle;
    directory.open("b");
    new Int32Array(memory)[0] = 9;
    assert.deepEqual(
      [directory.breakLocksOf(8), directory.breakLocksOf(9), directory.breakLocksOf(9)],
      [0, 1, 0],
    );
    assert.equal(directory.open("a").set(1, 1), true);
  });
});
