import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { formatHex, parseHex } from "#base/hex.ts";
import { arbitraryTuples } from "../../fuzz/arbitrary-tuples.ts";
import { MalformedTuplesError, UnencodableError } from "./cbor-profile.ts";
import {
  FLAG,
  FRAME_BYTES_MAX,
  type FrameParts,
  FrameSplitter,
  FramingError,
  KIND,
  NO_MAILBOX,
  readFrameContent,
  readFrameHead,
  writeFrame,
} from "./link.ts";
import { Output } from "./output.ts";

const uint32 = fc.nat(0xffff_ffff);
const arbitraryFrame: fc.Arbitrary<FrameParts> = fc.record({
  kind: fc.nat(255),
  flags: fc.constantFrom(0, FLAG.quiet, FLAG.skippable),
  mailbox: fc.constantFrom(0, 1, 4096, NO_MAILBOX),
  seq: uint32,
  ref: uint32,
  path: fc.constantFrom("/x", "/dhcpd/lookup", `/${"a".repeat(254)}`),
  meta: fc.oneof(fc.constant([]), arbitraryTuples),
  body: arbitraryTuples,
});

function encode(frames: readonly FrameParts[]): Uint8Array {
  const output = new Output();
  for (const frame of frames) writeFrame(output, frame);
  return output.bytes.slice(0, output.length);
}

function decode(chunks: readonly Uint8Array[], splitter = new FrameSplitter()): unknown[] {
  const frames: unknown[] = [];
  for (const chunk of chunks) {
    splitter.push(chunk, (bytes, start, end) => {
      const head = readFrameHead(bytes, start);
      frames.push({ ...head, ...readFrameContent(bytes, start, end, head) });
    });
  }
  return frames;
}

test("FrameSplitter gives back every frame that writeFrame() wrote, however the stream is cut", () => {
  fc.assert(
    fc.property(fc.array(arbitraryFrame, { maxLength: 5 }), fc.array(fc.nat(500)), (frames, cuts) => {
      const stream = encode(frames);
      const places = [0, ...cuts.map((cut) => cut % (stream.length + 1)), stream.length].sort(
        (a, b) => a - b,
      );
      const chunks = places.slice(1).map((end, index) => stream.slice(places[index], end));
      const bytes = Array.from(stream, (byte) => Uint8Array.of(byte));
      const expected = frames.map((frame) => ({
        ...frame,
        flags: frame.meta?.length ? frame.flags | FLAG.meta : frame.flags,
        path: frame.mailbox === 0 ? frame.path : undefined,
      }));
      assert.deepEqual(decode([stream]), expected);
      assert.deepEqual(decode(chunks), expected);
      assert.deepEqual(decode(bytes), expected);
    }),
    { numRuns: 200 },
  );
});

test("FrameSplitter of changed bytes gives frames or its own errors, never anything else", () => {
  fc.assert(
    fc.property(
      fc.array(arbitraryFrame, { minLength: 1, maxLength: 3 }),
      fc.nat(),
      fc.nat(255),
      (frames, at, byte) => {
        const stream = encode(frames);
        stream[at % stream.length] = byte;
        const outcome = (chunks: readonly Uint8Array[]): string => {
          try {
            return JSON.stringify(decode(chunks).length);
          } catch (error) {
            assert.ok(error instanceof FramingError || error instanceof MalformedTuplesError, String(error));
            return error.message;
          }
        };
        const middle = at % stream.length;
        assert.equal(outcome([stream.slice(0, middle), stream.slice(middle)]), outcome([stream]));
      },
    ),
    { numRuns: 1000 },
  );
});

const BROKEN: readonly [string, string, RegExp][] = [
  ["a length below the head's", "0b000000 0d00ffff 00000000 00000000", /15 bytes, outside 16..1048576/],
  ["a length above the maximum", "fdff0f00 0d00ffff 00000000 00000000", /1048577 bytes, outside/],
  ["the longest length there is", "ffffffff 0d00ffff 00000000 00000000", /4294967299 bytes/],
  ["an unknown flag", "0d000000 0d10ffff 00000000 00000000 80", /unknown flags 0x10/],
];
for (const [what, hex, text] of BROKEN) {
  test(`FrameSplitter refuses ${what}, whole and byte by byte`, () => {
    const bytes = parseHex(hex);
    assert.throws(() => decode([bytes]), text);
    assert.throws(() => decode(Array.from(bytes, (byte) => Uint8Array.of(byte))), text);
  });
}

test("FrameSplitter takes a frame of the longest size, and its memory grows with what comes, not with what is said", () => {
  const frame = { kind: KIND.send, flags: 0, mailbox: 1, seq: 1, ref: 0 };
  const bytes = encode([{ ...frame, body: ["a", new Uint8Array(FRAME_BYTES_MAX - 16 - 8)] }]);
  assert.equal(bytes.length, FRAME_BYTES_MAX);
  assert.equal(decode([bytes.slice(0, 1000), bytes.slice(1000)]).length, 1);
  const splitter = new FrameSplitter();
  splitter.push(bytes.slice(0, 100), () => assert.fail("it is not complete"));
  assert.equal(splitter.keptBytes, 100);
});

const CONTENT: readonly [string, string, RegExp][] = [
  [
    "a path longer than the frame",
    "0e000000 02000000 00000000 00000000 ff2f",
    /path longer than its frame at byte 16/,
  ],
  ["no body", "0c000000 0d00ffff 00000000 00000000", /ends too early at byte 16/],
  ["control tuples that are no array", "0e000000 0201ffff 00000000 00000000 0180", /not an array at byte 16/],
  ["bytes behind the body", "0e000000 0200ffff 00000000 00000000 8000", /1 bytes too many at byte 17/],
];
for (const [what, hex, text] of CONTENT) {
  test(`readFrameContent() refuses ${what}, and says at which byte of the frame`, () => {
    assert.throws(() => decode([parseHex(hex)]), text);
  });
}

test("writeFrame() writes nothing of a message that has no form", () => {
  const output = new Output();
  const frame = { kind: KIND.send, flags: 0, mailbox: 1, seq: 1, ref: 0 };
  writeFrame(output, { ...frame, body: ["a", 1] });
  const before = formatHex(output.bytes.subarray(0, output.length));
  assert.throws(
    () => writeFrame(output, { ...frame, body: ["a", undefined as unknown as string] }),
    UnencodableError,
  );
  assert.equal(formatHex(output.bytes.subarray(0, output.length)), before);
});
