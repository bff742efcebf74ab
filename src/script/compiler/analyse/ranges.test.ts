import assert from "node:assert/strict";
import test from "node:test";
import { Sketch } from "../../../../test/support/ir-sketch.ts";
import type { Block, Value } from "../ir/ir.ts";
import { formatRange } from "./range.ts";
import { analyseRanges } from "./ranges.ts";

/** `for (let i = begin; i < end; i += step) …` around a body, which gets the counter and what is carried along. */
function loop(
  sketch: Sketch,
  bounds: { begin: Value; end: Value; step: number },
  carried: Value,
  body: (counter: Value, carried: Value) => Value,
): { head: Block; counter: Value; carried: Value } {
  const head = sketch.block("integer", "integer");
  const [inside, exit] = [sketch.block(), sketch.block()];
  const [counter, sum] = head.parameters as [Value, Value];
  sketch.jump(sketch.place, head, bounds.begin, carried);
  sketch.begin(head);
  const condition = sketch.compareExact("less", counter, bounds.end);
  sketch.branch(sketch.place, condition, { to: inside, with: [] }, { to: exit, with: [] });
  sketch.begin(inside);
  const next = body(counter, sum);
  sketch.jump(sketch.place, head, sketch.exact("add", counter, sketch.constant(bounds.step)), next);
  sketch.begin(exit);
  return { head, counter, carried: sum };
}

test("analyseRanges() knows counters and sums of loops exactly", () => {
  const sketch = new Sketch("loops");
  const byte = sketch.unary("unsigned8", sketch.fact("mark"));
  let inBody: readonly [Value, Block] | undefined;
  const { head, counter, carried } = loop(
    sketch,
    { begin: sketch.constant(0), end: sketch.constant(10), step: 1 },
    sketch.constant(0),
    (index, sum) => {
      const next = sketch.exact("add", sum, byte);
      inBody = [index, sketch.current];
      return next;
    },
  );
  sketch.answer(0);
  const ranges = analyseRanges(sketch.finish());
  assert.equal(formatRange(ranges.of(counter)!), "0 to 10");
  assert.equal(formatRange(ranges.of(carried)!), "0 to 2550");
  assert.equal(formatRange(ranges.at(...inBody!)!), "0 to 9");
  assert.equal(ranges.roundsMax(ranges.loops.find((one) => one.head === head)!), 10);
});

test("analyseRanges() adds up what an inner loop adds in every round of the outer one", () => {
  const sketch = new Sketch("nest");
  const limit = sketch.unary("unsigned8", sketch.fact("mark"));
  const outer = loop(
    sketch,
    { begin: sketch.constant(0), end: sketch.constant(4), step: 1 },
    sketch.constant(0),
    (_, sum) => {
      const inner = loop(sketch, { begin: sketch.constant(0), end: limit, step: 1 }, sum, (index, value) =>
        sketch.exact("add", value, index),
      );
      return inner.carried;
    },
  );
  sketch.answer(0);
  const ranges = analyseRanges(sketch.finish());
  assert.equal(formatRange(ranges.of(outer.carried)!), `0 to ${4 * 255 * 254}`);
});

test("analyseRanges() widens what is not a sum, and comes back to what bounds it", () => {
  const sketch = new Sketch("mix");
  const { carried } = loop(
    sketch,
    { begin: sketch.constant(0), end: sketch.constant(100), step: 1 },
    sketch.constant(1),
    (_, hash) => sketch.unary("unsigned16", sketch.exact("multiply", hash, sketch.constant(31))),
  );
  sketch.answer(0);
  assert.equal(formatRange(analyseRanges(sketch.finish()).of(carried)!), "0 to 65535");
});

test("analyseRanges() finds no bound where nothing is counted", () => {
  const sketch = new Sketch("endless");
  const { head } = loop(
    sketch,
    { begin: sketch.constant(0), end: sketch.constant(5), step: 0 },
    sketch.constant(0),
    (_, value) => value,
  );
  sketch.answer(0);
  const ranges = analyseRanges(sketch.finish());
  assert.equal(ranges.roundsMax(ranges.loops.find((one) => one.head === head)!), undefined);
});

test("analyseRanges() takes from a branch what its condition says, also of what was compared with an addition", () => {
  const sketch = new Sketch("branches");
  const length = sketch.unary("unsigned16", sketch.fact("length"));
  const end = sketch.exact("add", length, sketch.constant(14));
  const no = sketch.answering(2);
  sketch.when(sketch.compareExact("less", end, sketch.constant(100)), { to: no, with: [] });
  assert.equal(sketch.current.instructions.length, 0);
  const inside = sketch.current;
  sketch.answer(0);
  const ranges = analyseRanges(sketch.finish());
  assert.equal(formatRange(ranges.at(length, inside)!), "0 to 85");
});

test("analyseRanges() decides comparisons by what earlier ones said of a difference", () => {
  const sketch = new Sketch("differences");
  const start = sketch.unary("unsigned8", sketch.fact("mark"));
  const end = sketch.unary("unsigned16", sketch.fact("length"));
  const no = sketch.answering(2);
  const first = sketch.exact("add", start, sketch.constant(20));
  sketch.when(sketch.compareExact("lessOrEqual", first, end), { to: no, with: [] });
  const again = sketch.compareExact("lessOrEqual", sketch.exact("add", start, sketch.constant(8)), end);
  const more = sketch.compareExact("lessOrEqual", sketch.exact("add", start, sketch.constant(21)), end);
  sketch.answer(0);
  const ranges = analyseRanges(sketch.finish());
  assert.equal(formatRange(ranges.of(again)!), "1");
  assert.equal(formatRange(ranges.of(more)!), "0 to 1");
});
