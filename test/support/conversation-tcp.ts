/**
 * What an honest end of a made-up conversation keeps: which of the other's bytes have arrived; and the bytes of TCP
 * options.
 * @module
 */

/** Which offsets of a stream have arrived: what is acknowledged ends at the first hole. */
export class Receiver {
  /** The offset of the first byte that has not; -1 when there was not even a SYN. */
  next = -1;
  readonly #apart: (readonly [start: number, end: number])[] = [];

  /** From `start` up to, and without, `end`. */
  add(start: number, end: number): void {
    if (end <= start) return;
    this.#apart.push([start, end]);
    this.#apart.sort(([a], [b]) => a - b);
    while (this.#apart.length > 0) {
      const [first, last] = this.#apart[0] as readonly [number, number];
      if (first > this.next) return;
      this.next = Math.max(this.next, last);
      this.#apart.shift();
    }
  }

  /** What has arrived behind holes, in order, overlaps and neighbours made one. */
  get apart(): readonly (readonly [start: number, end: number])[] {
    const joined: [number, number][] = [];
    for (const [start, end] of this.#apart) {
      const last = joined.at(-1);
      if (last !== undefined && start <= last[1]) last[1] = Math.max(last[1], end);
      else joined.push([start, end]);
    }
    return joined;
  }
}

/** What SYNs offer. */
export interface TcpOptions {
  /** Bytes of a segment at most. */
  readonly mss?: number;
  /** By how many bits windows are shifted, 0 to 14, or more to be wrong. */
  readonly windowScale?: number;
  readonly timestamps?: boolean;
  readonly sack?: boolean;
}

/** What one segment carries. */
export interface SegmentOptions {
  /** Of a SYN. */
  readonly agreed: TcpOptions | undefined;
  readonly timestamp: readonly [value: number, echo: number] | undefined;
  /** As sequence numbers. */
  readonly sack: readonly (readonly [left: number, right: number])[] | undefined;
}

/** The options of one segment, filled up to a multiple of four bytes. */
export function tcpOptionBytes({ agreed, timestamp, sack }: SegmentOptions): Uint8Array {
  const bytes: number[] = [];
  if (agreed?.mss !== undefined) bytes.push(2, 4, agreed.mss >> 8, agreed.mss & 255);
  if (agreed?.windowScale !== undefined) bytes.push(1, 3, 3, agreed.windowScale);
  if (agreed?.sack) bytes.push(1, 1, 4, 2);
  if (timestamp !== undefined) bytes.push(1, 1, 8, 10, ...word(timestamp[0]), ...word(timestamp[1]));
  if (sack !== undefined && sack.length > 0) {
    bytes.push(1, 1, 5, 2 + 8 * sack.length);
    for (const [left, right] of sack) bytes.push(...word(left), ...word(right));
  }
  return Uint8Array.from(bytes);
}

function word(value: number): number[] {
  return [value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255];
}
