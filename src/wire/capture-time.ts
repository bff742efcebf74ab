/**
 * Time stamps of captures: 64-bit counts of ticks, as seconds and nanoseconds and back. The ticks that occur,
 * powers of ten down to nanoseconds, take doubles only: a BigInt would cost an object a packet.
 * @module
 */
import type { MutableCaptureRecord } from "./capture-record.ts";

const NANOSECONDS_A_SECOND = 1_000_000_000;

/** What a time stamp of an interface counts. */
export interface TickUnit {
  /** 1 to 1,000,000,000, a power of ten; 0 when the ticks are others. */
  readonly ticksPerSecond: number;
  /** The same for any unit. */
  readonly exactTicksPerSecond: bigint;
  /** Added to every time stamp. */
  readonly offsetSeconds: number;
}

/** The unit of `if_tsresol`: the high bit chooses powers of two, the others are the negative exponent. */
export function tickUnit(resolution: number, offsetSeconds: number): TickUnit {
  const exponent = resolution & 0x7f;
  const isBinary = (resolution & 0x80) !== 0;
  return {
    ticksPerSecond: !isBinary && exponent <= 9 ? 10 ** exponent : 0,
    exactTicksPerSecond: (isBinary ? 2n : 10n) ** BigInt(exponent),
    offsetSeconds,
  };
}

/** Sets the record's time from the high and the low 32 bits of a count of ticks. */
export function setTicks(record: MutableCaptureRecord, high: number, low: number, unit: TickUnit): void {
  const perSecond = unit.ticksPerSecond;
  if (perSecond === 0) {
    setExactTicks(record, high, low, unit);
    return;
  }
  // A long division by digits of 16 bits: a remainder below 2^30 and a digit stay below 2^46, where doubles are exact.
  const first = Math.floor(high / perSecond);
  const middle = (high - first * perSecond) * 65_536 + (low >>> 16);
  const second = Math.floor(middle / perSecond);
  const last = (middle - second * perSecond) * 65_536 + (low & 0xffff);
  const third = Math.floor(last / perSecond);
  record.seconds = first * 4_294_967_296 + second * 65_536 + third + unit.offsetSeconds;
  record.nanoseconds = (last - third * perSecond) * (NANOSECONDS_A_SECOND / perSecond);
}

function setExactTicks(record: MutableCaptureRecord, high: number, low: number, unit: TickUnit): void {
  const ticks = (BigInt(high) << 32n) | BigInt(low);
  const perSecond = unit.exactTicksPerSecond;
  record.seconds = Number(ticks / perSecond) + unit.offsetSeconds;
  record.nanoseconds = Number(((ticks % perSecond) * BigInt(NANOSECONDS_A_SECOND)) / perSecond);
}

/** The most seconds that 64 bits of nanoseconds hold beside any fraction: 18,446,744,072, in the year 2554. */
export const NANOSECOND_SECONDS_MAX: number = 18_446_744_072;

/**
 * Writes a time as a count of nanoseconds, the high 32 bits first, each half low byte first.
 * @param seconds 0 to {@link NANOSECOND_SECONDS_MAX}.
 */
export function setNanosecondTicks(view: DataView, at: number, seconds: number, nanoseconds: number): void {
  // The product by digits of 16 bits, of which each is exact.
  const digit = seconds % 65_536;
  const lower = digit * NANOSECONDS_A_SECOND + nanoseconds;
  const upper = ((seconds - digit) / 65_536) * NANOSECONDS_A_SECOND + Math.floor(lower / 65_536);
  view.setUint32(at, Math.floor(upper / 65_536), true);
  view.setUint32(at + 4, (upper % 65_536) * 65_536 + (lower % 65_536), true);
}
