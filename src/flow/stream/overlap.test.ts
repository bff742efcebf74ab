/**
 * Overlapping segments as Novak and Sturges sent them to every system ("Target-Based TCP Stream Reassembly", 2007), and
 * what each system's application read. A column is a byte; the segments come from top to bottom.
 * @module
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { OverlapPolicy } from "../policy.ts";
import { PagePool } from "./page-pool.ts";
import { PlaceReport } from "./place-report.ts";
import { StreamBuffer } from "./stream-buffer.ts";

interface Pattern {
  readonly name: string;
  readonly segments: readonly string[];
  /** What is read; `.` is a byte that never came. */
  readonly results: Readonly<Record<OverlapPolicy, string>>;
}

const PATTERNS: readonly Pattern[] = [
  {
    name: "the whole pattern",
    segments: [
      " AAA                     ",
      "     BB                  ",
      "       CCC               ",
      "           D             ",
      "              EE         ",
      "                FFF      ",
      "                   GG    ",
      "                     HH  ",
      "                       I ",
      "  JJJJ                   ",
      "       KKK               ",
      "          LLL            ",
      "             MMM         ",
      "                 N       ",
      "                    O    ",
      "                     P   ",
      "                       QQ",
      "0                        ",
    ],
    results: {
      first: "0AAAJBBCCCLDLMEEFFFGGHHIQ",
      last: "0AJJJJBKKKLLLMMMFNFGOPHQQ",
      bsd: "0AAAJJBCCCLLLMMMFFFGGHHIQ",
      windows: "0AAAJJBCCCLLLMMMFFFGGHHIQ",
      // In the paper QQ: there the kernel was 2.6, which did not yet make one segment of EE to I.
      linux: "0AAAJJBCCCLLLMMMFFFGGHHIQ",
      "old-linux": "0AAAJJBKKKLLLMMMFFFGGHHQQ",
      solaris: "0AJJJBBKKKLLLMMMFFFGGHHQQ",
    },
  },
  {
    name: "segments that begin before",
    segments: [
      "   B         ",
      "         D   ",
      "            EE",
      "  AA          ",
      " JJJJ         ",
      "        LLL   ",
      "           MMM",
    ],
    results: {
      first: ".JABJ...LDLMEE",
      last: ".JJJJ...LLLMMM",
      bsd: ".JJJJ...LLLMMM",
      windows: ".JJJJ...LLLMMM",
      linux: ".JJJJ...LLLMMM",
      "old-linux": ".JJJJ...LLLMMM",
      solaris: ".JJJJ...LLLMMM",
    },
  },
  {
    name: "segments that begin at the same byte",
    segments: [
      " CCC              ",
      "               HH ",
      "                 II",
      " KKK              ",
      " LLLL             ",
      "               P  ",
      "               QQ ",
    ],
    results: {
      first: ".CCCL..........HHII",
      last: ".LLLL..........QQII",
      bsd: ".CCCL..........HHII",
      windows: ".CCCL..........HHII",
      linux: ".LLLL..........HHII",
      "old-linux": ".LLLL..........QQII",
      solaris: ".LLLL..........QQII",
    },
  },
  {
    name: "segments that begin behind",
    segments: [
      " AA                 ",
      "                FFF ",
      "                   GG",
      "  JJ                ",
      "                    O",
      "                 N  ",
    ],
    results: {
      first: ".AAJ............FFFGG",
      last: ".AJJ............FNFGO",
      bsd: ".AAJ............FFFGG",
      windows: ".AAJ............FFFGG",
      linux: ".AAJ............FFFGG",
      "old-linux": ".AAJ............FFFGG",
      solaris: ".AJJ............FFFGG",
    },
  },
  {
    name: "one longer than the first, and one that starts earlier and covers all",
    segments: ["   CCC     ", "   LLLL    ", " SSSSSSSS  ", " TTTTTTTTTT"],
    results: {
      first: ".SSCCCLSSTT",
      last: ".TTTTTTTTTT",
      bsd: ".SSSSSSSSTT",
      windows: ".SSSSSSSSTT",
      linux: ".TTTTTTTTTT",
      "old-linux": ".TTTTTTTTTT",
      solaris: ".TTTTTTTTTT",
    },
  },
  {
    name: "a segment whose beginning lost is still compared by it",
    segments: ["     AAAAA    ", "        BBBBB ", "       CCCCCCC"],
    results: {
      first: ".....AAAAABBBC",
      last: ".....AACCCCCCC",
      bsd: ".....AAAAACCCC",
      windows: ".....AAAAACCCC",
      linux: ".....AAAAACCCC",
      "old-linux": ".....AAAAACCCC",
      solaris: ".....AACCCCCCC",
    },
  },
];

/** Where byte 0 of a pattern lies: the last two near 2^31 and across 2^32. */
const OFFSETS = [0, 1, 2 ** 31 - 7, 2 ** 32 - 11];

function play(
  policy: OverlapPolicy,
  segments: readonly string[],
  startOffset: number,
  pageBytes: number,
): string {
  const pool = new PagePool({ pageBytes, totalBytesMax: 1 << 16 });
  const options = { pool, policy, bytesMax: 1 << 16, segmentCountMax: 64, compareBytes: 0, startOffset };
  const buffer = new StreamBuffer(options);
  const report = new PlaceReport();
  let width = 0;
  for (const drawn of segments) {
    const bytes = Buffer.from(`##${drawn.trim()}#`);
    const from = drawn.length - drawn.trimStart().length;
    width = Math.max(width, from + bytes.length - 3);
    buffer.place(startOffset + from, bytes, 2, bytes.length - 1, report);
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
            assert.equal(play(policy, segments, offset, pageBytes), expected, `from ${offset} on`);
          }
        }
      });
    }
  }
});
