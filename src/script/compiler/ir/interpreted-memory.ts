/**
 * Memory as the interpreter has it: a part of some bytes, which nobody may read or write beyond.
 * @module
 */
import { InvariantError } from "#base/errors.ts";

/** So many bytes from a place in some others. */
export interface Region {
  readonly data: Uint8Array;
  readonly at: number;
  readonly length: number;
  /** Whether the packet has been cut or moved since: nothing may be read there any more. */
  readonly isVoid?: () => boolean;
}

/** @throws InvariantError for bytes outside of the region */
function check({ length, isVoid }: Region, at: number, bytes: number): void {
  if (isVoid?.()) throw new InvariantError("Cannot reach the packet: the pointer is void");
  if (at >= 0 && at + bytes <= length) return;
  throw new InvariantError(`Cannot reach ${bytes} bytes at ${at}: there are ${length}`);
}

/**
 * A number in the machine's order, not negative.
 * @throws InvariantError for bytes outside of the region
 */
export function readRegion(region: Region, at: number, bytes: number): bigint {
  check(region, at, bytes);
  let value = 0n;
  for (let index = bytes - 1; index >= 0; index--) {
    value = (value << 8n) | BigInt(region.data[region.at + at + index] ?? 0);
  }
  return value;
}

/**
 * Writes the lowest bytes of a number in the machine's order.
 * @throws InvariantError for bytes outside of the region
 */
export function writeRegion(region: Region, at: number, bytes: number, value: bigint): void {
  check(region, at, bytes);
  for (let index = 0; index < bytes; index++) {
    region.data[region.at + at + index] = Number((value >> BigInt(8 * index)) & 255n);
  }
}

/**
 * A copy of the first bytes.
 * @throws InvariantError when there are fewer
 */
export function sliceRegion(region: Region, bytes: number): Uint8Array {
  check(region, 0, bytes);
  return region.data.slice(region.at, region.at + bytes);
}
