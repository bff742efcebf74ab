import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseHex } from "#base/hex.ts";
import { formatMac } from "./address.ts";
import { build } from "./build.ts";
import { EtherType, ethernet, macCodec } from "./ethernet.ts";
import type { Fields } from "./field.ts";
import { ipv4 } from "./ipv4.ts";
import { ETHERNET_FIRST, Packet } from "./packet.ts";
import { defineProtocol, type ProtocolSpec, type ViewOf } from "./protocol.ts";
import { tcp } from "./tcp.ts";
import { udp } from "./udp.ts";
import { verifyChecksum } from "./verify.ts";
import { View } from "./view.ts";

function packetOf(hex: string, etherType: number): Packet {
  const bytes = parseHex(hex);
  return new Packet().aim(new DataView(bytes.buffer), 0, bytes.length, etherType);
}

/** The thesis's listing 3.8: Ethernet whose type moves when there is a VLAN tag before it. */
const tagBytes = (header: View): number => (header.uint16(12) === EtherType.vlan ? 4 : 0);
const dynamicEthernet = defineProtocol({
  name: "dynamicEthernet",
  fields: {
    destination: { at: 0, bits: 48, as: macCodec },
    source: { at: 48, bits: 48, as: macCodec },
    vlan: { at: 96, bits: (header) => tagBytes(header) * 8 },
    type: { at: (header) => 96 + tagBytes(header) * 8, bits: 16 },
  },
  headerBytes: (header) => 14 + tagBytes(header),
  carriedBy: { packet: ETHERNET_FIRST },
});

describe("defineProtocol", () => {
  it("defineProtocol() makes the thesis's dynamic Ethernet, tagged and not", () => {
    const tagged = packetOf("ffffffffffff 020000000001 8100 0007 0800 4500", ETHERNET_FIRST);
    const frame = tagged.payload(dynamicEthernet);
    assert.equal(frame?.vlan, 0x8100_0007);
    assert.equal(frame?.type, 0x0800);
    assert.equal(frame?.payload().lengthBytes, 2);
    assert.equal(formatMac(frame?.source ?? 0), "02:00:00:00:00:01");
    if (frame !== undefined) frame.type = 0x86dd;
    assert.equal(tagged.uint16(16), 0x86dd);
    const plain = packetOf("ffffffffffff 020000000001 0800 4500", ETHERNET_FIRST).payload(dynamicEthernet);
    assert.equal(plain?.vlan, undefined);
    assert.equal(plain?.type, 0x0800);
    assert.equal(plain?.payload().lengthBytes, 2);
  });

  for (const [bits, value, bytes] of [
    [8, -2, "fe"],
    [16, -2, "fffe"],
    [24, -2, "fffffe"],
    [24, 0x1_0203_0405, "030405"],
    [32, -2, "fffffffe"],
    [40, -2, "fffffffffe"],
    [48, -2, "fffffffffffe"],
    [48, -(2 ** 32) - 1, "fffeffffffff"],
    [48, 2 ** 52 + 7, "000000000007"],
    [20, -2, "ffffe0"],
  ] as const) {
    it(`a field of ${bits} bits has the lowest ones of ${value} when it is set to it`, () => {
      const cut = defineProtocol({ name: "cut", fields: { all: { at: 0, bits } }, carriedBy: { packet: 7 } });
      const packet = packetOf("00000000000000", 7);
      const view = packet.payload(cut);
      if (view !== undefined) (view as { all: number }).all = value;
      assert.deepEqual(packet.bytes(0, bytes.length / 2), parseHex(bytes));
    });
  }

  it("defineProtocol() sees no header whose moved part is not there", () => {
    assert.equal(
      packetOf("ffffffffffff 020000000001 8100 0007", ETHERNET_FIRST).payload(dynamicEthernet),
      undefined,
    );
  });

  it("defineProtocol() infers the types of fields, methods and headers", () => {
    const typed = defineProtocol({
      name: "typed",
      fields: {
        small: { bits: 3 },
        flag: { bits: 1, as: "boolean" },
        rest: { bits: 4 },
        big: { bits: 64 },
        raw: { bits: 24, as: "bytes" },
        label: {
          bits: 8,
          as: { get: (raw: number) => String(raw), set: (value: string | number) => Number(value) },
        },
        moved: { at: (header) => header.lengthBytes * 8 - 8, bits: 8 },
      },
      methods: {
        sum(): number {
          return this.small + this.rest;
        },
        get shout(): string {
          return this.label.toUpperCase();
        },
      },
      carriedBy: { packet: 0x1234 },
    });
    const view = packetOf("b5 0000000000000007 010203 2a ff", 0x1234).payload(typed) as ViewOf<typeof typed>;
    const seen: [number, boolean, number, bigint, Uint8Array, string, number | undefined, number, string] = [
      view.small,
      view.flag,
      view.rest,
      view.big,
      view.raw,
      view.label,
      view.moved,
      view.sum(),
      view.shout,
    ];
    assert.deepEqual(seen, [5, true, 5, 7n, Uint8Array.of(1, 2, 3), "42", 255, 10, "42"]);
    // @ts-expect-error a flag is no number
    const number: number = view.flag;
    // @ts-expect-error a variable field may not be there
    const moved: number = view.moved;
    // @ts-expect-error there is no such field
    const missing: unknown = view.missing;
    assert.deepEqual([number, moved, missing], [true, 255, undefined]);
    // @ts-expect-error a big field is a bigint
    assert.throws(() => typed.header({ big: 5 }) && build(typed.header({ big: 5 })), TypeError);
    // @ts-expect-error there is no such field to build
    assert.throws(() => build(typed.header({ missing: 1 })), /typed has no field missing/);
    const built = build(typed.header({ small: 5, flag: true, big: 7n, label: 42 })).toPacket();
    assert.equal(built.payload(typed)?.label, "42");
    const source: string | number = "10.0.0.1";
    assert.equal(build(ipv4.header({ source })).toPacket().payload(ipv4)?.source, 0x0a00_0001);
  });

  it("defineProtocol() asks the policy with all fields there, and where it comes from", () => {
    const asked: string[] = [];
    const picky = defineProtocol({
      name: "picky",
      fields: { magic: { bits: 16 } },
      carriedBy: { udp: "any" },
      accepts: ({ magic }, outer) => {
        asked.push(outer.$of.name);
        return magic === 0xbeef;
      },
    });
    const on = (bytes: Uint8Array): Packet => build(ipv4.header({}), udp.header({}), bytes).toPacket();
    assert.equal(on(Uint8Array.of(0xbe, 0xef)).find(picky)?.magic, 0xbeef);
    assert.equal(on(Uint8Array.of(0xbe, 0xee)).find(picky), undefined);
    assert.equal(on(Uint8Array.of(0xbe)).find(picky), undefined);
    assert.deepEqual(asked, ["udp", "udp"]);
  });

  it("defineProtocol() gives a script's own protocol its length and checksum, and those around follow", () => {
    const own = defineProtocol({
      name: "own",
      fields: { length: { bits: 16 }, checksum: { bits: 16 }, kind: { bits: 8 } },
      carriedBy: { udp: 7777 },
      contentBytes: ({ length }) => length,
      sized: (_headerBytes, contentBytes) => ({ length: contentBytes }),
      lengthIn: "length",
      checksum: { at: 2, covers: "all" },
    });
    const packet = build(
      ipv4.header({ source: 1, destination: 2 }),
      udp.header({ sourcePort: 1 }),
      own.header({ kind: 3 }),
      Uint8Array.of(1, 2, 3),
    ).toPacket();
    assert.equal(packet.find(udp)?.destinationPort, 7777);
    const view = packet.find(own) as ViewOf<typeof own>;
    assert.equal(view.length, 8);
    assert.equal(verifyChecksum(view), "good");
    view.kind = 9;
    view.payload().splice(1, 1, Uint8Array.of(7, 7, 7, 7));
    assert.equal(view.length, 11);
    assert.deepEqual([...view.payload().bytes()], [1, 7, 7, 7, 7, 3]);
    assert.equal(verifyChecksum(view), "good");
    assert.equal(verifyChecksum(packet.find(udp) as View), "good");
    assert.equal(verifyChecksum(packet.find(ipv4) as View), "good");
  });

  it("a variable field keeps checksums, also at odd places and of odd widths", () => {
    const wide = { get: (raw: number | bigint) => BigInt(raw), set: (value: bigint) => value };
    const odd = defineProtocol({
      name: "odd",
      fields: {
        wide: { at: () => 11, bits: () => 74, as: wide },
        flag: { at: () => 5, bits: 1, as: "boolean" },
      },
      headerBytes: 12,
      carriedBy: { udp: 7778 },
    });
    const packet = build(
      ipv4.header({ source: 1, destination: 2 }),
      udp.header({ destinationPort: 7778 }),
      new Uint8Array(13).fill(0xa5),
    ).toPacket();
    const view = packet.find(odd);
    assert.ok(view !== undefined);
    view.wide = (1n << 74n) - 1n;
    view.flag = false;
    assert.equal(view.wide, (1n << 74n) - 1n);
    assert.equal(view.flag, false);
    // Only its own bits: three of the second byte, up to the fifth of the eleventh.
    assert.equal(Buffer.from(view.bytes()).toString("hex"), "a1bffffffffffffffffffda5a5");
    assert.equal(verifyChecksum(packet.find(udp) as View), "good");
  });

  it("a field of variable width begins behind the field before it", () => {
    const named = defineProtocol({
      name: "named",
      fields: {
        length: { bits: 8 },
        name: { bits: (header) => 8 * (header.uint8(0) ?? 0), as: "bytes" },
        value: { at: (header) => 8 + 8 * (header.uint8(0) ?? 0), bits: 8 },
      },
      carriedBy: { udp: 7779 },
    });
    const parts = [ipv4.header(), udp.header({ destinationPort: 7779 }), parseHex("02 aabb cc")];
    const view = build(...parts)
      .toPacket()
      .find(named);
    assert.deepEqual([...(view?.name ?? [])], [0xaa, 0xbb]);
    assert.equal(view?.value, 0xcc);
  });

  const contradictions: [string, ProtocolSpec<Fields, object>, RegExp][] = [
    ["a field without bits", { name: "x", fields: { a: { bits: 0 } } }, /field a has 0 bits/],
    ["half a bit", { name: "x", fields: { a: { bits: 1.5 } } }, /field a has 1.5 bits/],
    ["a place before the header", { name: "x", fields: { a: { at: -8, bits: 8 } } }, /field a is at bit -8/],
    ["a place beyond any header", { name: "x", fields: { a: { at: 1e9, bits: 8 } } }, /field a is at bit/],
    ["a wide boolean", { name: "x", fields: { a: { bits: 2, as: "boolean" } } }, /boolean and has 2 bits/],
    [
      "bytes at half ones",
      { name: "x", fields: { a: { at: 4, bits: 8, as: "bytes" } } },
      /not at whole ones/,
    ],
    ["a wide number", { name: "x", fields: { a: { bits: 136 } } }, /above 128 use as: "bytes"/],
    ["bits across words", { name: "x", fields: { a: { at: 4, bits: 32 } } }, /neither at whole bytes nor/],
    ["a name that is none", { name: "x", fields: { "a b": { bits: 8 } } }, /'a b' is no name/],
    ["code for a name", { name: "x", fields: { "a(){}": { bits: 8 } } }, /is no name for a field/],
    [
      "a name of every view",
      { name: "x", fields: { payload: { bits: 8 } } },
      /payload is taken by every view/,
    ],
    [
      "a method named as a field",
      { name: "x", fields: { a: { bits: 8 } }, methods: { a() {} } },
      /a is taken/,
    ],
    ["a method of every view", { name: "x", fields: {}, methods: { write() {} } }, /write is taken/],
    [
      "a header shorter than its fields",
      { name: "x", fields: { a: { bits: 16 } }, headerBytes: 1 },
      /need 2 bytes/,
    ],
    [
      "a field behind one that varies",
      { name: "x", fields: { a: { bits: () => 8 }, b: { bits: 8 } } },
      /field b follows one whose place varies/,
    ],
    [
      "too many fields",
      {
        name: "x",
        fields: Object.fromEntries(Array.from({ length: 257 }, (_, at) => [`f${at}`, { bits: 8 }])),
      },
      /257 fields, at most 256/,
    ],
    [
      "a checksum beyond the header",
      { name: "x", fields: { a: { bits: 16 } }, checksum: { at: 2, covers: "all" } },
      /its checksum is at byte 2, the header has 2/,
    ],
    [
      "a checksum at an odd place",
      { name: "x", fields: { a: { bits: 32 } }, checksum: { at: 1, covers: "all" } },
      /its checksum is at byte 1/,
    ],
    ["a length that is no field", { name: "x", fields: {}, lengthIn: "b" as never }, /lengthIn names b/],
    [
      "an announcement that is no field",
      { name: "x", fields: {}, announcedIn: "b" as never },
      /announcedIn names b/,
    ],
    ["a name with a space", { name: "x y", fields: {} }, /'x y' is no name/],
  ];
  for (const [what, spec, message] of contradictions) {
    it(`defineProtocol() refuses ${what}`, () => {
      assert.throws(() => defineProtocol(spec), message);
    });
  }

  it("defineProtocol() leaves nothing behind of what it refuses", () => {
    assert.throws(() => defineProtocol({ name: "refused", fields: { a: { bits: 0 } } }));
    const packet = build(ethernet.header({}), ipv4.header({}), tcp.header({})).toPacket();
    assert.deepEqual(
      packet.headers().map((header) => header.$of.name),
      ["ethernet", "ipv4", "tcp"],
    );
    assert.ok(packet instanceof View);
  });
});
