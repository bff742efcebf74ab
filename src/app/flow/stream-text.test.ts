import assert from "node:assert/strict";
import { test } from "node:test";
import { hexLines, SafeText } from "./stream-text.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

test("hexLines() shows 16 bytes a line, with offsets from where it begins", () => {
  assert.deepEqual(
    [...hexLines(0x1f0, bytes("GET /index.html\r\n"))],
    [
      "000001f0  47 45 54 20 2f 69 6e 64  65 78 2e 68 74 6d 6c 0d  |GET /index.html.|",
      `00000200  0a${" ".repeat(48)}|.|`,
    ],
  );
});

test("SafeText does not let a stream steer a terminal", () => {
  const text = new SafeText();
  assert.equal(text.decode(bytes("a\u001b[2J\tb\r\nc\rd\u009b\n")), "a\\x1b[2J\tb\nc\\x0dd\\x9b\n");
});

test("SafeText puts characters together that came in two pieces, and tells what is none", () => {
  const text = new SafeText();
  const [first, second] = [bytes("ä").subarray(0, 1), bytes("ä").subarray(1)];
  assert.equal(text.decode(first) + text.decode(second), "ä");
  assert.equal(text.decode(first) + text.end(), "\ufffd");
});
