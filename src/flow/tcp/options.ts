/**
 * The options of a segment that decide about a flow (RFC 9293 §3.1, RFC 7323, RFC 2018, RFC 7413), into one object
 * that is filled again for every segment.
 * @module
 */

/** Kinds of options (IANA "TCP Option Kind Numbers"). */
const Kind = {
  end: 0,
  noOperation: 1,
  maximumSegment: 2,
  windowShift: 3,
  selectivePermitted: 4,
  timestamps: 8,
  fastOpen: 34,
} as const;

/** NOP, NOP, Timestamps, 10: how nearly every segment with timestamps begins its options. */
const USUAL_TIMESTAMPS = 0x0101080a;
/** RFC 7323 §2.3: a larger shift counts as this one. */
const WINDOW_SHIFT_MAX = 14;

export class SegmentOptions {
  hasTimestamps = false;
  /** TSval and TSecr as signed 32-bit numbers. */
  timestampValue = 0;
  timestampEcho = 0;
  /** -1 when there is none. */
  windowShift = -1;
  maximumSegmentBytes = -1;
  isSelectivePermitted = false;
  hasFastOpen = false;

  /** Reads the options in `[start, end)`; what lies about its length ends the walk. */
  read(bytes: Uint8Array, view: DataView, start: number, end: number): void {
    this.hasTimestamps = false;
    this.windowShift = -1;
    this.maximumSegmentBytes = -1;
    this.isSelectivePermitted = false;
    this.hasFastOpen = false;
    if (end - start >= 12 && view.getInt32(start) === USUAL_TIMESTAMPS) {
      this.#timestamps(view, start + 4);
      if (end - start === 12) return;
      start += 12;
    }
    for (let at = start; at < end; ) {
      const kind = bytes[at] as number;
      if (kind === Kind.end) return;
      if (kind === Kind.noOperation) {
        at++;
        continue;
      }
      const lengthBytes = at + 1 < end ? (bytes[at + 1] as number) : 0;
      if (lengthBytes < 2 || at + lengthBytes > end) return;
      this.#take(kind, lengthBytes, view, at + 2);
      at += lengthBytes;
    }
  }

  #take(kind: number, lengthBytes: number, view: DataView, at: number): void {
    if (kind === Kind.timestamps && lengthBytes === 10) this.#timestamps(view, at);
    else if (kind === Kind.windowShift && lengthBytes === 3) {
      this.windowShift = Math.min(view.getUint8(at), WINDOW_SHIFT_MAX);
    } else if (kind === Kind.maximumSegment && lengthBytes === 4) {
      this.maximumSegmentBytes = view.getUint16(at);
    } else if (kind === Kind.selectivePermitted && lengthBytes === 2) this.isSelectivePermitted = true;
    else if (kind === Kind.fastOpen) this.hasFastOpen = true;
  }

  #timestamps(view: DataView, at: number): void {
    this.hasTimestamps = true;
    this.timestampValue = view.getInt32(at);
    this.timestampEcho = view.getInt32(at + 4);
  }
}
