/**
 * Overlapping segments as Novak and Sturges sent them to every system ("Target-Based TCP Stream Reassembly", 2007), some
 * more, and what each system's application reads. A column is a byte; the segments come from top to bottom.
 * @module
 */
import type { OverlapPolicy } from "#flow/policy.ts";

export interface Pattern {
  readonly name: string;
  readonly segments: readonly string[];
  /** What is read; `.` is a byte that never came. */
  readonly results: Readonly<Record<OverlapPolicy, string>>;
}

export const PATTERNS: readonly Pattern[] = [
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

/** A segment with the offset of its first byte. */
export interface DrawnSegment {
  readonly offset: number;
  readonly text: string;
}

export function drawnSegments(segments: readonly string[]): DrawnSegment[] {
  return segments.map((drawn) => ({ offset: drawn.search(/\S/), text: drawn.trim() }));
}
