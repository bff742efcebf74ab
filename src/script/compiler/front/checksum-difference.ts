/**
 * Differences that writing makes to Internet checksums (RFC 1624), in the machine's order: for each 16-bit word that
 * changed the complement of the old one plus the new one, and nothing for one that did not. Sums of these are 0 only
 * where `#base/checksum.ts` would have nothing to do either, so that the bytes are the same, both zeros included.
 * @module
 */
import type { Value } from "../ir/ir.ts";
import type { Lowering } from "./lowering.ts";
import type { Room } from "./packet-bits.ts";
import { both, load, store } from "./packet-code.ts";

/** The words around some bytes, which are about to change. */
export interface Words {
  readonly places: readonly number[];
  readonly before: readonly Value[];
}

/** Reads the words around bytes. */
export function wordsAround(lowering: Lowering, room: Room, at: number, length: number): Words {
  const first = at & ~1;
  const count = Math.ceil((at + length - first) / 2);
  const places = Array.from({ length: count }, (_, index) => first + 2 * index);
  return { places, before: places.map((place) => wordAt(lowering, room, place)) };
}

/** A word; the last byte of a room may be the first of one, and counts as its lower half in the machine's order. */
function wordAt(lowering: Lowering, room: Room, place: number): Value {
  return load(lowering, room.pointer, place, place + 2 <= room.bytes ? 2 : 1, "native");
}

/**
 * The sum of the differences of words that were written to since they were read.
 * @param written the constant that stands there now in network order, when it is one
 */
export function differenceOf(lowering: Lowering, room: Room, words: Words, written?: bigint): Value {
  const none = lowering.constant(0);
  if (written !== undefined) {
    const own = differenceFrom(lowering, words, written);
    if (own !== undefined) return own;
  }
  return words.places.reduce((total, place, index) => {
    const old = words.before[index] ?? none;
    const now = wordAt(lowering, room, place);
    const changed = lowering.binary("add", lowering.binary("xor", old, 0xffff), now);
    // Without a branch, of which eight would be 256 ways for the verifier: 1 where any bit has changed.
    const bits = lowering.binary("add", lowering.binary("xor", old, now), 0xffff);
    const isOther = lowering.binary("shiftRight", bits, 16);
    const own = lowering.binary("multiply", changed, isOther);
    return lowering.binary("add", total, own);
  }, none);
}

/**
 * The difference that constants make, with one question for all of their words: a word that stays adds 0xffff, which is
 * nothing in ones' complement as long as the sum is not 0 otherwise. It is 0 only for words that were 0xffff and are 0:
 * `undefined` where one of several might be.
 */
function differenceFrom(lowering: Lowering, { places, before }: Words, written: bigint): Value | undefined {
  const count = places.length;
  const words = places.map((_, index) => Number((written >> BigInt(16 * (count - 1 - index))) & 0xffffn));
  if (count > 2 || (count > 1 && words.includes(0))) return undefined;
  const now = words.map((word) => lowering.unary("swap16", lowering.constant(word)));
  const sames = before.map((old, index) => lowering.compare("equal", old, now[index] as Value));
  const isSame = sames.reduce((one, other) => both(lowering, one, other));
  const start = now.reduce(
    (sum, word) => lowering.binary("add", sum, word),
    lowering.constant(0xffff * count),
  );
  const sum = before.reduce((left, old) => lowering.binary("subtract", left, old), start);
  return lowering.select(isSame, lowering.constant(0), sum);
}

/** The difference as it is for a checksum that begins an odd number of bytes away, where `oddness` is 1. */
export function turned(lowering: Lowering, difference: Value, oddness: Value): Value {
  const known = lowering.known(oddness);
  if (known === 0n) return difference;
  const isOdd = lowering.compare("unequal", oddness, 0);
  return lowering.select(isOdd, lowering.binary("shiftLeft", difference, 8), difference);
}

/** Brings a difference, below 2^30, to the checksum behind a pointer; `zeroIsNone` as in `ChecksumSpec`. */
export function patchAt(
  lowering: Lowering,
  pointer: Value,
  at: number,
  difference: Value,
  isZeroNone: Value,
): void {
  const before = load(lowering, pointer, at, 2, "native");
  const mask = lowering.constant(0xffff);
  // Twice is enough for sums below 2^32, and the difference of one write is below 2^30.
  let sum = lowering.binary("add", lowering.binary("xor", before, mask), difference);
  sum = fold(lowering, fold(lowering, sum));
  const after = lowering.binary("xor", sum, mask);
  if (lowering.known(isZeroNone) === 0n) {
    store(lowering, pointer, at, 2, after, "native");
    return;
  }
  const hasMeaning = lowering.compare("unequal", isZeroNone, 0);
  const isNone = lowering.compare("equal", before, 0);
  const written = lowering.select(lowering.compare("equal", after, 0), mask, after);
  const kept = lowering.select(isNone, before, written);
  store(lowering, pointer, at, 2, lowering.select(hasMeaning, kept, after), "native");
}

/** Half-way back to 16 bits; of less than 2^32 at most 2^17 is left. */
function fold(lowering: Lowering, sum: Value): Value {
  const high = lowering.binary("shiftRight", sum, 16);
  return lowering.binary("add", lowering.binary("and", sum, 0xffff), high);
}
