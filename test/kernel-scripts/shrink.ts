/**
 * Makes a case that fails small: statements and operations are left out, and frames and their bytes, as long as it
 * still fails in the same way.
 * @module
 */

import type { ScriptCase } from "./batch.ts";
import type { TestFrame } from "./frames.ts";
import { type Piece, type PieceKind, sizeOf } from "./generate/piece.ts";

/** Which of some candidates still fail; all are tried at once, as one module. */
export type StillFail = (candidates: readonly ScriptCase[]) => readonly boolean[];

/** Candidates of one round: a program of the compiler costs as much as some dozens of scripts. */
const ROUND_COUNT = 40;
/** Rounds at most: what is small by then is what is told. */
const ROUND_COUNT_MAX = 60;

const SIMPLEST: Readonly<Record<PieceKind, readonly string[]>> = {
  number: ["0", "1"],
  boolean: ["false", "true"],
  bigint: ["0n"],
  wide: ["0n"],
  verdict: [],
  statement: [],
  block: [],
  text: [],
};

export function shrinkCase(given: ScriptCase, stillFail: StillFail): ScriptCase {
  let best = given;
  for (let round = 0; round < ROUND_COUNT_MAX; round++) {
    const next = firstFailing(best, stillFail);
    if (next === undefined) return best;
    best = next;
  }
  return best;
}

function firstFailing(best: ScriptCase, stillFail: StillFail): ScriptCase | undefined {
  let round: ScriptCase[] = [];
  const ask = (): ScriptCase | undefined => {
    const answers = stillFail(round);
    const found = round.filter((_, index) => answers[index]);
    round = [];
    // The smallest: candidates are of very different sizes.
    return found.sort((one, other) => weightOf(one) - weightOf(other))[0];
  };
  for (const candidate of candidates(best)) {
    if (round.push(candidate) < ROUND_COUNT) continue;
    const found = ask();
    if (found !== undefined) return found;
  }
  return round.length === 0 ? undefined : ask();
}

function weightOf({ script, frames }: ScriptCase): number {
  return sizeOf(script.piece) * 4 + frames.reduce((sum, { bytes }) => sum + 20 + bytes.length / 8, 0);
}

function* candidates({ script, frames }: ScriptCase): Iterable<ScriptCase> {
  for (const fewer of simplerFrames(frames)) yield { script, frames: fewer };
  for (const piece of simpler(script.piece)) yield { script: { ...script, piece }, frames };
}

function* simplerFrames(frames: readonly TestFrame[]): Iterable<readonly TestFrame[]> {
  if (frames.length > 2) {
    const half = frames.length >> 1;
    yield frames.slice(0, half);
    yield frames.slice(half);
  }
  for (let index = frames.length - 1; index >= 0 && frames.length > 1; index--)
    yield frames.filter((_, other) => other !== index);
  for (const [index, frame] of frames.entries()) {
    const others = (change: Partial<TestFrame>): readonly TestFrame[] =>
      frames.map((one, at) => (at === index ? { ...frame, ...change } : one));
    if (frame.mark !== 0) yield others({ mark: 0 });
    if (frame.delay !== 0) yield others({ delay: 0 });
    if (frame.chance !== 0) yield others({ chance: 0 });
    if (frame.segmentBytes !== 0) yield others({ segmentBytes: 0 });
    const { length } = frame.bytes;
    for (const shorter of [length >> 1, length - 8, length - 1])
      if (shorter >= 14 && shorter < length) yield others({ bytes: frame.bytes.slice(0, shorter) });
    const end = Math.max(34, length >> 1);
    if (frame.bytes.subarray(end).some((byte) => byte !== 0))
      yield others({ bytes: frame.bytes.map((byte, at) => (at < end ? byte : 0)) });
  }
}

/** All pieces that are simpler in one place, the biggest changes first. */
function* simpler(piece: Piece): Iterable<Piece> {
  yield* simplerHere(piece);
  for (const [index, part] of piece.parts.entries()) {
    if (typeof part === "string") continue;
    for (const other of simpler(part))
      yield { ...piece, parts: piece.parts.map((one, at) => (at === index ? other : one)) };
  }
}

function* simplerHere(piece: Piece): Iterable<Piece> {
  const { kind, parts } = piece;
  if (kind === "block") {
    const count = parts.length;
    for (let size = count; size >= 1; size = size >> 1) {
      for (let from = 0; from + size <= count; from += size)
        yield { kind, parts: parts.filter((_, at) => at < from || at >= from + size) };
    }
    return;
  }
  if (kind === "text" || kind === "verdict") return;
  if (kind === "statement") {
    // What stands inside of it, in its place.
    for (const part of parts)
      if (typeof part !== "string" && (part.kind === "block" || part.kind === "statement")) yield part;
    return;
  }
  for (const text of SIMPLEST[kind])
    if (parts.length !== 1 || parts[0] !== text) yield { kind, parts: [text] };
  yield* inner(piece, kind);
}

/** Pieces of the same kind further in: an operand in place of its operation. */
function* inner(piece: Piece, kind: PieceKind): Iterable<Piece> {
  for (const part of piece.parts) {
    if (typeof part === "string") continue;
    if (part.kind === kind) yield part;
    else yield* inner(part, kind);
  }
}
