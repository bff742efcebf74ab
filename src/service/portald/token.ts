/**
 * Tokens that make a form the answer to a page we showed this client, and not something another page made its
 * browser send: purpose, client and time under a keyed hash. Nothing is remembered for them.
 * @module
 */
import { formatHex } from "#base/hex.ts";
import type { MacAddress } from "#base/mac-address.ts";
import { after, type Duration, type Instant, minutes, seconds } from "#base/time.ts";
import { encodeUtf8 } from "#base/utf8.ts";
import type { KeyedHash } from "#io/keyed-hash.ts";

/** How long a page may lie open before its button is refused (and a fresh page shown). */
export const TOKEN_LIFETIME: Duration = minutes(30);

/** A token from the future is refused beyond this: the clock may have been set back a little. */
const CLOCK_STEP: Duration = seconds(10);

/** Hexadecimal digits of the hash that a token carries: 128 bits. */
const HASH_DIGITS = 32;

/** Bytes of the secret. */
export const SECRET_BYTES = 32;

export type TokenPurpose = "login" | "logout";

export type TokenVerdict = "good" | "expired" | "wrong";

/** Signs and checks with one secret. */
export class TokenSigner {
  readonly #hasher: KeyedHash;
  readonly #secret: Uint8Array;

  constructor(hasher: KeyedHash, secret: Uint8Array) {
    this.#hasher = hasher;
    this.#secret = secret;
  }

  /** `TIME.HASH`, of letters, digits and a dot. */
  sign(purpose: TokenPurpose, client: MacAddress, now: Instant): string {
    const issued = Math.floor(now).toString(36);
    return `${issued}.${this.#hash(purpose, client, issued)}`;
  }

  check(token: string | undefined, purpose: TokenPurpose, client: MacAddress, now: Instant): TokenVerdict {
    const [, issued, hash] = /^([0-9a-z]{1,11})\.([0-9a-f]{32})$/.exec(token ?? "") ?? [];
    if (issued === undefined || hash === undefined) return "wrong";
    if (!sameText(hash, this.#hash(purpose, client, issued))) return "wrong";
    const issuedAt = Number.parseInt(issued, 36) as Instant;
    if (issuedAt > after(now, CLOCK_STEP)) return "wrong";
    return now > after(issuedAt, TOKEN_LIFETIME) ? "expired" : "good";
  }

  #hash(purpose: TokenPurpose, client: MacAddress, issued: string): string {
    const data = encodeUtf8(`${purpose}|${client}|${issued}`);
    return formatHex(this.#hasher.hash(this.#secret, data)).slice(0, HASH_DIGITS);
  }
}

/** Compares in a time that does not tell how much was right. */
function sameText(left: string, right: string): boolean {
  if (left.length !== right.length) return false;
  let difference = 0;
  for (let index = 0; index < left.length; index++)
    difference |= left.charCodeAt(index) ^ right.charCodeAt(index);
  return difference === 0;
}
