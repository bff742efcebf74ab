/**
 * The overlap policies on the patterns of Novak and Sturges, see `test/support/overlap-patterns.ts`.
 * @module
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type DrawnSegment, drawnSegments, PATTERNS } from "../../../test/support/overlap-patterns.ts";
import type { OverlapPolicy } from "../policy.ts";
import { PagePool } from "./page-pool.ts";
import { PlaceReport } from "./place-report.ts";
import { StreamBuffer } from "./stream-buffer.ts";

/** Where byte 0 of a pattern lies: the last two near 2^31 and across 2^32. */
const OFFSETS = [0, 1, 2 ** 31 - 7, 2 ** 32 - 11];

function play(
  policy: OverlapPolicy,
  segments: readonly DrawnSegment[],
  startOffset: number,
  pageBytes: number,
): string {
  const pool = new PagePool({ pageBytes, totalBytesMax: 1 << 16 });
  const options = { pool, policy, bytesMax: 1 << 16, segmentCountMax: 64, compareBytes: 0, startOffset };
  const buffer = new StreamBuffer(options);
  const report = new PlaceReport();
  let width = 0;
  for (const { offset, text } of segments) {
    const bytes = Buffer.from(`##${text}#`);
    width = Math.max(width, offset + text.length);
    buffer.place(startOffset + offset, bytes, 2, 2 + text.length, report);
    assert.equal(report.lostBytes, 0);
  }
  let text = "";
  while (text.length < width) {
    const view = buffer.span(startOffset + text.length, width);
    text += view === undefined ? "." : Buffer.from(view).toString();
  }
  return text;
}

describe("StreamBuffer with overlapping segments", () => {
  for (const { name, segments, results } of PATTERNS) {
    for (const [policy, expected] of Object.entries(results) as [OverlapPolicy, string][]) {
      it(`keeps, as ${policy}, of ${name}: ${expected}`, () => {
        for (const offset of OFFSETS) {
          for (const pageBytes of [4, 2048]) {
            assert.equal(
              play(policy, drawnSegments(segments), offset, pageBytes),
              expected,
              `from ${offset} on`,
            );
          }
        }
      });
    }
  }
});
