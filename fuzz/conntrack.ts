/**
 * The attributes of a connection that come with a queued packet.
 * @module
 */
import assert from "node:assert/strict";
import { parseHex } from "#base/hex.ts";
import { decodeConntrack, readConntrackMark, readConntrackStatus } from "#wire/conntrack.ts";
import { corpusOf, main, spoiledBytes, type Target } from "./target.ts";

const corpus = corpusOf("conntrack").map(parseHex);

export const conntrack: Target<Uint8Array> = {
  name: "conntrack",
  invariant: "nothing throws, and the quick readers say the same as the decoder of a whole connection",
  corpus,
  inputs: spoiledBytes(corpus),
  testRounds: 1000,
  check(bytes) {
    const surrounded = new Uint8Array(bytes.length + 16).fill(0x5a);
    surrounded.set(bytes, 8);
    const view = new DataView(surrounded.buffer);
    const mark = readConntrackMark(view, 8, bytes.length);
    const status = readConntrackStatus(view, 8, bytes.length);
    const connection = decodeConntrack(bytes);
    if (connection === undefined) return;
    assert.deepEqual([mark, status], [connection.mark, connection.status]);
    for (const { source, target } of [connection.original, connection.reply]) {
      assert.ok([4, 16].includes(source.bytes.length) && [4, 16].includes(target.bytes.length));
    }
  },
};

if (import.meta.main) await main(conntrack);
