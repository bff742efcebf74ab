import assert from "node:assert/strict";
import test from "node:test";
import { Sketch } from "../../../../test/support/ir-sketch.ts";
import { validateFunction } from "./validate.ts";

const CASES: readonly (readonly [string, RegExp, (sketch: Sketch) => void])[] = [
  [
    "a value that is used where it need not be made yet",
    /used in block \d+ where it need not be made yet/,
    (sketch) => {
      const [yes, no] = [sketch.block(), sketch.block()];
      const condition = sketch.compareExact("equal", sketch.fact("mark"), sketch.constant(1));
      sketch.branch(sketch.place, condition, { to: yes, with: [] }, { to: no, with: [] });
      sketch.begin(yes);
      const one = sketch.constant(1);
      sketch.answer(0);
      sketch.begin(no);
      sketch.answer(one);
    },
  ],
  [
    "an edge that passes on too little",
    /takes \(integer\) and is given \(\)/,
    (sketch) => {
      const next = sketch.block("integer");
      sketch.jump(sketch.place, next);
      sketch.begin(next);
      sketch.answer(0);
    },
  ],
  [
    "a load from a number",
    /load: wanted pointer\|entry\|memory, not integer/,
    (sketch) => {
      sketch.load(sketch.constant(1), 0, 1);
      sketch.answer(0);
    },
  ],
  [
    "a comparison that results in a number",
    /results in boolean, not integer/,
    (sketch) => {
      const [left, right] = [sketch.constant(1), sketch.constant(2)];
      sketch.make("compare", "integer", { comparison: "less", left, right });
      sketch.answer(0);
    },
  ],
];

for (const [what, message, make] of CASES) {
  test(`validateFunction() refuses ${what}`, () => {
    const sketch = new Sketch("wrong");
    make(sketch);
    const fn = sketch.finish();
    assert.throws(() => validateFunction(fn), message);
  });
}
