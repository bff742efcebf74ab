/**
 * The edits of the test's program, and what they make of a whole stream: at every ten thousandth byte something is
 * inserted, removed or replaced, byte by byte, so that it does not matter how segments are cut.
 * @module
 */

/** Bytes between two edits. */
export const EDIT_EVERY = 10_000;
const REMOVED_BYTES = 7;
const REPLACED_BYTES = 5;

/** What becomes of one byte: what is put in front of it, and whether it stays. */
export interface ByteEdit {
  readonly offset: number;
  readonly inserted: string;
  readonly isRemoved: boolean;
}

/** The edits of bytes in `[from, to)`. */
export function editsIn(from: number, to: number): ByteEdit[] {
  const edits: ByteEdit[] = [];
  for (let index = Math.max(1, Math.floor(from / EDIT_EVERY)); index * EDIT_EVERY < to; index++) {
    for (const edit of editsAt(index)) if (edit.offset >= from && edit.offset < to) edits.push(edit);
  }
  return edits;
}

function editsAt(index: number): ByteEdit[] {
  const start = index * EDIT_EVERY;
  const kind = index % 3;
  if (kind === 0) return [{ offset: start, inserted: `<inserted ${index}>`, isRemoved: false }];
  const removed = kind === 1 ? REMOVED_BYTES : REPLACED_BYTES;
  return Array.from({ length: removed }, (_, at) => ({
    offset: start + at,
    inserted: kind === 2 && at === 0 ? `<instead ${index}, and a bit longer than before>` : "",
    isRemoved: true,
  }));
}

/** The stream as its receiver has it. */
export function edited(stream: Uint8Array): Buffer {
  const parts: Uint8Array[] = [];
  let at = 0;
  for (const { offset, inserted, isRemoved } of editsIn(0, stream.length)) {
    parts.push(stream.subarray(at, offset), Buffer.from(inserted));
    at = offset + (isRemoved ? 1 : 0);
  }
  return Buffer.concat([...parts, stream.subarray(at)]);
}
