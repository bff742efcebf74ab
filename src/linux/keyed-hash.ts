/**
 * HMAC-SHA-256 by Node's crypto.
 * @module
 */
import { createHmac } from "node:crypto";
import type { KeyedHash } from "#io/keyed-hash.ts";

export class LinuxKeyedHash implements KeyedHash {
  hash(key: Uint8Array, data: Uint8Array): Uint8Array {
    return new Uint8Array(createHmac("sha256", key).update(data).digest());
  }
}
