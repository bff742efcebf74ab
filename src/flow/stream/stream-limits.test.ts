/**
 * What happens at each limit of a stream buffer, and that floods reach them and stop there.
 * @module
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SeededRandom } from "#base/seeded-random.ts";
import type { OverlapPolicy } from "../policy.ts";
import { PagePool } from "./page-pool.ts";
import { PlaceReport } from "./place-report.ts";
import { StreamBuffer, type StreamBufferOptions } from "./stream-buffer.ts";

const PAGE = 8;

function make(pool: PagePool, options: Partial<StreamBufferOptions> = {}): StreamBuffer {
  const limits = { bytesMax: 1 << 20, segmentCountMax: 1000, compareBytes: 0, startOffset: 0 };
  return new StreamBuffer({ pool, policy: "bsd", ...limits, ...options });
}

function poolOf(pageCount: number): PagePool {
  return new PagePool({ pageBytes: PAGE, totalBytesMax: pageCount * PAGE + 1 });
}

function place(buffer: StreamBuffer, offset: number, lengthBytes: number): PlaceReport {
  const report = new PlaceReport();
  buffer.place(offset, new Uint8Array(lengthBytes).fill(65), 0, lengthBytes, report);
  return report;
}

function lost({ lostOffset, lostBytes, lostTo }: PlaceReport): unknown[] {
  return [lostOffset, lostBytes, lostTo];
}

describe("PagePool", () => {
  it("take() answers undefined at the limit, and gives what came back", () => {
    const pool = new PagePool({ pageBytes: 8, totalBytesMax: 8 * 40 + 7 });
    const pages = Array.from({ length: 40 }, () => pool.take());
    assert.equal(new Set(pages).size, 40);
    assert.equal(pool.usedBytes, 320);
    assert.equal(pool.take(), undefined);
    assert.equal(pool.usedBytes, 320);
    pool.give(pages[3]!);
    assert.equal(pool.usedBytes, 312);
    assert.equal(pool.take(), pages[3]);
  });
});

describe("StreamBuffer at its limits", () => {
  it("loses the rest of a segment where bytesMax is reached, and tells which bytes", () => {
    const buffer = make(poolOf(100), { bytesMax: 3 * PAGE + 7 });
    place(buffer, 28, 4);
    const report = place(buffer, 4, 30);
    assert.equal(report.newBytes, 12);
    assert.deepEqual(lost(report), [16, 14, "stream-bytes"]);
    assert.equal(buffer.heldBytes, 3 * PAGE);
    assert.deepEqual(buffer.fragments(), [
      { offset: 4, lengthBytes: 12 },
      { offset: 28, lengthBytes: 4 },
    ]);
  });

  it("shares totalBytesMax with all other streams", () => {
    const pool = poolOf(3);
    const first = make(pool);
    const second = make(pool);
    place(first, 0, 2 * PAGE);
    assert.deepEqual(lost(place(second, 100, 20)), [104, 16, "total-bytes"]);
    first.advance();
    first.release(PAGE);
    assert.deepEqual(lost(place(second, 104, 16)), [112, 8, "total-bytes"]);
    first.clear();
    second.clear();
    assert.equal(pool.usedBytes, 0);
  });

  it("gives up what is kept for comparison before it loses anything", () => {
    const buffer = make(poolOf(4), { compareBytes: 100 });
    place(buffer, 0, 32);
    buffer.release(buffer.advance());
    assert.equal(place(buffer, 0, 32).content, "same");
    assert.deepEqual(lost(place(buffer, 32, 8)), [0, 0, ""]);
    assert.equal(place(buffer, 0, 32).content, "unknown");
  });

  it("loses a segment that stands alone where segmentCountMax is reached, and takes all others", () => {
    const buffer = make(poolOf(100), { segmentCountMax: 3 });
    for (const offset of [10, 20, 30]) place(buffer, offset, 2);
    assert.deepEqual(lost(place(buffer, 40, 3)), [40, 3, "segments"]);
    assert.deepEqual(lost(place(buffer, 5, 4)), [5, 4, "segments"]);
    for (const [offset, lengthBytes, newBytes] of [
      [12, 3, 3],
      [8, 2, 2],
      [19, 12, 9],
      [31, 5, 4],
    ] as const) {
      assert.equal(place(buffer, offset, lengthBytes).newBytes, newBytes);
    }
    assert.deepEqual(buffer.fragments(), [
      { offset: 8, lengthBytes: 7 },
      { offset: 19, lengthBytes: 17 },
    ]);
  });

  it("takes what is next in order whatever the number of segments", () => {
    const buffer = make(poolOf(100), { segmentCountMax: 2 });
    place(buffer, 100, 1);
    place(buffer, 200, 1);
    for (let offset = 0; offset < 100; offset += 10) {
      assert.equal(place(buffer, offset, 10).newBytes, 10);
      assert.equal(buffer.advance(), offset + (offset < 90 ? 10 : 11));
    }
    assert.equal(buffer.segmentCount, 2);
  });

  it("forgets boundaries of touching segments when there are too many, and no byte", () => {
    const buffer = make(poolOf(100), { segmentCountMax: 8 });
    for (let offset = 60; offset > 10; offset--) {
      assert.equal(place(buffer, offset, 1).newBytes, 1);
      assert.ok(buffer.segmentCount <= 8);
    }
    assert.deepEqual(buffer.fragments(), [{ offset: 11, lengthBytes: 50 }]);
  });

  it("keeps no boundaries for policies that need none", () => {
    for (const policy of ["first", "last"] as const) {
      const buffer = make(poolOf(100), { policy });
      for (const offset of [10, 14, 18, 12, 16, 8, 11]) place(buffer, offset, 2);
      assert.equal(buffer.segmentCount, 1, policy);
    }
  });
});

describe("StreamBuffer under floods", () => {
  const limits = { bytesMax: 1 << 20, segmentCountMax: 512, compareBytes: 16_384 };
  const byte = new Uint8Array(1);
  const floods: Record<string, (index: number, random: SeededRandom) => number> = {
    "a million bytes in reverse order": (index) => 1_000_000 - index,
    "a million holes": (index) => 1 + 2 * index,
    "bytes all over a window of 1 GiB": (_, random) => 1 + random.below(2 ** 30),
  };
  for (const [name, offsetOf] of Object.entries(floods)) {
    for (const policy of ["first", "linux", "solaris"] as const satisfies OverlapPolicy[]) {
      it(`${name} cost no more than the limits, as ${policy}`, (context) => {
        const pool = new PagePool({ pageBytes: 2048, totalBytesMax: 1 << 30 });
        const buffer = make(pool, { policy, ...limits });
        const report = new PlaceReport();
        const random = new SeededRandom(7);
        const start = performance.now();
        for (let index = 0; index < 1_000_000; index++) {
          buffer.place(offsetOf(index, random), byte, 0, 1, report);
          buffer.advance();
          if (pool.usedBytes > limits.bytesMax || buffer.segmentCount > limits.segmentCountMax) {
            assert.fail(`${pool.usedBytes} bytes, ${buffer.segmentCount} segments`);
          }
        }
        const elapsed = performance.now() - start;
        context.diagnostic(`${elapsed.toFixed(0)} ns a segment`);
        // Twenty times what it takes on a quiet machine; a list walked from its start would take longer.
        assert.ok(elapsed < 10_000, `${elapsed} ms`);
        buffer.clear();
        assert.equal(pool.usedBytes, 0);
      });
    }
  }
});
