/**
 * Segments of a flow whose bytes are edited that came too early: what fills the hole in front of them has to be seen
 * first, for an edit in it moves their numbers. They are copies, and go through the engine when their turn comes.
 * @module
 */
import type { Block } from "./stream-edits.ts";

/** Segments of one direction that are held at most. */
export const HELD_COUNT_MAX = 1024;
/** Bytes of their packets. */
export const HELD_BYTES_MAX = 2_097_152;
/** Blocks that one acknowledgement tells of: four fit in without timestamps, three with them (RFC 2018 §3). */
const BLOCK_COUNT_MAX = 3;

interface HeldSegment {
  /** The original bytes it carries, a FIN counted as one. */
  readonly offset: number;
  readonly end: number;
  readonly bytes: Uint8Array;
}

export class HeldSegments {
  /** By offset. */
  readonly #segments: HeldSegment[] = [];
  #bytes = 0;

  get count(): number {
    return this.#segments.length;
  }

  /** Keeps a copy; `false` when it is there already, or there are too many. */
  add(offset: number, end: number, packet: Uint8Array): boolean {
    const segments = this.#segments;
    if (segments.length >= HELD_COUNT_MAX || this.#bytes + packet.length > HELD_BYTES_MAX) return false;
    let at = segments.length;
    while (at > 0 && (segments[at - 1] as HeldSegment).offset > offset) at--;
    for (let index = at - 1; index >= 0; index--) {
      const { offset: from, end: to } = segments[index] as HeldSegment;
      if (from !== offset) break;
      if (to >= end) return false;
    }
    segments.splice(at, 0, { offset, end, bytes: Uint8Array.from(packet) });
    this.#bytes += packet.length;
    return true;
  }

  /** The first one, when it begins at or in front of `offset`. */
  take(offset: number): Uint8Array | undefined {
    const [first] = this.#segments;
    if (first === undefined || first.offset > offset) return undefined;
    this.#segments.shift();
    this.#bytes -= first.bytes.length;
    return first.bytes;
  }

  /** What is held, the range around `offset` first, as an acknowledgement tells it. */
  blocks(offset: number): Block[] {
    const blocks: { left: number; right: number }[] = [];
    for (const segment of this.#segments) {
      const last = blocks.at(-1);
      if (last !== undefined && segment.offset <= last.right) last.right = Math.max(last.right, segment.end);
      else blocks.push({ left: segment.offset, right: segment.end });
    }
    const own = blocks.findIndex(({ left, right }) => left <= offset && offset < right);
    if (own > 0) blocks.unshift(...blocks.splice(own, 1));
    return blocks.slice(0, BLOCK_COUNT_MAX);
  }

  clear(): void {
    this.#segments.length = 0;
    this.#bytes = 0;
  }
}
