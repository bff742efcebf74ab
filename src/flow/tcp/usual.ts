/**
 * What the short ways share: the header that nearly every segment has behind the handshake, and what it says.
 * @module
 */
import type { Layers } from "../layers/layers.ts";
import * as bits from "../table/flags.ts";
import type { FlowTable } from "../table/flow-table.ts";
import * as record from "../table/record.ts";

// The module's own, so that the compiler has their numbers; imported ones it looks up each time.
const { NO_SHIFT, WINDOW_UNKNOWN } = bits;
const { DirectionWord } = record;

/** NOP, NOP, Timestamps, 10: all the options that an ordinary segment has. */
const USUAL_TIMESTAMPS = 0x0101080a;
const PLAIN_HEADER_BYTES = 20;
const TIMESTAMPS_HEADER_BYTES = 32;

/**
 * Whether a segment has no options but, where they are expected, timestamps that have not gone back; `mine` is where the
 * words of its sender begin.
 */
export function hasUsualHeader(table: FlowTable, layers: Layers, mine: number, isExpected: boolean): boolean {
  const { transportHeaderBytes, transportOffset, view } = layers;
  if (!isExpected) return transportHeaderBytes === PLAIN_HEADER_BYTES;
  if (transportHeaderBytes !== TIMESTAMPS_HEADER_BYTES || layers.payloadOffset > layers.frameEnd)
    return false;
  if (view.getInt32(transportOffset + PLAIN_HEADER_BYTES) !== USUAL_TIMESTAMPS) return false;
  const value = view.getInt32(transportOffset + PLAIN_HEADER_BYTES + 4);
  return ((value - (table.words[mine + DirectionWord.timestamp] as number)) | 0) >= 0;
}

/** Notes the timestamp of such a segment (RFC 7323 §4.3). */
export function keepTimestamp(table: FlowTable, layers: Layers, mine: number): void {
  table.words[mine + DirectionWord.timestamp] = layers.view.getInt32(
    layers.transportOffset + PLAIN_HEADER_BYTES + 4,
  );
}

/**
 * The window that an end offers with a segment that acknowledges `moved` bytes more; both SYNs were seen. Its edge never
 * goes back (RFC 9293 §3.8.6).
 */
export function windowOf(
  words: Int32Array,
  said: number,
  mine: number,
  other: number,
  moved: number,
): number {
  const mineShift = (words[mine + DirectionWord.options] as number) & 255;
  const otherShift = (words[other + DirectionWord.options] as number) & 255;
  const shifted = mineShift === NO_SHIFT || otherShift === NO_SHIFT ? said : said << mineShift;
  const known = words[mine + DirectionWord.window] as number;
  const left = known === WINDOW_UNKNOWN ? 0 : known - moved;
  return Math.max(shifted, left);
}
