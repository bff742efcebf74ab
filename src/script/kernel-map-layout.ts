/**
 * How a script's maps stand in the kernel: which kind of map there is for each shape, and where the parts of its keys
 * and values are. Compiled functions and whoever reads the maps from outside agree by this file.
 * @module
 */
import type { MapShape } from "./shared-map-layout.ts";

/** Where the parts of an entry's value are; all numbers in the machine's order, 8-byte aligned. */
export interface KernelMapLayout {
  /** Bytes of a key as it stands in the kernel. */
  readonly keyBytes: number;
  /** The entry's number: 64 bits, signed. */
  readonly numberAt: 0;
  /** When it expires, in milliseconds since 1970: 64 bits; `undefined` when it never does. */
  readonly expiresAt: number | undefined;
  /** Its bytes; `undefined` when it has none. */
  readonly bytesAt: number | undefined;
  /** A multiple of 8. */
  readonly valueBytes: number;
}

/** Numbers in maps are whole and within this, either way, so that sums of two of them are exact as well. */
export const KERNEL_MAP_NUMBER_MAX: number = 2 ** 52;

/**
 * Keys: `number` 8 bytes in the machine's order (4 for an array, 4 + 4 for a prefix map: the length in bits in the
 * machine's order, then the address in network order); `bigint` 16 bytes in the machine's order, lower half first (4 + 16
 * for a prefix map, as above); `bytes` as they are. Maps with text for keys cannot be in the kernel.
 */
export function kernelMapLayout({ kind, key, keyBytes, timeToLive, valueBytes }: MapShape): KernelMapLayout {
  const whole = key === "number" ? 8 : keyBytes;
  const inKernel = kind === "array" ? 4 : kind === "prefix" ? 4 + (key === "number" ? 4 : 16) : whole;
  const expiresAt = timeToLive === undefined ? undefined : 8;
  const bytesAt = valueBytes === 0 ? undefined : (expiresAt ?? 0) + 8;
  const plain = (expiresAt ?? 0) + 8;
  return {
    keyBytes: inKernel,
    numberAt: 0,
    expiresAt,
    bytesAt,
    valueBytes: plain + 8 * Math.ceil(valueBytes / 8),
  };
}
