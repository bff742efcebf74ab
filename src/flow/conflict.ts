/**
 * Normalising: writes the bytes that were accepted over those of a segment that brings others, and keeps the checksum
 * of the packet as right, or as wrong, as it was (RFC 1624).
 * @module
 */
import { fold, sumWords } from "#base/checksum.ts";
import type { Layers } from "./layers/layers.ts";
import type { StreamBuffer } from "./stream/stream-buffer.ts";

/** Where TCP's checksum lies in its header. */
const CHECKSUM_AT = 16;

/**
 * Replaces what of the payload `bytes[start, end)`, which begins at `offset`, the stream has otherwise.
 * @returns how many bytes were changed
 */
export function rewriteConflict(
  buffer: StreamBuffer,
  offset: number,
  layers: Layers,
  start: number,
  end: number,
): number {
  const { view, transportOffset } = layers;
  // Words count from the header: a payload's byte at an odd place is the lower half of one.
  const from = start - ((start - transportOffset) & 1);
  const before = sumWords(view, from, end - from);
  const changeCount = buffer.rewrite(offset, layers.bytes, start, end);
  if (changeCount === 0) return 0;
  const at = transportOffset + CHECKSUM_AT;
  const sum = (~view.getUint16(at) & 0xffff) + (~fold(before) & 0xffff) + sumWords(view, from, end - from);
  view.setUint16(at, ~fold(sum) & 0xffff);
  return changeCount;
}
