import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { parseHex } from "#base/hex.ts";
import { CaptureReader } from "./capture.ts";
import { CaptureRecordTooLongError, MalformedCaptureError } from "./capture-record.ts";
import { tickUnit } from "./capture-time.ts";
import { CAPTURE_INTERFACE_COUNT_MAX } from "./pcapng.ts";
import { decodeInterface } from "./pcapng-block.ts";

const BOTH = [true, false];

/** Numbers by their count of bytes, in the section's order, and bytes as they are. */
type Part = readonly [1 | 2 | 4 | 8, number | bigint] | string;

function bytesOf(parts: readonly Part[], isLittle: boolean): number[] {
  return parts.flatMap((part) => {
    if (typeof part === "string") return [...parseHex(part)];
    const [count, value] = part;
    const view = new DataView(new ArrayBuffer(8));
    view.setBigUint64(0, BigInt.asUintN(64, BigInt(value)));
    const bytes = [...new Uint8Array(view.buffer, 8 - count)];
    return isLittle ? bytes.reverse() : bytes;
  });
}

function block(type: number, parts: readonly Part[], isLittle = true): Uint8Array {
  const body = bytesOf(parts, isLittle);
  const total: Part = [4, body.length + 12];
  return Uint8Array.from([...bytesOf([[4, type], total], isLittle), ...body, ...bytesOf([total], isLittle)]);
}

/** Byte order, version 1.0, length not said. */
const section = (isLittle = true): Uint8Array =>
  block(
    0x0a0d0d0a,
    [
      [4, 0x1a2b3c4d],
      [2, 1],
      [2, 0],
      [8, -1n],
    ],
    isLittle,
  );

const interfaceBlock = (linkType: number, options: readonly Part[] = [], isLittle = true): Uint8Array =>
  block(1, [[2, linkType], [2, 0], [4, 4], ...options], isLittle);

/** Interface, time, 3 of 60 bytes, a pad byte. */
function enhanced(interfaceId: number, ticks: bigint, isLittle = true): Uint8Array {
  const time: Part[] = [
    [4, ticks >> 32n],
    [4, ticks & 0xffff_ffffn],
  ];
  return block(6, [[4, interfaceId], ...time, [4, 3], [4, 60], "aabbcc 00"], isLittle);
}

const join = (...blocks: readonly Uint8Array[]): Uint8Array =>
  Uint8Array.from(blocks.flatMap((bytes) => [...bytes]));

type Row = readonly [interfaceId: number, linkType: number, time: string, capturedBytes: number];

function rows(file: Uint8Array, pieceBytes = file.length): Row[] {
  const reader = new CaptureReader();
  const found: Row[] = [];
  for (let at = 0; at < file.length; at += pieceBytes) {
    reader.push(file.slice(at, at + pieceBytes));
    while (reader.next()) {
      const { interfaceId, linkType, seconds, nanoseconds, isTimed, capturedBytes, bytes, offset } =
        reader.record;
      assert.equal(bytes[offset], 0xaa);
      const time = isTimed ? `${seconds}.${String(nanoseconds).padStart(9, "0")}` : "none";
      found.push([interfaceId, linkType, time, capturedBytes]);
    }
  }
  assert.equal(reader.end(), undefined);
  return found;
}

const resolution = (value: number): Part[] => [[2, 9], [2, 1], [1, value], "000000"];
const offset = (seconds: number): Part[] => [
  [2, 14],
  [2, 8],
  [8, seconds],
];

describe("PcapngFormat", () => {
  const TIMES: readonly [string, readonly Part[], bigint, string][] = [
    ["microseconds, when nothing is said", [], 1_700_000_000_123_456n, "1700000000.123456000"],
    ["seconds", resolution(0), 1_700_000_000n, "1700000000.000000000"],
    ["milliseconds", resolution(3), 1_700_000_000_123n, "1700000000.123000000"],
    ["nanoseconds", resolution(9), 1_700_000_000_123_456_789n, "1700000000.123456789"],
    ["nanoseconds to the last", resolution(9), 0xffff_ffff_ffff_ffffn, "18446744073.709551615"],
    ["picoseconds, cut off", resolution(12), 1_700_000_123_456_789_999n, "1700000.123456789"],
    ["10^-127 seconds", resolution(127), 0xffff_ffff_ffff_ffffn, "0.000000000"],
    ["2^-10 seconds", resolution(0x8a), (1_700_000_000n << 10n) + 512n, "1700000000.500000000"],
    ["2^-32 seconds", resolution(0xa0), (1_700_000_000n << 32n) + 1n, "1700000000.000000000"],
    ["2^-127 seconds", resolution(0xff), 1n << 63n, "0.000000000"],
    ["an offset", [...offset(86_400), ...resolution(6)], 1_000_001n, "86401.000001000"],
    ["an offset into the past", offset(-10), 1_000_001n, "-9.000001000"],
  ];
  for (const [what, options, ticks, expected] of TIMES) {
    test(`next() counts time in ${what}`, () => {
      for (const isLittle of BOTH) {
        const described = interfaceBlock(1, options, isLittle);
        const file = join(section(isLittle), described, enhanced(0, ticks, isLittle));
        assert.deepEqual(rows(file), [[0, 1, expected, 3]]);
      }
    });
  }

  test("next() counts interfaces over the sections, which have their own byte orders", () => {
    const file = join(
      section(),
      interfaceBlock(1),
      interfaceBlock(101, resolution(9)),
      enhanced(1, 5n),
      enhanced(0, 5n),
      section(false),
      interfaceBlock(276, [], false),
      enhanced(0, 5n, false),
    );
    for (const pieceBytes of [1, 9, file.length]) {
      assert.deepEqual(rows(file, pieceBytes), [
        [1, 101, "0.000000005", 3],
        [0, 1, "0.000005000", 3],
        [2, 276, "0.000005000", 3],
      ]);
    }
  });

  test("next() reads simple packets up to the snap length, and obsolete ones", () => {
    const simple = block(3, [[4, 60], "aabbccdd"]);
    const short = block(3, [[4, 2], "aabb 0000"]);
    const time: Part[] = [
      [4, 0],
      [4, 5],
    ];
    const obsolete = block(2, [[2, 0], [2, 9], ...time, [4, 1], [4, 1], "aa 000000"]);
    assert.deepEqual(rows(join(section(), interfaceBlock(1), simple, short, obsolete)), [
      [0, 1, "none", 4],
      [0, 1, "none", 2],
      [0, 1, "0.000005000", 1],
    ]);
  });

  test("next() skips blocks it does not know, over pieces, and options behind a packet", () => {
    const unknown = block(0x4000_0bad, ["00".repeat(400)]);
    const empty = block(0x4000_0bad, []);
    const time: Part[] = [
      [4, 0],
      [4, 0],
    ];
    const commented = block(6, [[4, 0], ...time, [4, 1], [4, 1], "aa 000000", [2, 1], [2, 2], "6f6b0000"]);
    const file = join(section(), unknown, empty, interfaceBlock(1), unknown, commented, unknown);
    for (const pieceBytes of [1, 50, file.length]) assert.equal(rows(file, pieceBytes).length, 1);
  });

  test("interfaces have names where the file gives them one", () => {
    const reader = new CaptureReader();
    reader.push(join(section(), interfaceBlock(1, [[2, 2], [2, 3], "6c616e 00", [4, 0]]), interfaceBlock(1)));
    assert.equal(reader.next(), false);
    assert.deepEqual(
      reader.interfaces.map(({ name }) => name),
      ["lan", undefined],
    );
  });

  test("end() tells where a file is cut, also in a block that is skipped", () => {
    const file = join(section(), interfaceBlock(1), block(99, ["00".repeat(40)]), enhanced(0, 1n));
    const whole = new Set([28, 28 + 20, 28 + 20 + 52, file.length]);
    for (let length = 0; length <= file.length; length++) {
      const reader = new CaptureReader();
      reader.push(file.subarray(0, length));
      while (reader.next());
      assert.equal(reader.end()?.fileOffset, whole.has(length) ? undefined : length, `${length} bytes`);
    }
  });

  const packet = (captured: number): Uint8Array =>
    block(6, [[4, 0], [4, 0], [4, 0], [4, captured], [4, 60], "aabbccdd"]);
  const spoiled = (bytes: Uint8Array, at: number, value: number): Uint8Array => {
    const copy = bytes.slice();
    copy[at] = value;
    return copy;
  };
  const WRONG: readonly [string, Uint8Array, number, RegExp][] = [
    ["a section without byte order", spoiled(section(), 8, 0), 8, /does not say its byte order/],
    ["version 2", spoiled(section(), 12, 2), 12, /version 2 of pcapng, wanted 1/],
    ["a section that is too short", spoiled(section(), 4, 24), 4, /a block of 24 bytes/],
    ["a section that ends otherwise", spoiled(section(), 24, 24), 24, /28 bytes that says 24 at its end/],
    ["a block of no bytes", join(section(), spoiled(block(9, []), 4, 0)), 32, /a block of 0 bytes/],
    ["a block of 13 bytes", join(section(), spoiled(block(9, ["00"]), 4, 13)), 32, /a block of 13 bytes/],
    ["a block that ends otherwise", join(section(), spoiled(block(9, []), 8, 16)), 36, /says 16/],
    ["an interface that is too short", join(section(), block(1, ["0000"])), 32, /a block of 14 bytes/],
    ["a packet that is too short", join(section(), interfaceBlock(1), block(6, [[4, 0]])), 52, /of 16 bytes/],
    [
      "a simple packet that is too short",
      join(section(), interfaceBlock(1), block(3, [])),
      52,
      /of 12 bytes/,
    ],
    ["a packet without interface", join(section(), packet(4)), 36, /interface 0, the section has 0 so far/],
    ["a simple packet without interface", join(section(), block(3, [[4, 0]])), 36, /interface 0/],
    [
      "an interface of the section before",
      join(section(), interfaceBlock(1), section(), packet(4)),
      28 + 20 + 28 + 8,
      /the section has 0 so far/,
    ],
    [
      "a packet longer than its block",
      join(section(), interfaceBlock(1), packet(5)),
      68,
      /5 bytes in a block/,
    ],
    [
      "a simple packet longer than its block",
      join(section(), interfaceBlock(1), block(3, [[4, 4]])),
      56,
      /4 bytes in a block/,
    ],
    [
      "options that leave the block",
      join(
        section(),
        interfaceBlock(1, [
          [2, 1],
          [2, 9],
        ]),
      ),
      44,
      /options/,
    ],
    [
      "a resolution of two bytes",
      join(
        section(),
        interfaceBlock(1, [
          [2, 9],
          [2, 2],
          [4, 0],
        ]),
      ),
      44,
      /options/,
    ],
    [
      "an offset of four bytes",
      join(
        section(),
        interfaceBlock(1, [
          [2, 14],
          [2, 4],
          [4, 0],
        ]),
      ),
      44,
      /options/,
    ],
  ];
  for (const [what, file, fileOffset, message] of WRONG) {
    test(`next() refuses ${what} and says where it is`, () => {
      for (const pieceBytes of [1, file.length]) {
        assert.throws(
          () => rows(file, pieceBytes),
          (error) => {
            assert.ok(error instanceof MalformedCaptureError);
            assert.match(error.message, message);
            assert.equal(error.fileOffset, fileOffset);
            return true;
          },
        );
      }
    });
  }

  test("next() refuses a block it would have to hold above the maximum, and skips others of that size", () => {
    const long = (type: number): Uint8Array =>
      Uint8Array.from(bytesOf([[4, type], [4, 0xffff_fff0], "00".repeat(8)], true));
    const reader = new CaptureReader();
    reader.push(join(section(), long(6)));
    assert.throws(() => reader.next(), CaptureRecordTooLongError);
    const other = new CaptureReader();
    other.push(join(section(), long(9)));
    assert.equal(other.next(), false);
    assert.equal(other.end()?.fileOffset, 28 + 16);
  });

  test("next() refuses a packet above the maximum in a block that is not", () => {
    const reader = new CaptureReader({ recordBytesMax: 3 });
    reader.push(join(section(), interfaceBlock(1), packet(3), packet(4)));
    assert.equal(reader.next(), true);
    assert.throws(() => reader.next(), CaptureRecordTooLongError);
  });

  test("next() refuses one interface more than there may be", () => {
    const described = interfaceBlock(1);
    const reader = new CaptureReader();
    reader.push(section());
    for (let count = 0; count < CAPTURE_INTERFACE_COUNT_MAX; count++) {
      assert.equal(reader.next(), false);
      reader.push(described);
    }
    assert.equal(reader.next(), false);
    assert.equal(reader.interfaces.length, CAPTURE_INTERFACE_COUNT_MAX);
    reader.push(described);
    assert.throws(() => reader.next(), /more than 65536 interfaces/);
  });
});

test("decodeInterface() shares the unit of those that say nothing", () => {
  const [one, two] = [decodeInterface(interfaceBlock(1), true), decodeInterface(interfaceBlock(2), true)];
  assert.equal(one?.unit, two?.unit);
  assert.deepEqual(one?.unit, tickUnit(6, 0));
});
