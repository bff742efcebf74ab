/**
 * Names of DNS in a message (RFC 1035 §4.1.4), whose ends may be elsewhere. Every pointer must lead to before the
 * place that it is followed from, so that no chain of them is without end.
 * @module
 */
import type { View } from "./view.ts";

/** Bytes a name may have, its lengths and its end included (RFC 1035 §2.3.4). */
export const NAME_BYTES_MAX = 255;
/** Pointers that are followed in one name; no server makes more than one or two. */
export const POINTER_COUNT_MAX = 128;

/** The offset behind a name; -1 when it is not all there. Pointers are not followed. */
export function skipName(view: View, at: number): number {
  for (let place = at; place - at < NAME_BYTES_MAX; ) {
    const length = view.uint8(place);
    if (length === undefined) return -1;
    if (length >= 0xc0) return view.$has(place, 2) ? place + 2 : -1;
    if (length >= 0x40) return -1;
    place += 1 + length;
    if (length === 0) return place;
  }
  return -1;
}

/**
 * A name as text without its last dot, `.` for the root; dots and what cannot be printed as `\.` and `\007`
 * (RFC 1035 §5.1). `undefined` when it cannot be read.
 */
export function nameAt(view: View, at: number): string | undefined {
  const labels: string[] = [];
  let bytes = 1;
  let place = at;
  // A pointer leads to before where this piece of the name began.
  let pieceStart = at;
  let pointersLeft = POINTER_COUNT_MAX;
  for (;;) {
    const length = view.uint8(place);
    if (length === undefined) return undefined;
    if (length >= 0xc0) {
      const target = (view.uint16(place) ?? 0xffff) & 0x3fff;
      if (target >= pieceStart || pointersLeft-- === 0) return undefined;
      pieceStart = target;
      place = target;
      continue;
    }
    if (length === 0) return labels.length === 0 ? "." : labels.join(".");
    bytes += 1 + length;
    if (length >= 0x40 || bytes > NAME_BYTES_MAX || !view.$has(place + 1, length)) return undefined;
    labels.push(labelText(view.bytes(place + 1, length)));
    place += 1 + length;
  }
}

function labelText(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) {
    if (byte === 0x2e || byte === 0x5c) text += `\\${String.fromCharCode(byte)}`;
    else if (byte > 0x20 && byte < 0x7f) text += String.fromCharCode(byte);
    else text += `\\${String(byte).padStart(3, "0")}`;
  }
  return text;
}
