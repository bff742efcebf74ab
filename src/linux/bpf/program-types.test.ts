import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ProgramImage } from "#io/kernel-programs.ts";
import { BtfTypes } from "#wire/btf.ts";
import { type EbpfInstruction, encodeEbpf } from "#wire/ebpf.ts";
import { countCpus } from "./kernel-map.ts";
import { programTypes } from "./program-types.ts";

const make = (code: number, source = 0, immediate = 0): EbpfInstruction => ({
  code,
  destination: 0,
  source,
  offset: 0,
  immediate,
});
const EXIT = make(0x95);
const CONSTANT = [make(0x18), make(0)];

function image(instructions: readonly EbpfInstruction[], places: readonly number[]): ProgramImage {
  const lines = places.map((at) => ({ at, file: "a.ts", line: at + 1, column: 1, text: `line ${at}` }));
  return {
    name: "9 lives",
    type: "xdp",
    instructions: encodeEbpf(instructions),
    relocations: [],
    maps: [],
    lines,
  };
}

/** Pairs of instruction and line. */
function placesOf(program: ProgramImage): number[][] {
  const words = new Uint32Array(programTypes(program)?.lines.buffer ?? new ArrayBuffer());
  return Array.from({ length: words.length / 4 }, (_, row) => [
    words[4 * row] ?? 0,
    (words[4 * row + 3] ?? 0) >>> 10,
  ]);
}

describe("programTypes()", () => {
  const rows: readonly (readonly [what: string, EbpfInstruction[], number[], number[][]])[] = [
    [
      "sorts lines",
      [make(0xb7), EXIT],
      [1, 0],
      [
        [0, 1],
        [1, 2],
      ],
    ],
    [
      "gives the first instruction a line",
      [make(0xb7), EXIT],
      [1],
      [
        [0, 2],
        [1, 2],
      ],
    ],
    [
      "leaves out the second half of a constant",
      [...CONSTANT, EXIT],
      [0, 1, 2],
      [
        [0, 1],
        [2, 3],
      ],
    ],
    ["leaves out what is beyond the end", [make(0xb7), EXIT], [0, 2, 99], [[0, 1]]],
    [
      "gives a function that is called a line, that of what is before it",
      [make(0x85, 1, 1), EXIT, make(0xb7), EXIT],
      [0, 1],
      [
        [0, 1],
        [1, 2],
        [2, 2],
      ],
    ],
  ];
  for (const [what, instructions, places, wanted] of rows) {
    it(`programTypes() ${what}`, () => {
      assert.deepEqual(placesOf(image(instructions, places)), wanted);
    });
  }

  it("programTypes() names each function, by names that the kernel takes", () => {
    const program = programTypes(image([make(0x85, 1, 1), EXIT, make(0xb7), EXIT], [0]));
    const types = new BtfTypes(program?.types ?? new Uint8Array());
    assert.deepEqual([types.functionId("__lives"), types.functionId("__lives_2")], [4, 5]);
    assert.deepEqual([...new Uint32Array(program?.functions.buffer ?? new ArrayBuffer())], [0, 4, 2, 5]);
  });

  it("programTypes() of a program without lines is nothing", () => {
    assert.equal(programTypes(image([EXIT], [])), undefined);
  });
});

describe("countCpus()", () => {
  for (const [list, count] of [
    ["0", 1],
    ["0-1\n", 2],
    ["0-3,8-9,12", 7],
  ] as const) {
    it(`countCpus() of ${list.trim()} is ${count}`, () => assert.equal(countCpus(list), count));
  }
});
