/**
 * A keyed hash without cryptography: it tells keys and data apart, and keeps no secret (FNV-1a, once per byte of
 * the result).
 * @module
 */
import { KEYED_HASH_BYTES, type KeyedHash } from "#io/keyed-hash.ts";

const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

export class SimKeyedHash implements KeyedHash {
  hash(key: Uint8Array, data: Uint8Array): Uint8Array {
    const input = Uint8Array.of(key.length & 255, ...key, ...data);
    return Uint8Array.from({ length: KEYED_HASH_BYTES }, (_, index) => {
      let state = FNV_OFFSET ^ index;
      for (const byte of input) state = Math.imul(state ^ byte, FNV_PRIME);
      return (state >>> 24) ^ (state & 255);
    });
  }
}
