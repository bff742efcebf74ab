/**
 * Streams of bytes as text: a dump in hexadecimal, and text that does nothing to the terminal that shows it.
 * @module
 */
import { StringDecoder } from "node:string_decoder";

const LINE_BYTES = 16;

/** `00000010  48 54 54 50 …  |HTTP…|`, a line for each 16 bytes, with offsets that count from the stream's begin. */
export function* hexLines(offset: number, bytes: Uint8Array): Iterable<string> {
  for (let at = 0; at < bytes.length; at += LINE_BYTES) {
    const part = bytes.subarray(at, at + LINE_BYTES);
    const pairs = Array.from(part, (byte) => byte.toString(16).padStart(2, "0"));
    const left = pairs.slice(0, 8).join(" ").padEnd(23);
    const right = pairs.slice(8).join(" ").padEnd(23);
    const text = Array.from(part, (byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : "."));
    yield `${(offset + at).toString(16).padStart(8, "0")}  ${left}  ${right}  |${text.join("")}|`;
  }
}

/** One stream as text. */
export class SafeText {
  readonly #decoder = new StringDecoder("utf8");

  /** Line ends and tabs as they are, other control characters as `\x1b`, what is no UTF-8 as U+FFFD. */
  decode(bytes: Uint8Array): string {
    return safe(this.#decoder.write(Buffer.from(bytes)));
  }

  /** What is left of a character that was cut off. */
  end(): string {
    return safe(this.#decoder.end());
  }
}

function safe(text: string): string {
  return (
    text
      .replace(/\r\n/g, "\n")
      // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters to replace.
      .replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, (character) => {
        return `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`;
      })
  );
}
