/**
 * HMAC-SHA-256 by Node's crypto.
 * @module
 */
import { createHmac, createSecretKey, type KeyObject } from "node:crypto";
import type { KeyedHash } from "#io/keyed-hash.ts";

export class LinuxKeyedHash implements KeyedHash {
  /** Making a key of bytes takes several times as long as using it. */
  readonly #keys = new WeakMap<Uint8Array, KeyObject>();

  hash(key: Uint8Array, data: Uint8Array): Uint8Array {
    return new Uint8Array(createHmac("sha256", this.#keyOf(key)).update(data).digest());
  }

  #keyOf(bytes: Uint8Array): KeyObject {
    const known = this.#keys.get(bytes);
    if (known) return known;
    const made = createSecretKey(bytes);
    this.#keys.set(bytes, made);
    return made;
  }
}
