import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { InvariantError } from "#base/errors.ts";
import { parseHex } from "#base/hex.ts";
import { CaptureReader, type CaptureReaderOptions, compressionOf } from "./capture.ts";
import {
  CAPTURE_RECORD_BYTES_MAX,
  type CaptureRecord,
  CaptureRecordTooLongError,
  CompressedCaptureError,
  MalformedCaptureError,
  TruncatedCaptureError,
} from "./capture-record.ts";
import { NANOSECOND_SECONDS_MAX } from "./capture-time.ts";
import { UnencodableRecordError, type WrittenRecord } from "./capture-writer.ts";
import { PcapWriter } from "./pcap-writer.ts";
import { PcapngWriter } from "./pcapng-writer.ts";

type Kept = Omit<CaptureRecord, "bytes" | "offset"> & { readonly packet: readonly number[] };

function keep({ bytes, offset, ...fields }: CaptureRecord): Kept {
  return { ...fields, packet: [...bytes.subarray(offset, offset + fields.capturedBytes)] };
}

/** Everything of a file given in pieces of `pieceBytes`; each piece is spoiled once it is used up. */
function readAll(
  file: Uint8Array,
  pieceBytes = file.length,
  options?: CaptureReaderOptions,
): { readonly records: readonly Kept[]; readonly reader: CaptureReader } {
  const reader = new CaptureReader(options);
  const records: Kept[] = [];
  for (let at = 0; at < file.length; at += pieceBytes) {
    const piece = file.slice(at, at + pieceBytes);
    reader.push(piece);
    while (reader.next()) records.push(keep(reader.record));
    piece.fill(0xee);
  }
  return { records, reader };
}

/** Header of version 2.4, snap length 65535, Ethernet. */
const HEADER = "d4c3b2a1 0200 0400 00000000 00000000 ffff0000 01000000";
/** 1 s, 2 fractions, 3 of 60 bytes. */
const RECORD = "01000000 02000000 03000000 3c000000 aabbcc";

const HEADERS: readonly [string, string, Partial<Kept>][] = [
  ["microseconds, low byte first", `${HEADER} ${RECORD}`, { nanoseconds: 2000 }],
  [
    "nanoseconds, low byte first",
    `4d3cb2a1 0200 0400 00000000 00000000 ffff0000 65000000 ${RECORD}`,
    { nanoseconds: 2, linkType: 101 },
  ],
  [
    "microseconds, high byte first",
    "a1b2c3d4 0002 0004 00000000 00000000 0000ffff 00000001 00000001 00000002 00000003 0000003c aabbcc",
    { nanoseconds: 2000 },
  ],
  [
    "nanoseconds, high byte first",
    "a1b23c4d 0002 0004 00000000 00000000 0000ffff 00000001 00000001 00000002 00000003 0000003c aabbcc",
    { nanoseconds: 2 },
  ],
  [
    "Kuznetzov's records, with interface, protocol, type and pad",
    "34cdb2a1 0200 0400 00000000 00000000 ffff0000 01000000" +
      "01000000 02000000 03000000 3c000000 05000000 0008 00 00 aabbcc",
    { nanoseconds: 2000 },
  ],
  [
    "the lengths of version 2.2, the other way round",
    "d4c3b2a1 0200 0200 00000000 00000000 ffff0000 01000000 01000000 02000000 3c000000 03000000 aabbcc",
    { nanoseconds: 2000 },
  ],
  [
    "the lengths of a version 2.3 that does as 2.2 did",
    "d4c3b2a1 0200 0300 00000000 00000000 ffff0000 01000000 01000000 02000000 3c000000 03000000 aabbcc",
    { nanoseconds: 2000 },
  ],
  [
    "a link type beside the length of the check sequence",
    `d4c3b2a1 0200 0400 00000000 00000000 ffff0000 01000024 ${RECORD}`,
    { nanoseconds: 2000 },
  ],
  [
    "a packet longer than the snap length",
    `d4c3b2a1 0200 0400 00000000 00000000 01000000 01000000 ${RECORD}`,
    { nanoseconds: 2000 },
  ],
  [
    "a fraction of more than a second, and seconds beyond 2038",
    `${HEADER} feffffff 81841e00 03000000 3c000000 aabbcc`,
    { seconds: 0x1_0000_0000, nanoseconds: 1000 },
  ],
];

describe("CaptureReader", () => {
  for (const [what, hex, expected] of HEADERS) {
    test(`next() reads pcap: ${what}`, () => {
      const usual = { seconds: 1, isTimed: true, capturedBytes: 3, originalBytes: 60, linkType: 1 };
      const record = { ...usual, interfaceId: 0, packet: [0xaa, 0xbb, 0xcc], ...expected };
      for (const pieceBytes of [1, 7, 1000]) {
        const { records, reader } = readAll(parseHex(hex), pieceBytes);
        assert.deepEqual(records, [record]);
        assert.equal(reader.end(), undefined);
        assert.equal(reader.formatName, "pcap");
      }
    });
  }

  test("end() tells a file that is cut, wherever that is, and what was whole is there", () => {
    const file = parseHex(`${HEADER} ${RECORD} ${RECORD}`);
    for (let length = 0; length < file.length; length++) {
      const { records, reader } = readAll(file.subarray(0, length), 5);
      assert.equal(records.length, length < 24 + 19 ? 0 : 1, `${length} bytes`);
      const end = reader.end();
      if (length === 24 || length === 24 + 19) assert.equal(end, undefined);
      else {
        assert.ok(end instanceof TruncatedCaptureError);
        assert.equal(end.fileOffset, length);
        const seen =
          length === 0 ? /^Cannot .* byte 0: the file is empty$/ : /byte \d+: the file ends inside of /;
        assert.match(end.message, seen);
      }
    }
  });

  test("next() refuses what is no capture, names the bytes, and does so again", () => {
    const reader = new CaptureReader({ name: "a.pcap" });
    reader.push(parseHex("7f454c46 02010100"));
    const message =
      "Cannot read a.pcap: byte 0: 0x7f454c46 begins neither pcap nor pcapng; editcap makes pcapng of other formats";
    const expected = { message };
    assert.throws(() => reader.next(), expected);
    assert.throws(() => reader.next(), MalformedCaptureError);
  });

  test("next() and compressionOf() tell gzip by its name", () => {
    assert.equal(compressionOf(parseHex("1f8b")), "gzip");
    assert.equal(compressionOf(parseHex("1f")), undefined);
    assert.throws(
      () => readAll(parseHex("1f8b0800 00000000")),
      (error) => error instanceof CompressedCaptureError && error.compression === "gzip",
    );
  });

  test("next() tells other compressions by their names", () => {
    for (const [begin, name] of [
      ["fd377a58 5a000004", "xz"],
      ["28b52ffd 04681900", "zstd"],
      ["425a6839 31415926", "bzip2"],
      ["04224d18 64407000", "lz4"],
      ["504b0304 14000000", "zip"],
    ] as const) {
      const message = `Cannot read capture: byte 0: it is compressed with ${name}; decompress it first`;
      assert.throws(() => readAll(parseHex(begin)), { message });
    }
  });

  test("next() refuses another version of pcap", () => {
    const seen = { message: "Cannot read capture: byte 4: version 3.4 of pcap, wanted 2.4" };
    assert.throws(() => readAll(parseHex(HEADER.replace("0200 0400", "0300 0400"))), seen);
  });

  test("next() refuses a record above the maximum, and takes one of exactly so many bytes", () => {
    const file = parseHex(`${HEADER} ${RECORD} ${RECORD.replace("03000000", "04000000")} dd`);
    assert.equal(readAll(file, 6, { recordBytesMax: 4 }).records.length, 2);
    assert.throws(
      () => readAll(file, 6, { recordBytesMax: 3 }),
      (error) => error instanceof CaptureRecordTooLongError && error.fileOffset === 24 + 19 + 8,
    );
    assert.throws(
      () => readAll(parseHex(`${HEADER} 00000000 00000000 ffffffff ffffffff`)),
      /byte 32: a packet of 4294967295 bytes, the most is 16777216/,
    );
  });

  test("next() holds no more memory than has come, whatever a length claims", () => {
    const claimed = CAPTURE_RECORD_BYTES_MAX.toString(16).padStart(8, "0").match(/../g)!.reverse().join("");
    const before = process.memoryUsage().arrayBuffers;
    const readers = Array.from({ length: 20 }, () =>
      readAll(parseHex(`${HEADER} 00000000 00000000 ${claimed} ${claimed} 00`), 3),
    );
    assert.ok(process.memoryUsage().arrayBuffers - before < CAPTURE_RECORD_BYTES_MAX);
    assert.ok(readers.every(({ reader }) => reader.end()));
  });

  test("push() refuses a second chunk before the first is used up", () => {
    const reader = new CaptureReader();
    reader.push(parseHex(`${HEADER} ${RECORD} ${RECORD}`));
    assert.equal(reader.next(), true);
    assert.throws(() => reader.push(Uint8Array.of(1)), InvariantError);
    assert.deepEqual([reader.next(), reader.next()], [true, false]);
    reader.push(Uint8Array.of(1));
  });
});

const arbitraryPacket = fc.uint8Array({ maxLength: 70 });
const arbitraryRecord = (secondsMax: number): fc.Arbitrary<WrittenRecord> =>
  fc
    .record({
      seconds: fc.oneof(fc.integer({ min: 0, max: secondsMax }), fc.constantFrom(0, secondsMax)),
      nanoseconds: fc.oneof(fc.integer({ min: 0, max: 999_999_999 }), fc.constantFrom(0, 999_999_999)),
      originalBytes: fc.integer({ min: 0, max: 0xffff_ffff }),
      before: arbitraryPacket,
      packet: arbitraryPacket,
      after: arbitraryPacket,
    })
    .map(({ before, packet, after, ...rest }) => ({
      ...rest,
      capturedBytes: packet.length,
      bytes: Uint8Array.from([...before, ...packet, ...after]),
      offset: before.length,
    }));

/** The bytes of both takes, one before the last record. */
function joined(parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

const seed = Date.now() % 1e9;

describe("writers", () => {
  test("PcapWriter writes what CaptureReader reads", (context) => {
    context.diagnostic(`seed ${seed}`);
    const unit = fc.constantFrom("microseconds" as const, "nanoseconds" as const);
    const records = fc.array(arbitraryRecord(0xffff_ffff), { maxLength: 8 });
    fc.assert(
      fc.property(records, unit, fc.nat(400), fc.nat(300), (written, timeUnit, linkType, pieceBytes) => {
        const writer = new PcapWriter({ linkType, timeUnit });
        const parts = written.map((record) => {
          writer.write(record);
          return writer.take();
        });
        const { records: read, reader } = readAll(joined([...parts, writer.take()]), pieceBytes + 1);
        const step = timeUnit === "nanoseconds" ? 1 : 1000;
        const expected = written.map((record) => ({
          ...expectedOf(record, { linkType, interfaceId: 0 }),
          nanoseconds: record.nanoseconds - (record.nanoseconds % step),
        }));
        assert.deepEqual(read, expected);
        assert.equal(reader.end(), undefined);
        assert.equal(writer.waitingBytes, 0);
      }),
      { seed },
    );
  });

  test("PcapngWriter writes what CaptureReader reads", (context) => {
    context.diagnostic(`seed ${seed}`);
    const text = fc.option(fc.string({ unit: "grapheme", maxLength: 9 }), { nil: undefined });
    const item = fc.tuple(arbitraryRecord(NANOSECOND_SECONDS_MAX), fc.nat(2), text);
    const file = fc.array(item, { maxLength: 8 });
    fc.assert(
      fc.property(file, text, text, fc.nat(300), (written, application, comment, pieceBytes) => {
        const texts = { ...(application && { application }), ...(comment && { comment }) };
        const writer = new PcapngWriter(texts);
        const ids = [1, 101, 276].map((linkType) =>
          writer.addInterface({ linkType, name: `lnk${linkType}`, snapLengthBytes: 9 }),
        );
        assert.deepEqual(ids, [0, 1, 2]);
        for (const [record, id, remark] of written) writer.write(record, id, remark);
        const { records: read, reader } = readAll(writer.take(), pieceBytes + 1);
        const expected = written.map(([record, interfaceId]) =>
          expectedOf(record, { linkType: [1, 101, 276][interfaceId] as number, interfaceId }),
        );
        assert.deepEqual(read, expected);
        assert.equal(reader.end(), undefined);
        const names = reader.interfaces.map(({ name }) => name);
        assert.deepEqual(names, ["lnk1", "lnk101", "lnk276"]);
      }),
      { seed },
    );
  });

  const record = { seconds: 0, nanoseconds: 0, capturedBytes: 1, originalBytes: 1, offset: 0 };
  const packet = { ...record, bytes: Uint8Array.of(7) };
  const long = { ...packet, bytes: new Uint8Array(CAPTURE_RECORD_BYTES_MAX + 1) };
  const UNWRITABLE: readonly [string, WrittenRecord, new () => Error][] = [
    ["a time before 1970", { ...packet, seconds: -1 }, UnencodableRecordError as never],
    [
      "a time after 2554",
      { ...packet, seconds: NANOSECOND_SECONDS_MAX + 1 },
      UnencodableRecordError as never,
    ],
    ["a whole second of nanoseconds", { ...packet, nanoseconds: 1e9 }, UnencodableRecordError as never],
    ["a packet too long", { ...long, capturedBytes: long.bytes.length }, UnencodableRecordError as never],
    ["a packet that is not there", { ...packet, offset: 1 }, InvariantError as never],
  ];
  for (const [what, unwritable, kind] of UNWRITABLE) {
    test(`write() refuses ${what} and leaves the file whole`, () => {
      const classic = new PcapWriter({ linkType: 1 });
      const next = new PcapngWriter();
      next.addInterface({ linkType: 1 });
      for (const writer of [classic, next]) {
        assert.throws(() => writer.write(unwritable), kind);
        writer.write(packet);
        assert.equal(readAll(writer.take()).records.length, 1);
      }
    });
  }

  test("write() takes the longest packet there may be", () => {
    const writer = new PcapWriter({ linkType: 1, timeUnit: "microseconds" });
    writer.write({ ...long, capturedBytes: CAPTURE_RECORD_BYTES_MAX });
    const reader = new CaptureReader();
    reader.push(writer.take());
    assert.equal(reader.next(), true);
    assert.equal(reader.record.capturedBytes, CAPTURE_RECORD_BYTES_MAX);
  });

  test("PcapngWriter refuses an interface it does not know, and a comment that is too long", () => {
    const writer = new PcapngWriter();
    assert.throws(() => writer.write(packet), /add.*Interface\(\) first/);
    const id = writer.addInterface({ linkType: 1 });
    assert.throws(() => writer.write(packet, id, "x".repeat(65_536)), UnencodableRecordError);
    writer.write(packet, id, "x".repeat(65_535));
    assert.equal(readAll(writer.take()).records.length, 1);
  });
});

function expectedOf(
  { bytes, offset, ...fields }: WrittenRecord,
  more: Pick<Kept, "linkType" | "interfaceId">,
): Kept {
  const packet = [...bytes.subarray(offset, offset + fields.capturedBytes)];
  return { ...fields, ...more, isTimed: true, packet };
}
