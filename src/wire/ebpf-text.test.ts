import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { EbpfInstruction } from "./ebpf.ts";
import { formatEbpf, formatInstruction } from "./ebpf-text.ts";

const make = (code: number, destination = 0, source = 0, offset = 0, immediate = 0): EbpfInstruction => ({
  code,
  destination,
  source,
  offset,
  immediate,
});

describe("formatInstruction()", () => {
  const rows: readonly (readonly [text: string, ...EbpfInstruction[]])[] = [
    ["r1 = *(u32 *)(r1 + 76)", make(0x61, 1, 1, 76)],
    ["r2 = *(u8 *)(r10 - 3)", make(0x71, 2, 10, -3)],
    ["r2 = *(u16 *)(r3 + 0)", make(0x69, 2, 3)],
    ["r2 = *(u64 *)(r3 + 8)", make(0x79, 2, 3, 8)],
    ["r2 = *(s16 *)(r3 + 2)", make(0x89, 2, 3, 2)],
    ["*(u64 *)(r10 - 8) = r3", make(0x7b, 10, 3, -8)],
    ["*(u16 *)(r1 + 4) = -1", make(0x6a, 1, 0, 4, -1)],
    ["lock *(u64 *)(r0 + 8) += r1", make(0xdb, 0, 1, 8, 0)],
    ["r1 = fetch lock *(u64 *)(r0 + 0) += r1", make(0xdb, 0, 1, 0, 1)],
    ["w1 = fetch lock *(u32 *)(r0 + 0) |= w1", make(0xc3, 0, 1, 0, 0x41)],
    ["r1 = exchange(*(u64 *)(r2 + 0), r1)", make(0xdb, 2, 1, 0, 0xe1)],
    ["r0 = compare_exchange(*(u64 *)(r2 - 8), r0, r1)", make(0xdb, 2, 1, -8, 0xf1)],
    ["r1 += 5", make(0x07, 1, 0, 0, 5)],
    ["r1 += r2", make(0x0f, 1, 2)],
    ["w1 -= w2", make(0x1c, 1, 2)],
    ["r1 &= 0xff000000", make(0x57, 1, 0, 0, -0x1000000)],
    ["r1 s>>= 32", make(0xc7, 1, 0, 0, 32)],
    ["r1 /= r2", make(0x3f, 1, 2)],
    ["r1 s/= r2", make(0x3f, 1, 2, 1)],
    ["w1 s%= 7", make(0x94, 1, 0, 1, 7)],
    ["r1 = -r1", make(0x87, 1)],
    ["r1 = (s16)r2", make(0xbf, 1, 2, 16)],
    ["w1 = (s8)w2", make(0xbc, 1, 2, 8)],
    ["r1 = be16 r1", make(0xdc, 1, 0, 0, 16)],
    ["r1 = le32 r1", make(0xd4, 1, 0, 0, 32)],
    ["r1 = swap64 r1", make(0xd7, 1, 0, 0, 64)],
    ["if r2 > r3 goto +5", make(0x2d, 2, 3, 5)],
    ["if r2 s< -1 goto -7", make(0xc5, 2, 0, -7, -1)],
    ["if w1 & 0x10000 goto +1", make(0x46, 1, 0, 1, 0x10000)],
    ["if r1 == 0 goto +2", make(0x15, 1, 0, 2)],
    ["goto +3", make(0x05, 0, 0, 3)],
    ["goto +70000", make(0x06, 0, 0, 0, 70_000)],
    ["call mapLookUp", make(0x85, 0, 0, 0, 1)],
    ["call helper 9999", make(0x85, 0, 0, 0, 9999)],
    ["call +12", make(0x85, 0, 1, 0, 12)],
    ["call kernel 123", make(0x85, 0, 2, 0, 123)],
    ["exit", make(0x95)],
    ["r6 = 5 ll", make(0x18, 6, 0, 0, 5), make(0)],
    ["r6 = -1 ll", make(0x18, 6, 0, 0, -1), make(0, 0, 0, 0, -1)],
    ["r6 = 0x100000002 ll", make(0x18, 6, 0, 0, 2), make(0, 0, 0, 0, 1)],
    ["r6 = map 9", make(0x18, 6, 1, 0, 9), make(0)],
    ["r6 = value of map 9 + 8", make(0x18, 6, 2, 0, 9), make(0, 0, 0, 0, 8)],
    ["unknown instruction 0x18", make(0x18)],
    ["unknown instruction 0xf6", make(0xf6)],
    ["unknown instruction 0xe7", make(0xe7)],
    ["unknown instruction 0x20", make(0x20)],
  ];
  for (const [text, instruction, next] of rows) {
    it(`formatInstruction() writes ${text}`, () => {
      assert.equal(instruction && formatInstruction(instruction, next), text);
    });
  }

  it("formatInstruction() writes any code and never fails", () => {
    for (let code = 0; code < 256; code++) {
      for (const source of [0, 1, 2, 15]) {
        for (const immediate of [0, 1, 255, -1]) {
          const text = formatInstruction(make(code, 1, source, 3, immediate), make(0));
          assert.ok(text.length > 0 && !text.includes("undefined"), text);
        }
      }
    }
  });
});

describe("formatEbpf()", () => {
  it("formatEbpf() counts a 64-bit constant as two, and puts names where they belong", () => {
    const program = [
      make(0x18, 1, 1),
      make(0),
      make(0x61, 2, 1, 0),
      make(0x85, 0, 2),
      make(0x18, 3, 2),
      make(0, 0, 0, 0, 16),
      make(0xb7, 0),
      make(0x95),
    ];
    const names = new Map([
      [0, "blocked"],
      [2, "sk_buff.mark"],
      [3, "bpf_dynptr_slice"],
      [4, "statistics"],
      [6, "index of eth1"],
    ]);
    assert.equal(
      formatEbpf(program, names),
      [
        "   0: r1 = map blocked",
        "   2: r2 = *(u32 *)(r1 + sk_buff.mark)",
        "   3: call kernel bpf_dynptr_slice",
        "   4: r3 = value of map statistics + 16",
        "   6: r0 = index of eth1",
        "   7: exit",
      ].join("\n"),
    );
  });
});
