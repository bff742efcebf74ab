/**
 * The reading half of the CBOR profile: bytes to tuples, strictly. Integers may come in any of their forms; all else
 * outside the profile is an error with the byte where it stands. Short texts are built without a call into the
 * engine, and tags that were seen before are found by their bytes.
 * @module
 */
import { IpAddress, IpPrefix } from "#base/ip-address.ts";
import { MAC_BYTES, MacAddress } from "#base/mac-address.ts";
import { type Instant, Timestamp } from "#base/time.ts";
import { decodeUtf8 } from "#base/utf8.ts";
import type { Scalar, Tuples, Value } from "#base/value.ts";
import {
  CBOR_TAG,
  isTupleTag,
  LIST_COUNT_MAX,
  MalformedTuplesError,
  TAG_BYTES_MAX,
  TIME_MAX,
  TUPLE_COUNT_MAX,
} from "./cbor-profile.ts";

/** Slots of the tag cache, a power of two; a new tag takes the place of an older one with the same hash. */
const TAG_CACHE_SLOTS = 2048;
/** Texts up to here are built character by character; the engine's decoder costs as much as 48 of them. */
const SHORT_TEXT_BYTES = 48;

interface CachedTag {
  readonly bytes: Uint8Array;
  readonly text: string;
}

const tagCache: (CachedTag | undefined)[] = new Array<CachedTag | undefined>(TAG_CACHE_SLOTS).fill(undefined);

/** Reads messages out of bytes; one reader serves any number of them in turn. */
export class TuplesReader {
  /** After `read`: the first byte behind the message. */
  position = 0;
  #bytes: Uint8Array = new Uint8Array(0);
  #view: DataView = new DataView(this.#bytes.buffer);
  #start = 0;
  #end = 0;

  /**
   * The message that begins at `start` and reaches at most to `end`.
   * @throws MalformedTuplesError with an offset counted from `start`.
   */
  read(bytes: Uint8Array, start: number, end: number): Tuples {
    if (this.#bytes !== bytes) {
      this.#bytes = bytes;
      this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    }
    this.#start = start;
    this.#end = end;
    this.position = start;
    const initial = this.#initialByte();
    if (initial >> 5 !== 4) this.#fail(start, "not an array");
    const count = this.#argument(initial);
    if (count % 2 !== 0) this.#fail(start, "a tag without a value");
    if (count > TUPLE_COUNT_MAX * 2) this.#fail(start, `more than ${TUPLE_COUNT_MAX} tuples`);
    // Every item has a byte at least, so that a short message cannot ask for a long array.
    if (count > end - this.position) this.#fail(this.position, "the message ends too early");
    const tuples: (string | Value)[] = new Array(count);
    for (let index = 0; index < count; index += 2) {
      tuples[index] = this.#tag();
      tuples[index + 1] = this.#value();
    }
    return tuples;
  }

  /** Forgets the bytes, so that they can be freed. */
  release(): void {
    this.#bytes = new Uint8Array(0);
  }

  #fail(at: number, reason: string): never {
    throw new MalformedTuplesError(at - this.#start, reason);
  }

  #initialByte(): number {
    if (this.position >= this.#end) this.#fail(this.position, "the message ends too early");
    return this.#bytes[this.position++] as number;
  }

  /** Checks that `count` more bytes are there, and steps over them. */
  #take(count: number): number {
    const at = this.position;
    if (count > this.#end - at) this.#fail(at, "the message ends too early");
    this.position = at + count;
    return at;
  }

  /** The count or value in an item's head (RFC 8949 §3); one above 2^53 - 1 comes out as a float, inexactly. */
  #argument(initial: number): number {
    const info = initial & 31;
    if (info < 24) return info;
    switch (info) {
      case 24:
        return this.#bytes[this.#take(1)] as number;
      case 25: {
        const at = this.#take(2);
        return ((this.#bytes[at] as number) << 8) | (this.#bytes[at + 1] as number);
      }
      case 26:
        return this.#view.getUint32(this.#take(4));
      case 27: {
        const at = this.#take(8);
        return this.#view.getUint32(at) * 0x1_0000_0000 + this.#view.getUint32(at + 4);
      }
      default:
        return this.#fail(this.position - 1, info === 31 ? "an indefinite length" : "a reserved length");
    }
  }

  #tag(): string {
    const at = this.position;
    const initial = this.#initialByte();
    if (initial >> 5 !== 3) this.#fail(at, "a tag that is not text");
    const count = this.#argument(initial);
    if (count < 1 || count > TAG_BYTES_MAX) this.#fail(at, `a tag of ${count} bytes`);
    const start = this.#take(count);
    const bytes = this.#bytes;
    const last = start + count - 1;
    const middle = start + (count >> 1);
    const hash =
      (count +
        (bytes[start] as number) * 3 +
        (bytes[middle] as number) * 37 +
        (bytes[last] as number) * 211) &
      (TAG_CACHE_SLOTS - 1);
    const cached = tagCache[hash];
    if (cached !== undefined && cached.bytes.length === count) {
      const expected = cached.bytes;
      let index = 0;
      while (index < count && expected[index] === bytes[start + index]) index++;
      if (index === count) return cached.text;
    }
    const text = decodeUtf8(bytes.subarray(start, start + count));
    if (text === undefined || !isTupleTag(text))
      this.#fail(at, "a tag with other than printable ASCII, or with / : *");
    tagCache[hash] = { bytes: Uint8Array.from(bytes.subarray(start, start + count)), text };
    return text;
  }

  #value(): Value {
    const at = this.position;
    const initial = this.#initialByte();
    if (initial >> 5 !== 4) return this.#scalar(at, initial);
    const count = this.#argument(initial);
    if (count > LIST_COUNT_MAX) this.#fail(at, `a list of more than ${LIST_COUNT_MAX} values`);
    if (count > this.#end - this.position) this.#fail(this.position, "the message ends too early");
    const list: Scalar[] = new Array(count);
    for (let index = 0; index < count; index++) {
      const itemAt = this.position;
      list[index] = this.#scalar(itemAt, this.#initialByte());
    }
    return list;
  }

  #scalar(at: number, initial: number): Scalar {
    switch (initial >> 5) {
      case 0:
        return initial < 24 ? initial : this.#integer(initial, false);
      case 1:
        return this.#integer(initial, true);
      case 2:
        return this.#copy(this.#argument(initial));
      case 3:
        return this.#text(at, this.#argument(initial));
      case 4:
        return this.#fail(at, "a list inside a list");
      case 5:
        return this.#fail(at, "a map");
      case 6:
        return this.#registered(at, this.#argument(initial));
      default:
        return this.#simple(at, initial);
    }
  }

  #integer(initial: number, negative: boolean): number | bigint {
    const value = this.#argument(initial);
    if (value <= Number.MAX_SAFE_INTEGER - (negative ? 1 : 0)) return negative ? -1 - value : value;
    const exact = this.#view.getBigUint64(this.position - 8);
    return negative ? -1n - exact : exact;
  }

  #copy(count: number): Uint8Array {
    const at = this.#take(count);
    return Uint8Array.prototype.slice.call(this.#bytes, at, at + count);
  }

  #text(at: number, count: number): string {
    const start = this.#take(count);
    if (count <= SHORT_TEXT_BYTES) {
      const text = shortAscii(this.#bytes, start, count);
      if (text !== undefined) return text;
    }
    return decodeUtf8(this.#bytes.subarray(start, start + count)) ?? this.#fail(at, "text that is not UTF-8");
  }

  #simple(at: number, initial: number): boolean | null | number {
    switch (initial) {
      case 0xf4:
        return false;
      case 0xf5:
        return true;
      case 0xf6:
        return null;
      case 0xfa:
        return this.#view.getFloat32(this.#take(4));
      case 0xfb:
        return this.#view.getFloat64(this.#take(8));
      case 0xf9:
        return this.#fail(at, "a half-precision float");
      default:
        return this.#fail(at, `simple value 0x${initial.toString(16)}`);
    }
  }

  #registered(at: number, tag: number): MacAddress | IpAddress | IpPrefix | Timestamp {
    if (tag === CBOR_TAG.mac) return new MacAddress(this.#exactly(MAC_BYTES, "a MAC address"));
    if (tag === CBOR_TAG.ip4) return this.#ip(at, 4);
    if (tag === CBOR_TAG.ip6) return this.#ip(at, 16);
    if (tag === CBOR_TAG.time) return this.#time();
    return this.#fail(at, `CBOR tag ${tag}`);
  }

  #exactly(count: number, what: string): Uint8Array {
    const at = this.position;
    const initial = this.#initialByte();
    if (initial >> 5 !== 2) this.#fail(at, `${what} that is not a byte string`);
    if (this.#argument(initial) !== count) this.#fail(at, `${what} of other than ${count} bytes`);
    const start = this.#take(count);
    return this.#bytes.subarray(start, start + count);
  }

  #ip(at: number, bytesMax: number): IpAddress | IpPrefix {
    const initial = this.#bytes[this.position];
    if (this.position >= this.#end || initial === undefined || initial >> 5 !== 4) {
      return new IpAddress(Uint8Array.from(this.#exactly(bytesMax, "an IP address")));
    }
    this.position++;
    if (this.#argument(initial) !== 2) this.#fail(at, "a prefix that is not [length, bytes]");
    const lengthInitial = this.#initialByte();
    const lengthBits = this.#argument(lengthInitial);
    if (lengthInitial >> 5 !== 0 || lengthBits > bytesMax * 8) this.#fail(at, "a prefix length out of range");
    const bytesInitial = this.#initialByte();
    const count = this.#argument(bytesInitial);
    if (bytesInitial >> 5 !== 2 || count > bytesMax) this.#fail(at, "prefix bytes out of range");
    const padded = new Uint8Array(bytesMax);
    padded.set(this.#copy(count));
    const found = new IpPrefix(new IpAddress(padded), lengthBits);
    // RFC 9164 §3.1.3: bits behind the length must be zero.
    if (!found.address.bytes.every((byte, index) => byte === padded[index])) {
      this.#fail(at, `a prefix with bits set behind bit ${lengthBits}`);
    }
    return found;
  }

  #time(): Timestamp {
    const at = this.position;
    const initial = this.#initialByte();
    const major = initial >> 5;
    const seconds = major < 2 ? this.#integer(initial, major === 1) : this.#simple(at, initial);
    if (typeof seconds !== "number") this.#fail(at, "a time that is not a number");
    const milliseconds = Math.round(seconds * 1000);
    if (!(Math.abs(milliseconds) <= TIME_MAX)) this.#fail(at, "a time out of range");
    return new Timestamp((milliseconds + 0) as Instant);
  }
}

/** The text of ASCII bytes; `undefined` when one of them is something else. */
function shortAscii(bytes: Uint8Array, start: number, count: number): string | undefined {
  const end = start + count;
  let at = start;
  let text = "";
  while (end - at >= 8) {
    const a = bytes[at] as number;
    const b = bytes[at + 1] as number;
    const c = bytes[at + 2] as number;
    const d = bytes[at + 3] as number;
    const e = bytes[at + 4] as number;
    const f = bytes[at + 5] as number;
    const g = bytes[at + 6] as number;
    const h = bytes[at + 7] as number;
    if ((a | b | c | d | e | f | g | h) >= 0x80) return undefined;
    text += String.fromCharCode(a, b, c, d, e, f, g, h);
    at += 8;
  }
  if (end - at >= 4) {
    const a = bytes[at] as number;
    const b = bytes[at + 1] as number;
    const c = bytes[at + 2] as number;
    const d = bytes[at + 3] as number;
    if ((a | b | c | d) >= 0x80) return undefined;
    text += String.fromCharCode(a, b, c, d);
    at += 4;
  }
  for (; at < end; at++) {
    const character = bytes[at] as number;
    if (character >= 0x80) return undefined;
    text += String.fromCharCode(character);
  }
  return text;
}
