/**
 * What was changed in one direction of a flow, and how its numbers follow: the sender counts the bytes it has sent, the
 * receiver those it was given, and neither may notice (mOS declared this as MOS_SEQ_REMAP and never made it).
 *
 * Offsets count from the byte behind the SYN: *original* ones as the sender counts, *new* ones as the receiver does. An edit
 * is kept until the receiver has acknowledged all of it, so that a retransmission is changed the same way, whatever its
 * boundaries are; after that only its difference is.
 * @module
 */

/**
 * Whose retransmission brings inserted bytes again when they are lost: that of the byte behind them, of the byte in front
 * of them (they were added at the end of a segment), or our own (they were a segment of ours).
 */
export type Carrier = "behind" | "front" | "own";

/** `removedBytes` original bytes from `offset` on are replaced by `inserted`; only a `behind` one removes. */
export interface StreamEdit {
  readonly offset: number;
  readonly removedBytes: number;
  readonly inserted: Uint8Array;
  readonly carrier: Carrier;
}

/** Edits of one direction that are not acknowledged; one more is refused. */
export const EDIT_COUNT_MAX = 4096;
/** Bytes that they insert. */
export const EDIT_BYTES_MAX = 4_194_304;

/** Why an edit is not taken; `""` when it is. */
export type EditProblem = "" | "overlap" | "count" | "bytes";

/** A range `[left, right)`. */
export interface Block {
  readonly left: number;
  readonly right: number;
}

export class StreamEdits {
  /** By offset; what is inserted in front of a byte stands behind what was added to the one before it. */
  readonly #edits: StreamEdit[] = [];
  #insertedBytes = 0;
  /** By how much the edits that are gone have moved what lies behind them. */
  #shift = 0;
  /** All in front of this original offset has arrived, and the edits there are forgotten. */
  #settledOffset = 0;

  /** Edits that are kept. */
  get count(): number {
    return this.#edits.length;
  }

  /** Whether nothing is changed, neither numbers nor bytes. */
  get isNeutral(): boolean {
    return this.#shift === 0 && this.#settledOffset === 0 && this.#edits.length === 0;
  }

  /** The original offset in front of which retransmissions cannot be changed alike any more: they need not be. */
  get settledOffset(): number {
    return this.#settledOffset;
  }

  /** The edits that are kept, by offset. */
  get list(): readonly StreamEdit[] {
    return this.#edits;
  }

  /** Takes an edit, or says why not. What is inserted at the same place as before goes behind it. */
  add(edit: StreamEdit): EditProblem {
    const edits = this.#edits;
    if (edits.length >= EDIT_COUNT_MAX) return "count";
    if (this.#insertedBytes + edit.inserted.length > EDIT_BYTES_MAX) return "bytes";
    if (edit.offset < this.#settledOffset) return "overlap";
    let at = edits.length;
    while (at > 0 && isInFront(edit, edits[at - 1] as StreamEdit)) at--;
    const before = edits[at - 1];
    const after = edits[at];
    if (after !== undefined && edit.offset + edit.removedBytes > after.offset) return "overlap";
    if (before !== undefined && isSamePlace(before, edit)) {
      if (before.removedBytes > 0 && edit.removedBytes > 0) return "overlap";
      edits[at - 1] = {
        ...edit,
        removedBytes: before.removedBytes + edit.removedBytes,
        inserted: joined([before.inserted, edit.inserted]),
      };
    } else {
      if (before !== undefined && before.offset + before.removedBytes > edit.offset) return "overlap";
      edits.splice(at, 0, edit);
    }
    this.#insertedBytes += edit.inserted.length;
    return "";
  }

  /** Forgets edits from `offset` on, but our own segments: the packet they were made in goes no further. */
  discardFrom(offset: number): void {
    const edits = this.#edits;
    for (let at = edits.length - 1; at >= 0; at--) {
      const edit = edits[at] as StreamEdit;
      if (edit.offset < offset || (edit.offset === offset && edit.carrier === "front")) return;
      if (edit.carrier === "own") continue;
      edits.splice(at, 1);
      this.#insertedBytes -= edit.inserted.length;
    }
  }

  /** Where a segment begins for the receiver that begins at `offset` for the sender. */
  toNew(offset: number): number {
    if (offset < 0) return offset;
    let shift = this.#shift;
    for (const edit of this.#edits) {
      if (offset < edit.offset) break;
      if (edit.carrier === "behind") {
        if (offset === edit.offset) break;
        if (offset < edit.offset + edit.removedBytes) return edit.offset + shift + edit.inserted.length;
      }
      shift += edit.inserted.length - edit.removedBytes;
    }
    return offset + shift;
  }

  /** Where what an edit inserts begins for the receiver; -1 when the edit is not kept any more. */
  startOf(edit: StreamEdit): number {
    let shift = this.#shift;
    for (const each of this.#edits) {
      if (each === edit) return edit.offset + shift;
      shift += each.inserted.length - each.removedBytes;
    }
    return -1;
  }

  /**
   * How far the sender may take its bytes for received when the receiver waits for `offset`: the largest original offset all
   * in front of which has arrived. Bytes that were removed count as received with those in front of them.
   */
  toOriginal(offset: number): number {
    if (offset < 0) return offset;
    let shift = this.#shift;
    if (offset < this.#settledOffset + shift) {
      return Math.min(Math.max(0, offset - shift), this.#settledOffset);
    }
    for (const edit of this.#edits) {
      const start = edit.offset + shift;
      const end = start + edit.inserted.length;
      if (offset < start) break;
      if (offset < end) return edit.carrier === "front" ? Math.max(0, edit.offset - 1) : edit.offset;
      shift += edit.inserted.length - edit.removedBytes;
    }
    return offset - shift;
  }

  /**
   * What of the original stream a block that has arrived out of order stands for (RFC 2018): never a byte whose
   * retransmission has to bring inserted ones. `undefined` when nothing is left, or it lies where edits are forgotten.
   */
  blockToOriginal({ left, right }: Block): Block | undefined {
    const settled = this.#settledOffset + this.#shift;
    if (right <= settled) return undefined;
    const from = this.#leftToOriginal(Math.max(left, settled));
    const to = this.toOriginal(right);
    return from < to ? { left: from, right: to } : undefined;
  }

  #leftToOriginal(offset: number): number {
    let shift = this.#shift;
    for (const edit of this.#edits) {
      const start = edit.offset + shift;
      const end = start + edit.inserted.length;
      if (offset <= start) break;
      if (offset <= end) {
        return edit.carrier === "behind" ? edit.offset + Math.max(1, edit.removedBytes) : edit.offset;
      }
      shift += edit.inserted.length - edit.removedBytes;
    }
    return offset - shift;
  }

  /** How much longer what lies behind the new offset `offset` has become. */
  growthBehind(offset: number): number {
    let shift = this.#shift;
    let growth = 0;
    for (const edit of this.#edits) {
      const change = edit.inserted.length - edit.removedBytes;
      if (edit.offset + shift + edit.inserted.length > offset) growth += change;
      shift += change;
    }
    return growth;
  }

  /**
   * The payload that a segment with original bytes `[offset, offset + payload.length)` has for the receiver; `payload`
   * itself when no edit touches it. `offset` is not below {@link settledOffset}.
   * @param isLast its FIN stands behind it, so that nothing else brings what was added at its end
   */
  apply(offset: number, payload: Uint8Array, isLast: boolean): Uint8Array {
    const end = offset + payload.length;
    const parts: Uint8Array[] = [];
    let at = offset;
    for (const edit of this.#edits) {
      if (!touches(edit, offset, end, isLast)) continue;
      const from = Math.max(at, edit.offset);
      parts.push(payload.subarray(at - offset, from - offset));
      if (edit.offset >= offset) parts.push(edit.inserted);
      at = Math.max(from, Math.min(end, edit.offset + edit.removedBytes));
    }
    if (parts.length === 0) return payload;
    parts.push(payload.subarray(at - offset));
    return joined(parts);
  }

  /** The receiver waits for the new offset `offset`: edits that have arrived are only differences from now on. */
  settle(offset: number): void {
    for (let edit = this.#edits[0]; edit !== undefined; edit = this.#edits[0]) {
      if (offset < edit.offset + this.#shift + edit.inserted.length) return;
      this.#shift += edit.inserted.length - edit.removedBytes;
      this.#settledOffset = edit.offset + edit.removedBytes;
      this.#insertedBytes -= edit.inserted.length;
      this.#edits.shift();
    }
  }
}

function isInFront(edit: StreamEdit, other: StreamEdit): boolean {
  if (edit.offset !== other.offset) return edit.offset < other.offset;
  return edit.carrier !== "behind" && other.carrier === "behind";
}

/** Our own segments have left already: nothing is added to them. */
function isSamePlace(before: StreamEdit, edit: StreamEdit): boolean {
  return before.offset === edit.offset && before.carrier === edit.carrier && edit.carrier !== "own";
}

/** Whether an edit changes a segment of `[start, end)`. */
function touches(edit: StreamEdit, start: number, end: number, isLast: boolean): boolean {
  if (edit.carrier === "behind") {
    return edit.offset < end && edit.offset + Math.max(1, edit.removedBytes) > start;
  }
  if (edit.offset <= start) return false;
  return edit.offset < end || (edit.offset === end && (edit.carrier === "front" || isLast));
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
