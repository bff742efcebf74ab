/**
 * The lines that a program behind `metanet listen` and `metanet send` writes.
 * @module
 */
import assert from "node:assert/strict";
import { isVerdict } from "#mailbox/verdict.ts";
import {
  formatMessageLine,
  idOfLine,
  parseMessageLine,
  parseVerdictLine,
} from "../src/app/cli/json-lines.ts";
import { UsageError } from "../src/app/cli/typed-value.ts";
import { corpusOf, main, spoiledText, type Target } from "./target.ts";

const corpus = corpusOf("json-lines");
const NO_TYPES = { takes: new Map(), answers: new Map(), messageOf: () => undefined };

function unlessBad<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    assert.ok(error instanceof UsageError, String(error instanceof Error ? error.stack : error));
    return undefined;
  }
}

export const jsonLines: Target<string> = {
  name: "json-lines",
  invariant:
    "a line is a verdict or message or a UsageError, and a message written as a line is the same again",
  corpus,
  inputs: spoiledText(corpus, [
    "{",
    "}",
    "[",
    "]",
    '"',
    ":",
    ",",
    "null",
    "1e400",
    '"__proto__":',
    '["list",[]]',
  ]),
  testRounds: 1000,
  check(line) {
    idOfLine(line);
    const read = unlessBad(() => parseVerdictLine(line, NO_TYPES));
    assert.ok(read === undefined || isVerdict(read.verdict));
    const message = unlessBad(() => parseMessageLine(line, new Map()));
    if (!message) return;
    const again = parseMessageLine(formatMessageLine({ mailbox: "/x", sender: "me" }, message), new Map());
    assert.deepEqual(again.tuples, message.tuples);
  },
};

if (import.meta.main) await main(jsonLines);
