import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { CaptureFilter, CaptureInstruction, PacketCaptureOptions } from "#io/packet-capture.ts";
import { encodeFilter, ringFilter } from "./packet-ring-filter.ts";

const OPTIONS: PacketCaptureOptions = { interface: "eth0" };

function instruction(code: number, constant: number, jumpTrue = 0, jumpFalse = 0): CaptureInstruction {
  return { code, constant, jumpTrue, jumpFalse };
}

const KEEP_ALL = [instruction(0x06, 262_144)];
const PROGRAM: CaptureFilter = [
  instruction(0x28, 12),
  instruction(0x15, 0x800, 0, 1),
  instruction(0x06, 65_535),
  instruction(0x06, 0),
];

describe("ringFilter()", () => {
  it("ringFilter() is nothing when everything is wanted whole", () => {
    assert.equal(ringFilter(OPTIONS, undefined, undefined), undefined);
    assert.deepEqual(ringFilter(OPTIONS, PROGRAM, undefined), PROGRAM);
  });

  it("ringFilter() cuts what a program returns, and what returns nothing stays nothing", () => {
    const cut = ringFilter({ ...OPTIONS, snapLengthBytes: 96 }, PROGRAM, undefined);
    assert.deepEqual(cut, [...PROGRAM.slice(0, 2), instruction(0x06, 96), instruction(0x06, 0)]);
    assert.deepEqual(ringFilter({ ...OPTIONS, snapLengthBytes: 96 }, undefined, undefined), [
      instruction(0x06, 96),
    ]);
  });

  it("ringFilter() puts direction and echo in front, and clears the accumulator behind them", () => {
    const outgoing = ringFilter({ ...OPTIONS, direction: "outgoing" }, PROGRAM, undefined) ?? [];
    assert.deepEqual(outgoing.slice(-PROGRAM.length), PROGRAM);
    const fanout = { group: 1, mode: "hash" } as const;
    const incoming = ringFilter({ ...OPTIONS, direction: "incoming", fanout }, PROGRAM, undefined) ?? [];
    assert.deepEqual(incoming.slice(-PROGRAM.length), PROGRAM);
    assert.deepEqual(ringFilter({ ...OPTIONS, direction: "incoming" }, PROGRAM, undefined), PROGRAM);
    const echo = ringFilter(OPTIONS, undefined, 1) ?? [];
    assert.deepEqual(echo.slice(-1), KEEP_ALL);
    const fronts = [outgoing, incoming].map((program) => program.slice(0, -PROGRAM.length));
    for (const front of [...fronts, echo.slice(0, -1)]) {
      assert.deepEqual(front.at(-1), instruction(0x00, 0));
      for (const [index, { code, jumpTrue, jumpFalse }] of front.entries()) {
        if (code !== 0x15) continue;
        // Whichever way it goes, it stays in front of the program.
        assert.ok(index + 1 + Math.max(jumpTrue, jumpFalse) < front.length);
      }
    }
  });
});

describe("encodeFilter()", () => {
  it("encodeFilter() writes struct sock_filter in the machine's order", () => {
    const bytes = encodeFilter([instruction(0x15, 0xffff_f004, 1, 2)]);
    assert.equal(bytes.length, 8);
    assert.equal(new Uint16Array(bytes.buffer)[0], 0x15);
    assert.deepEqual([...bytes.subarray(2, 4)], [1, 2]);
    assert.equal(new Uint32Array(bytes.buffer)[1], 0xffff_f004);
  });
});
