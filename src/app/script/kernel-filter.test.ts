import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ProgramImage } from "#io/kernel-programs.ts";
import { type ScriptOptions, scriptSpec } from "#service/packetd/config.ts";
import { decodeEbpf, encodeEbpf } from "#wire/ebpf.ts";
import { formatEbpf } from "#wire/ebpf-text.ts";
import { filterImage } from "./kernel-filter.ts";

function image(type: ProgramImage["type"]): ProgramImage {
  const plain = { destination: 0, source: 0, offset: 0, immediate: 0 };
  return {
    name: "one",
    type,
    instructions: encodeEbpf([
      { ...plain, code: 0xb7 },
      { ...plain, code: 0x95 },
    ]),
    relocations: [{ kind: "clock", at: 0 }],
    maps: [],
    lines: [{ at: 0, file: "one.ts", line: 1, column: 1, text: "return drop;" }],
  };
}

function filtered(type: ProgramImage["type"], options: Partial<ScriptOptions>, marks = 0): ProgramImage {
  const all = { name: "one", file: "/one.ts", function: "one", hook: "forward", ...options };
  return filterImage(image(type), scriptSpec(all), marks);
}

const listed = ({ instructions }: ProgramImage): string[] =>
  formatEbpf(decodeEbpf(instructions))
    .split("\n")
    .map((line) => line.trim());

describe("filterImage()", () => {
  it("leaves an image alone that gets every packet", () => {
    assert.deepEqual(filtered("netfilter", {}), image("netfilter"));
    assert.deepEqual(filtered("xdp", { hook: "xdp", in: "eth0" }, 7), image("xdp"));
  });

  it("compares the interfaces of netfilter's hooks, and moves what stood there", () => {
    const { relocations, lines, instructions } = filtered("netfilter", { in: "lan0", out: "wan0" });
    assert.equal(instructions.length / 8, 14);
    assert.deepEqual(
      relocations.map((one) => [one.kind, one.at]),
      [
        ["kernel-field", 1],
        ["kernel-field", 2],
        ["interface", 3],
        ["kernel-field", 7],
        ["kernel-field", 8],
        ["interface", 9],
        ["clock", 12],
      ],
    );
    assert.deepEqual(
      lines.map(({ at }) => at),
      [0],
    );
  });

  it("compares the family at an interface's traffic control", () => {
    assert.deepEqual(listed(filtered("tcx-ingress", { hook: "prerouting", family: "ip6" })), [
      "0: r2 = *(u32 *)(r1 + 16)",
      "1: if r2 == 56710 goto +2",
      "2: r0 = -1",
      "3: exit",
      "4: r0 = 0",
      "5: exit",
    ]);
  });

  it("passes what scripts have accepted or sent", () => {
    assert.deepEqual(listed(filtered("tcx-ingress", { hook: "prerouting" }, 0x6000_0000)).slice(0, 5), [
      "0: r2 = *(u32 *)(r1 + 8)",
      "1: w2 &= 0x60000000",
      "2: if r2 == 0 goto +2",
      "3: r0 = -1",
      "4: exit",
    ]);
    assert.equal(filtered("netfilter", {}, 0x6000_0000).instructions.length / 8, 8);
  });
});
