import { test } from "node:test";
import fc from "fast-check";
import { attack, CORPUS, spoiledStream } from "../../fuzz/link.ts";

for (const [index, stream] of CORPUS.entries()) {
  test(`an owner survives stream ${index} of fuzz/corpus/link.json, and serves others`, async () => {
    await attack(stream, stream.length + 1);
    await attack(stream, 7);
  });
}

test("an owner survives changed, cut and doubled frames, and serves others", async () => {
  const property = fc.asyncProperty(spoiledStream, fc.integer({ min: 50, max: 500 }), attack);
  await fc.assert(property, { numRuns: 30 });
});
