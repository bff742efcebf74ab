/**
 * Packets that become longer and shorter: the bytes in the kernel are those in user space, lengths and checksums included.
 * @module
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SeededRandom } from "#base/seeded-random.ts";
import { randomFrames } from "../kernel-scripts/frames.ts";
import { agree, compile } from "./agreement.ts";
import { FRAMES_TO_SPLICE, placesOf, SPLICES, spliceScript } from "./splice-cases.ts";

describe("packets in the kernel", () => {
  for (const [index, [name, body, only, top]] of SPLICES.entries()) {
    for (const where of placesOf(only)) {
      it(`resizes as user space does: ${name}, at ${where.attach}`, () => {
        const compiled = compile(spliceScript(body, top), where);
        let changed = 0;
        const count = (bytes: Uint8Array): void => {
          const { bytes: after } = agree(compiled, bytes);
          if (after.length !== 2 * bytes.length) changed++;
        };
        for (const bytes of FRAMES_TO_SPLICE)
          for (const length of [bytes.length, bytes.length - 1, 50, 36]) count(bytes.subarray(0, length));
        for (const { bytes } of randomFrames(new SeededRandom(index + 1), 30)) count(bytes);
        assert.ok(changed > 0 || name === "nothing" || name === "what is outside", "no packet ever changes");
      });
    }
  }
});
