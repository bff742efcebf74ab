/**
 * What PacketScript's protocol buffers get wrong, fault by fault (see "PacketScript faults, which ours has not").
 * @module
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ascii, assertGood, ends, the } from "../../test/packet/expect.ts";
import { build } from "./build.ts";
import { EtherType, ethernet } from "./ethernet.ts";
import { icmp } from "./icmp.ts";
import { ipv4 } from "./ipv4.ts";
import { ipv6 } from "./ipv6.ts";
import { Packet } from "./packet.ts";
import { defineProtocol } from "./protocol.ts";
import { TcpOption, tcp } from "./tcp.ts";
import { tftp } from "./tftp.ts";
import { udp } from "./udp.ts";
import { verifyChecksum } from "./verify.ts";
import type { View } from "./view.ts";
import { vlan } from "./vlan.ts";

describe("PacketScript faults, which ours has not", () => {
  it("packet_eth: MAC addresses are read and written as text", () => {
    const packet = build(ethernet.header({}), ipv4.header({})).toPacket();
    the(packet, ethernet).source = "FF:FE:FD:FC:FB:FA";
    assert.equal(the(packet, ethernet).source, 0xfffe_fdfc_fbfa);
  });

  it("packet_eth: the type is compared as 16 bits, not as a byte or-ed to itself", () => {
    // 0x0800 and 0x8000, 0x0008, 0x8808 were all the same, or by luck not.
    for (const type of [0x8000, 0x0008, 0x8808, 0x0088]) {
      const packet = build(ethernet.header({ type }), ipv4.header(ends)).toPacket();
      assert.equal(packet.payload(ethernet)?.payload(ipv4), undefined, type.toString(16));
    }
    const packet = build(ethernet.header({}), ipv6.header({})).toPacket();
    assert.equal(packet.payload(ethernet)?.type, EtherType.ipv6);
    assert.ok(packet.payload(ethernet)?.payload(ipv6));
  });

  it("packet_eth: VLAN tags, one or two, are seen and seen through", () => {
    const packet = build(
      ethernet.header({}),
      vlan.header({ identifier: 7, priority: 5 }),
      vlan.header({ identifier: 8 }),
      ipv4.header(ends),
      udp.header({}),
    ).toPacket();
    const outer = packet.payload(ethernet)?.payload(vlan);
    assert.deepEqual([outer?.identifier, outer?.priority, outer?.payload(vlan)?.identifier], [7, 5, 8]);
    assert.equal(the(packet, udp).offsetBytes, 14 + 8 + 20);
  });

  it("packet_ip: the payload is behind the options", () => {
    const packet = build(
      ipv4.header(ends, Uint8Array.of(148, 4, 0, 0)),
      udp.header({ destinationPort: 9 }),
    ).toPacket();
    assert.equal(the(packet, ipv4).payload().offsetBytes, 24);
    assert.equal(the(packet, udp).destinationPort, 9);
  });

  it("packet_ip: an address patches the transport's checksum where it is, behind options too", () => {
    for (const transport of [udp.header({}), tcp.header({})]) {
      const packet = build(
        ipv4.header(ends, Uint8Array.of(148, 4, 0, 0)),
        transport,
        ascii("odd"),
      ).toPacket();
      the(packet, ipv4).destination = "192.0.2.200";
      assertGood(packet);
    }
  });

  it("packet_ip: a later fragment has no transport, and its data is not patched as one", () => {
    const data = new Uint8Array(40).fill(0xaa);
    const packet = build(ipv4.header({ ...ends, protocol: 6, fragmentOffset: 5 }), data).toPacket();
    assert.equal(packet.find(tcp), undefined);
    the(packet, ipv4).destination = "192.0.2.200";
    assert.deepEqual(the(packet, ipv4).payload().copy(), data);
    assertGood(packet);
  });

  it("packet_ip: the first fragment's transport is patched for the whole packet", () => {
    const whole = build(ipv4.header(ends), tcp.header({}), new Uint8Array(32).fill(7)).toPacket();
    const first = build(
      ipv4.header({ ...ends, protocol: 6, moreFragments: true }),
      whole.bytes(20, 28),
    ).toPacket();
    the(whole, ipv4).source = "192.0.2.200";
    the(first, ipv4).source = "192.0.2.200";
    assert.equal(first.find(tcp)?.checksum, the(whole, tcp).checksum);
    assert.equal(verifyChecksum(the(first, tcp)), "unknown");
  });

  it("packet_icmp: fields have setters, and the checksum follows", () => {
    const packet = build(ipv4.header(ends), icmp.header({ type: 8, identifier: 1 }), ascii("abc")).toPacket();
    const message = the(packet, icmp);
    message.type = 0;
    message.identifier = 77;
    message.sequence = 0xffff;
    assert.deepEqual([message.type, message.identifier, message.sequence], [0, 77, 0xffff]);
    assertGood(packet);
  });

  it("packet_tcp: flags can be cleared", () => {
    const packet = build(ipv4.header(ends), tcp.header({ syn: true, ack: true })).toPacket();
    const segment = the(packet, tcp);
    segment.ack = false;
    assert.deepEqual([segment.syn, segment.ack, segment.flags], [true, false, 2]);
    assertGood(packet);
  });

  it("packet_tcp_opt: options are walked by their lengths, not found in the data of others", () => {
    // The timestamp's value looks like a segment size, 02 04 05 b4, and a window scale, 03 03 07.
    const options = Uint8Array.of(1, 1, 8, 10, 2, 4, 5, 0xb4, 3, 3, 7, 0);
    const segment = the(build(ipv4.header(ends), tcp.header({}, options)).toPacket(), tcp);
    assert.equal(segment.maximumSegmentSize, undefined);
    assert.equal(segment.windowScale, undefined);
    assert.deepEqual([segment.timestamp, segment.timestampEcho], [0x0204_05b4, 0x0303_0700]);
    assert.deepEqual(
      [...segment.options()].map(({ kind }) => kind),
      [TcpOption.timestamps],
    );
  });

  it("packet_tcp_opt: an option that leads outside is none, and no byte behind is read", () => {
    // A segment size cut at the header's end; a length of 0; one of 1; the data behind would fit.
    for (const options of [
      [1, 1, 2, 4],
      [2, 0, 5, 180],
      [2, 1, 5, 180],
      [1, 1, 1, 2],
    ]) {
      const segment = the(
        build(ipv4.header(ends), tcp.header({}, Uint8Array.from(options)), ascii("\x05\xb4")).toPacket(),
        tcp,
      );
      assert.equal(segment.maximumSegmentSize, undefined, String(options));
      assert.deepEqual([...segment.options()], [], String(options));
    }
  });

  it("packet_tcp_opt: the window scale is read, set, added and taken out", () => {
    const packet = build(
      ipv4.header(ends),
      tcp.header({ syn: true }, Uint8Array.of(2, 4, 5, 180)),
      ascii("data"),
    ).toPacket();
    const segment = the(packet, tcp);
    assert.equal(segment.windowScale, undefined);
    segment.windowScale = 9;
    assert.deepEqual([segment.windowScale, segment.headerBytes, segment.dataOffset], [9, 28, 7]);
    assert.equal(segment.payload().text(), "data");
    assert.equal(the(packet, ipv4).totalLength, packet.lengthBytes);
    segment.windowScale = 3;
    segment.sackPermitted = true;
    segment.maximumSegmentSize = 1400;
    assert.deepEqual(
      [segment.windowScale, segment.sackPermitted, segment.maximumSegmentSize],
      [3, true, 1400],
    );
    segment.windowScale = undefined;
    assert.deepEqual(
      [segment.windowScale, segment.sackPermitted, segment.maximumSegmentSize],
      [undefined, true, 1400],
    );
    segment.timestampEcho = 5;
    assert.deepEqual([segment.timestamp, segment.timestampEcho], [0, 5]);
    assertGood(packet);
    assert.equal(segment.setOption(200, new Uint8Array(39)), false, "60 bytes are all a header has");
    assertGood(packet);
  });

  it("packet_tcp_opt: SACK blocks are read", () => {
    const options = Uint8Array.of(1, 1, 5, 18, 0, 0, 0, 1, 0, 0, 0, 2, 0xff, 0xff, 0xff, 0xfe, 0, 0, 0, 3);
    const segment = the(build(ipv4.header(ends), tcp.header({}, options)).toPacket(), tcp);
    assert.deepEqual(segment.sackBlocks, [
      { left: 1, right: 2 },
      { left: 0xffff_fffe, right: 3 },
    ]);
  });

  it("packet_udp: changing ports brings the checksum along, and none stays none", () => {
    const packet = build(ipv4.header(ends), udp.header({ sourcePort: 1 }), ascii("odd")).toPacket();
    the(packet, udp).sourcePort = 0xffff;
    the(packet, udp).destinationPort = 99;
    assertGood(packet);
    const none = build(ipv4.header(ends), udp.header({ checksum: 0 })).toPacket();
    the(none, udp).sourcePort = 4711;
    the(none, ipv4).source = "10.9.8.7";
    assert.equal(the(none, udp).checksum, 0);
  });

  it("packet_udp: a checksum that becomes zero is written as 0xffff", () => {
    const packet = build(ipv4.header(ends), udp.header({ sourcePort: 1 }), ascii("text")).toPacket();
    const datagram = the(packet, udp);
    // The port that brings the sum to 0xffff.
    datagram.sourcePort = (datagram.sourcePort + datagram.checksum) % 0xffff;
    assert.equal(datagram.checksum, 0xffff);
    assertGood(packet);
    const built = build(
      ipv4.header(ends),
      udp.header({ sourcePort: datagram.sourcePort }),
      ascii("text"),
    ).toPacket();
    assert.equal(the(built, udp).checksum, 0xffff);
  });

  it("packet_udp: the length counts twice, in the header and before it", () => {
    const packet = build(ipv4.header(ends), udp.header({}), ascii("text!!")).toPacket();
    packet.$data.setUint16(packet.$end - 2, 0);
    const datagram = the(packet, udp);
    const before = verifyChecksum(datagram);
    assert.equal(before, "bad");
    const whole = build(ipv4.header(ends), udp.header({}), ascii("text\0\0")).toPacket();
    the(whole, udp).length -= 2;
    // What is cut off was zero: only the length in both places changes.
    whole.aim(whole.$data, 0, whole.lengthBytes, EtherType.ipv4);
    assert.equal(verifyChecksum(the(whole, udp)), "good");
  });

  it("packet_tftp: no text leads outside of the packet", () => {
    const memory = ascii("..........").fill(0x41);
    const built = build(
      ipv4.header(ends),
      udp.header({ destinationPort: 69 }),
      ascii("\0\x01name"),
    ).toBytes();
    const bytes = Uint8Array.from([...built, ...memory, 0, 0]);
    const packet = new Packet().aim(new DataView(bytes.buffer), 0, built.length, EtherType.ipv4);
    assert.equal(the(packet, tftp).filename, undefined);
  });

  it("dynamic buffers: what a script tells of a field's place is checked", () => {
    const wild = defineProtocol({
      name: "wild",
      fields: {
        far: { at: () => 1e6, bits: 8 },
        before: { at: () => -8, bits: 8 },
        wide: { at: () => 0, bits: () => 1e9 },
        half: { at: () => 0.5, bits: 8 },
        none: { at: () => Number.NaN, bits: 8 },
      },
      headerBytes: () => 0,
      contentBytes: () => 1e9,
      carriedBy: { udp: 4242 },
    });
    const packet = build(ipv4.header(ends), udp.header({ destinationPort: 4242 }), ascii("text")).toPacket();
    const view = the(packet, wild);
    assert.deepEqual(
      [view.far, view.before, view.wide, view.half, view.none, view.lengthBytes],
      [undefined, undefined, undefined, undefined, undefined, 4],
    );
    const before = packet.copy();
    view.far = 1;
    view.before = 1;
    assert.deepEqual(packet.copy(), before);
    const negative = defineProtocol({
      name: "negative",
      fields: {},
      headerBytes: () => -5,
      carriedBy: { udp: 4242 },
    });
    assert.equal(packet.find(negative), undefined);
  });

  it("raw(offset, length): both are checked, always", () => {
    const packet = build(ipv4.header(ends), ascii("text")).toPacket();
    const wrong: [number, number][] = [
      [-1, 1],
      [25, 0],
      [24, 1],
      [0, 25],
      [20, 5],
      [0, -1],
      [0.5, 1],
      [1e12, 1],
    ];
    for (const [at, length] of wrong) {
      assert.equal(packet.slice(at, length), undefined, `${at} ${length}`);
      assert.equal(packet.write(at, new Uint8Array(Math.max(0, Math.ceil(length)))) && length > 0, false);
      assert.equal(packet.splice(at, length), false);
    }
    assert.equal(packet.slice(Number.NaN, 1), undefined);
    assert.equal(packet.slice(0, Number.NaN), undefined);
    assert.equal(packet.slice(24, 0)?.lengthBytes, 0);
    const empty = packet.slice(24, 0) as View;
    assert.equal(empty.slice(0, 1), undefined, "of an empty one too");
    assert.deepEqual(
      [empty.uint8(0), packet.uint16(23), packet.uint32(21), packet.uint8(-1)],
      [undefined, undefined, undefined, undefined],
    );
  });

  it("after the verdict: a view of an earlier packet does not become longer or shorter", () => {
    const packet = build(ipv4.header(ends), udp.header({}), ascii("text")).toPacket();
    const datagram = the(packet, udp);
    packet.aim(new DataView(new ArrayBuffer(4)), 0, 4, 0);
    assert.equal(datagram.splice(8, 4), false);
    assert.equal(packet.lengthBytes, 4);
  });
});
