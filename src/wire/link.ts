/**
 * The frames of a link: a fixed head of sixteen bytes, little-endian, so that every language reads it with one
 * unpack; then a mailbox's path, control tuples and the message, each where it is needed. `docs/link-protocol.md`
 * is the specification; this file is the bytes only.
 * @module
 */
import { ProtocolViolationError } from "#base/errors.ts";
import type { Tuples } from "#base/value.ts";
import { MalformedTuplesError } from "./cbor-profile.ts";
import { TuplesReader } from "./cbor-reader.ts";
import { writeTuples } from "./cbor-writer.ts";
import type { Output } from "./output.ts";

/** Bytes of every frame's head, the length field included. */
export const FRAME_HEAD_BYTES = 16;
/** The longest frame, head included, unless HELLO says otherwise. */
export const FRAME_BYTES_MAX = 1_048_576;
/** What a peer may not go below when it names a limit of its own. */
export const FRAME_BYTES_MIN = 4096;
/** The mailbox field of a frame that concerns no mailbox. */
export const NO_MAILBOX = 0xffff;
/** The mailbox field of a frame that spells out the path. */
export const SPELLED_MAILBOX = 0;

/** What a frame is for. */
export const KIND = {
  hello: 1,
  send: 2,
  call: 3,
  reply: 4,
  error: 5,
  attach: 6,
  detach: 7,
  offer: 8,
  verdict: 9,
  observe: 10,
  name: 11,
  credit: 12,
  ping: 13,
  pong: 14,
  goodbye: 15,
} as const;

export type Kind = (typeof KIND)[keyof typeof KIND];

export const FLAG = {
  /** Control tuples come before the body. */
  meta: 0x01,
  /** A receiver that does not know the kind passes over the frame. */
  skippable: 0x02,
  /** SEND only: the sender wants neither REPLY nor ERROR. */
  quiet: 0x04,
} as const;

const FLAGS_KNOWN = FLAG.meta | FLAG.skippable | FLAG.quiet;
const KIND_MAX = KIND.goodbye;

/** The first sixteen bytes of a frame, and where the rest lies. */
export interface FrameHead {
  /** A {@link KIND}, or a number that nobody knows yet. */
  readonly kind: number;
  readonly flags: number;
  /** An interned name's number, {@link SPELLED_MAILBOX} or {@link NO_MAILBOX}. */
  readonly mailbox: number;
  /** Numbers what this side sent, from 1; 0 where no answer is possible. */
  readonly seq: number;
  /** The `seq` of the other side that this answers or belongs to; 0 for none. */
  readonly ref: number;
}

/** A frame to be written. */
export interface FrameParts extends FrameHead {
  /** Spelled out when `mailbox` is {@link SPELLED_MAILBOX}. */
  readonly path?: string | undefined;
  readonly meta?: Tuples | undefined;
  readonly body: Tuples;
}

/** A frame's content behind the head. */
export interface FrameContent {
  readonly path: string | undefined;
  readonly meta: Tuples;
  readonly body: Tuples;
}

/** The bytes of a stream are no frames: the connection cannot go on, since nobody knows where the next one begins. */
export class FramingError extends ProtocolViolationError {
  override readonly code = "framing";
}

const EMPTY: Tuples = [];
const reader = new TuplesReader();

/**
 * Appends a frame.
 * @throws UnencodableError, and `output.length` is as before.
 */
export function writeFrame(output: Output, frame: FrameParts): void {
  const start = output.length;
  output.reserve(FRAME_HEAD_BYTES + 256);
  output.length = start + FRAME_HEAD_BYTES;
  try {
    if (frame.mailbox === SPELLED_MAILBOX) writePath(output, frame.path ?? "");
    const meta = frame.meta;
    if (meta !== undefined && meta.length > 0) writeTuples(output, meta);
    writeTuples(output, frame.body);
  } catch (error) {
    output.length = start;
    throw error;
  }
  const hasMeta = frame.meta !== undefined && frame.meta.length > 0;
  writeHead(output, start, frame, hasMeta ? frame.flags | FLAG.meta : frame.flags);
}

function writeHead(output: Output, start: number, head: FrameHead, flags: number): void {
  const { view } = output;
  view.setUint32(start, output.length - start - 4, true);
  view.setUint8(start + 4, head.kind);
  view.setUint8(start + 5, flags);
  view.setUint16(start + 6, head.mailbox, true);
  view.setUint32(start + 8, head.seq, true);
  view.setUint32(start + 12, head.ref, true);
}

/** Paths are ASCII of at most 255 bytes: the mailbox layer makes no others. */
function writePath(output: Output, path: string): void {
  const count = Math.min(path.length, 255);
  output.reserve(count + 1);
  output.bytes[output.length++] = count;
  for (let index = 0; index < count; index++) output.bytes[output.length++] = path.charCodeAt(index);
}

/** The head of the frame that begins at `start`; sixteen bytes must be there. */
export function readFrameHead(bytes: Uint8Array, start: number): FrameHead {
  return {
    kind: bytes[start + 4] as number,
    flags: bytes[start + 5] as number,
    mailbox: (bytes[start + 6] as number) | ((bytes[start + 7] as number) << 8),
    seq: readUint32(bytes, start + 8),
    ref: readUint32(bytes, start + 12),
  };
}

function readUint32(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at] as number) |
      ((bytes[at + 1] as number) << 8) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24)) >>>
    0
  );
}

/**
 * What stands behind the head of the frame in `bytes` from `start` to `end`.
 * @throws MalformedTuplesError with an offset counted from the frame's first byte.
 */
export function readFrameContent(
  bytes: Uint8Array,
  start: number,
  end: number,
  head: FrameHead,
): FrameContent {
  let at = start + FRAME_HEAD_BYTES;
  let path: string | undefined;
  if (head.mailbox === SPELLED_MAILBOX) {
    const count = bytes[at] ?? 0;
    if (at + 1 + count > end) throw new MalformedTuplesError(at - start, "a path longer than its frame");
    path = readPath(bytes, at + 1, count);
    at += 1 + count;
  }
  try {
    let meta = EMPTY;
    if ((head.flags & FLAG.meta) !== 0) {
      meta = reader.read(bytes, at, end);
      at = reader.position;
    }
    const body = reader.read(bytes, at, end);
    if (reader.position === end) return { path, meta, body };
    at = reader.position;
    throw new MalformedTuplesError(0, `${end - at} bytes too many`);
  } catch (error) {
    if (!(error instanceof MalformedTuplesError)) throw error;
    throw new MalformedTuplesError(at - start + error.offset, error.reason);
  }
}

function readPath(bytes: Uint8Array, start: number, count: number): string {
  let path = "";
  for (let index = 0; index < count; index++) path += String.fromCharCode(bytes[start + index] as number);
  return path;
}

/** Whether this side of the protocol knows a kind. */
export function isKnownKind(kind: number): kind is Kind {
  return kind >= 1 && kind <= KIND_MAX;
}

/** Takes one whole frame: the bytes it lies in, where it begins, and where it ends. */
export type OnFrame = (bytes: Uint8Array, start: number, end: number) => void;

/** Cuts a stream of chunks into frames; what they are cut into makes no difference. */
export class FrameSplitter {
  /** The longest frame taken. */
  frameBytesMax: number;
  /** The beginning of a frame whose end has not come. */
  #kept: Uint8Array = new Uint8Array(0);
  #keptLength = 0;

  constructor(frameBytesMax: number = FRAME_BYTES_MAX) {
    this.frameBytesMax = frameBytesMax;
  }

  /** Bytes that wait for the rest of their frame. */
  get keptBytes(): number {
    return this.#keptLength;
  }

  /**
   * Calls `onFrame` for every frame that `chunk` completes, in order. The bytes it is given must not be kept.
   * @throws FramingError when a frame is shorter than its head, too long, or of an unknown flag.
   */
  push(chunk: Uint8Array, onFrame: OnFrame): void {
    let at = this.#keptLength > 0 ? this.#complete(chunk, onFrame) : 0;
    while (chunk.length - at >= 4) {
      const end = at + this.#lengthAt(chunk, at);
      if (end > chunk.length) break;
      refuseUnknownFlags(chunk, at);
      onFrame(chunk, at, end);
      at = end;
    }
    if (at < chunk.length) this.#keep(chunk, at, chunk.length);
  }

  /** Bytes of the frame at `at`, head included. */
  #lengthAt(bytes: Uint8Array, at: number): number {
    const length = readUint32(bytes, at) + 4;
    if (length >= FRAME_HEAD_BYTES && length <= this.frameBytesMax) return length;
    throw new FramingError(
      `Cannot read frame: ${length} bytes, outside ${FRAME_HEAD_BYTES}..${this.frameBytesMax}`,
    );
  }

  /** Adds to the kept beginning what it lacks; gives how much of the chunk that took. */
  #complete(chunk: Uint8Array, onFrame: OnFrame): number {
    let at = 0;
    if (this.#keptLength < 4) {
      at = Math.min(4 - this.#keptLength, chunk.length);
      this.#keep(chunk, 0, at);
      if (this.#keptLength < 4) return at;
    }
    const length = this.#lengthAt(this.#kept, 0);
    const taken = Math.min(length - this.#keptLength, chunk.length - at);
    this.#keep(chunk, at, at + taken, length);
    if (this.#keptLength < length) return at + taken;
    this.#keptLength = 0;
    refuseUnknownFlags(this.#kept, 0);
    onFrame(this.#kept, 0, length);
    return at + taken;
  }

  #keep(chunk: Uint8Array, from: number, to: number, expected = 0): void {
    const needed = this.#keptLength + to - from;
    if (needed > this.#kept.length) {
      // The length field may lie: memory grows with what has come, not with what was announced.
      const capacity = Math.max(needed, Math.min(expected, this.#kept.length * 2), 4096);
      const grown = new Uint8Array(capacity);
      grown.set(this.#kept.subarray(0, this.#keptLength));
      this.#kept = grown;
    }
    this.#kept.set(chunk.subarray(from, to), this.#keptLength);
    this.#keptLength = needed;
  }
}

function refuseUnknownFlags(bytes: Uint8Array, at: number): void {
  const unknown = (bytes[at + 5] as number) & ~FLAGS_KNOWN;
  if (unknown !== 0) throw new FramingError(`Cannot read frame: unknown flags 0x${unknown.toString(16)}`);
}
