import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { parseHex } from "#base/hex.ts";
import { encodeUtf8 } from "#base/utf8.ts";
import {
  DHCP4_BYTES_MIN,
  type Dhcp4Fault,
  type Dhcp4Message,
  decodeDhcp4,
  encodeDhcp4,
  messageTypeOf,
  optionOf,
} from "./dhcp4.ts";

/** What busybox udhcpc 1.35 sends first; the sname and file fields between are 192 zero bytes. */
const UDHCPC_DISCOVER = parseHex(
  [
    "01 01 06 00", // op request, htype Ethernet, hlen 6, hops 0
    "48 cb 21 03", // xid
    "00 00 00 00", // secs, flags
    "00000000 00000000 00000000 00000000", // ciaddr, yiaddr, siaddr, giaddr
    "02 00 00 00 0a 01 00000000000000000000", // chaddr
    "00".repeat(192), // sname, file
    "63 82 53 63", // cookie
    "35 01 01", // message type: discover
    "39 02 02 40", // maximum message size: 576
    "37 07 01 03 06 0c 0f 1c 2a", // parameter request list
    "0c 05 70 68 6f 6e 65", // host name: phone
    "3c 0c 75 64 68 63 70 20 31 2e 33 35 2e 30", // vendor class: udhcp 1.35.0
    "3d 07 01 02 00 00 00 0a 01", // client identifier
    "ff 00 00 00 00 00 00 00 00 00 00 00 00 00", // end, padding
  ].join(""),
);

const bytesOf = (count: number, from = 0): Uint8Array =>
  Uint8Array.from({ length: count }, (_, i) => from + i);
const text = (value: string): Uint8Array => encodeUtf8(value);

const EMPTY_REPLY: Dhcp4Message = {
  op: "reply",
  htype: 1,
  hops: 0,
  xid: 0x48cb2103,
  secs: 0,
  broadcast: false,
  ciaddr: 0,
  yiaddr: 0,
  siaddr: 0,
  giaddr: 0,
  chaddr: bytesOf(6),
  sname: new Uint8Array(0),
  file: new Uint8Array(0),
  options: [],
};

/** A request's fixed fields, then these option bytes. */
function withOptions(options: string, change: (bytes: Uint8Array) => void = () => undefined): Uint8Array {
  const tail = parseHex(options);
  const bytes = new Uint8Array(240 + tail.length);
  bytes.set(UDHCPC_DISCOVER.subarray(0, 240));
  bytes.set(tail, 240);
  change(bytes);
  return bytes;
}

describe("decodeDhcp4()", () => {
  it("decodeDhcp4() reads what udhcpc sends", () => {
    const message = decodeDhcp4(UDHCPC_DISCOVER);
    assert.ok(message);
    assert.equal(message.op, "request");
    assert.equal(message.xid, 0x48cb2103);
    assert.equal(message.broadcast, false);
    assert.deepEqual([...message.chaddr], [2, 0, 0, 0, 10, 1]);
    assert.equal(messageTypeOf(message), "discover");
    assert.deepEqual(
      message.options.map(({ code }) => code),
      [53, 57, 55, 12, 60, 61],
    );
    assert.deepEqual(optionOf(message, 12), text("phone"));
    assert.equal(optionOf(message, 50), undefined);
  });

  const faults: [string, Uint8Array, Dhcp4Fault][] = [
    ["nothing", new Uint8Array(0), "short"],
    ["a byte too few", UDHCPC_DISCOVER.subarray(0, 239), "short"],
    [
      "an operation neither request nor reply",
      withOptions("ff", (bytes) => bytes.fill(3, 0, 1)),
      "operation",
    ],
    ["a hardware address of 17 bytes", withOptions("ff", (bytes) => bytes.fill(17, 2, 3)), "hardware-length"],
    ["plain BOOTP", withOptions("ff", (bytes) => bytes.fill(0, 236, 240)), "cookie"],
    ["an option that reaches over the end", withOptions("35 02 01"), "option-length"],
    ["an option without a length", withOptions("35"), "option-length"],
    [
      "an overloaded file that reaches over its end",
      withOptions("340101ff", (bytes) => bytes.fill(200, 108, 110)),
      "option-length",
    ],
  ];
  for (const [what, bytes, fault] of faults) {
    it(`decodeDhcp4() refuses ${what}: ${fault}`, () => {
      const seen: Dhcp4Fault[] = [];
      assert.equal(
        decodeDhcp4(bytes, (each) => seen.push(each)),
        undefined,
      );
      assert.deepEqual(seen, [fault]);
    });
  }

  it("decodeDhcp4() passes over pads and forgives a missing end mark", () => {
    const message = decodeDhcp4(withOptions("00 00 35 01 05 00"));
    assert.equal(message && messageTypeOf(message), "ack");
  });

  it("decodeDhcp4() joins the pieces of a long option in order (RFC 3396)", () => {
    const message = decodeDhcp4(withOptions("79 02 01 02  35 01 05  79 02 03 04 ff"));
    assert.deepEqual(
      message?.options.map(({ code, data }) => [code, [...data]]),
      [
        [121, [1, 2, 3, 4]],
        [53, [5]],
      ],
    );
  });

  it("decodeDhcp4() reads options from file, then sname, when overloaded", () => {
    const message = decodeDhcp4(
      withOptions("34 01 03 79 01 01 ff", (bytes) => {
        bytes.set(parseHex("79 01 03 ff"), 44);
        bytes.set(parseHex("79 01 02 0f 01 78 ff"), 108);
      }),
    );
    assert.ok(message);
    assert.deepEqual([...(optionOf(message, 121) ?? [])], [1, 2, 3]);
    assert.deepEqual(optionOf(message, 15), text("x"));
    assert.equal(optionOf(message, 52), undefined);
    assert.equal(message.file.length + message.sname.length, 0);
  });

  for (const [data, type] of [
    ["35 01 00", undefined],
    ["35 01 09", undefined],
    ["35 02 01 01", undefined],
    ["35 01 08", "inform"],
  ] as const) {
    it(`messageTypeOf() takes '${data}' for ${type}`, () => {
      const message = decodeDhcp4(withOptions(data));
      assert.equal(message && messageTypeOf(message), type);
    });
  }

  it("decodeDhcp4() never throws and never reads outside of what it was given", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 700 }), fc.boolean(), (noise, isPlausible) => {
        const bytes = isPlausible ? Uint8Array.from([...UDHCPC_DISCOVER.subarray(0, 240), ...noise]) : noise;
        const message = decodeDhcp4(bytes);
        const held = message?.options.reduce((sum, { data }) => sum + data.length, 0) ?? 0;
        assert.ok(held <= bytes.length);
      }),
    );
  });

  it("decodeDhcp4() survives any change of a few bytes in a real message", () => {
    const changes = fc.array(fc.tuple(fc.nat(299), fc.nat(255)), { maxLength: 5 });
    fc.assert(
      fc.property(changes, fc.nat(300), (edits, length) => {
        const bytes = UDHCPC_DISCOVER.slice(0, length);
        for (const [offset, value] of edits) bytes[offset] = value;
        const message = decodeDhcp4(bytes);
        if (message) encodeDhcp4(message);
      }),
    );
  });
});

describe("encodeDhcp4()", () => {
  it("encodeDhcp4() writes back what udhcpc sent, byte for byte", () => {
    const message = decodeDhcp4(UDHCPC_DISCOVER);
    assert.ok(message);
    assert.deepEqual(encodeDhcp4(message), UDHCPC_DISCOVER);
  });

  it("encodeDhcp4() pads to 300 bytes and not beyond", () => {
    assert.equal(encodeDhcp4(EMPTY_REPLY).length, DHCP4_BYTES_MIN);
    const long = { ...EMPTY_REPLY, options: [{ code: 56, data: bytesOf(100) }] };
    assert.equal(encodeDhcp4(long).length, 240 + 102 + 1);
  });

  it("encodeDhcp4() cuts an option of 600 bytes into three (RFC 3396)", () => {
    const data = Uint8Array.from({ length: 600 }, (_, index) => index % 251);
    const bytes = encodeDhcp4({ ...EMPTY_REPLY, options: [{ code: 121, data }] }, { bytesMax: 1472 });
    assert.deepEqual([bytes[240], bytes[241], bytes[497], bytes[498]], [121, 255, 121, 255]);
    const again = decodeDhcp4(bytes);
    assert.deepEqual(again?.options, [{ code: 121, data }]);
  });

  it("encodeDhcp4() overloads file and sname when the options field is full", () => {
    const options = [1, 2, 3, 4, 5].map((code) => ({ code, data: bytesOf(90, code) }));
    const left: number[] = [];
    const bytes = encodeDhcp4({ ...EMPTY_REPLY, options }, { onLeftOut: (code) => left.push(code) });
    assert.equal(bytes.length, 548);
    assert.deepEqual([...bytes.subarray(240, 243)], [52, 1, 1]);
    assert.deepEqual(decodeDhcp4(bytes)?.options, options.slice(0, 4));
    assert.deepEqual(left, [5]);
  });

  it("encodeDhcp4() leaves fields that are in use alone and says what it left out", () => {
    const message = {
      ...EMPTY_REPLY,
      file: text("boot.img"),
      sname: text("tftp"),
      options: [
        { code: 43, data: bytesOf(250) },
        { code: 44, data: bytesOf(200) },
      ],
    };
    const left: number[] = [];
    const again = decodeDhcp4(encodeDhcp4(message, { onLeftOut: (code) => left.push(code) }));
    assert.deepEqual(again, { ...message, options: message.options.slice(0, 1) });
    assert.deepEqual(left, [44]);
  });

  for (const bytesMax of [300, 548, 1472]) {
    it(`encodeDhcp4() keeps relay agent information last in the options field at ${bytesMax} bytes`, () => {
      const relay = { code: 82, data: bytesOf(20) };
      const options = [relay, ...[1, 3, 6, 15].map((code) => ({ code, data: bytesOf(80, code) }))];
      const bytes = encodeDhcp4({ ...EMPTY_REPLY, options }, { bytesMax });
      const again = decodeDhcp4(bytes);
      assert.ok(again);
      assert.deepEqual(optionOf(again, 82), relay.data);
      const at = bytes.lastIndexOf(82, bytes.length - 22);
      assert.ok(at >= 240, `at ${at}`);
      assert.equal(bytes[at + 22], 255);
    });
  }

  const messages: fc.Arbitrary<Dhcp4Message> = fc.record<Dhcp4Message>(
    {
      op: fc.constantFrom("request", "reply"),
      htype: fc.nat(255),
      hops: fc.nat(255),
      xid: fc.nat(0xffff_ffff),
      secs: fc.nat(0xffff),
      broadcast: fc.boolean(),
      ciaddr: fc.nat(0xffff_ffff),
      yiaddr: fc.nat(0xffff_ffff),
      siaddr: fc.nat(0xffff_ffff),
      giaddr: fc.nat(0xffff_ffff),
      chaddr: fc.uint8Array({ maxLength: 16 }),
      sname: fc.uint8Array({ min: 1, maxLength: 63 }),
      file: fc.uint8Array({ min: 1, maxLength: 127 }),
      options: fc.uniqueArray(
        fc.record(
          {
            code: fc.integer({ min: 1, max: 254 }).filter((code) => code !== 52 && code !== 82),
            data: fc.uint8Array({ maxLength: 700 }),
          },
          { noNullPrototype: true },
        ),
        { maxLength: 12, selector: ({ code }) => code },
      ),
    },
    { noNullPrototype: true },
  );

  it("decodeDhcp4() reads what encodeDhcp4() writes", () => {
    fc.assert(
      fc.property(messages, (message) => {
        assert.deepEqual(decodeDhcp4(encodeDhcp4(message, { bytesMax: 65_507 })), message);
      }),
    );
  });

  it("decodeDhcp4() reads everything but what encodeDhcp4() said it left out, whatever the room", () => {
    fc.assert(
      fc.property(messages, fc.boolean(), fc.integer({ min: 300, max: 1500 }), (full, isBare, bytesMax) => {
        const empty = new Uint8Array(0);
        const message = isBare ? { ...full, sname: empty, file: empty } : full;
        const left = new Set<number>();
        const bytes = encodeDhcp4(message, { bytesMax, onLeftOut: (code) => left.add(code) });
        assert.ok(bytes.length <= bytesMax && bytes.length >= DHCP4_BYTES_MIN);
        const options = message.options.filter(({ code }) => !left.has(code));
        assert.deepEqual(decodeDhcp4(bytes), { ...message, options });
      }),
    );
  });
});
