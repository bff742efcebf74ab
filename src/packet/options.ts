/**
 * Options of TCP and IPv4 (RFC 9293 §3.2, RFC 791 §3.1): a kind, a length, and data. Kind 0 ends them, kind 1 fills.
 * A length below 2, or one that leads out of the header, ends the walk: every option takes at least a byte, so a
 * walk has at most as many steps as the header has bytes.
 * @module
 */
import { spliceView } from "./resize.ts";
import type { View } from "./view.ts";

const END = 0;
const FILL = 1;

/** One option; `view` is of its data, without kind and length. */
export interface HeaderOption {
  readonly kind: number;
  /** Bytes from the start of the header. */
  readonly at: number;
  readonly view: View;
}

/** Bytes of the option at an offset; 0 where the walk ends. */
function bytesOf(view: View, at: number): number {
  const start = view.$start + at;
  const kind = view.$data.getUint8(start);
  if (kind === FILL) return 1;
  if (kind === END || at + 1 >= view.$header) return 0;
  const bytes = view.$data.getUint8(start + 1);
  return bytes >= 2 && at + bytes <= view.$header ? bytes : 0;
}

/** Where the first option of a kind begins; -1 when there is none with at least `dataBytes` of data. */
export function findOption(view: View, from: number, kind: number, dataBytes = 0): number {
  for (let at = from; at < view.$header; ) {
    const bytes = bytesOf(view, at);
    if (bytes === 0) return -1;
    if (view.$data.getUint8(view.$start + at) === kind) return bytes >= dataBytes + 2 ? at : -1;
    at += bytes;
  }
  return -1;
}

/** The data of the first option of a kind; `undefined` without one. */
export function optionOf(view: View, from: number, kind: number): View | undefined {
  const at = findOption(view, from, kind);
  return at < 0 ? undefined : view.slice(at + 2, bytesOf(view, at) - 2);
}

/** All options but those that fill. */
export function* optionsOf(view: View, from: number): Iterable<HeaderOption> {
  for (let at = from; at < view.$header; ) {
    const bytes = bytesOf(view, at);
    if (bytes === 0) return;
    const kind = view.$data.getUint8(view.$start + at);
    const slice = kind === FILL ? undefined : view.slice(at + 2, bytes - 2);
    if (slice !== undefined) yield { kind, at, view: slice };
    at += bytes;
  }
}

/** Fills the place of every option of a kind; whether there was one. */
export function removeOption(view: View, from: number, kind: number): boolean {
  let isFound = false;
  for (;;) {
    const at = kind === FILL ? -1 : findOption(view, from, kind);
    if (at < 0) return isFound;
    view.fill(FILL, at, bytesOf(view, at));
    isFound = true;
  }
}

/**
 * Writes an option: in its place, or with the others moved; the header grows when it has to.
 * @param data without kind and length
 * @returns `false`, with nothing changed, when the header cannot hold it or its options cannot be read
 */
export function setOption(view: View, from: number, kind: number, data: Uint8Array): boolean {
  if (kind === END || kind === FILL) return false;
  const at = findOption(view, from, kind);
  if (at >= 0 && bytesOf(view, at) === data.length + 2) return view.write(at + 2, data);
  const room = view.$header - from;
  const area = areaWith(view, from, kind, data);
  if (area === undefined || from + area.length > HEADER_BYTES_MAX) return false;
  const padded = new Uint8Array(Math.max(room, (area.length + 3) & ~3));
  padded.set(area);
  return padded.length === room ? view.write(from, padded) : spliceView(view, from, room, padded, true);
}

/** Fifteen words: what TCP's and IPv4's length fields can say. */
const HEADER_BYTES_MAX = 60;

/** The options with one of them replaced, or added, and without what fills the end. */
function areaWith(view: View, from: number, kind: number, data: Uint8Array): number[] | undefined {
  const area: number[] = [];
  const own = [kind, data.length + 2, ...data];
  let isIn = false;
  let length = 0;
  for (let at = from; at < view.$header; ) {
    const bytes = bytesOf(view, at);
    const found = view.$data.getUint8(view.$start + at);
    if (bytes === 0 && found !== END) return undefined;
    if (bytes === 0) break;
    if (found === kind) {
      if (!isIn) area.push(...own);
      isIn = true;
    } else {
      area.push(...view.bytes(at, bytes));
    }
    if (found !== FILL) length = area.length;
    at += bytes;
  }
  area.length = length;
  if (!isIn) area.push(...own);
  return area;
}
