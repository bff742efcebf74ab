import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { CaptureInstruction } from "#io/packet-capture.ts";
import { runPacketFilter } from "./packet-filter.ts";

type Short = readonly [code: number, constant: number, jumpTrue?: number, jumpFalse?: number];

const PACKET = {
  bytes: Uint8Array.of(0x45, 0x01, 0x02, 0x03, 0xff, 0xfe, 0xfd, 0xfc),
  packetType: 4,
  interfaceId: 9,
  protocol: 0x0800,
  vlanTag: 77,
  vlanProtocol: 0x8100,
};
const RETURN_A: Short = [0x16, 0];
const RETURN_1: Short = [0x06, 1];
const RETURN_2: Short = [0x06, 2];
/** X becomes 3. */
const X_3: Short = [0x01, 3];

function program(...short: readonly Short[]): CaptureInstruction[] {
  return short.map(([code, constant, jumpTrue = 0, jumpFalse = 0]) => ({
    code,
    constant,
    jumpTrue,
    jumpFalse,
  }));
}

describe("runPacketFilter()", () => {
  const rows: [what: string, expected: number, ...program: Short[]][] = [
    ["ld #k", 5, [0x00, 5], RETURN_A],
    ["ld [k]", 0x4501_0203, [0x20, 0], RETURN_A],
    ["ldh [k]", 0xfffe, [0x28, 4], RETURN_A],
    ["ldb [k]", 0xfc, [0x30, 7], RETURN_A],
    ["a load that reaches out of the packet", 0, [0x20, 5], RETURN_1],
    ["ldb [x + k]", 0xff, X_3, [0x50, 1], RETURN_A],
    ["ld len", 8, [0x80, 0], RETURN_A],
    ["ldx 4 * ([k] & 0xf), then txa", 20, [0xb1, 0], [0x87, 0], RETURN_A],
    ["st and ld M[]", 6, [0x00, 6], [0x02, 3], [0x00, 1], [0x60, 3], RETURN_A],
    ["stx and ldx M[]", 3, X_3, [0x03, 2], [0x01, 0], [0x61, 2], [0x87, 0], RETURN_A],
    ["tax", 8, [0x00, 8], [0x07, 0], [0x00, 0], [0x87, 0], RETURN_A],
    ["the packet type", 4, [0x30, 0xffff_f004], RETURN_A],
    ["the interface", 9, [0x20, 0xffff_f008], RETURN_A],
    ["the protocol", 0x0800, [0x28, 0xffff_f000], RETURN_A],
    ["the VLAN tag", 77, [0x20, 0xffff_f02c], RETURN_A],
    ["whether there is a VLAN tag", 1, [0x20, 0xffff_f030], RETURN_A],
    ["the VLAN tag's protocol", 0x8100, [0x20, 0xffff_f03c], RETURN_A],
    ["what nobody knows", 0, [0x20, 0xffff_f010], RETURN_1],
    ["add, which wraps", 1, [0x00, 0xffff_ffff], [0x04, 2], RETURN_A],
    ["sub, which wraps", 0xffff_ffff, [0x00, 1], [0x14, 2], RETURN_A],
    ["mul with X", 0xffff_fffd, X_3, [0x00, 0xffff_ffff], [0x2c, 0], RETURN_A],
    ["div", 2, [0x00, 7], [0x34, 3], RETURN_A],
    ["div by zero", 0, [0x00, 7], [0x01, 0], [0x3c, 0], RETURN_1],
    ["mod", 1, [0x00, 7], [0x94, 3], RETURN_A],
    ["or", 7, [0x00, 5], [0x44, 2], RETURN_A],
    ["and", 4, [0x00, 5], [0x54, 6], RETURN_A],
    ["xor", 3, [0x00, 5], [0xa4, 6], RETURN_A],
    ["lsh and rsh", 0x8000_0000, [0x00, 1], [0x64, 31], RETURN_A],
    ["rsh of what looks negative", 1, [0x00, 0x8000_0000], [0x74, 31], RETURN_A],
    ["neg", 0xffff_ffff, [0x00, 1], [0x84, 0], RETURN_A],
    ["ja", 2, [0x05, 1], RETURN_1, RETURN_2],
    ["jeq that holds", 1, [0x00, 5], [0x15, 5, 0, 1], RETURN_1, RETURN_2],
    ["jgt, unsigned", 1, [0x00, 0x8000_0000], [0x25, 5, 0, 1], RETURN_1, RETURN_2],
    ["jge that does not hold", 2, [0x00, 4], [0x35, 5, 0, 1], RETURN_1, RETURN_2],
    ["jset of the highest bit", 1, [0x00, 0x8000_0000], [0x45, 0x8000_0000, 0, 1], RETURN_1, RETURN_2],
    ["jeq with X", 2, X_3, [0x00, 4], [0x1d, 0, 0, 1], RETURN_1, RETURN_2],
    ["a program without a return", 0, [0x00, 5]],
  ];
  for (const [what, expected, ...short] of rows) {
    it(`runPacketFilter() runs ${what}`, () => {
      assert.equal(runPacketFilter(program(...short), PACKET), expected);
    });
  }
});
