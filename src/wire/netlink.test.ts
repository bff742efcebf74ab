import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { formatHex, parseHex } from "#base/hex.ts";
import { decodeUtf8 } from "#base/utf8.ts";
import {
  decodeNetlinkAttributes,
  decodeNetlinkMessages,
  decodeNetlinkReply,
  decodeUint32,
  decodeUint64Network,
  findAttribute,
  findNested,
  NetlinkFlag,
  NetlinkType,
  NetlinkWriter,
} from "./netlink.ts";

test("NetlinkWriter pads attributes and messages to four bytes and fills in the lengths", () => {
  const writer = new NetlinkWriter();
  writer.message({ type: 0x1234, flags: NetlinkFlag.request, sequence: 7 }, () =>
    writer
      .text(1, "lan0")
      .attribute(2, Uint8Array.of(9))
      .nested(3, () => writer.uint32Network(4, 0x01020304).uint64Network(5, 2 ** 40 + 1)),
  );
  assert.equal(
    formatHex(writer.finish()),
    formatHex(
      parseHex(`3c000000 3412 0100 07000000 00000000
                0900 0100 6c616e3000 000000
                0500 0200 09 000000
                1800 0380 0800 0400 01020304 0c00 0500 0000010000000001`),
    ),
  );
});

test("NetlinkWriter keeps what it wrote when its buffer grows, whichever write makes it grow", () => {
  const name = "a name of nineteen b"; // with its zero byte, no power of two: every kind of write meets a border
  const writer = new NetlinkWriter();
  for (let sequence = 0; sequence < 1000; sequence++) {
    writer.message({ type: 20, flags: 0, sequence }, () =>
      writer
        .raw(Uint8Array.of(1, 2, 3, 4))
        .text(1, name)
        .attribute(2, Uint8Array.of(5))
        .uint32(3, sequence)
        .uint64Network(4, sequence),
    );
  }
  const messages = decodeNetlinkMessages(writer.finish()) ?? [];
  assert.equal(messages.length, 1000);
  for (const { sequence, body } of messages) {
    assert.equal(formatHex(body.subarray(0, 4)), "01020304");
    const attributes = decodeNetlinkAttributes(body.subarray(4));
    assert.equal(decodeUtf8(findAttribute(attributes, 1)!), `${name}\0`);
    assert.equal(formatHex(findAttribute(attributes, 2)!), "05");
    assert.equal(decodeUint32(findAttribute(attributes, 3)), sequence);
    assert.equal(decodeUint64Network(findAttribute(attributes, 4)), sequence);
  }
});

const BROKEN: [what: string, hex: string][] = [
  ["a header cut short", "10000000 0300 0000 00000000"],
  ["a length of less than a header", "0f000000 0300 0000 00000000 00000000"],
  ["a length beyond the end", "14000000 0300 0000 00000000 00000000"],
  ["a length of 4 GiB", "ffffffff 0300 0000 00000000 00000000"],
];
describe("decodeNetlinkMessages() gives undefined for", () => {
  for (const [what, hex] of BROKEN) {
    test(what, () => assert.equal(decodeNetlinkMessages(parseHex(hex)), undefined));
  }
});

test("decodeNetlinkAttributes() leaves out flag bits and padding, and refuses lengths that do not fit", () => {
  const attributes = decodeNetlinkAttributes(parseHex("0500 0180 09 000000 0800 0200 0400 0300"));
  assert.deepEqual(
    attributes?.map(({ type, value }) => [type, formatHex(value)]),
    [
      [1, "09"],
      [2, "04000300"],
    ],
  );
  assert.equal(findNested(attributes, 2)?.length, 1);
  assert.equal(findAttribute(attributes, 3), undefined);
  for (const hex of ["0300 0100", "0900 0100 01020304", "0400 01"]) {
    assert.equal(decodeNetlinkAttributes(parseHex(hex)), undefined, hex);
  }
});

test("decodeNetlinkReply() turns the kernel's negative errno into a positive one", () => {
  assert.deepEqual(decodeNetlinkReply(parseHex("00000000")), { errno: 0 });
  assert.deepEqual(decodeNetlinkReply(parseHex("feffffff 00")), { errno: 2 });
  assert.equal(decodeNetlinkReply(parseHex("01000000")), undefined);
  assert.equal(decodeNetlinkReply(parseHex("0000")), undefined);
  assert.equal(NetlinkType.error, 2);
});

test("decoders give a value or undefined for any bytes, and read nothing outside of them", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.boolean(), (bytes, plausible) => {
      // A plausible first length gets the decoder past the first check.
      if (plausible && bytes.length >= 4) bytes.set([bytes.length, 0, 0, 0]);
      const decode = (input: Uint8Array): unknown => [
        decodeNetlinkMessages(input),
        decodeNetlinkAttributes(input),
        decodeNetlinkReply(input),
      ];
      const surrounded = new Uint8Array(bytes.length + 64).fill(0x5a);
      surrounded.set(bytes, 32);
      assert.deepEqual(decode(surrounded.subarray(32, 32 + bytes.length)), decode(bytes));
    }),
    { numRuns: 2000 },
  );
});
