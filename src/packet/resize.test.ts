import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ascii, assertGood, ends, the } from "../../test/packet/expect.ts";
import { build } from "./build.ts";
import { ethernet } from "./ethernet.ts";
import { Ipv4Option, ipv4 } from "./ipv4.ts";
import { ETHERNET_FIRST, Packet, ReadOnlyPacketError } from "./packet.ts";
import { udp } from "./udp.ts";

describe("splice", () => {
  const text = (packet: Packet): string => the(packet, udp).payload().text();
  const make = (): Packet =>
    build(ethernet.header({}), ipv4.header(ends), udp.header({}), ascii("hello")).toPacket();

  it("splice() makes payloads longer and shorter, in place where there is room", () => {
    const packet = make();
    const { $data } = packet;
    const payload = the(packet, udp).payload();
    assert.equal(payload.splice(0, 4, ascii("J")), true);
    assert.equal(text(packet), "Jo");
    assert.equal(packet.$data, $data);
    assert.equal(payload.splice(2, 0, ascii("urneys are long")), true);
    assert.equal(text(packet), "Journeys are long");
    assert.notEqual(packet.$data, $data, "there was no room for that");
    assert.equal(payload.text(), "Journeys are long");
    assert.deepEqual([the(packet, udp).length, the(packet, ipv4).totalLength], [25, 45]);
    assertGood(packet);
    assert.equal(packet.isChanged, true);
  });

  it("splice() uses the room that an engine gives", () => {
    const memory = new Uint8Array(200).fill(0xa5);
    const bytes = make().copy();
    memory.set(bytes, 50);
    const packet = new Packet().aim(new DataView(memory.buffer), 50, bytes.length, ETHERNET_FIRST);
    packet.$limit = 50 + bytes.length + 10;
    the(packet, udp).payload().splice(5, 0, new Uint8Array(10));
    assert.equal(packet.$data.buffer, memory.buffer);
    the(packet, udp).payload().splice(5, 0, new Uint8Array(1));
    assert.notEqual(packet.$data.buffer, memory.buffer);
    assert.ok(memory.subarray(50 + bytes.length + 10).every((byte) => byte === 0xa5));
    assertGood(packet);
  });

  it("splice() takes a part of the packet itself", () => {
    const packet = make();
    const payload = the(packet, udp).payload();
    payload.splice(0, 0, payload.bytes(1, 3));
    assert.equal(text(packet), "ellhello");
  });

  it("splice() refuses packets that are not to be written, are several, or not all here", () => {
    const cases: [string, (packet: Packet) => void, RegExp][] = [
      ["read only", (packet) => (packet.$readOnly = "the script promises not to"), /promises not to/],
      ["an aggregate", (packet) => (packet.isAggregate = true), /several segments in one/],
      ["cut", (packet) => packet.fullLengthBytes++, /only its start/],
    ];
    for (const [what, prepare, message] of cases) {
      const packet = make();
      prepare(packet);
      const refused = (error: Error): boolean =>
        error instanceof ReadOnlyPacketError && message.test(error.message);
      assert.throws(() => the(packet, udp).payload().splice(0, 1), refused, what);
    }
  });

  it("splice() changes nothing when a length field cannot say it, or a header would be torn", () => {
    const packet = make();
    const before = packet.copy();
    assert.equal(the(packet, udp).payload().splice(0, 0, new Uint8Array(65_536)), false);
    assert.equal(the(packet, udp).splice(2, 2), false);
    assert.equal(the(packet, ipv4).splice(18, 4), false);
    assert.equal(the(packet, ipv4).splice(8, 0, ascii("four")), false);
    assert.deepEqual(packet.copy(), before);
  });

  it("splice() leaves a view whose bytes are gone at zeros of its own", () => {
    const packet = make();
    const datagram = the(packet, udp);
    the(packet, ipv4).payload().splice(0, 13);
    assert.deepEqual([datagram.sourcePort, datagram.length, datagram.lengthBytes], [0, 0, 8]);
    datagram.sourcePort = 7;
    assert.equal(packet.lengthBytes, 34);
    assert.equal(datagram.splice(0, 8), false);
  });

  it("ipv4 has options set, found and taken out", () => {
    const packet = make();
    const ip = the(packet, ipv4);
    assert.equal(ip.setOption(Ipv4Option.routerAlert, Uint8Array.of(0, 0)), true);
    assert.deepEqual([ip.headerBytes, ip.headerWords, ip.option(148)?.lengthBytes], [24, 6, 2]);
    assert.equal(text(packet), "hello");
    assert.equal(
      ip.setOption(Ipv4Option.recordRoute, Uint8Array.of(12, 10, 0, 0, 9, 10, 0, 0, 8, 0, 0, 0, 0)),
      true,
    );
    assert.deepEqual(ip.route(), [0x0a00_0009, 0x0a00_0008]);
    assertGood(packet);
    assert.equal(ip.removeOption(148), true);
    assert.deepEqual(
      [...ip.options()].map(({ kind }) => kind),
      [7],
    );
    assertGood(packet);
  });

  it("splice() of a header leaves its view without a place in the packet, and so what is inside of it", () => {
    const packet = make();
    const datagram = the(packet, udp);
    const ip = the(packet, ipv4);
    assert.equal(ip.splice(ip.headerBytes, 10), true);
    assert.equal(datagram.as(udp), undefined);
    assert.equal(datagram.payload().lengthBytes, 0);
    for (const view of packet.$views()) assert.ok(view.$start >= packet.$start && view.$end <= packet.$end);
  });
});
