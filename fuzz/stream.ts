/**
 * The life of a stream buffer under tight limits: segments anywhere, gaps given up, bytes released.
 * @module
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { OverlapPolicy } from "#flow/policy.ts";
import { PagePool } from "#flow/stream/page-pool.ts";
import { PlaceReport } from "#flow/stream/place-report.ts";
import { StreamBuffer } from "#flow/stream/stream-buffer.ts";
import { main, type Target } from "./target.ts";

/** What is done: a segment of that length there, and what comes behind it. Offsets are relative to `next` minus 30. */
interface Step {
  readonly offset: number;
  readonly lengthBytes: number;
  readonly value: number;
  readonly act: "advance" | "skip" | "release" | "clear" | "nothing";
}

interface Life {
  readonly policy: OverlapPolicy;
  readonly startOffset: number;
  readonly pageBytes: number;
  readonly pageCountMax: number;
  readonly segmentCountMax: number;
  readonly compareBytes: number;
  readonly steps: readonly Step[];
}

const step = fc.record<Step>({
  offset: fc.oneof({ weight: 9, arbitrary: fc.nat(80) }, { weight: 1, arbitrary: fc.nat(2 ** 31) }),
  lengthBytes: fc.oneof({ weight: 9, arbitrary: fc.nat(20) }, { weight: 1, arbitrary: fc.nat(300) }),
  value: fc.nat(3),
  act: fc.constantFrom("advance", "advance", "advance", "skip", "release", "clear", "nothing"),
});

const life = fc.record<Life>({
  policy: fc.constantFrom("first", "last", "bsd", "windows", "linux", "old-linux", "solaris"),
  startOffset: fc.constantFrom(30, 2 ** 31 - 9, 2 ** 32 - 9, 2 ** 48),
  pageBytes: fc.integer({ min: 1, max: 32 }),
  pageCountMax: fc.integer({ min: 1, max: 12 }),
  segmentCountMax: fc.integer({ min: 1, max: 8 }),
  compareBytes: fc.nat(60),
  steps: fc.array(step, { maxLength: 40 }),
});

export const stream: Target<Life> = {
  name: "stream",
  invariant: "limits hold, every byte is accounted for, and what is kept was sent at that place",
  corpus: [],
  inputs: life,
  testRounds: 2000,
  check({ steps, pageBytes, pageCountMax, ...options }) {
    const pool = new PagePool({ pageBytes, totalBytesMax: pageBytes * (pageCountMax - 1) });
    const buffer = new StreamBuffer({ pool, bytesMax: pageBytes * pageCountMax, ...options });
    const report = new PlaceReport();
    const sent = new Map<number, Set<number>>();
    let released = 0;
    for (const { offset, lengthBytes, value, act } of steps) {
      const at = Math.max(0, buffer.next - 30 + offset);
      const next = buffer.next;
      const bytes = new Uint8Array(lengthBytes + 2).fill(value, 1, -1);
      const kept = read(buffer, options.startOffset, next);
      buffer.place(at, bytes, 1, 1 + lengthBytes, report);
      assert.equal(buffer.next, next);
      checkReport(report, lengthBytes);
      for (let index = 0; index < lengthBytes; index++) put(sent, at + index, value);
      const stillKept = read(buffer, options.startOffset, next);
      for (const [where, byte] of kept) if (where >= released) assert.equal(stillKept.get(where), byte);
      assert.ok(stillKept.size <= kept.size);
      if (act === "advance") assert.ok(buffer.advance() >= next);
      else if (act === "skip") assert.ok(buffer.skipTo(at) >= at);
      else if (act === "release") buffer.release(at);
      else if (act === "clear") buffer.clear();
      if (act === "release") released = Math.max(released, Math.min(at, buffer.next));
      if (act === "clear") released = buffer.next;
      assert.ok(buffer.segmentCount <= options.segmentCountMax + 2, `${buffer.segmentCount} segments`);
      assert.ok(pool.usedBytes === buffer.heldBytes && pool.usedBytes <= pageBytes * pageCountMax);
      checkKept(buffer, sent);
    }
    buffer.clear();
    assert.equal(pool.usedBytes, 0);
  },
};

function checkReport(report: PlaceReport, lengthBytes: number): void {
  const { newBytes, overlapBytes, comparedBytes, lostBytes, lostTo, content, replacedBytes } = report;
  assert.ok(newBytes + overlapBytes + lostBytes <= lengthBytes);
  if (lostBytes === 0) assert.equal(newBytes + overlapBytes, lengthBytes);
  assert.ok(comparedBytes <= overlapBytes && replacedBytes <= comparedBytes);
  assert.equal(lostTo === "", lostBytes === 0);
  assert.equal(content === "none", overlapBytes === 0);
  assert.equal(content === "same" || content === "different", comparedBytes > 0);
}

/** Every byte above `next` and a good part below has a value that somebody sent there. */
function checkKept(buffer: StreamBuffer, sent: Map<number, Set<number>>): void {
  let count = 0;
  for (const { offset, lengthBytes } of buffer.fragments()) {
    for (let at = offset; at < offset + lengthBytes; at++, count++) {
      assert.ok(sent.get(at)?.has(buffer.span(at, 1)?.[0] ?? -1), `byte ${at}`);
    }
  }
  assert.ok(count <= buffer.heldBytes);
  for (const at of sent.keys()) {
    const byte = buffer.span(at, 1)?.[0];
    assert.ok(byte === undefined || sent.get(at)?.has(byte), `byte ${at}`);
  }
}

/** Kept bytes of the last hundred below `end`. */
function read(buffer: StreamBuffer, start: number, end: number): Map<number, number | undefined> {
  const bytes = new Map<number, number | undefined>();
  for (let at = Math.max(start, end - 100); at < end; at++) {
    const byte = buffer.span(at, 1)?.[0];
    if (byte !== undefined) bytes.set(at, byte);
  }
  return bytes;
}

function put(sent: Map<number, Set<number>>, at: number, value: number): void {
  const values = sent.get(at);
  if (values === undefined) sent.set(at, new Set([value]));
  else values.add(value);
}

if (import.meta.main) await main(stream);
