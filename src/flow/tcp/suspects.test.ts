import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Suspects } from "./suspects.ts";

describe("suspects", () => {
  for (const base of [0, 0x7fff_fff0, 0xffff_fff0]) {
    it(`agrees() wants both ends' numbers to fit, also over the wrap (${base})`, () => {
      const suspects = new Suspects();
      suspects.add(3, 0, false, base + 100, 50, base + 1000);
      const agrees = (row: number, direction: 0 | 1, sequence: number, acknowledgement: number): boolean =>
        suspects.agrees(row, direction, base + sequence, base + sequence + 10, base + acknowledgement);
      assert.equal(agrees(3, 1, 1000, 150), true);
      assert.equal(agrees(3, 1, 1000, 100), true, "its first byte is what is wanted next");
      assert.equal(agrees(3, 1, 1000, 151), false, "more than was sent");
      assert.equal(agrees(3, 1, 900, 150), false, "sent before what was acknowledged");
      assert.equal(agrees(3, 0, 1000, 150), false, "the same end");
      assert.equal(agrees(4, 1, 1000, 150), false, "another flow");
      suspects.forget(3);
      assert.equal(agrees(3, 1, 1000, 150), false);
    });
  }

  it("isAnswer() is for the answer to a SYN that was refused", () => {
    const suspects = new Suspects();
    suspects.add(3, 0, true, 0xffff_ffff, 1, 0);
    assert.equal(suspects.isAnswer(3, 1, 0), true);
    assert.equal(suspects.isAnswer(3, 1, 1), false);
    assert.equal(suspects.isAnswer(3, 0, 0), false);
    assert.equal(suspects.agrees(3, 1, 0, 0, 0), false);
  });
});
