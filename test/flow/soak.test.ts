/**
 * Floods: whatever is sent, memory stays where the limits put it, and honest flows are followed all the while.
 * METANET_SOAK multiplies how many packets each flood has: 1 unless given.
 * @module
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FLOODS, type Flood } from "./soak-floods.ts";
import { SoakWorld, usedBytes } from "./soak-world.ts";

const factor = Number(process.env.METANET_SOAK ?? 1);
/** Flood packets for each packet of the witness. */
const WITNESS_EVERY = 64;
/** What compiled code and its statistics may grow by, in bytes; a leak of a few bytes per packet is more. */
const GROWTH_MAX = 1_500_000;

function run(world: SoakWorld, flood: Flood, from: number, to: number): void {
  const { flowCountMax, totalBytesMax } = flood.limits;
  for (let index = from; index < to; index++) {
    flood.send(world, index);
    if (index % WITNESS_EVERY !== 0) continue;
    world.witness();
    const { flows, heldBytes } = world.engine.statistics;
    assert.ok(flows <= flowCountMax, `${flows} flows`);
    assert.ok(heldBytes <= totalBytesMax, `${heldBytes} bytes are held`);
  }
}

describe("floods", () => {
  for (const flood of FLOODS) {
    it(`FlowEngine.handle() in a flood of ${flood.name}`, (context) => {
      const seed = Date.now() % 1e9;
      const count = flood.packetCount * factor;
      const world = new SoakWorld(seed, { limits: flood.limits, policy: flood.policy ?? {} });
      flood.prepare?.(world);
      const start = performance.now();
      run(world, flood, 0, count);
      const warm = usedBytes();
      run(world, flood, count, 2 * count);
      const growth = usedBytes() - warm;
      const nanoseconds = Math.round(((performance.now() - start) / count / 2) * 1e6);
      context.diagnostic(
        `seed ${seed}: ${nanoseconds} ns a packet, grown by ${growth} bytes, ` +
          `${JSON.stringify(Object.fromEntries(world.counts))} ${JSON.stringify(world.engine.statistics)}`,
      );
      assert.ok(growth < GROWTH_MAX, `memory grows: ${growth} bytes in ${count} packets`);
      if (flood.isThrowing !== true) assert.deepEqual(world.errors, []);
      world.assertWitness();
      flood.check?.(world, 2 * count);
      world.engine.close();
      assert.deepEqual([world.engine.statistics.flows, world.engine.statistics.heldBytes], [0, 0]);
    });
  }
});
