import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { EmittedEvent } from "#script/compiler/compiled.ts";
import { decodeKernelEvent } from "./kernel-events.ts";

const SEEN: EmittedEvent = {
  number: 1,
  address: "monitor:/seen",
  bytes: 72,
  fields: [
    { name: "source", kind: "integer", at: 8 },
    { name: "flow", kind: "bigint", at: 16, isUnsigned: false },
    { name: "address", kind: "bigint", at: 32, isUnsigned: true },
    { name: "urgent", kind: "boolean", at: 48 },
    { name: "start", kind: "bytes", at: 49, length: 4, lengthAt: 56 },
    { name: "kind", kind: "constant", value: "udp" },
  ],
};

describe("decodeKernelEvent()", () => {
  const bytes = new Uint8Array(72);
  const data = new DataView(bytes.buffer);
  data.setUint32(0, 1, true);
  data.setBigInt64(8, -5n, true);
  data.setBigInt64(16, -7n, true);
  data.setBigInt64(24, -1n, true);
  data.setBigUint64(40, 0xff00n << 48n, true);
  bytes.set([1, 7, 8], 48);
  data.setUint32(56, 2, true);

  it("reads the fields of an event", () => {
    assert.deepEqual(decodeKernelEvent(bytes, [SEEN]), {
      address: "monitor:/seen",
      fields: {
        source: -5,
        flow: -7n,
        address: 0xff00n << 112n,
        urgent: true,
        start: Uint8Array.of(7, 8),
        kind: "udp",
      },
    });
  });

  it("takes what is shorter, or of another number, for none", () => {
    assert.equal(decodeKernelEvent(bytes.subarray(0, 71), [SEEN]), undefined);
    assert.equal(decodeKernelEvent(bytes, []), undefined);
    assert.equal(decodeKernelEvent(new Uint8Array(3), [SEEN]), undefined);
  });
});
