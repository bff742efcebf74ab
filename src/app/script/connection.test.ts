import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseHex } from "#base/hex.ts";
import { ConntrackInfo } from "#wire/conntrack.ts";
import { readConnection } from "./connection.ts";

/** From the kernel: UDP from 10.91.1.2:4000 to 10.91.2.2:4000, masqueraded as 10.91.2.1, mark 17, assured. */
const UDP4 = parseHex(
  `34000180 14000180 08000100 0a5b0102 08000200 0a5b0202 1c000280 05000100 11000000 06000200 0fa00000 06000300 0fa00000
   34000280 14000180 08000100 0a5b0202 08000200 0a5b0201 1c000280 05000100 11000000 06000200 0fa00000 06000300 0fa00000
   08000300 0000019c 08000800 00000011 08000c00 5f3d9fe0 08000b00 00000001 08000700 0000001d`,
);

function columns(bytes: Uint8Array, info: number) {
  return {
    bytes: Uint8Array.of(1, 2, 3, 4, ...bytes),
    conntrackOffset: Int32Array.of(4),
    conntrackLengthBytes: Int32Array.of(bytes.length),
    conntrackState: Int8Array.of(info),
  };
}

describe("readConnection", () => {
  for (const [info, state, isReply] of [
    [ConntrackInfo.new, "new", false],
    [ConntrackInfo.established, "established", false],
    [ConntrackInfo.establishedReply, "established", true],
    [ConntrackInfo.related, "related", false],
    [ConntrackInfo.relatedReply, "related", true],
    [ConntrackInfo.untracked, "untracked", false],
    [-1, "untracked", false],
  ] as const) {
    it(`readConnection() tells a ${isReply ? "reply" : "packet"} of a connection that is ${state} (${info})`, () => {
      const read = readConnection(columns(UDP4, info), 0);
      assert.deepEqual([read?.state, read?.isReply], [state, isReply]);
    });
  }

  it("readConnection() tells both directions with addresses as numbers, and remembers a new mark", () => {
    const read = readConnection(columns(UDP4, ConntrackInfo.new), 0);
    assert.ok(read);
    const ports = { sourcePort: 4000, destinationPort: 4000, protocol: 17 };
    assert.deepEqual(read.original, { source: 0x0a5b0102, destination: 0x0a5b0202, ...ports });
    assert.deepEqual(read.reply, { source: 0x0a5b0202, destination: 0x0a5b0201, ...ports });
    assert.deepEqual([read.id, read.isAssured, read.mark, read.isMarkChanged], [0x5f3d9fe0, true, 17, false]);
    read.mark = -1;
    assert.deepEqual([read.mark, read.isMarkChanged], [0xffff_ffff, true]);
  });

  it("readConnection() answers nothing for nothing, and for what cannot be read", () => {
    assert.equal(readConnection(columns(new Uint8Array(), -1), 0), undefined);
    assert.equal(readConnection(columns(UDP4.subarray(0, 20), 0), 0), undefined);
  });
});
