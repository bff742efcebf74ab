/**
 * The writing half of the CBOR profile: tuples to bytes in the shortest form (RFC 8949 §4.1). Tags are kept encoded,
 * since a program uses few of them and each many times.
 * @module
 */
import { IpAddress, IpPrefix } from "#base/ip-address.ts";
import { MacAddress } from "#base/mac-address.ts";
import { Timestamp } from "#base/time.ts";
import { encodeUtf8 } from "#base/utf8.ts";
import type { Scalar, Tuples, Value } from "#base/value.ts";
import {
  CBOR_TAG,
  isTupleTag,
  LIST_COUNT_MAX,
  MAJOR,
  TAG_BYTES_MAX,
  TIME_MAX,
  TUPLE_COUNT_MAX,
  UnencodableError,
} from "./cbor-profile.ts";
import { Output } from "./output.ts";

/** How many encoded tags are kept; further ones are encoded anew each time. */
const TAG_CACHE_COUNT_MAX = 4096;
/** Longer texts are left to the engine's own encoder, whose call costs as much as a loop of this many characters. */
const SHORT_TEXT_CHARACTERS = 64;
const UINT64_MAX = (1n << 64n) - 1n;
const SAFE_MAX = BigInt(Number.MAX_SAFE_INTEGER);

const encodedTags = new Map<string, Uint8Array>();

/**
 * Appends a message.
 * @throws UnencodableError on a tag, a count or a value outside the profile; `output.length` is then as before.
 */
export function writeTuples(output: Output, tuples: Tuples): void {
  const itemCount = tuples.length;
  if (itemCount % 2 !== 0) throw new UnencodableError("Cannot encode message: a tag has no value");
  if (itemCount > TUPLE_COUNT_MAX * 2) {
    throw new UnencodableError(
      `Cannot encode message: ${itemCount / 2} tuples, more than ${TUPLE_COUNT_MAX}`,
    );
  }
  const start = output.length;
  try {
    writeHead(output, MAJOR.array, itemCount);
    for (let index = 0; index < itemCount; index += 2) {
      const tag = tuples[index];
      output.append(encodedTags.get(tag as string) ?? encodeTag(tag));
      const value = tuples[index + 1] as Value;
      if (typeof value === "string") writeText(output, value);
      else if (Array.isArray(value)) writeList(output, value);
      else writeScalar(output, value as Scalar);
    }
  } catch (error) {
    output.length = start;
    throw error;
  }
}

function encodeTag(tag: unknown): Uint8Array {
  if (typeof tag !== "string" || !isTupleTag(tag)) {
    throw new UnencodableError(
      `Cannot encode tag: '${String(tag).slice(0, 80)}' is not 1 to ${TAG_BYTES_MAX} characters of ASCII without / : *`,
    );
  }
  const scratch = new Output();
  writeText(scratch, tag);
  const encoded = scratch.bytes.slice(0, scratch.length);
  if (encodedTags.size < TAG_CACHE_COUNT_MAX) encodedTags.set(tag, encoded);
  return encoded;
}

function writeList(output: Output, list: readonly Scalar[]): void {
  if (list.length > LIST_COUNT_MAX) {
    throw new UnencodableError(`Cannot encode list: ${list.length} values, more than ${LIST_COUNT_MAX}`);
  }
  writeHead(output, MAJOR.array, list.length);
  for (let index = 0; index < list.length; index++) writeScalar(output, list[index] as Scalar);
}

function writeScalar(output: Output, value: Scalar): void {
  switch (typeof value) {
    case "string":
      writeText(output, value);
      break;
    case "number":
      writeNumber(output, value);
      break;
    case "boolean":
      writeSimple(output, value ? 0xf5 : 0xf4);
      break;
    case "bigint":
      writeBigint(output, value);
      break;
    default:
      if (value === null) writeSimple(output, 0xf6);
      else if (value instanceof Uint8Array) writeBytes(output, value);
      else writeTagged(output, value);
  }
}

function writeSimple(output: Output, byte: number): void {
  output.reserve(1);
  output.bytes[output.length++] = byte;
}

/** The first bytes of an item: its major type and its count or value (RFC 8949 §3), `value` at most 2^53 - 1. */
function writeHead(output: Output, major: number, value: number): void {
  output.reserve(9);
  const { bytes, length } = output;
  if (value < 24) {
    bytes[length] = major | value;
    output.length = length + 1;
  } else if (value < 0x100) {
    bytes[length] = major | 24;
    bytes[length + 1] = value;
    output.length = length + 2;
  } else if (value < 0x10000) {
    bytes[length] = major | 25;
    bytes[length + 1] = value >>> 8;
    bytes[length + 2] = value;
    output.length = length + 3;
  } else if (value < 0x1_0000_0000) {
    bytes[length] = major | 26;
    output.view.setUint32(length + 1, value);
    output.length = length + 5;
  } else {
    bytes[length] = major | 27;
    output.view.setUint32(length + 1, Math.floor(value / 0x1_0000_0000));
    output.view.setUint32(length + 5, value >>> 0);
    output.length = length + 9;
  }
}

function writeNumber(output: Output, value: number): void {
  // Minus zero has no integer form.
  if (Number.isSafeInteger(value) && !Object.is(value, -0)) {
    if (value >= 0) writeHead(output, MAJOR.uint, value);
    else writeHead(output, MAJOR.negint, -1 - value);
  } else writeFloat(output, value);
}

function writeFloat(output: Output, value: number): void {
  output.reserve(9);
  output.bytes[output.length] = MAJOR.simple | 27;
  output.view.setFloat64(output.length + 1, value);
  output.length += 9;
}

function writeBigint(output: Output, value: bigint): void {
  const magnitude = value >= 0n ? value : -1n - value;
  const major = value >= 0n ? MAJOR.uint : MAJOR.negint;
  if (magnitude <= SAFE_MAX) {
    writeHead(output, major, Number(magnitude));
    return;
  }
  if (magnitude > UINT64_MAX) {
    throw new UnencodableError(`Cannot encode integer: ${value} is outside -2^64..2^64-1`);
  }
  output.reserve(9);
  output.bytes[output.length] = major | 27;
  output.view.setBigUint64(output.length + 1, magnitude);
  output.length += 9;
}

function writeBytes(output: Output, value: Uint8Array): void {
  writeHead(output, MAJOR.bytes, value.length);
  output.append(value);
}

function writeText(output: Output, value: string): void {
  if (value.length > SHORT_TEXT_CHARACTERS || !writeShortAscii(output, value)) writeLongText(output, value);
}

/** False, and nothing written, when a character is not ASCII. */
function writeShortAscii(output: Output, value: string): boolean {
  const count = value.length;
  output.reserve(count + 2);
  const { bytes } = output;
  let at = output.length;
  if (count < 24) bytes[at++] = MAJOR.text | count;
  else {
    bytes[at++] = MAJOR.text | 24;
    bytes[at++] = count;
  }
  for (let index = 0; index < count; index++) {
    const character = value.charCodeAt(index);
    if (character >= 0x80) return false;
    bytes[at++] = character;
  }
  output.length = at;
  return true;
}

function writeLongText(output: Output, value: string): void {
  if (!value.isWellFormed()) {
    throw new UnencodableError("Cannot encode text: half of a surrogate pair, which UTF-8 has no form for");
  }
  const utf8 = encodeUtf8(value);
  writeHead(output, MAJOR.text, utf8.length);
  output.append(utf8);
}

function writeTagged(output: Output, value: unknown): void {
  if (value instanceof MacAddress) {
    writeHead(output, MAJOR.tag, CBOR_TAG.mac);
    writeBytes(output, value.bytes);
  } else if (value instanceof IpAddress) {
    writeHead(output, MAJOR.tag, value.family === 4 ? CBOR_TAG.ip4 : CBOR_TAG.ip6);
    writeBytes(output, value.bytes);
  } else if (value instanceof IpPrefix) writePrefix(output, value);
  else if (value instanceof Timestamp) writeTime(output, value.instant);
  else {
    const kind = Array.isArray(value) ? "a list inside a list" : typeof value;
    throw new UnencodableError(`Cannot encode value: ${kind} is no value of a tuple`);
  }
}

/** RFC 9164 §3.1.3: the bits behind the length are zero, and zero bytes at the end are left out. */
function writePrefix(output: Output, { address, lengthBits }: IpPrefix): void {
  writeHead(output, MAJOR.tag, address.family === 4 ? CBOR_TAG.ip4 : CBOR_TAG.ip6);
  writeHead(output, MAJOR.array, 2);
  writeHead(output, MAJOR.uint, lengthBits);
  let count = address.bytes.length;
  while (count > 0 && address.bytes[count - 1] === 0) count--;
  writeBytes(output, address.bytes.subarray(0, count));
}

/** Seconds as an integer where that is exact, otherwise as a float; milliseconds survive. */
function writeTime(output: Output, instant: number): void {
  if (!(Math.abs(instant) <= TIME_MAX)) {
    throw new UnencodableError(`Cannot encode time: ${instant} ms is outside ±${TIME_MAX}`);
  }
  writeHead(output, MAJOR.tag, CBOR_TAG.time);
  const rounded = Math.round(instant);
  if (rounded % 1000 === 0) writeNumber(output, rounded / 1000 + 0);
  else writeFloat(output, rounded / 1000);
}
