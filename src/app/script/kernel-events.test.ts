import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { EmittedEvent } from "#script/compiler/compiled.ts";
import { decodeKernelEvent } from "./kernel-events.ts";

const SEEN: EmittedEvent = {
  number: 1,
  address: "monitor:/seen",
  bytes: 32,
  fields: [
    { name: "source", kind: "integer", at: 8, isBig: false },
    { name: "flow", kind: "integer", at: 16, isBig: true },
    { name: "urgent", kind: "boolean", at: 24 },
    { name: "start", kind: "bytes", at: 25, length: 2 },
    { name: "kind", kind: "constant", value: "udp" },
  ],
};

describe("decodeKernelEvent()", () => {
  const bytes = new Uint8Array(32);
  const data = new DataView(bytes.buffer);
  data.setUint32(0, 1, true);
  data.setBigInt64(8, -5n, true);
  data.setBigInt64(16, 2n ** 62n, true);
  bytes.set([1, 7, 8], 24);

  it("reads the fields of an event", () => {
    assert.deepEqual(decodeKernelEvent(bytes, [SEEN]), {
      address: "monitor:/seen",
      fields: { source: -5, flow: 2n ** 62n, urgent: true, start: Uint8Array.of(7, 8), kind: "udp" },
    });
  });

  it("takes what is shorter, or of another number, for none", () => {
    assert.equal(decodeKernelEvent(bytes.subarray(0, 31), [SEEN]), undefined);
    assert.equal(decodeKernelEvent(bytes, []), undefined);
    assert.equal(decodeKernelEvent(new Uint8Array(3), [SEEN]), undefined);
  });
});
