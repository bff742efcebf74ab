/**
 * The test vectors and the worked example of `docs/link-protocol.md` are what the implementation does.
 * @module
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { parseHex } from "#base/hex.ts";
import { decodeTuples } from "#wire/cbor.ts";
import { FrameSplitter, readFrameContent, readFrameHead } from "#wire/link.ts";
import type { Step } from "./conversation.ts";
import { toVector } from "./vector-value.ts";
import { makeVectors, renderVectors, VECTOR_FOLDER } from "./vectors.ts";

const read = (file: string): string => readFileSync(join(VECTOR_FOLDER, file), "utf8");

test("test/vectors holds what the implementation makes; run `node test/link/vectors.ts` after a wanted change", async () => {
  const vectors = await makeVectors();
  assert.deepEqual(
    readdirSync(VECTOR_FOLDER)
      .filter((file) => file.endsWith(".json"))
      .sort(),
    Object.keys(vectors).sort(),
  );
  for (const [file, content] of Object.entries(vectors))
    assert.equal(read(file), renderVectors(content), file);
});

for (const file of ["messages.json", "messages-lenient.json"]) {
  test(`decodeTuples() reads every message of ${file} as it says`, () => {
    for (const { name, hex, tuples } of JSON.parse(read(file))) {
      assert.deepEqual(toVector(decodeTuples(parseHex(hex))), tuples, name);
    }
  });
}

test("readFrameHead() and readFrameContent() read every frame of frames.json, whole and byte by byte", () => {
  const frames: readonly { readonly name: string; readonly hex: string }[] = JSON.parse(read("frames.json"));
  const stream = parseHex(frames.map((frame) => frame.hex).join(""));
  for (const size of [stream.length, 1, 7]) {
    const splitter = new FrameSplitter();
    let index = 0;
    for (let at = 0; at < stream.length; at += size) {
      splitter.push(stream.subarray(at, at + size), (bytes, start, end) => {
        const { name, hex: _hex, ...expected } = frames[index++]!;
        const head = readFrameHead(bytes, start);
        const { path, meta, body } = readFrameContent(bytes, start, end, head);
        const found = {
          ...head,
          ...(path === undefined ? {} : { path }),
          meta: toVector(meta),
          body: toVector(body),
        };
        assert.deepEqual(found, expected, name);
      });
    }
    assert.equal(index, frames.length);
  }
});

test("the worked example in docs/link-protocol.md is conversation.json", () => {
  const page = readFileSync(join(VECTOR_FOLDER, "../../docs/link-protocol.md"), "utf8");
  const steps: Step[] = JSON.parse(read("conversation.json"));
  for (const { says, hex } of steps) {
    assert.ok(page.includes(says), `the page does not say: ${says}`);
    const inPage = page.replaceAll(/\s+/g, "");
    assert.ok(inPage.includes(hex), `the page lacks the bytes of: ${says}\n${hex}`);
  }
});
