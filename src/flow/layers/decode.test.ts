import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseHex } from "#base/hex.ts";
import { type BuiltPacket, build } from "#packet/build.ts";
import { ethernet } from "#packet/ethernet.ts";
import { icmp } from "#packet/icmp.ts";
import { icmpv6 } from "#packet/icmpv6.ts";
import { ipv4 } from "#packet/ipv4.ts";
import { ipv6 } from "#packet/ipv6.ts";
import { LinkType } from "#packet/link-type.ts";
import { tcp } from "#packet/tcp.ts";
import { gre, mpls, pppoe, vxlan } from "#packet/tunnel.ts";
import { udp } from "#packet/udp.ts";
import { vlan } from "#packet/vlan.ts";
import type { LayerOptions } from "./cursor.ts";
import { LayerDecoder } from "./decode.ts";
import { Layers } from "./layers.ts";

const OPEN: LayerOptions = { tunnels: true, key: { vlan: true, tunnel: true } };
const ends = { source: "10.0.0.1", destination: "10.0.0.2" } as const;
const ends6 = { source: "fd00::1", destination: "fd00::2" } as const;
const ports = { sourcePort: 1000, destinationPort: 80 } as const;
const data = Uint8Array.of(1, 2, 3, 4, 5);
const inner = [ipv4.header(ends), tcp.header(ports), data] as const;

interface Given {
  readonly options?: Partial<LayerOptions>;
  readonly linkType?: number;
  /** Bytes that the capture has of the frame. */
  readonly capturedBytes?: number;
  /** Bytes that the frame had. */
  readonly originalBytes?: number;
  /** Bytes around the frame, in the same memory. */
  readonly margin?: number;
}

function decode(frame: BuiltPacket | Uint8Array | string, given: Given = {}): Layers {
  const bytes =
    typeof frame === "string" ? parseHex(frame) : frame instanceof Uint8Array ? frame : frame.toBytes();
  const { capturedBytes = bytes.length, originalBytes = bytes.length, margin = 0 } = given;
  const memory = new Uint8Array(capturedBytes + 2 * margin).fill(0x5a);
  memory.set(bytes.subarray(0, capturedBytes), margin);
  const layers = new Layers();
  const view = new DataView(memory.buffer);
  new LayerDecoder({ ...OPEN, ...given.options }).decode(
    layers,
    memory,
    view,
    margin,
    capturedBytes,
    originalBytes,
    given.linkType ?? LinkType.ethernet,
  );
  return layers;
}

/** What most cases are about. */
function summary(layers: Layers): string {
  const { problem, version, protocol, sourcePort, targetPort, payloadBytes, capturedPayloadBytes } = layers;
  if (problem !== "") return problem;
  return `${version} ${protocol} ${sourcePort} ${targetPort} ${payloadBytes}/${capturedPayloadBytes}`;
}
const TCP = "4 6 1000 80 5/5";

function changed(packet: BuiltPacket, at: number, ...values: number[]): Uint8Array {
  const bytes = packet.toBytes();
  bytes.set(values, at);
  return bytes;
}

describe("LayerDecoder.decode()", () => {
  it("LayerDecoder.decode() tells all of a TCP segment, at whatever offset the frame lies", () => {
    const segment = tcp.header({ ...ports, sequence: 0xfffffff0, acknowledgment: 0x80000001, flags: 0x18 });
    const frame = build(ethernet.header({}), ipv4.header({ ...ends, timeToLive: 63 }), segment, data);
    for (const margin of [0, 7]) {
      const layers = decode(frame, { margin });
      assert.equal(summary(layers), TCP);
      assert.deepEqual(
        [layers.source0, layers.source1, layers.source2, layers.source3, layers.target3],
        [0, 0, 0xffff, 0x0a000001, 0x0a000002],
      );
      assert.deepEqual(
        [layers.networkOffset, layers.networkBytes, layers.networkHeaderBytes, layers.hopLimit],
        [margin + 14, 45, 20, 63],
      );
      assert.deepEqual(
        [layers.transportOffset, layers.transportHeaderBytes, layers.payloadOffset],
        [margin + 34, 20, margin + 54],
      );
      assert.deepEqual(
        [layers.sequence, layers.acknowledgement, layers.flags, layers.window],
        [0xfffffff0 | 0, 0x80000001 | 0, 0x18, 65_535],
      );
      assert.deepEqual([layers.encapsulation, layers.tunnelCount, layers.vlan], [0, 0, -1]);
    }
  });

  it("LayerDecoder.decode() believes IP's length, not the frame's: padding is no payload", () => {
    const frame = build(ethernet.header({}), ipv4.header(ends), tcp.header(ports)).toBytes();
    const padded = new Uint8Array(60).fill(0xee);
    padded.set(frame);
    assert.equal(summary(decode(padded)), "4 6 1000 80 0/0");
  });

  it("LayerDecoder.decode() tells true lengths of packets that the capture has cut", () => {
    const frame = build(ethernet.header({}), ipv4.header(ends), tcp.header(ports), new Uint8Array(100));
    const cut = { originalBytes: 154 };
    assert.equal(summary(decode(frame, { ...cut, capturedBytes: 84 })), "4 6 1000 80 100/30");
    assert.equal(summary(decode(frame, { ...cut, capturedBytes: 54 })), "4 6 1000 80 100/0");
    assert.equal(summary(decode(frame, { ...cut, capturedBytes: 53 })), "malformed");
    assert.equal(summary(decode(frame, { capturedBytes: 84, originalBytes: 84 })), "malformed");
  });

  const plain = build(ethernet.header({}), ...inner);
  const withOption = (...options: number[]): BuiltPacket =>
    build(ethernet.header({}), ipv4.header({ ...ends }, Uint8Array.from(options)), tcp.header(ports), data);
  const datagram = build(ethernet.header({}), ipv4.header(ends), udp.header(ports), data);
  const datagram6 = build(ethernet.header({}), ipv6.header(ends6), udp.header(ports), data);
  const lengths: readonly (readonly [string, BuiltPacket | Uint8Array, string])[] = [
    ["a header of less than 20 bytes", changed(plain, 14, 0x44), "malformed"],
    ["another version", changed(plain, 14, 0x55), "malformed"],
    ["a total length below the header's", changed(plain, 16, 0, 19), "malformed"],
    ["a total length beyond the frame", changed(plain, 16, 0, 46), "malformed"],
    ["a total length of 0, as aggregates have it", changed(plain, 16, 0, 0), TCP],
    ["a TCP header beyond the packet", changed(plain, 46, 0xf0), "malformed"],
    ["a TCP header of less than 20 bytes", changed(plain, 46, 0x40), "malformed"],
    ["options of IP", withOption(1, 1, 0, 0), TCP],
    ["an option that reaches beyond the header", withOption(1, 7, 4, 0), "malformed"],
    ["an option without a length", withOption(1, 1, 1, 7), "malformed"],
    ["an option with a length of 0", withOption(7, 0, 0, 0), "malformed"],
    ["a UDP length below 8", changed(datagram, 38, 0, 7), "malformed"],
    ["a UDP length of 0", changed(datagram, 38, 0, 0), "malformed"],
    ["a UDP length beyond IP's", changed(datagram, 38, 0, 14), "malformed"],
    ["a UDP length below IP's", changed(datagram, 38, 0, 10), "4 17 1000 80 2/2"],
    ["a UDP length of 0 in IPv6, as jumbograms have it", changed(datagram6, 58, 0, 0), "6 17 1000 80 5/5"],
    ["an IPv6 length beyond the frame", changed(datagram6, 18, 0, 14), "malformed"],
    ["an IPv6 length of 0, as aggregates have it", changed(datagram6, 18, 0, 0), "6 17 1000 80 5/5"],
  ];
  for (const [name, frame, expected] of lengths) {
    it(`LayerDecoder.decode() of ${name}`, () => assert.equal(summary(decode(frame)), expected));
  }

  it("LayerDecoder.decode() verifies the checksum of IPv4's header where it is asked to", () => {
    const bad = changed(plain, 24, 0, 0);
    assert.equal(summary(decode(bad)), TCP);
    assert.equal(summary(decode(bad, { options: { verifyIpChecksum: true } })), "bad-ip-checksum");
    assert.equal(summary(decode(plain, { options: { verifyIpChecksum: true } })), TCP);
  });

  it("LayerDecoder.decode() takes no byte from outside of the frame", () => {
    const bytes = plain.toBytes();
    for (let length = 0; length < 54; length++) {
      const given = { capturedBytes: length, originalBytes: bytes.length, margin: 60 };
      assert.notEqual(decode(bytes, given).problem, "", `${length} bytes`);
    }
  });
});

describe("LayerDecoder.decode() of ICMP", () => {
  const echo = (type: number): BuiltPacket =>
    build(ethernet.header({}), ipv4.header(ends), icmp.header({ type, identifier: 77 }), data);
  const message6 = (type: number): BuiltPacket =>
    build(ethernet.header({}), ipv6.header(ends6), icmpv6.header({ type, code: 0 }), data);
  const cases: readonly (readonly [string, BuiltPacket, string])[] = [
    ["an echo request", echo(8), "4 1 77 77 5/5"],
    ["its reply", echo(0), "4 1 77 77 5/5"],
    ["a time stamp's request", echo(13), "4 1 77 77 5/5"],
    ["a router solicitation", echo(10), "4 1 10 9 5/5"],
    [
      "an error",
      build(ethernet.header({}), ipv4.header(ends), icmp.header({ type: 3, code: 1 }), data),
      "4 1 3 1 5/5",
    ],
    ["a neighbour solicitation", message6(135), "6 58 135 136 5/5"],
    ["a neighbour advertisement", message6(136), "6 58 136 135 5/5"],
    ["a packet too big", message6(2), "6 58 2 0 5/5"],
  ];
  for (const [name, frame, expected] of cases) {
    it(`LayerDecoder.decode() of ${name}`, () => assert.equal(summary(decode(frame)), expected));
  }
});

describe("LayerDecoder.decode() of tags and tunnels", () => {
  const outer = [ethernet.header({}), ipv4.header({ source: "192.0.2.1", destination: "192.0.2.2" })];
  const tagged = (...ids: number[]): BuiltPacket =>
    build(ethernet.header({}), ...ids.map((identifier) => vlan.header({ identifier })), ...inner);
  const geneve = parseHex("0240655800000700 0000000000000000");
  const ppp = parseHex("ff0300 21");
  const innerBytes = build(...inner).toBytes();
  const gtpLength = innerBytes.length + 8;
  const cases: readonly (readonly [string, BuiltPacket, number])[] = [
    ["GRE with a key", build(...outer, gre.header({ keyPresent: true, key: 5 }), ...inner), 1],
    [
      "GRE with checksum, key and sequence",
      build(
        ...outer,
        gre.header({ checksumPresent: true, keyPresent: true, sequencePresent: true }),
        ...inner,
      ),
      1,
    ],
    ["Ethernet in GRE", build(...outer, gre.header({}), ethernet.header({}), ...inner), 1],
    [
      "VXLAN",
      build(...outer, udp.header({}), vxlan.header({ identifier: 9 }), ethernet.header({}), ...inner),
      1,
    ],
    [
      "Geneve with an option",
      build(
        ...outer,
        udp.header({ destinationPort: 6081 }),
        geneve,
        build(ethernet.header({}), ...inner).toBytes(),
      ),
      1,
    ],
    [
      "GTP-U with an extension header",
      build(
        ...outer,
        udp.header({ destinationPort: 2152 }),
        Uint8Array.of(0x34, 255, 0, gtpLength, 0, 0, 0, 1, 0, 0, 0, 0x85, 1, 0, 0, 0),
        innerBytes,
      ),
      1,
    ],
    [
      "L2TP",
      build(...outer, udp.header({ destinationPort: 1701 }), parseHex("000200010002"), ppp, innerBytes),
      1,
    ],
    ["IPv4 in IPv4", build(...outer, ...inner), 1],
    ["IPv4 in IPv6", build(ethernet.header({}), ipv6.header(ends6), ...inner), 1],
    ["MPLS", build(ethernet.header({}), mpls.header({ label: 16 }), mpls.header({ label: 17 }), ...inner), 0],
    [
      "Ethernet in MPLS",
      build(
        ethernet.header({}),
        mpls.header({ isBottom: true }),
        new Uint8Array(4),
        build(ethernet.header({}), ...inner).toBytes(),
      ),
      0,
    ],
    ["PPPoE", build(ethernet.header({}), pppoe.header({ session: 3 }), ...inner), 0],
  ];
  for (const [name, frame, tunnelCount] of cases) {
    it(`LayerDecoder.decode() opens ${name}`, () => {
      const layers = decode(frame);
      assert.equal(summary(layers), TCP);
      assert.equal(layers.tunnelCount, tunnelCount);
      if (tunnelCount === 0) return;
      const closed = decode(frame, { options: { tunnels: false } });
      assert.deepEqual([closed.tunnelCount, closed.networkOffset, closed.problem], [0, 14, ""]);
    });
  }

  it("LayerDecoder.decode() opens PPTP's GRE, version 1", () => {
    const header = Uint8Array.of(0x30, 0x01, 0x88, 0x0b, 0, innerBytes.length + 4, 0, 1, 0, 0, 0, 1);
    const frame = build(ethernet.header({}), ipv4.header({ ...ends, protocol: 47 }), header, ppp, innerBytes);
    const layers = decode(frame);
    assert.deepEqual([summary(layers), layers.tunnelCount], [TCP, 1]);
  });

  const mirrors: readonly (readonly [type: string, header: string])[] = [
    ["I", "0000 88be"],
    ["II", "1000 88be 00000001 1005 0007 00000000"],
    ["III", "1000 22eb 00000001 2005 0007 00000000 0000 8000"],
    ["III with a subheader", "1000 22eb 00000001 2005 0007 00000000 0000 8001 0000000000000000"],
  ];
  for (const [type, header] of mirrors) {
    it(`LayerDecoder.decode() opens mirrored frames: ERSPAN type ${type}`, () => {
      const frame = build(ethernet.header({}), ...inner).toBytes();
      const bytes = build(
        ethernet.header({}),
        ipv4.header({ ...ends, protocol: 47 }),
        parseHex(header),
        frame,
      );
      const layers = decode(bytes);
      assert.deepEqual([summary(layers), layers.tunnelCount], [TCP, 1]);
    });
  }

  it("LayerDecoder.decode() leaves mirrored frames of another version or kind closed", () => {
    for (const header of [
      "1000 88be 00000001 2005 0007 00000000",
      "1000 22eb 00000001 2005 0007 00000000 0000 8800",
    ]) {
      const bytes = build(
        ethernet.header({}),
        ipv4.header({ ...ends, protocol: 47 }),
        parseHex(header),
        innerBytes,
      );
      assert.deepEqual([decode(bytes).tunnelCount, decode(bytes).networkOffset], [0, 14]);
    }
  });

  it("LayerDecoder.decode() makes the key's number of VLANs: exact for two, none where the options say so", () => {
    const numbers: readonly (readonly [number[], number, number])[] = [
      [[7], 7, 7],
      [[7, 9], 7 * 4096 + 9, 7],
      [[0], 0, 0],
      [[0, 9], 9, 0],
    ];
    for (const [ids, encapsulation, outermost] of numbers) {
      const layers = decode(tagged(...ids));
      assert.deepEqual([summary(layers), layers.encapsulation, layers.vlan], [TCP, encapsulation, outermost]);
      const without = decode(tagged(...ids), { options: { key: { vlan: false, tunnel: true } } });
      assert.deepEqual([without.encapsulation, without.vlan], [0, outermost]);
    }
    const three = decode(tagged(7, 9, 11)).encapsulation;
    assert.ok(three >= 2 ** 30 && three < 2 ** 31);
    assert.notEqual(three, decode(tagged(7, 11, 9)).encapsulation);
  });

  it("LayerDecoder.decode() knows the four tags there are, and more than eight are too deep", () => {
    for (const type of [0x8100, 0x88a8, 0x9100, 0x9200]) {
      const bytes = tagged(5).toBytes();
      new DataView(bytes.buffer).setUint16(12, type);
      assert.equal(decode(bytes).encapsulation, 5);
    }
    assert.equal(summary(decode(tagged(1, 2, 3, 4, 5, 6, 7, 8))), TCP);
    assert.equal(summary(decode(tagged(1, 2, 3, 4, 5, 6, 7, 8, 9))), "too-deep");
  });

  it("LayerDecoder.decode() tells tunnels apart by what both directions have", () => {
    const network = (identifier: number): number =>
      decode(build(...outer, udp.header({}), vxlan.header({ identifier }), ethernet.header({}), ...inner))
        .encapsulation;
    assert.notEqual(network(1), network(2));
    assert.notEqual(network(1), 0);
    const frame = build(...outer, gre.header({ keyPresent: true, key: 5 }), ...inner);
    assert.equal(decode(frame, { options: { key: { vlan: true, tunnel: false } } }).encapsulation, 0);
  });

  it("LayerDecoder.decode() leaves a tunnel closed in which nothing can be read", () => {
    const text = new Uint8Array(40).fill(0x41);
    const frame = build(...outer, udp.header({ sourcePort: 5, destinationPort: 4789 }), text);
    const layers = decode(frame);
    assert.equal(summary(layers), "4 17 5 4789 40/40");
    assert.deepEqual([layers.tunnelCount, layers.encapsulation, layers.networkOffset], [0, 0, 14]);
  });

  it("LayerDecoder.decode() takes the ninth tunnel in tunnels for a flow of its own", () => {
    const nested = (depth: number): BuiltPacket =>
      build(ethernet.header({}), ...Array.from({ length: depth }, () => ipv4.header(ends)), ...inner);
    const [eight, nine] = [decode(nested(8)), decode(nested(9))];
    assert.deepEqual([summary(eight), eight.tunnelCount], [TCP, 8]);
    assert.deepEqual([nine.protocol, nine.tunnelCount, nine.problem], [4, 8, ""]);
  });
});

describe("LayerDecoder.decode() of IPv6's extension headers", () => {
  const chain = (first: number, hex: string): BuiltPacket =>
    build(
      ethernet.header({}),
      ipv6.header({ ...ends6, nextHeader: first }),
      parseHex(hex),
      build(tcp.header(ports), data).toBytes(),
    );
  const cases: readonly (readonly [string, number, string, string])[] = [
    ["hop-by-hop options", 0, "0600010400000000", "6 6 1000 80 5/5"],
    [
      "destination options behind hop-by-hop options",
      0,
      "3c00010400000000 0600010400000000",
      "6 6 1000 80 5/5",
    ],
    ["an authentication header", 51, "06020000 00000001 00000002 00000003", "6 6 1000 80 5/5"],
    ["an atomic fragment", 44, "0600000000000001", "6 6 1000 80 5/5"],
    ["a header that reaches beyond the packet", 0, "06ff010400000000", "malformed"],
    ["more than sixteen headers", 60, "3c00010400000000".repeat(17), "too-deep"],
    ["mobility, which is the last one", 135, "3b00010000000000", "6 135 0 0 33/33"],
  ];
  for (const [name, first, hex, expected] of cases) {
    it(`LayerDecoder.decode() of ${name}`, () => assert.equal(summary(decode(chain(first, hex))), expected));
  }

  it("LayerDecoder.decode() takes the last hop of a routing header with hops to go for the target", () => {
    const hops = `${"00".repeat(15)}07 ${"00".repeat(15)}08`;
    const layers = decode(chain(43, `06040002 00000000 ${hops}`));
    assert.deepEqual([layers.target0, layers.target3], [0, 8]);
    assert.equal(decode(chain(43, `06040000 00000000 ${hops}`)).target3, 2);
  });

  it("LayerDecoder.decode() reads the length of a jumbogram, and none that is no longer than others", () => {
    const payload = new Uint8Array(70_000);
    const option = (length: number): Uint8Array => {
      const bytes = parseHex("1100c20400000000");
      new DataView(bytes.buffer).setUint32(4, length);
      return bytes;
    };
    const frame = (length: number): Uint8Array => {
      const header = build(
        ethernet.header({}),
        ipv6.header({ ...ends6, nextHeader: 0, payloadLength: 0 }),
        option(length),
        build(udp.header({ ...ports, length: 0 })).toBytes(),
      ).toBytes();
      const bytes = new Uint8Array(header.length + payload.length);
      bytes.set(header);
      return bytes;
    };
    assert.equal(summary(decode(frame(70_016))), "6 17 1000 80 70000/70000");
    assert.equal(summary(decode(frame(70_017))), "malformed");
    assert.equal(summary(decode(frame(65_535))), "malformed");
  });
});

describe("LayerDecoder.decode() of fragments", () => {
  it("LayerDecoder.decode() tells place and number of IPv4's", () => {
    const header = { ...ends, identification: 77, protocol: 17, fragmentOffset: 3, moreFragments: true };
    const layers = decode(build(ethernet.header({}), ipv4.header(header), new Uint8Array(16)));
    assert.equal(summary(layers), "4 17 0 0 16/16");
    assert.deepEqual(
      [layers.isFragment, layers.fragmentId, layers.fragmentOffset, layers.hasMoreFragments],
      [true, 77, 24, true],
    );
  });

  it("LayerDecoder.decode() tells those of IPv6's, and where its header lies", () => {
    const frame = build(
      ethernet.header({}),
      ipv6.header({ ...ends6, nextHeader: 44 }),
      parseHex("1100001987654321"),
      new Uint8Array(16),
    );
    const layers = decode(frame);
    assert.equal(summary(layers), "6 17 0 0 16/16");
    assert.deepEqual(
      [layers.isFragment, layers.fragmentId, layers.fragmentOffset, layers.hasMoreFragments],
      [true, 0x87654321, 24, true],
    );
    assert.deepEqual([layers.fragmentHeaderOffset, layers.fragmentAnnouncedOffset], [54, 20]);
  });
});

describe("LayerDecoder.decode() by link type", () => {
  const packet = build(...inner).toBytes();
  const cases: readonly (readonly [number, string])[] = [
    [LinkType.raw, ""],
    [LinkType.ipv4, ""],
    [LinkType.null, "02000000"],
    [LinkType.loop, "00000002"],
    [LinkType.linuxCooked, "0000 0001 0006 000000000000 0000 0800"],
    [LinkType.linuxCooked, "0000 0001 0006 000000000000 0000 8100 0005 0800"],
    [LinkType.linuxCooked2, "0800 0000 00000001 0001 00 06 0000000000000000"],
    [LinkType.ciscoHdlc, "0f00 0800"],
    [LinkType.ppp, "ff03 0021"],
    [LinkType.ppp, "21"],
    [LinkType.pppEther, `1100 0001 00${(packet.length + 2).toString(16)} 0021`],
  ];
  for (const [linkType, hex] of cases) {
    it(`LayerDecoder.decode() of link type ${linkType} with "${hex}"`, () => {
      const bytes = Uint8Array.of(...parseHex(hex), ...packet);
      assert.equal(summary(decode(bytes, { linkType })), TCP);
      assert.notEqual(decode(bytes.subarray(0, 3), { linkType }).problem, "");
    });
  }

  it("LayerDecoder.decode() knows nothing of other link types, and of ARP that it is not IP", () => {
    assert.equal(summary(decode(packet, { linkType: 147 })), "not-ip");
    assert.equal(summary(decode(`${"00".repeat(12)}0806${"00".repeat(46)}`)), "not-ip");
  });
});

describe("LayerDecoder.decodeNetwork()", () => {
  it("LayerDecoder.decodeNetwork() takes packets that begin with their IP header, whole and cut", () => {
    const layers = new Layers();
    const decoder = new LayerDecoder(OPEN);
    const bytes = build(...inner).toBytes();
    const view = new DataView(bytes.buffer);
    assert.ok(decoder.decodeNetwork(layers, bytes, view, 0, bytes.length, bytes.length));
    assert.equal(summary(layers), TCP);
    assert.ok(decoder.decodeNetwork(layers, bytes, view, 0, 42, bytes.length));
    assert.equal(summary(layers), "4 6 1000 80 5/2");
    assert.ok(!decoder.decodeNetwork(layers, bytes, view, 0, 0, 0));
  });
});
