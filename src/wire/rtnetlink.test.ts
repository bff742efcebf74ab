import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { formatHex, parseHex } from "#base/hex.ts";
import { ip } from "#base/ip-address.ts";
import { mac } from "#base/mac-address.ts";
import { decodeNeighbour, encodeGetNeighbour, encodeListNeighbours } from "./rtnetlink.ts";

const REQUESTS: [command: string, bytes: Uint8Array, expected: string][] = [
  [
    "ip -4 neigh show",
    encodeListNeighbours(1, 4),
    "1c000000 1e00 0103 01000000 00000000 02 00 0000 00000000 0000 00 00",
  ],
  [
    "ip -6 neigh show",
    encodeListNeighbours(1, 6),
    "1c000000 1e00 0103 01000000 00000000 0a 00 0000 00000000 0000 00 00",
  ],
  [
    "ip neigh show dev (index 3)",
    encodeListNeighbours(1, "any", 3),
    "24000000 1e00 0103 01000000 00000000 00 00 0000 00000000 0000 00 00 0800 0800 03000000",
  ],
  [
    "ip neigh get 10.9.0.2 dev (index 3)",
    encodeGetNeighbour(2, ip("10.9.0.2"), 3),
    "24000000 1e00 0500 02000000 00000000 02 00 0000 03000000 0000 00 00 0800 0100 0a090002",
  ],
];
for (const [command, bytes, expected] of REQUESTS) {
  test(`a request has the bytes of: ${command}`, () =>
    assert.equal(formatHex(bytes), formatHex(parseHex(expected))));
}

const NEIGHBOUR = "02 00 0000 03000000 8000 00 01 0800 0100 0a090002 0a00 0200 020000000009 0000";

test("decodeNeighbour() reads address, interface and MAC address", () => {
  assert.deepEqual(decodeNeighbour(parseHex(NEIGHBOUR)), {
    address: ip("10.9.0.2"),
    interfaceIndex: 3,
    mac: mac("02:00:00:00:00:09"),
  });
});

test("decodeNeighbour() gives no MAC address for a neighbour that failed to answer or is being asked", () => {
  const failed = NEIGHBOUR.replace("8000", "2000");
  const asked = NEIGHBOUR.slice(0, NEIGHBOUR.indexOf("0a00 0200"));
  for (const hex of [failed, asked]) {
    assert.deepEqual(decodeNeighbour(parseHex(hex)), { address: ip("10.9.0.2"), interfaceIndex: 3 });
  }
});

test("decodeNeighbour() gives a value or undefined for any bytes", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
      const surrounded = new Uint8Array(bytes.length + 64).fill(0x5a);
      surrounded.set(bytes, 32);
      const inside = surrounded.subarray(32, 32 + bytes.length);
      assert.deepEqual(decodeNeighbour(inside), decodeNeighbour(bytes));
    }),
    { numRuns: 2000 },
  );
});
