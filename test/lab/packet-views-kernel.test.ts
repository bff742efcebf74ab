/**
 * Packets as the kernel's own programs see and change them: what the compiler makes of scripts passes the verifier, and
 * does what plain TypeScript does.
 * @module
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SeededRandom } from "#base/seeded-random.ts";
import { LinuxKernelPrograms } from "#linux/bpf/programs.ts";
import { EtherType } from "#packet/ethernet.ts";
import { compileAt } from "../kernel-scripts/compiler.ts";
import { whyNoKernel } from "../kernel-scripts/engines.ts";
import { ETHERNET_BYTES, randomFrames } from "../kernel-scripts/frames.ts";
import { ModulePrograms } from "../kernel-scripts/program.ts";
import { agree, compile, DRIVER, FRAMES, moduleOf, PACKETS, type Where } from "../packet-views/agreement.ts";
import { FOUND, FRAMES_BUILT, findScript, READS, readScript } from "../packet-views/read-cases.ts";
import { FRAMES_TO_SPLICE, placesOf, SPLICES, spliceScript } from "../packet-views/splice-cases.ts";
import { FRAMES_TO_WRITE, WRITES, writeScript } from "../packet-views/write-cases.ts";

const VERDICTS: Readonly<Record<string, Readonly<Record<number, string>>>> = {
  "tcx-ingress": { [-1]: "continue", 0: "accept", 2: "drop" },
  xdp: { 1: "drop", 2: "pass" },
};

const programs = new ModulePrograms();

/** The kernel makes no test packet of less: Ethernet, and an IP header where that announces one. */
function leastBytes(frame: Uint8Array): number {
  const type = ((frame[12] ?? 0) << 8) | (frame[13] ?? 0);
  return ETHERNET_BYTES + (type === EtherType.ipv4 ? 20 : type === EtherType.ipv6 ? 40 : 0);
}

/** Runs a script in the kernel over frames, and compares. */
function compare(text: string, where: Where, frames: readonly Uint8Array[]): void {
  const { script, problems } = compileAt(programs.make(moduleOf(text)), "f", where);
  assert.deepEqual(problems, []);
  if (script === undefined) return;
  const program = new LinuxKernelPrograms().load(script.image, new Map());
  try {
    const compiled = compile(text, where);
    for (const frame of frames) {
      if (frame.length < leastBytes(frame)) continue;
      const { isLimited, ...expected } = agree(compiled, frame);
      if (isLimited) continue;
      const { verdict, bytes, mark } = program.test(frame, { mark: 0 });
      const passes = where.attach === "xdp" && expected.verdict !== "drop";
      const seen = {
        verdict: VERDICTS[where.attach]?.[verdict],
        bytes: Buffer.from(bytes).toString("hex"),
        mark: where.attach === "xdp" ? expected.mark : mark,
      };
      const wanted = passes ? { ...expected, verdict: "pass" } : expected;
      assert.deepEqual(seen, wanted, Buffer.from(frame).toString("hex"));
    }
  } finally {
    program.close();
  }
}

function some(seed: number): Uint8Array[] {
  return randomFrames(new SeededRandom(seed), 40).map(({ bytes }) => bytes);
}

describe("packets in the kernel's programs", { skip: whyNoKernel() || false }, () => {
  for (const [index, [name, body, where = FRAMES]] of READS.entries()) {
    it(`${name}: read as in user space`, () => {
      compare(readScript(body), where, [...FRAMES_BUILT, ...some(index + 1)]);
    });
  }

  for (const [index, name] of FOUND.entries()) {
    it(`find(${name}) finds what user space finds`, () => {
      const where = index % 2 === 0 ? FRAMES : PACKETS;
      compare(findScript(name), where, [...FRAMES_BUILT, ...some(index + 100)]);
    });
  }

  for (const [index, [name, body, only]] of WRITES.entries()) {
    it(`${name}: written as in user space`, () => {
      const where = only ?? (index % 3 === 0 ? DRIVER : FRAMES);
      compare(writeScript(body), where, [...FRAMES_TO_WRITE, ...some(index + 200)]);
    });
  }

  for (const [index, [name, body, only, top]] of SPLICES.entries()) {
    for (const where of placesOf(only)) {
      it(`${name}: resized as in user space, at ${where.attach}`, () => {
        compare(spliceScript(body, top), where, [...FRAMES_TO_SPLICE, ...some(index + 300)]);
      });
    }
  }
});
