/**
 * UTF-8 text and bytes, strictly: what is not UTF-8 is `undefined`, never a replacement character.
 * @module
 */

interface Encoder {
  encode(text: string): Uint8Array;
}
interface Decoder {
  decode(bytes: Uint8Array): string;
}
// Every JavaScript engine we run on has these two (WHATWG Encoding); pure layers see no other global.
declare const TextEncoder: { new (): Encoder };
declare const TextDecoder: { new (label: string, options: { fatal: boolean; ignoreBOM: boolean }): Decoder };

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export function encodeUtf8(text: string): Uint8Array {
  return encoder.encode(text);
}

/** The text, or `undefined` when the bytes are not UTF-8 (RFC 3629). */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}
