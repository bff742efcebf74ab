/**
 * Writing to packets: the bytes in the kernel are those in user space, checksums included.
 * @module
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SeededRandom } from "#base/seeded-random.ts";
import { randomFrames } from "../kernel-scripts/frames.ts";
import { agree, compile, DRIVER, FRAMES } from "./agreement.ts";
import { FRAMES_TO_WRITE, WRITES, writeScript } from "./write-cases.ts";

describe("packets in the kernel", () => {
  for (const [index, [name, body, only]] of WRITES.entries()) {
    for (const where of only === undefined ? [FRAMES, DRIVER] : [only]) {
      it(`writes ${name} as in user space, at ${where.attach}`, () => {
        const compiled = compile(writeScript(body), where);
        let changed = 0;
        const count = (bytes: Uint8Array): void => {
          if (agree(compiled, bytes).bytes !== Buffer.from(bytes).toString("hex")) changed++;
        };
        for (const bytes of FRAMES_TO_WRITE)
          for (const length of [bytes.length, bytes.length - 1, 60, 50, 41, 36])
            count(bytes.subarray(0, length));
        for (const { bytes } of randomFrames(new SeededRandom(index + 1), 120)) count(bytes);
        assert.ok(changed > 0 || name === "a port that stays" || name === "ARP", "nothing is ever written");
      });
    }
  }
});
