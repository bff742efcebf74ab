import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { PagePool } from "./page-pool.ts";
import { PlaceReport } from "./place-report.ts";
import { StreamBuffer } from "./stream-buffer.ts";

const report = new PlaceReport();

function bufferWith(...segments: readonly (readonly [offset: number, text: string])[]): StreamBuffer {
  const pool = new PagePool({ pageBytes: 4, totalBytesMax: 1024 });
  const limits = { bytesMax: 1024, segmentCountMax: 64, compareBytes: 64, startOffset: 0 };
  const buffer = new StreamBuffer({ pool, policy: "linux", ...limits });
  for (const [offset, text] of segments) {
    buffer.place(offset, Buffer.from(text), 0, text.length, report);
    buffer.advance();
  }
  return buffer;
}

/** All bytes that are kept, dots for those that are not, and `next`. */
function shown(buffer: StreamBuffer, end: number): string {
  let text = "";
  for (let at = 0; at < end; at++) text += String.fromCharCode(buffer.span(at, 1)?.[0] ?? 46);
  return `${text} ${buffer.next}`;
}

describe("taking segments back", () => {
  for (const { name, segments, from, to, want } of [
    {
      name: "the last in order",
      segments: [
        [0, "abc"],
        [3, "def"],
      ],
      from: 3,
      to: 6,
      want: "abc... 3",
    },
    {
      name: "what filled a hole",
      segments: [
        [3, "def"],
        [0, "abc"],
      ],
      from: 0,
      to: 3,
      want: "...def 0",
    },
    {
      name: "above a hole",
      segments: [
        [0, "ab"],
        [3, "def"],
      ],
      from: 3,
      to: 6,
      want: "ab.... 2",
    },
    { name: "the middle of a run", segments: [[0, "abcdef"]], from: 2, to: 4, want: "ab..ef 2" },
    {
      name: "more than there is",
      segments: [
        [1, "bc"],
        [4, "e"],
      ],
      from: 0,
      to: 99,
      want: "...... 0",
    },
    { name: "nothing", segments: [[0, "abc"]], from: 2, to: 2, want: "abc... 2" },
  ] as const) {
    it(`takeBack() forgets ${name}, and next goes back with it`, () => {
      const buffer = bufferWith(...(segments as readonly (readonly [number, string])[]));
      buffer.takeBack(from, to);
      assert.equal(shown(buffer, 6), want);
    });
  }

  it("takeBack() leaves room for the same bytes to come again", () => {
    const buffer = bufferWith([0, "abc"], [3, "xyz"]);
    buffer.takeBack(3, 6);
    buffer.place(3, Buffer.from("def"), 0, 3, report);
    assert.equal(report.content, "none");
    buffer.advance();
    assert.equal(shown(buffer, 6), "abcdef 6");
  });

  it("undo() forgets what the last segment has added, and not what was there before", () => {
    const buffer = bufferWith([2, "cd"], [0, "abcdef"]);
    assert.equal(shown(buffer, 6), "abcdef 6");
    buffer.undo();
    assert.equal(shown(buffer, 6), "..cd.. 0");
    buffer.undo();
    assert.equal(shown(buffer, 6), "..cd.. 0");
  });

  it("undo() touches no stream but the one that a segment came to last", () => {
    const buffer = bufferWith([0, "abc"]);
    bufferWith([0, "xyz"]);
    buffer.undo();
    assert.equal(shown(buffer, 3), "abc 3");
  });
});

describe("StreamBuffer.reopen", () => {
  it("makes a cleared buffer another stream's, of which the last segment of the one before is no part", () => {
    const buffer = bufferWith([0, "abc"], [9, "xyz"]);
    buffer.clear();
    buffer.reopen(7, 64);
    assert.equal(buffer.next, 7);
    assert.equal(buffer.segmentCount, 0);
    assert.equal(buffer.heldBytes, 0);
    buffer.undo();
    assert.equal(buffer.next, 7);
    buffer.place(7, Buffer.from("de"), 0, 2, report);
    assert.equal(report.newBytes, 2);
    buffer.advance();
    assert.equal(shown(buffer, 9), ".......de 9");
    buffer.undo();
    assert.equal(shown(buffer, 9), "......... 7");
  });
});
