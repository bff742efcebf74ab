/**
 * DHCPv4 messages as any client can send them.
 * @module
 */
import assert from "node:assert/strict";
import { parseHex } from "#base/hex.ts";
import { clientKeyOf } from "#protocol/dhcp4/request.ts";
import { decodeDhcp4, encodeDhcp4, messageTypeOf } from "#wire/dhcp4.ts";
import { decodeOptionValue, encodeOptionValue, specOfCode } from "#wire/dhcp4-options.ts";
import { corpusOf, main, spoiledBytes, type Target } from "./target.ts";

const corpus = corpusOf("dhcp4").map(parseHex);
/** Longer than any message made here: nothing is left out. */
const ROOM_BYTES = 65_507;

export const dhcp4: Target<Uint8Array> = {
  name: "dhcp4",
  invariant: "bytes are a message or a fault, and what was read, written and read again is the same",
  corpus,
  inputs: spoiledBytes(corpus),
  testRounds: 300,
  check(bytes) {
    const faults: string[] = [];
    const message = decodeDhcp4(bytes, (fault) => faults.push(fault));
    assert.equal(faults.length, message === undefined ? 1 : 0);
    if (message === undefined) return;
    messageTypeOf(message);
    clientKeyOf(message);
    // Relay agent information is written last (RFC 3046 section 2.1).
    const options = message.options.toSorted(
      (left, right) => Number(left.code === 82) - Number(right.code === 82),
    );
    const onLeftOut = (code: number): never => assert.fail(`no room for option ${code}`);
    const again = decodeDhcp4(encodeDhcp4(message, { bytesMax: ROOM_BYTES, onLeftOut }));
    assert.deepEqual(again, { ...message, options });
    for (const { code, data } of options) {
      const { kind } = specOfCode(code);
      const value = decodeOptionValue(kind, data);
      if (value === undefined) continue;
      const written = encodeOptionValue(kind, value);
      assert.deepEqual(written && decodeOptionValue(kind, written), value, `option ${code}`);
    }
  },
};

if (import.meta.main) await main(dhcp4);
