/**
 * The running kernel as the oracle for the overlap policy "linux": overlapping segments with different bytes reach a
 * listening socket in all kinds of orders, and its program must read what a stream buffer keeps. They are small: only
 * such the kernel always joins.
 * @module
 */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { SeededRandom } from "#base/seeded-random.ts";
import { PagePool } from "#flow/stream/page-pool.ts";
import { PlaceReport } from "#flow/stream/place-report.ts";
import { StreamBuffer } from "#flow/stream/stream-buffer.ts";
import { drawnSegments, PATTERNS } from "../support/overlap-patterns.ts";
import { OverlapPeer, type SentSegment } from "./overlap-peer.ts";
import { rootProblem } from "./own-namespace.ts";

/** Initial sequence numbers: the last ones have the stream cross 2^31 and 2^32. */
const SEQUENCES = [0, 1, 2 ** 31 - 9, 2 ** 32 - 11];

/** What a buffer with the policy "linux" hands on, in order. */
function keep(segments: readonly SentSegment[]): string {
  const pool = new PagePool({ pageBytes: 64, totalBytesMax: 1 << 20 });
  const limits = { bytesMax: 1 << 20, segmentCountMax: 512, compareBytes: 0, startOffset: 0 };
  const buffer = new StreamBuffer({ pool, policy: "linux", ...limits });
  const report = new PlaceReport();
  let text = "";
  for (const segment of segments) {
    const bytes = Buffer.from(segment.text);
    buffer.place(segment.offset, bytes, 0, bytes.length, report);
    buffer.advance();
    while (text.length < buffer.next) {
      text += Buffer.from(buffer.span(text.length, buffer.next - text.length) ?? []).toString();
    }
  }
  return text;
}

/** The segments, and behind them dots for every hole, from the last to the first. */
function filled(segments: readonly SentSegment[]): SentSegment[] {
  const end = Math.max(...segments.map(({ offset, text }) => offset + text.length));
  const came = new Uint8Array(end);
  for (const { offset, text } of segments) came.fill(1, offset, offset + text.length);
  const holes = [...Buffer.from(came).toString("latin1").matchAll(/\0+/g)].map(({ index, 0: hole }) => {
    return { offset: index, text: ".".repeat(hole.length) };
  });
  return [...segments, ...holes.reverse()];
}

/**
 * Random segments, each of another letter, most of them above a hole. Of those that begin where another one ends, only
 * such whose first byte is new and that cover no whole segment: what the kernel does with the others hangs on the shape
 * of its search tree.
 */
function randomSegments(random: SeededRandom): SentSegment[] {
  const lengthBytes = 12 + random.below(40);
  const segments: SentSegment[] = [];
  for (let count = 2 + random.below(20); count > 0; ) {
    const offset = random.below(15) === 0 ? 0 : 1 + random.below(lengthBytes - 1);
    const end = Math.min(lengthBytes, offset + 1 + random.below(12));
    if (isAtSeam(offset, end, segments)) continue;
    segments.push({ offset, text: String.fromCharCode(96 + count).repeat(end - offset) });
    count--;
  }
  return filled(segments);
}

function isAtSeam(start: number, end: number, segments: readonly SentSegment[]): boolean {
  const ranges = segments.map(({ offset, text }) => ({ from: offset, to: offset + text.length }));
  if (!ranges.some(({ to }) => to === start)) return false;
  return ranges.some(({ from, to }) => (from <= start && start < to) || (from > start && to <= end));
}

describe("the running kernel and the overlap policy linux", { skip: rootProblem() }, () => {
  let peer: OverlapPeer | undefined;
  const ask = async (segments: readonly SentSegment[], sequence: number): Promise<string> => {
    assert.ok(peer);
    return await peer.exchange(segments, sequence);
  };
  before(async () => {
    peer = await OverlapPeer.open();
  });
  after(() => peer?.close());

  for (const { name, segments, results } of PATTERNS) {
    it(`agree on ${name}`, async () => {
      const sent = filled(drawnSegments(segments));
      assert.equal(keep(sent), results.linux);
      for (const sequence of SEQUENCES) assert.equal(await ask(sent, sequence), results.linux);
    });
  }

  it("agree that a segment behind another is one with it, in front of a hole", async () => {
    const drawn = [" AA    ", "   BB  ", "   CCC "];
    assert.equal(keep(filled(drawnSegments(drawn))), ".AABBC");
    assert.equal(await ask(filled(drawnSegments(drawn)), 0), ".AABBC");
    const apart = [" AA     ", "    BB  ", "    CCC "];
    assert.equal(keep(filled(drawnSegments(apart))), ".AA.CCC");
    assert.equal(await ask(filled(drawnSegments(apart)), 0), ".AA.CCC");
  });

  it("agree on two hundred random cases", async (context) => {
    const seed = Date.now() % 1e9;
    context.diagnostic(`seed ${seed}`);
    const random = new SeededRandom(seed);
    for (let round = 0; round < 200; round++) {
      const sent = randomSegments(random);
      const sequence = random.below(2) === 0 ? random.word() : (SEQUENCES[random.below(4)] ?? 0);
      assert.equal(keep(sent), await ask(sent, sequence), JSON.stringify(sent));
    }
  });
});
