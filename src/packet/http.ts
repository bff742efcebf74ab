/**
 * The head of an HTTP/1 message (RFC 9112) as far as one segment has it: start line and fields, found in place.
 * @module
 */
import { defineProtocol } from "./protocol.ts";
import type { View } from "./view.ts";

/** Whether a head ends in this segment; a malformed one breaks the grammar before it ends. */
export type HeadState = "complete" | "incomplete" | "malformed";

/** Fields that are looked at; a head with more is malformed. */
export const HTTP_FIELD_COUNT_MAX = 256;

const COMPLETE = 0;
const INCOMPLETE = 1;
const MALFORMED = 2;
const STATES: readonly HeadState[] = ["complete", "incomplete", "malformed"];

const REQUEST_LINE = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([\x21-\x7e\x80-\xff]+) HTTP\/(\d\.\d)$/;
const STATUS_LINE = /^HTTP\/(\d\.\d) (\d{3})(?: ([\t\x20-\x7e\x80-\xff]*))?$/;
/** What a start line can begin with that does not end in this segment. */
const BEGINNING = /^(?:[A-Z]{3,20} [\x20-\x7e\x80-\xff]*|HTTP\/\d\.\d ?[\t\x20-\x7e\x80-\xff]*)\r?$/;
/** A start line that is longer is none (RFC 9112 §3 asks for 8000 at least). */
const START_LINE_BYTES_MAX = 16_384;
const LF = 10;
const CR = 13;
const COLON = 58;

/** A request or a response; what is behind its head is its payload. */
export const http = defineProtocol({
  name: "http",
  fields: {},
  carriedBy: { tcp: [80, 8080] },
  headerBytes: (view) => headBytes(view),
  headerUnitBytes: 1,
  accepts: (view) => view.lengthBytes > 0 && startLine(view) !== undefined,
  methods: {
    get state(): HeadState {
      return STATES[this.$note] ?? "malformed";
    },
    get isResponse(): boolean {
      return this.text(0, 5) === "HTTP/";
    },
    /** `GET`; `undefined` in a response, and while the start line is not whole. */
    get method(): string | undefined {
      return startLine(this)?.match(REQUEST_LINE)?.[1];
    },
    /** What is asked for, as it stands there. */
    get target(): string | undefined {
      return startLine(this)?.match(REQUEST_LINE)?.[2];
    },
    /** `1.1` */
    get version(): string | undefined {
      const line = startLine(this);
      return line?.match(REQUEST_LINE)?.[3] ?? line?.match(STATUS_LINE)?.[1];
    },
    /** The status of a response, 100 to 999; `undefined` in a request. */
    get status(): number | undefined {
      const status = startLine(this)?.match(STATUS_LINE)?.[2];
      return status === undefined ? undefined : Number(status);
    },
    /** The first value of a field, names in whatever case, as far as its line is whole. */
    field(name: string): string | undefined {
      return fieldView(this, name)?.text();
    },
    /** The same in place, for writing and for `splice`. */
    fieldView(name: string): View | undefined {
      return fieldView(this, name);
    },
    /** All fields whose lines are whole, names in lower case. */
    *fields(): Iterable<readonly [string, string]> {
      for (const line of lines(this)) {
        if (line.colon < 0) return;
        yield [this.text(line.at, line.colon - line.at).toLowerCase(), valueView(this, line)?.text() ?? ""];
      }
    },
  },
});

/** One line of the head; `end` is without what ends it. */
interface Line {
  readonly at: number;
  readonly end: number;
  /** Where its colon is; -1 when the line is no field. */
  readonly colon: number;
}

/** The start line, or what there is of one; `undefined` when it is none. */
function startLine(view: View): string | undefined {
  const end = view.indexOf(LF, 0, START_LINE_BYTES_MAX);
  if (end < 0) {
    const text = view.text(0, Math.min(view.lengthBytes, 64));
    return BEGINNING.test(text) && view.lengthBytes < START_LINE_BYTES_MAX ? "" : undefined;
  }
  const line = view.text(0, end > 0 && view.uint8(end - 1) === CR ? end - 1 : end);
  return REQUEST_LINE.test(line) || STATUS_LINE.test(line) ? line : undefined;
}

/** The lines behind the start line up to the empty one, as far as they are whole. */
function* lines(view: View): Iterable<Line> {
  let at = view.indexOf(LF) + 1;
  for (let count = 0; at > 0 && count < HTTP_FIELD_COUNT_MAX; count++) {
    const next = view.indexOf(LF, at);
    if (next < 0) return;
    const end = next > at && view.uint8(next - 1) === CR ? next - 1 : next;
    if (end === at) return;
    yield { at, end, colon: colonOf(view, at, end) };
    at = next + 1;
  }
}

/**
 * The colon behind a field's name; -1 for a line that is folded, has a space before its colon, or something in its
 * name that must not be there: all ways to smuggle (RFC 9112 §5.1, §5.2).
 */
function colonOf(view: View, at: number, end: number): number {
  for (let place = at; place < end; place++) {
    const byte = view.uint8(place) as number;
    if (byte === COLON) return place > at ? place : -1;
    if (byte <= 0x20 || byte >= 0x7f) return -1;
  }
  return -1;
}

/** Bytes of the head; its state becomes the view's note. */
function headBytes(view: View): number {
  const startEnd = view.indexOf(LF);
  let at = startEnd + 1;
  view.$note = INCOMPLETE;
  if (startEnd < 0) return view.lengthBytes;
  for (const { at: lineAt, end, colon } of lines(view)) {
    const isBroken = colon < 0 || hasControl(view, colon + 1, end);
    if (isBroken) {
      view.$note = MALFORMED;
      return lineAt;
    }
    at = view.indexOf(LF, end) + 1;
  }
  const isEmpty = view.uint8(at) === LF || (view.uint8(at) === CR && view.uint8(at + 1) === LF);
  if (isEmpty) {
    view.$note = COMPLETE;
    return at + (view.uint8(at) === LF ? 1 : 2);
  }
  if (view.indexOf(LF, at) < 0) return view.lengthBytes;
  view.$note = MALFORMED;
  return at;
}

/** Whether a value has bytes that must not be in one (RFC 9110 §5.5). */
function hasControl(view: View, from: number, end: number): boolean {
  for (let at = from; at < end; at++) {
    const byte = view.uint8(at) as number;
    if ((byte < 0x20 && byte !== 9) || byte === 0x7f) return true;
  }
  return false;
}

function fieldView(view: View, name: string): View | undefined {
  const wanted = name.toLowerCase();
  for (const line of lines(view)) {
    if (line.colon < 0) return undefined;
    if (line.colon - line.at !== wanted.length) continue;
    if (view.text(line.at, wanted.length).toLowerCase() === wanted) return valueView(view, line);
  }
  return undefined;
}

/** The value without the white space around it. */
function valueView(view: View, { colon, end }: Line): View | undefined {
  const isSpace = (at: number): boolean => view.uint8(at) === 0x20 || view.uint8(at) === 9;
  let start = colon + 1;
  let last = end;
  while (start < last && isSpace(start)) start++;
  while (last > start && isSpace(last - 1)) last--;
  return view.slice(start, last - start);
}
