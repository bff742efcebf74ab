/**
 * Differences that writing makes to Internet checksums (RFC 1624), in the machine's order: for each 16-bit word the new
 * one less the old one, in ones' complement. It is 0 for one that stays and for one that was 0xffff and is 0; so sums are
 * 0 only where `#base/checksum.ts` has nothing to do either, and the bytes are the same, both zeros included.
 * @module
 */
import type { Value } from "../../ir/ir.ts";
import type { Lowering } from "../lowering.ts";
import type { Room } from "./bits.ts";
import { load, store } from "./code.ts";

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
 * The sum of the differences of words that were written to since they were read, at most 0xffff for each.
 * @param written the constant that stands there now in network order, when it is one
 */
export function differenceOf(lowering: Lowering, room: Room, words: Words, written?: bigint): Value {
  const count = words.places.length;
  const sum = words.places.reduce((total, place, index) => {
    const shift = BigInt(16 * (count - 1 - index));
    const now =
      written === undefined
        ? wordAt(lowering, room, place)
        : lowering.unary("swap16", lowering.constant((written >> shift) & 0xffffn));
    const own = differenceOfWord(lowering, words.before[index] as Value, now);
    return lowering.binary("add", total, own, "wrap");
  }, lowering.constant(0));
  // No bit goes: it says how small the sum is.
  return lowering.binary("and", sum, 2 ** (16 + Math.ceil(Math.log2(count))) - 1, "wrap");
}

/** The difference of one word, at most 0xffff. */
export function wordDifference(lowering: Lowering, old: Value, now: Value): Value {
  return lowering.binary("and", differenceOfWord(lowering, old, now), 0xffff, "wrap");
}

/**
 * The new word less the old one in ones' complement: what is below zero has 0xffff added to it, which its own upper bits
 * are. Without a branch, of which eight would be 256 ways for the verifier.
 */
function differenceOfWord(lowering: Lowering, old: Value, now: Value): Value {
  const less = lowering.binary("subtract", now, old, "wrap");
  return lowering.binary("add", less, lowering.binary("shiftRight", less, 48, "wrap"), "wrap");
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
