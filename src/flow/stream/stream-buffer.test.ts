import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SeededRandom } from "#base/seeded-random.ts";
import { StreamModel } from "../../../test/support/stream-model.ts";
import type { OverlapPolicy } from "../policy.ts";
import { PagePool } from "./page-pool.ts";
import { PlaceReport } from "./place-report.ts";
import { StreamBuffer, type StreamBufferOptions } from "./stream-buffer.ts";

const POLICIES: readonly OverlapPolicy[] = [
  "first",
  "last",
  "bsd",
  "windows",
  "linux",
  "old-linux",
  "solaris",
];

interface Made {
  readonly pool: PagePool;
  readonly buffer: StreamBuffer;
}

function make(
  options: Partial<StreamBufferOptions> & { pageBytes?: number; totalBytesMax?: number } = {},
): Made {
  const { pageBytes = 16, totalBytesMax = 1 << 20 } = options;
  const pool = new PagePool({ pageBytes, totalBytesMax });
  const limits = { bytesMax: 1 << 20, segmentCountMax: 1000, compareBytes: 0, startOffset: 0 };
  return { pool, buffer: new StreamBuffer({ pool, policy: "first", ...limits, ...options }) };
}

function place(buffer: StreamBuffer, offset: number, text: string): PlaceReport {
  const report = new PlaceReport();
  const bytes = Buffer.from(`<${text}>`);
  buffer.place(offset, bytes, 1, 1 + text.length, report);
  return report;
}

/** The bytes kept from an offset on, without a hole. */
function read(buffer: StreamBuffer, offset: number): string {
  let text = "";
  for (;;) {
    const view = buffer.span(offset + text.length, 1000);
    if (view === undefined) return text;
    text += Buffer.from(view).toString();
  }
}

describe("StreamBuffer", () => {
  it("place() and advance() put a hole's bytes in order", () => {
    const { buffer } = make();
    assert.equal(place(buffer, 5, "fghij").newBytes, 5);
    assert.equal(buffer.advance(), 0);
    assert.equal(buffer.firstHoldOffset(), 5);
    assert.deepEqual(buffer.fragments(), [{ offset: 5, lengthBytes: 5 }]);
    assert.equal(read(buffer, 5), "fghij");
    place(buffer, 0, "abcde");
    assert.equal(buffer.advance(), 10);
    assert.equal(buffer.firstHoldOffset(), -1);
    assert.equal(read(buffer, 0), "abcdefghij");
  });

  it("place() appends the rest of a retransmission that is longer, and of one that starts earlier", () => {
    const { buffer } = make({ startOffset: 3 });
    place(buffer, 3, "III");
    buffer.advance();
    assert.equal(place(buffer, 3, "QQQQ").newBytes, 1);
    assert.equal(buffer.advance(), 7);
    assert.equal(place(buffer, 0, "LLLLLLLLL").newBytes, 2);
    assert.equal(buffer.advance(), 9);
    assert.equal(read(buffer, 3), "IIIQLL");
  });

  it("place() changes nothing below next, whatever the policy, and tells what is different", () => {
    for (const policy of POLICIES) {
      const { buffer } = make({ policy });
      place(buffer, 0, "abcdef");
      buffer.advance();
      const same = place(buffer, 2, "cd");
      assert.deepEqual([same.content, same.overlapOffset, same.overlapBytes], ["same", 2, 2]);
      const different = place(buffer, 0, "abXYef");
      assert.deepEqual([different.content, different.differenceOffset], ["different", 2]);
      assert.deepEqual([different.newBytes, different.replacedBytes], [0, 0]);
      assert.equal(read(buffer, 0), "abcdef");
    }
  });

  it("place() says unknown where nothing is kept, and compares what is", () => {
    const { buffer } = make({ startOffset: 4, compareBytes: 2, pageBytes: 4 });
    assert.equal(place(buffer, 0, "abcd").content, "unknown");
    place(buffer, 4, "efghijkl");
    buffer.release(buffer.advance());
    assert.equal(buffer.heldBytes, 4);
    assert.equal(place(buffer, 4, "XXXXXX").content, "unknown");
    const end = place(buffer, 4, "XXXXXXkl");
    assert.deepEqual([end.content, end.comparedBytes, end.overlapBytes], ["same", 2, 8]);
    assert.equal(place(buffer, 4, "XXXXXXkX").differenceOffset, 11);
  });

  it("place() takes one odd byte in front of next for a keep-alive's", () => {
    const { buffer } = make();
    place(buffer, 0, "abc");
    buffer.advance();
    assert.equal(place(buffer, 2, "\0").content, "unknown");
    assert.equal(place(buffer, 2, "c").content, "same");
    assert.equal(place(buffer, 1, "\0").content, "different");
    place(buffer, 5, "f");
    assert.equal(place(buffer, 2, "\0").content, "different");
  });

  it("skipTo() gives a gap up, keeps what lies in it, and goes on", () => {
    const { buffer } = make();
    place(buffer, 0, "ab");
    place(buffer, 4, "ef");
    place(buffer, 8, "ij");
    assert.equal(buffer.advance(), 2);
    assert.equal(buffer.skipTo(4), 6);
    assert.equal(buffer.skipTo(9), 10);
    assert.equal(buffer.skipTo(3), 10);
    const late = place(buffer, 0, "abXXefXXij");
    assert.deepEqual([late.content, late.comparedBytes, late.newBytes], ["same", 6, 0]);
    assert.equal(buffer.span(2, 10), undefined);
    assert.equal(buffer.skipTo(100), 100);
  });

  it("rewrite() puts the accepted bytes over those of a conflicting segment", () => {
    const { buffer } = make({ pageBytes: 4 });
    place(buffer, 0, "accepted");
    buffer.advance();
    place(buffer, 10, "held");
    const bytes = Buffer.from("<XXXXpteX..hXldX>");
    assert.equal(buffer.rewrite(0, bytes, 1, bytes.length - 1), 6);
    assert.equal(bytes.toString(), "<accepted..heldX>");
  });

  it("release() never goes beyond next, and clear() gives every page back", () => {
    const { buffer, pool } = make({ pageBytes: 4 });
    place(buffer, 0, "abcdefgh");
    place(buffer, 12, "mnop");
    assert.equal(pool.usedBytes, 12);
    buffer.advance();
    buffer.release(1000);
    assert.equal(pool.usedBytes, 4);
    assert.equal(read(buffer, 12), "mnop");
    buffer.clear();
    assert.deepEqual([pool.usedBytes, buffer.segmentCount, buffer.next], [0, 0, 8]);
    place(buffer, 8, "again");
    assert.equal(buffer.advance(), 13);
  });

  it("works at offsets of more than 2^32 as it does at 0", () => {
    for (const startOffset of [2 ** 32 - 3, 2 ** 40 + 1, 2 ** 52 - 5]) {
      const { buffer } = make({ startOffset, pageBytes: 4 });
      place(buffer, startOffset + 4, "efgh");
      place(buffer, startOffset, "abcdXX");
      assert.equal(buffer.advance(), startOffset + 8);
      assert.equal(read(buffer, startOffset), "abcdefgh");
      assert.equal(place(buffer, startOffset + 2, "cX").differenceOffset, startOffset + 3);
    }
  });
});

/** One random life of a buffer, checked against the model at every step. */
function live(random: SeededRandom, policy: OverlapPolicy): void {
  const startOffset = [0, 1, 2 ** 31 - 20, 2 ** 32 - 20, 2 ** 45][random.below(5)]!;
  const compareBytes = [0, 5, 40][random.below(3)]!;
  const pageBytes = 1 + random.below(random.below(4) === 0 ? 64 : 9);
  const { buffer, pool } = make({ policy, compareBytes, startOffset, pageBytes });
  const model = new StreamModel(policy, compareBytes, startOffset);
  const report = new PlaceReport();
  for (let step = random.below(14); step >= 0; step--) {
    const offset = Math.max(startOffset, model.next - 12 + random.below(36));
    const lengthBytes = 1 + random.below(random.below(3) === 0 ? 24 : 7);
    // Few different values, so that some overlaps are of the same bytes.
    const bytes = random.bytes(lengthBytes + 2).map((value) => value & 1);
    const expected = model.place(offset, bytes.subarray(1, -1));
    buffer.place(offset, bytes, 1, lengthBytes + 1, report);
    const seen = Object.fromEntries(
      Object.keys(expected).map((key) => [key, report[key as keyof PlaceReport]]),
    );
    if (report.content !== "different") seen.differenceOffset = 0;
    assert.deepEqual(seen, { ...expected });
    assert.equal(report.lostBytes, 0);
    if (random.below(8) > 0) assert.equal(buffer.advance(), model.advance());
    if (random.below(6) === 0) {
      const gapEnd = model.next + random.below(10);
      assert.equal(buffer.skipTo(gapEnd), model.skipTo(gapEnd));
    }
    if (random.below(3) === 0) {
      const before = model.next - random.below(20);
      buffer.release(before);
      model.release(before);
    }
    compare(buffer, model, startOffset);
    const rewritten = bytes.slice();
    assert.equal(
      buffer.rewrite(offset, rewritten, 1, lengthBytes + 1),
      model.rewrite(offset, bytes.subarray(1, -1)),
    );
    assert.deepEqual(rewritten, bytes);
    assert.equal(buffer.heldBytes, pool.usedBytes);
  }
  buffer.clear();
  assert.equal(pool.usedBytes, 0);
}

/** Whether both keep the same bytes. */
function compare(buffer: StreamBuffer, model: StreamModel, startOffset: number): void {
  for (let offset = startOffset; offset < model.next + 64; offset++) {
    assert.equal(buffer.span(offset, 1)?.[0], model.at(offset), `byte ${offset}`);
  }
  const above = buffer.fragments().flatMap(({ offset, lengthBytes }) => {
    return Array.from({ length: lengthBytes }, (_, index) => offset + index);
  });
  assert.deepEqual(above, model.above());
  assert.equal(buffer.heldAboveBytes, above.length);
  assert.equal(buffer.firstHoldOffset(), above[0] ?? -1);
}

describe("StreamBuffer against a model of single bytes", () => {
  for (const policy of POLICIES) {
    it(`agrees with it as ${policy}`, (context) => {
      const seed = Date.now() % 1e9;
      context.diagnostic(`seed ${seed}`);
      const random = new SeededRandom(seed);
      for (let round = 0; round < 2000; round++) live(random, policy);
    });
  }
});
