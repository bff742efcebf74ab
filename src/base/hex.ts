/**
 * Bytes as hexadecimal text.
 * @module
 */
import { MalformedMessageError } from "./errors.ts";

const DIGITS: readonly string[] = Array.from({ length: 256 }, (_, value) =>
  value.toString(16).padStart(2, "0"),
);

/** Two lower-case digits per byte, with `separator` between bytes. */
export function formatHex(bytes: Uint8Array, separator = ""): string {
  let text = "";
  for (let index = 0; index < bytes.length; index++) {
    if (index > 0) text += separator;
    text += DIGITS[bytes[index] as number];
  }
  return text;
}

/**
 * The bytes of hexadecimal text; white space between bytes is passed over.
 * @throws MalformedMessageError on an odd count of digits or any other character.
 */
export function parseHex(text: string): Uint8Array {
  const digits = text.replace(/\s+/g, "");
  if (digits.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(digits)) {
    throw new MalformedMessageError(
      `Cannot parse hex: '${text.slice(0, 40)}' is not pairs of hexadecimal digits`,
    );
  }
  const bytes = new Uint8Array(digits.length / 2);
  for (let index = 0; index < bytes.length; index++) {
    bytes[index] = Number.parseInt(digits.slice(index * 2, index * 2 + 2), 16);
  }
  return bytes;
}
