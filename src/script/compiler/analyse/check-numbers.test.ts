import assert from "node:assert/strict";
import test from "node:test";
import { Sketch } from "../../../../test/support/ir-sketch.ts";
import type { CompileProblem } from "../problem.ts";
import { checkNumbers } from "./check-numbers.ts";
import { analyseRanges } from "./ranges.ts";

function problemsOf(make: (sketch: Sketch) => void): readonly CompileProblem[] {
  const sketch = new Sketch("checked");
  make(sketch);
  if (sketch.isOpen) sketch.answer(0);
  const fn = sketch.finish();
  return checkNumbers(fn, analyseRanges(fn));
}

const mark = (sketch: Sketch) => sketch.fact("mark");

const REFUSED: readonly (readonly [string, string, RegExp, (sketch: Sketch) => void])[] = [
  [
    "a product beyond 2^53",
    "kernel-number-range",
    /^0 to 2\^32 - 1 `\*` 0 to 2\^32 - 1 may be 0 to about 2\^64, and numbers are exact only up to 2\^53 - 1$/,
    (sketch) => sketch.exact("multiply", mark(sketch), mark(sketch)),
  ],
  [
    "a bigint beyond 64 bits",
    "kernel-number-range",
    /the kernel has 64 bits/,
    (sketch) => {
      const wide = sketch.exact("multiply", mark(sketch), mark(sketch), "bigint");
      sketch.exact("multiply", wide, wide, "bigint");
    },
  ],
  [
    "a divisor that may be 0",
    "kernel-division",
    /^the divisor may be 0: it is 0 to 2\^32 - 1$/,
    (sketch) => sketch.exact("divide", sketch.constant(7), mark(sketch)),
  ],
  [
    "a shift by more than 63",
    "kernel-shift",
    /^the shift count may be 0 to 255/,
    (sketch) =>
      sketch.exact("shiftLeft", sketch.constant(1), sketch.unary("unsigned8", mark(sketch)), "bigint"),
  ],
  [
    "an index beyond the end",
    "kernel-element-index",
    /^the index may be 0 to 255, and there are elements 0 to 15$/,
    (sketch) =>
      sketch.act("storeElement", {
        to: sketch.slot(16),
        index: sketch.unary("unsigned8", mark(sketch)),
        count: 16,
        bytes: 1,
        value: sketch.constant(0),
      }),
  ],
  [
    "a comparison of what may be negative with what may be 2^63",
    "kernel-mixed-signs",
    /^one may be negative and one 2\^63 or more/,
    (sketch) => {
      const large = sketch.exact("multiply", mark(sketch), mark(sketch), "bigint");
      sketch.compareExact("less", sketch.unary("signed8", mark(sketch)), large);
    },
  ],
  [
    "a loop that nothing counts",
    "kernel-loop",
    /^it cannot be proved that the loop ends$/,
    (sketch) => {
      const [head, exit] = [sketch.block(), sketch.block()];
      sketch.jump(sketch.place, head);
      sketch.begin(head);
      sketch.branch(
        sketch.place,
        sketch.compareExact("equal", mark(sketch), sketch.constant(1)),
        { to: head, with: [] },
        { to: exit, with: [] },
      );
      sketch.begin(exit);
    },
  ],
];

for (const [what, code, why, make] of REFUSED) {
  test(`checkNumbers() refuses ${what}`, () => {
    const problems = problemsOf(make);
    assert.deepEqual(
      problems.map((problem) => problem.code),
      [code],
    );
    assert.match(problems[0]!.why, why);
    assert.ok(problems[0]!.instead.length > 0);
  });
}

test("checkNumbers() refuses a loop of too many steps", () => {
  const problems = problemsOf((sketch) => {
    const head = sketch.block("integer");
    const [body, exit] = [sketch.block(), sketch.block()];
    const [counter] = head.parameters;
    sketch.jump(sketch.place, head, sketch.constant(0));
    sketch.begin(head);
    sketch.branch(
      sketch.place,
      sketch.compareExact("less", counter!, sketch.constant(90_000)),
      { to: body, with: [] },
      { to: exit, with: [] },
    );
    sketch.begin(body);
    sketch.jump(sketch.place, head, sketch.exact("add", counter!, sketch.constant(1)));
    sketch.begin(exit);
  });
  assert.deepEqual(
    problems.map(({ code }) => code),
    ["kernel-loop-steps"],
  );
});

test("checkNumbers() lets pass what a branch has checked before", () => {
  const problems = problemsOf((sketch) => {
    const divisor = mark(sketch);
    sketch.when(sketch.compareExact("greater", divisor, sketch.constant(0)), {
      to: sketch.answering(2),
      with: [],
    });
    sketch.exact("divide", sketch.constant(7), divisor);
  });
  assert.deepEqual(problems, []);
});
