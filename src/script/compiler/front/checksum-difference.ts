/**
 * Differences that writing makes to Internet checksums (RFC 1624), in the machine's order: for each 16-bit word that
 * changed the complement of the old one plus the new one, and nothing for one that did not. Sums of these are 0 only
 * where `#base/checksum.ts` would have nothing to do either, so that the bytes are the same, both zeros included.
 * @module
 */
import type { Value } from "../ir/ir.ts";
import type { Lowering } from "./lowering.ts";
import type { Room } from "./packet-bits.ts";
import { load, store } from "./packet-code.ts";

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

/** The sum of the differences of words that were written to since they were read. */
export function differenceOf(lowering: Lowering, room: Room, words: Words): Value {
  const none = lowering.constant(0);
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

/** The difference as it is for a checksum that begins an odd number of bytes away, where `oddness` is 1. */
export function turned(lowering: Lowering, difference: Value, oddness: Value): Value {
  const known = lowering.known(oddness);
  if (known === 0n) return difference;
  const isOdd = lowering.compare("unequal", oddness, 0);
  return lowering.select(isOdd, lowering.binary("shiftLeft", difference, 8), difference);
}

/** Brings a difference to the checksum behind a pointer; `zeroIsNone` as in `ChecksumSpec`. */
export function patchAt(
  lowering: Lowering,
  pointer: Value,
  at: number,
  difference: Value,
  isZeroNone: Value,
): void {
  const before = load(lowering, pointer, at, 2, "native");
  const mask = lowering.constant(0xffff);
  let sum = lowering.binary("add", lowering.binary("xor", before, mask), fold(lowering, difference));
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
