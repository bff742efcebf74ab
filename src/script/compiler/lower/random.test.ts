/**
 * Every pass keeps the meaning: random functions are interpreted before and after, over random packets.
 * METANET_SEED repeats a run, METANET_COUNT makes it longer.
 * @module
 */
import assert from "node:assert/strict";
import test from "node:test";
import { SeededRandom } from "#base/seeded-random.ts";
import { RANDOM_MAP, randomFunction } from "../../../../test/support/random-ir.ts";
import { analyseRanges, type Ranges } from "../analyse/ranges.ts";
import { interpretFunction } from "../ir/interpret.ts";
import { PlainMap, PlainWorld } from "../ir/interpreted-world.ts";
import type { IrFunction } from "../ir/ir.ts";
import { formatFunction } from "../ir/print.ts";
import { validateFunction } from "../ir/validate.ts";
import type { CompileTarget } from "../target.ts";
import { lowerFunction } from "./lower.ts";

const target: CompileTarget = {
  attach: "tcx-ingress",
  first: "ethernet",
  onError: "drop",
  statistics: false,
};

const firstSeed = Number(process.env.METANET_SEED ?? 20_261_122);
const count = Number(process.env.METANET_COUNT ?? 150);

/** All that can be seen of a run from outside. */
function observe(fn: IrFunction, packet: Uint8Array, ranges: Ranges): unknown {
  const map = new PlainMap({ keyBytes: 8, valueBytes: 16, countMax: 4 });
  const maps = new Map([[RANDOM_MAP, map]]);
  const world = new PlainWorld({ packet, maps, facts: { mark: 7n, inInterface: 3n } });
  const outcome = interpretFunction(fn, world, {
    stepsMax: 100_000,
    watch(value, content, block) {
      const range = ranges.at(value, block);
      assert.ok(range !== undefined, `value ${value.id} is made, and its range is not known`);
      const { least, most, bits } = range;
      const readings = [content, BigInt.asIntN(64, content), BigInt.asUintN(64, content)];
      const reading = readings.find((one) => one >= least && one <= most);
      assert.ok(reading !== undefined, `value ${value.id} is ${content}, not ${least} to ${most}`);
      assert.ok(reading < 0n || (reading & ~bits) === 0n, `value ${value.id} is ${content}, beyond ${bits}`);
    },
  });
  return {
    outcome: outcome.kind === "fault" ? outcome.message : outcome.verdict,
    packet: world.packet.bytes,
    mark: world.mark,
    counters: world.counters,
    events: world.events,
    entries: [...map.entries()].map(({ key, value }) => [key.join(), value.join()]),
  };
}

test(`lowerFunction() keeps the meaning of random functions (METANET_SEED=${firstSeed})`, () => {
  let refusedCount = 0;
  for (let index = 0; index < count; index++) {
    const seed = (firstSeed + index) >>> 0;
    const random = new SeededRandom(seed);
    const fn = randomFunction(random, 5 + random.below(60));
    const told = (): string => `METANET_SEED=${seed} METANET_COUNT=1\n${formatFunction(fn)}`;
    const before = formatFunction(fn);
    try {
      validateFunction(fn);
      const packets = Array.from({ length: 6 }, () => random.bytes(random.below(90)));
      const ranges = analyseRanges(fn);
      const wanted: unknown[] = [];
      const isExact = runAll(() => wanted.push(...packets.map((packet) => observe(fn, packet, ranges))));
      const result = lowerFunction(fn, target);
      if (result.function === undefined) {
        refusedCount++;
        continue;
      }
      assert.equal(isExact, undefined, "the checks let it pass, and it has no result");
      validateFunction(fn);
      const seen = packets.map((packet) => observe(fn, packet, result.ranges));
      assert.deepEqual(seen, wanted);
    } catch (error) {
      throw new Error(`${told()}\nbefore:\n${before}`, { cause: error });
    }
  }
  assert.ok(refusedCount < count / 2 + 3, `${refusedCount} of ${count} are refused`);
});

/** The error of a function that leaves what is exact. */
function runAll(run: () => void): Error | undefined {
  try {
    run();
    return undefined;
  } catch (error) {
    if (error instanceof Error && error.name === "InvariantError") return error;
    throw error;
  }
}
