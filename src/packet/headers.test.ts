import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ascii, assertGood, ends, the } from "../../test/packet/expect.ts";
import { build } from "./build.ts";
import { ethernet } from "./ethernet.ts";
import { icmp } from "./icmp.ts";
import { icmpv6 } from "./icmpv6.ts";
import { ipv4 } from "./ipv4.ts";
import { ipv6 } from "./ipv6.ts";
import { ETHERNET_FIRST, Packet } from "./packet.ts";
import { tcp } from "./tcp.ts";
import { gre, vxlan } from "./tunnel.ts";
import { udp } from "./udp.ts";
import { verifyChecksum } from "./verify.ts";
import type { View } from "./view.ts";
import { vlan } from "./vlan.ts";

describe("payload() of a packet that begins with Ethernet", () => {
  it("payload() finds nothing in a frame that is too short for its header, or empty", () => {
    for (const bytes of [0, 1, 13]) {
      const packet = new Packet().aim(new DataView(new ArrayBuffer(bytes)), 0, bytes, ETHERNET_FIRST);
      assert.deepEqual(
        [packet.payload(ipv4), packet.find(tcp), packet.headers()],
        [undefined, undefined, []],
      );
    }
  });

  it("finds the network layer's header behind tags, and none inside of a tunnel", () => {
    const tagged = build(
      ethernet.header({}),
      vlan.header({}),
      vlan.header({}),
      ipv4.header(ends),
      udp.header({}),
    );
    assert.equal(tagged.toPacket().payload(ipv4)?.payload(udp)?.offsetBytes, 42);
    const tunnel = build(ethernet.header({}), ipv6.header({}), ipv4.header(ends), udp.header({})).toPacket();
    assert.equal(tunnel.payload(ipv4), undefined);
    assert.ok(tunnel.payload(ipv6)?.payload(ipv4));
    assert.equal(tunnel.payload(udp), undefined);
  });
});

describe("tunnels", () => {
  it("a change inside of VXLAN reaches the checksums outside, at an odd place too", () => {
    const inner = [ethernet.header({}), ipv4.header(ends), udp.header({}), ascii("odd")];
    const packet = build(
      ipv6.header({ source: "fd00::1" }),
      udp.header({}),
      vxlan.header({}),
      ...inner,
    ).toPacket();
    const view = the(packet, vxlan).payload(ethernet)?.payload(ipv4);
    assert.ok(view !== undefined);
    view.source = "192.0.2.1";
    view.payload(udp)?.payload().write(1, ascii("D"));
    assert.equal(verifyChecksum(view.payload(udp) as View), "good");
    assertGood(packet);
    assert.equal(view.payload(udp)?.payload().splice(1, 1, ascii("many more")), true);
    assertGood(packet);
    assert.equal(packet.payload(ipv6)?.payloadLength, packet.lengthBytes - 40);
  });

  it("gre has a checksum only when it says so", () => {
    const packet = build(
      ipv4.header(ends),
      gre.header({ checksumPresent: true }),
      ipv4.header(ends),
      icmp.header({ type: 8 }),
    ).toPacket();
    const tunnel = the(packet, gre);
    assert.equal(verifyChecksum(tunnel), "good");
    const message = the(packet, gre).payload(ipv4)?.payload(icmp);
    if (message !== undefined) message.sequence = 3;
    assert.equal(verifyChecksum(tunnel), "good");
    const plain = build(ipv4.header(ends), gre.header({}), ipv4.header(ends)).toPacket();
    assert.deepEqual(
      [verifyChecksum(the(plain, gre)), the(plain, gre).checksum, the(plain, gre).headerBytes],
      ["none", undefined, 4],
    );
  });

  it("icmp and icmpv6 show the packet that an error is about, which find() does not", () => {
    const quoted = build(ipv4.header(ends), udp.header({ sourcePort: 7 })).toBytes();
    const packet = build(ipv4.header(ends), icmp.header({ type: 3, code: 4, mtu: 1400 }), quoted).toPacket();
    assert.equal(the(packet, icmp).payload(ipv4)?.payload(udp)?.sourcePort, 7);
    assert.equal(packet.find(udp), undefined);
    const inner = the(packet, icmp).payload(ipv4);
    if (inner !== undefined) inner.source = "192.0.2.9";
    assertGood(packet);
    const six = build(
      ipv6.header({}),
      icmpv6.header({ type: 2, mtu: 1280 }),
      build(ipv6.header({}), udp.header({})).toBytes(),
    );
    assert.equal(the(six.toPacket(), icmpv6).payload(ipv6)?.payload(udp)?.length, 8);
    assertGood(six.toPacket());
  });
});

describe("ipv6", () => {
  /** Hop-by-hop, destination options, fragment, authentication: then TCP. */
  const chain = (fragmentWord: number): Uint8Array =>
    Uint8Array.of(
      ...[60, 0, 5, 2, 0, 0, 1, 0],
      ...[44, 0, 1, 4, 0, 0, 0, 0],
      ...[51, 0, fragmentWord >> 8, fragmentWord & 255, 0, 0, 0, 7],
      ...[6, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, ...new Uint8Array(12)],
    );
  const headed = (fragmentWord: number): Packet =>
    build(
      ipv6.header({ source: "fd00::1", destination: "fd00::2", nextHeader: 0 }, chain(fragmentWord)),
      tcp.header({ destinationPort: 80 }),
      ascii("odd"),
    ).toPacket();

  it("ipv6 has its payload behind all extension headers", () => {
    const packet = headed(0);
    const view = the(packet, ipv6);
    assert.deepEqual(
      [view.headerBytes, view.upperProtocol, view.isFragment, view.identification],
      [40 + 48, 6, false, 7],
    );
    assert.equal(view.extension(44)?.lengthBytes, 8);
    assert.equal(view.extension(43), undefined);
    view.destination = "fd00::77";
    assert.equal(verifyChecksum(the(packet, tcp)), "good");
  });

  it("ipv6 has no transport in a later fragment", () => {
    const view = the(headed((5 << 3) | 1), ipv6);
    assert.deepEqual([view.upperProtocol, view.fragmentOffset, view.moreFragments], [-1, 5, true]);
    assert.equal(headed(5 << 3).find(tcp), undefined);
    assert.equal(the(headed(1), tcp).destinationPort, 80);
  });

  it("ipv6 takes the last address of a routing header for the destination of checksums", () => {
    const route = Uint8Array.of(17, 2, 0, 1, 0, 0, 0, 0, 0xfd, ...new Uint8Array(14), 9);
    const packet = build(
      ipv6.header({ source: "fd00::1", nextHeader: 43 }, route),
      udp.header({}),
      ascii("text"),
    ).toPacket();
    assert.equal(verifyChecksum(the(packet, udp)), "good");
    the(packet, ipv6).destination = "fd00::3";
    assert.equal(verifyChecksum(the(packet, udp)), "good");
    the(packet, ipv6).extension(43)?.setUint16(14, 0x1234);
    assert.equal(verifyChecksum(the(packet, udp)), "good");
    the(packet, ipv6).source = "fd00::4";
    assert.equal(verifyChecksum(the(packet, udp)), "good");
  });

  it("ipv6 with a payload length of 0 is as long as there is", () => {
    const packet = build(
      ipv6.header({ payloadLength: 0 }),
      udp.header({ length: 0 }),
      new Uint8Array(70_000),
    ).toPacket();
    assert.equal(the(packet, udp).payload().lengthBytes, 70_000);
    assert.equal(verifyChecksum(the(packet, udp)), "good");
    assert.equal(the(packet, udp).payload().splice(0, 2), true);
    assert.deepEqual([the(packet, udp).length, the(packet, ipv6).payloadLength], [0, 0]);
  });
});
