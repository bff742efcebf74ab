import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ETHERNET_FIRST } from "#packet/protocol.ts";
import { findPacket, frameOf, PacketStart } from "./capture-frame.ts";

const IPV4 = Uint8Array.of(0x45, 0, 0, 20, 0, 0, 0, 0, 64, 59, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2);
const IPV6 = Uint8Array.of(0x60, ...new Uint8Array(39));

describe("frameOf()", () => {
  for (const linkType of [0, 1, 9, 12, 14, 50, 101, 104, 108, 113, 228, 276]) {
    it(`makes frames of link type ${linkType} in which findPacket() finds the packet`, () => {
      for (const packet of linkType === 228 ? [IPV4] : [IPV4, IPV6]) {
        const bytes = frameOf(packet, linkType);
        assert.ok(bytes);
        const start = new PacketStart();
        const frame = { linkType, bytes, offset: 0, capturedBytes: bytes.length };
        assert.equal(findPacket(frame, true, start), true);
        assert.deepEqual(bytes.subarray(start.offsetBytes), packet);
        assert.equal(start.etherType, packet === IPV4 ? 0x0800 : 0x86dd);
      }
    });
  }

  it("refuses what the link type cannot carry", () => {
    assert.equal(frameOf(IPV6, 228), undefined);
    assert.equal(frameOf(IPV4, 229), undefined);
    assert.equal(frameOf(IPV4, 105), undefined);
  });
});

describe("findPacket()", () => {
  const tagged = Uint8Array.of(...new Uint8Array(12), 0x81, 0, 0, 5, 0x08, 0, ...IPV4);
  const arp = Uint8Array.of(...new Uint8Array(12), 0x08, 0x06, ...new Uint8Array(28));
  const rows: [name: string, bytes: Uint8Array, isAtHook: boolean, found: [number, number] | undefined][] = [
    ["begins with Ethernet without a hook", tagged, false, [0, ETHERNET_FIRST]],
    ["is behind the tag of a VLAN at a hook", tagged, true, [18, 0x0800]],
    ["is no ARP at a hook", arp, true, undefined],
    ["may be ARP without one", arp, false, [0, ETHERNET_FIRST]],
    ["is not in half an Ethernet header", arp.subarray(0, 13), false, undefined],
    ["is not behind a header with nothing in it", tagged.subarray(0, 18), true, undefined],
    ["is not behind half a tag", tagged.subarray(0, 16), true, undefined],
  ];
  for (const [name, bytes, isAtHook, found] of rows) {
    it(`says that the packet ${name}`, () => {
      const start = new PacketStart();
      const isFound = findPacket(
        { linkType: 1, bytes, offset: 0, capturedBytes: bytes.length },
        isAtHook,
        start,
      );
      assert.deepEqual(isFound ? [start.offsetBytes, start.etherType] : undefined, found);
    });
  }
});
