/**
 * Message bodies as a strict profile of CBOR (RFC 8949): one definite-length array `[tag, value, tag, value, …]`, so
 * that order and repeated tags survive. Registered tags carry network types: 1 time, 48 MAC address (RFC 9542), 52
 * and 54 IP addresses and prefixes (RFC 9164). `docs/link-protocol.md` is the profile in full.
 * @module
 */
import type { Tuples } from "#base/value.ts";
import { BODY_BYTES_MAX, MalformedTuplesError } from "./cbor-profile.ts";
import { TuplesReader } from "./cbor-reader.ts";
import { writeTuples } from "./cbor-writer.ts";
import { Output } from "./output.ts";

const output = new Output();
const reader = new TuplesReader();

/**
 * The bytes of a message, in the shortest form.
 * @throws UnencodableError on a tag, a count or a value outside the profile.
 */
export function encodeTuples(tuples: Tuples): Uint8Array {
  output.length = 0;
  writeTuples(output, tuples);
  return output.bytes.slice(0, output.length);
}

/**
 * The message in `bytes`, all of them.
 * @throws MalformedTuplesError when they break the profile in any way.
 */
export function decodeTuples(bytes: Uint8Array): Tuples {
  if (bytes.length > BODY_BYTES_MAX) throw new MalformedTuplesError(0, `${bytes.length} bytes are too many`);
  const tuples = reader.read(bytes, 0, bytes.length);
  if (reader.position !== bytes.length) {
    throw new MalformedTuplesError(reader.position, `${bytes.length - reader.position} bytes too many`);
  }
  return tuples;
}
