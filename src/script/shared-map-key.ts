/**
 * Keys of a shared map as words: how each kind is written into them without an allocation, and read back.
 * @module
 */
import { decodeUtf8 } from "#base/utf8.ts";
import type { MapShape, SharedMapKeyKind } from "./shared-map-layout.ts";

/** What a key can be; a map takes one kind only. */
export type SharedMapKey = number | bigint | string | Uint8Array;

/** Writes keys into words of its own and reads them from a map's. */
export interface KeyForm {
  /** Holds the key that was written last. */
  readonly words: Int32Array;
  /** How many words the key takes; -1 when it is no key of this kind. */
  write(key: SharedMapKey): number;
  /** The key that stands at word `at`. */
  read(from: Int32Array, at: number): SharedMapKey;
}

const WORD_VALUES = 0x1_0000_0000;
const MASK64 = 0xffff_ffff_ffff_ffffn;

class NumberKeys implements KeyForm {
  readonly words: Int32Array = new Int32Array(2);

  write(key: SharedMapKey): number {
    if (typeof key !== "number" || !(key >= 0) || !Number.isSafeInteger(key)) return -1;
    this.words[0] = key;
    this.words[1] = key < WORD_VALUES ? 0 : key / WORD_VALUES;
    return 2;
  }

  read(from: Int32Array, at: number): number {
    return ((from[at] as number) >>> 0) + (from[at + 1] as number) * WORD_VALUES;
  }
}

class BigintKeys implements KeyForm {
  readonly #halves = new BigUint64Array(2);
  readonly words: Int32Array = new Int32Array(this.#halves.buffer);

  write(key: SharedMapKey): number {
    if (typeof key !== "bigint" || key < 0n) return -1;
    const high = key >> 64n;
    if (high > MASK64) return -1;
    this.#halves[0] = key; // its lower 64 bits
    this.#halves[1] = high;
    return 4;
  }

  read(from: Int32Array, at: number): bigint {
    let key = 0n;
    for (let index = 3; index >= 0; index--) key = (key << 32n) | BigInt((from[at + index] as number) >>> 0);
    return key;
  }
}

class BytesKeys implements KeyForm {
  readonly #size: number;
  readonly words: Int32Array;
  readonly #bytes: Uint8Array;

  constructor(size: number) {
    this.#size = size;
    this.words = new Int32Array(Math.ceil(size / 4));
    this.#bytes = new Uint8Array(this.words.buffer);
  }

  write(key: SharedMapKey): number {
    if (!(key instanceof Uint8Array) || key.length !== this.#size) return -1;
    for (let index = 0; index < this.#size; index++) this.#bytes[index] = key[index] as number;
    return this.words.length;
  }

  read(from: Int32Array, at: number): Uint8Array {
    const words = from.slice(at, at + this.words.length);
    return new Uint8Array(words.buffer, 0, this.#size).slice();
  }
}

class TextKeys implements KeyForm {
  readonly #sizeMax: number;
  readonly words: Int32Array;
  readonly #bytes: Uint8Array;

  constructor(sizeMax: number) {
    this.#sizeMax = sizeMax;
    this.words = new Int32Array(1 + Math.ceil(sizeMax / 4));
    // Four bytes of slack: a character is written before its end is compared with the limit.
    this.#bytes = new Uint8Array(4 * this.words.length + 4);
  }

  write(key: SharedMapKey): number {
    if (typeof key !== "string" || key.length > this.#sizeMax) return -1;
    const size = this.#encode(key);
    if (size < 0) return -1;
    const bytes = this.#bytes;
    bytes[size] = bytes[size + 1] = bytes[size + 2] = 0;
    const wordCount = 1 + ((size + 3) >> 2);
    this.words[0] = size;
    for (let word = 1, at = 0; word < wordCount; word++, at += 4) {
      this.words[word] =
        (bytes[at] as number) |
        ((bytes[at + 1] as number) << 8) |
        ((bytes[at + 2] as number) << 16) |
        ((bytes[at + 3] as number) << 24);
    }
    return wordCount;
  }

  /** UTF-8 (RFC 3629); -1 when it is too long or half a surrogate pair, which UTF-8 does not have. */
  #encode(text: string): number {
    const bytes = this.#bytes;
    let size = 0;
    for (let index = 0; index < text.length; index++) {
      const code = text.charCodeAt(index);
      if (code < 0x80) {
        bytes[size++] = code;
      } else if (code < 0x800) {
        bytes[size++] = 0xc0 | (code >> 6);
        bytes[size++] = 0x80 | (code & 0x3f);
      } else if (code < 0xd800 || code > 0xdfff) {
        bytes[size++] = 0xe0 | (code >> 12);
        bytes[size++] = 0x80 | ((code >> 6) & 0x3f);
        bytes[size++] = 0x80 | (code & 0x3f);
      } else {
        const low = text.charCodeAt(++index);
        if (code > 0xdbff || !(low >= 0xdc00 && low <= 0xdfff)) return -1;
        const point = 0x1_0000 + ((code & 0x3ff) << 10) + (low & 0x3ff);
        bytes[size++] = 0xf0 | (point >> 18);
        bytes[size++] = 0x80 | ((point >> 12) & 0x3f);
        bytes[size++] = 0x80 | ((point >> 6) & 0x3f);
        bytes[size++] = 0x80 | (point & 0x3f);
      }
      if (size > this.#sizeMax) return -1;
    }
    return size;
  }

  read(from: Int32Array, at: number): string {
    const size = Math.min(from[at] as number, this.#sizeMax);
    const words = from.slice(at + 1, at + this.words.length);
    return decodeUtf8(new Uint8Array(words.buffer, 0, size).slice()) ?? "";
  }
}

/** Addresses cut to so many bits, whose number stands in the last word. */
export class PrefixKeys implements KeyForm {
  readonly words: Int32Array;
  /** Bits of a whole address. */
  readonly bitsMax: number;
  readonly #address: Int32Array;
  readonly #form: KeyForm;

  constructor(key: "number" | "bigint") {
    this.#form = key === "number" ? new NumberKeys() : new BigintKeys();
    this.bitsMax = key === "number" ? 32 : 128;
    this.words = new Int32Array(this.bitsMax / 32 + 1);
    this.#address = this.#form.words.subarray(0, this.bitsMax / 32);
  }

  write(key: SharedMapKey): number {
    if (this.#form.write(key) < 0) return -1;
    // An IPv4 address has nothing in the number's upper half.
    if (this.bitsMax === 32 && this.#form.words[1] !== 0) return -1;
    this.cut(this.bitsMax);
    return this.words.length;
  }

  /** Makes the words those of a prefix of the address that was written last. @param bits 0 to {@link bitsMax} */
  cut(bits: number): void {
    const count = this.#address.length;
    // The highest word of an address comes last.
    for (let index = 0, left = bits; index < count; index++, left -= 32) {
      const kept = Math.min(32, Math.max(0, left));
      const mask = kept === 0 ? 0 : -1 << (32 - kept);
      this.words[count - 1 - index] = (this.#address[count - 1 - index] as number) & mask;
    }
    this.words[count] = bits;
  }

  read(from: Int32Array, at: number): SharedMapKey {
    if (this.bitsMax === 32) return (from[at] as number) >>> 0;
    return this.#form.read(from, at);
  }

  bitsAt(from: Int32Array, at: number): number {
    return from[at + this.words.length - 1] as number;
  }
}

const FORMS: Readonly<Record<SharedMapKeyKind, (keyBytes: number) => KeyForm>> = {
  number: () => new NumberKeys(),
  bigint: () => new BigintKeys(),
  bytes: (keyBytes) => new BytesKeys(keyBytes),
  text: (keyBytes) => new TextKeys(keyBytes),
};

/** How the keys of a map of this shape are written and read. */
export function keyFormOf(shape: MapShape): KeyForm {
  if (shape.kind === "prefix") return new PrefixKeys(shape.key === "number" ? "number" : "bigint");
  return FORMS[shape.key](shape.keyBytes);
}
