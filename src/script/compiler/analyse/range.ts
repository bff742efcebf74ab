/**
 * Ranges of whole numbers, and which bits may be set in them: what the analysis knows of a value.
 * @module
 */
import { greater, lesser } from "../ir/arithmetic.ts";

/**
 * From the least to the most that a value may be, both included. Of values in the machine's words it says that one of
 * the numbers a word stands for (signed or not) is within.
 */
export interface Range {
  readonly least: bigint;
  readonly most: bigint;
  /** Bits that may be 1 in two's complement of 64 bits; exact only of ranges without negative numbers. */
  readonly bits: bigint;
}

const ALL_BITS = 2n ** 64n - 1n;
export const SIGNED_LEAST: bigint = -(2n ** 63n);
export const SIGNED_MOST: bigint = 2n ** 63n - 1n;
export const UNSIGNED_MOST: bigint = 2n ** 64n - 1n;

/** How many bits a number that is not negative takes; 0 for 0. */
export function bitLength(value: bigint): number {
  const high = Number(value >> 32n);
  if (high === 0) return 32 - Math.clz32(Number(value));
  return high > 0xffff_ffff ? value.toString(2).length : 64 - Math.clz32(high);
}

/** All bits up to the highest of a number. */
export function bitsUpTo(most: bigint): bigint {
  return most <= 0n ? 0n : (1n << BigInt(bitLength(most))) - 1n;
}

/** How many of the lowest bits are 0 in every number with no other bits than these; 64 for 0. */
export function trailingZeros(bits: bigint): number {
  return bits === 0n ? 64 : bitLength(bits & -bits) - 1;
}

/** The range with these limits; what the bits say of the most is applied. `least` must not be above `most`. */
export function rangeOf(least: bigint, most: bigint, bits?: bigint): Range {
  if (least < 0n) return { least, most, bits: ALL_BITS };
  const possible = bits === undefined ? bitsUpTo(most) : bits & bitsUpTo(most);
  return { least: lesser(least, possible), most: lesser(most, possible), bits: possible };
}

export function exactly(value: bigint): Range {
  return { least: value, most: value, bits: value < 0n ? ALL_BITS : value & ALL_BITS };
}

export const BOOLEAN_RANGE: Range = rangeOf(0n, 1n);
/** All that a value of 64 bits may be, signed or not. */
export const ANY_RANGE: Range = rangeOf(SIGNED_LEAST, UNSIGNED_MOST);
export const UNSIGNED_RANGE: Range = rangeOf(0n, UNSIGNED_MOST);

/** The only number in a range. */
export function constantIn(range: Range | undefined): bigint | undefined {
  return range !== undefined && range.least === range.most ? range.least : undefined;
}

export function isWithin(range: Range, least: bigint, most: bigint): boolean {
  return range.least >= least && range.most <= most;
}

export function isSameRange(one: Range | undefined, other: Range | undefined): boolean {
  if (one === other) return true;
  if (one === undefined || other === undefined) return false;
  return one.least === other.least && one.most === other.most && one.bits === other.bits;
}

/** The least range with both in it; `undefined` is nothing. */
export function hull(one: Range | undefined, other: Range | undefined): Range | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return rangeOf(lesser(one.least, other.least), greater(one.most, other.most), one.bits | other.bits);
}

/** What is in both; `undefined` when nothing is. */
export function intersect(one: Range, other: Range): Range | undefined {
  const least = greater(one.least, other.least);
  const most = lesser(one.most, other.most);
  if (least > most) return undefined;
  if (least < 0n) return rangeOf(least, most);
  const bits = bitsOf(one) & bitsOf(other);
  return lesser(most, bits & bitsUpTo(most)) < least ? undefined : rangeOf(least, most, bits);
}

/** The bits are meaningless when there may be negative numbers, of which an intersection may have taken all away. */
function bitsOf({ least, bits }: Range): bigint {
  return least < 0n ? ALL_BITS : bits;
}

/** The range of the numbers' lowest bits, taken as unsigned or as two's complement. */
export function wrapRange(range: Range, bits: number, isSigned: boolean): Range {
  const count = 1n << BigInt(bits);
  const least = isSigned ? -(count >> 1n) : 0n;
  const most = least + count - 1n;
  if (isWithin(range, least, most)) return range;
  const rounds = (value: bigint): bigint => (value - least) >> BigInt(bits);
  const round = rounds(range.least);
  if (round === rounds(range.most)) return rangeOf(range.least - round * count, range.most - round * count);
  const known = range.least >= 0n && !isSigned ? range.bits : ALL_BITS;
  return rangeOf(least, most, known);
}

/** A word's range as who takes it for an unsigned number, or for two's complement, sees it. */
export function asWord(range: Range, isSigned: boolean): Range {
  return wrapRange(range, 64, isSigned);
}

/** `0 to 255`, or one number. For people: powers of two are written as such where they are large. */
export function formatRange({ least, most }: Pick<Range, "least" | "most">): string {
  return least === most ? formatNumber(least) : `${formatNumber(least)} to ${formatNumber(most)}`;
}

/** `2^53 - 1`, `-(2^63)`, `1500`. */
export function formatNumber(value: bigint): string {
  const size = value < 0n ? -value : value;
  if (size < 1n << 24n) return String(value);
  for (const [power, difference] of [
    [size, 0n],
    [size + 1n, -1n],
  ] as const) {
    if ((power & (power - 1n)) !== 0n) continue;
    const text = difference === 0n ? `2^${bitLength(power) - 1}` : `2^${bitLength(power) - 1} - 1`;
    return value < 0n ? `-(${text})` : text;
  }
  const bits = bitLength(size);
  return bits <= 40
    ? String(value)
    : `${value < 0n ? "about -" : "about "}2^${bits - (isNearPower(size) ? 0 : 1)}`;
}

function isNearPower(size: bigint): boolean {
  const bits = BigInt(bitLength(size));
  return size * 4n > 3n * (1n << bits);
}
