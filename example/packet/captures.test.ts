import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { milliseconds } from "#base/time.ts";
import { capturedPackets } from "../../test/packet/captured-packets.ts";
import { capturesSkipped } from "../../test/support/captures.ts";
import { ScriptWorld } from "./test-world.ts";

/** Packets of each capture, from its start. */
const COUNT_MAX = 100;

describe("the examples, with captured packets", { skip: capturesSkipped }, () => {
  for (const [file, ...functions] of [
    ["nat.ts", "snat", "dnat"],
    ["dns-doctor.ts", "treat", "block"],
    ["sni-filter.ts", "dropListed", "resetListed"],
    ["syn-guard.ts", "guard"],
    ["load-balancer.ts", "balance", "restore"],
    ["tftp-cache.ts", "requests", "answers"],
    ["http-cache.ts", "requests", "responses"],
  ] as const) {
    test(`${file} fails on none, and sends nothing with a wrong checksum`, async () => {
      const world = await ScriptWorld.load(file, ...functions);
      let count = 0;
      for (const packet of capturedPackets(COUNT_MAX)) {
        for (const name of functions) {
          // The world fails when the script does.
          await world.giveBytes(name, packet).catch((error: Error) => {
            throw new Error(`${packet.name}: ${error.message}`, { cause: error });
          });
        }
        if (++count % 10 === 0) await world.wait(milliseconds(1));
        world.take();
      }
      assert.ok(count > 0);
    });
  }
});
