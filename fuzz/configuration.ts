/**
 * Configuration files as people and programs write them.
 * @module
 */
import assert from "node:assert/strict";
import { BadConfigurationError } from "../src/app/config/problem.ts";
import { parseConfiguration } from "../src/app/config/read.ts";
import { corpusOf, main, spoiledText, type Target } from "./target.ts";

const corpus = corpusOf("configuration");
const PIECES = [
  ": ",
  "- ",
  "&a ",
  "*a",
  "? ",
  "!!binary ",
  "<<: ",
  "__proto__: ",
  "[",
  "{",
  "'",
  '"',
  "|\n",
  "null",
];

export const configuration: Target<string> = {
  name: "configuration",
  invariant: "a text is a configuration, or every mistake is told with a line that the text has and a fix",
  corpus,
  inputs: spoiledText(corpus, PIECES),
  testRounds: 100,
  check(text) {
    try {
      parseConfiguration("gw.yaml", text);
    } catch (error) {
      assert.ok(error instanceof BadConfigurationError, String(error instanceof Error ? error.stack : error));
      const lineCount = text.split("\n").length;
      assert.ok(error.problems.length > 0);
      for (const { line, seen, fix } of error.problems) {
        assert.ok(line >= 0 && line <= lineCount, `line ${line} of ${lineCount}`);
        assert.ok(seen !== "" && fix !== "");
      }
    }
  },
};

if (import.meta.main) await main(configuration);
