/**
 * A keyed hash as an interface: HMAC with SHA-256 (RFC 2104, RFC 6234), so that a service can recognise what it
 * signed itself.
 * @module
 */

export interface KeyedHash {
  /** 32 bytes that nobody can tell without `key`; the same for the same key and data. */
  hash(key: Uint8Array, data: Uint8Array): Uint8Array;
}

/** Bytes of a hash. */
export const KEYED_HASH_BYTES = 32;
