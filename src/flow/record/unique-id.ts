/**
 * Names for flows, of the shape of Zeek's `uid`: a C and letters and digits. Zeek's are random; these follow from the flow's
 * first packet and its ends, so that the same flow of the same capture has the same name each time, whoever reads it.
 * @module
 */
import { halfSipHash } from "../table/half-sip-hash.ts";

const DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/** 62^5 is below 2^30: so many digits each of three hashes gives. */
const DIGIT_COUNT = 5;
/** Names say who they are, not that nobody has made them up: the key is no secret. */
const KEYS: readonly (readonly [number, number])[] = [
  [0x6d65_7461, 0x6e65_7431],
  [0x6d65_7461, 0x6e65_7432],
  [0x6d65_7461, 0x6e65_7433],
];

const words = new Int32Array(64);

/** The name of the flow that `text` describes; descriptions beyond 252 characters are told apart by those alone. */
export function uniqueId(text: string): string {
  const length = Math.min(text.length, (words.length - 1) * 4);
  words.fill(0, 0, (length >> 2) + 1);
  for (let at = 0; at < length; at++) {
    words[at >> 2] = (words[at >> 2] as number) | ((text.charCodeAt(at) & 0xff) << ((at & 3) * 8));
  }
  const last = length >> 2;
  words[last] = ((words[last] as number) & 0xff_ffff) | (length << 24);
  let name = "C";
  for (const [low, high] of KEYS) {
    let rest = halfSipHash(words, last + 1, low, high, 1, 3) >>> 2;
    for (let digit = 0; digit < DIGIT_COUNT; digit++) {
      name += DIGITS[rest % 62] as string;
      rest = Math.floor(rest / 62);
    }
  }
  return name;
}
