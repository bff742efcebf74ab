/**
 * What the kernel, or somebody in its place, says on a packet queue; and the verdicts that are written over it.
 * @module
 */
import assert from "node:assert/strict";
import { parseHex } from "#base/hex.ts";
import { decodeNetlinkMessages } from "#wire/netlink.ts";
import { decodeQueued, encodeVerdict, Queued } from "#wire/nfqueue.ts";
import { QueueColumns } from "#wire/nfqueue-columns.ts";
import { corpusOf, main, spoiledBytes, type Target } from "./target.ts";

const corpus = corpusOf("nfqueue").map(parseHex);
const FRAME_BYTES = 128;

export const nfqueue: Target<Uint8Array> = {
  name: "nfqueue",
  invariant:
    "nothing throws, everything found lies inside of the message, and a verdict changes nothing outside of it",
  corpus,
  inputs: spoiledBytes(corpus),
  testRounds: 1000,
  check(bytes) {
    const slab = new Uint8Array(bytes.length + 2 * FRAME_BYTES).fill(0x5a);
    slab.set(bytes, FRAME_BYTES);
    const end = FRAME_BYTES + bytes.length;
    const columns = new QueueColumns(slab, 1);
    columns.clear(0, 1);
    if (decodeQueued(columns, 0, FRAME_BYTES, end) !== Queued.packet) return;
    const inside = (offset = 0, lengthBytes = 0): void => {
      if (lengthBytes > 0) assert.ok(offset >= FRAME_BYTES + 20 && offset + lengthBytes <= end);
    };
    inside(columns.offset[0], columns.lengthBytes[0]);
    inside(columns.linkHeaderOffset[0], columns.linkHeaderLengthBytes[0]);
    inside(columns.conntrackOffset[0], columns.conntrackLengthBytes[0]);
    if ((columns.sourceLinkOffset[0] ?? -1) >= 0) inside(columns.sourceLinkOffset[0], 6);
    assert.ok((columns.fullLengthBytes[0] ?? 0) >= (columns.lengthBytes[0] ?? 0));
    columns.changes[0] = 7;
    columns.newLengthBytes[0] = columns.lengthBytes[0] ?? 0;
    const start = encodeVerdict(columns, 0, 1, 32);
    assert.ok(start === -1 || start >= 32);
    assert.ok(slab.subarray(0, 32).every((byte) => byte === 0x5a));
    assert.ok(slab.subarray(end).every((byte) => byte === 0x5a));
    if (start < 0) return;
    const stop = (columns.newOffset[0] ?? 0) + (columns.newLengthBytes[0] ?? 0);
    assert.equal(decodeNetlinkMessages(slab.subarray(start, stop))?.length, 1);
  },
};

if (import.meta.main) await main(nfqueue);
