/**
 * What a process without privileges writes to the broker's socket, and what it is answered.
 * @module
 */
import assert from "node:assert/strict";
import { MetanetError } from "#base/errors.ts";
import { encodeUtf8 } from "#base/utf8.ts";
import { decodeAnswer, decodeRequest } from "#linux/handover-message.ts";
import { corpusOf, main, spoiledBytes, type Target } from "./target.ts";

const corpus = corpusOf("handover").map(encodeUtf8);

export const handover: Target<Uint8Array> = {
  name: "handover",
  invariant:
    "bytes are a request of the closed list or a sentence, and an answer is a grant or a typed error",
  corpus,
  inputs: spoiledBytes(corpus),
  testRounds: 1000,
  check(bytes) {
    const request = decodeRequest(bytes);
    if (typeof request !== "string") {
      assert.deepEqual(Object.keys(request), ["kind", "interface"]);
      assert.match(request.interface, /^[^\s/]{1,15}$/);
    }
    const answer = decodeAnswer(bytes);
    assert.ok(answer === undefined || answer instanceof MetanetError);
  },
};

if (import.meta.main) await main(handover);
