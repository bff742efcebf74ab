/**
 * Reading packets: what scripts see in the kernel is what they see in user space, of whole packets, of all that are cut
 * short, and of random ones.
 * @module
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SeededRandom } from "#base/seeded-random.ts";
import { randomFrames } from "../kernel-scripts/frames.ts";
import { agree, type Compiled, compile, FRAMES, PACKETS } from "./agreement.ts";
import { FOUND, FRAMES_BUILT, findScript, READS, readScript } from "./read-cases.ts";

/** All of them, cut at several places, and random ones: the marks that scripts make of them. */
function agreeOnAll(compiled: Compiled, seed: number): Set<number> {
  const random = new SeededRandom(seed);
  const marks = new Set<number>();
  for (const bytes of FRAMES_BUILT) {
    const lengths = Array.from({ length: 12 }, () => random.word() % bytes.length);
    for (const length of [bytes.length, bytes.length - 1, ...lengths])
      marks.add(agree(compiled, bytes.subarray(0, length)).mark);
  }
  for (const { bytes } of randomFrames(random, 120)) marks.add(agree(compiled, bytes).mark);
  return marks;
}

describe("packets in the kernel", () => {
  for (const [index, [name, body, where]] of READS.entries()) {
    it(`reads ${name} as in user space`, () => {
      const marks = agreeOnAll(compile(readScript(body), where), index + 1);
      if (where?.attach !== "xdp") assert.ok(marks.size > 1, "nothing is read from any packet");
    });
  }

  it("ports are read at every length of a packet as in user space", () => {
    const compiled = compile(readScript(READS[0]?.[1] ?? ""));
    for (const bytes of FRAMES_BUILT.slice(0, 2))
      for (let length = 0; length <= bytes.length; length++) agree(compiled, bytes.subarray(0, length));
  });

  for (const [index, name] of FOUND.entries()) {
    it(`find(${name}) finds what user space finds, from Ethernet and from IP on`, () => {
      for (const where of [FRAMES, PACKETS]) agreeOnAll(compile(findScript(name), where), index + 100);
    });
  }
});
