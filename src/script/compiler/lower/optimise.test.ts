import assert from "node:assert/strict";
import test from "node:test";
import { Sketch } from "../../../../test/support/ir-sketch.ts";
import type { Block, IrFunction, Value } from "../ir/ir.ts";
import { formatFunction } from "../ir/print.ts";
import { validateFunction } from "../ir/validate.ts";
import { separateOpens } from "./blocks.ts";
import { Editor } from "./editor.ts";
import { optimise } from "./optimise.ts";

/** What is left, without constants: they are named by their numbers. */
function optimised(make: (sketch: Sketch, no: Block) => void): string {
  const sketch = new Sketch("passes");
  make(sketch, sketch.answering(2));
  const fn = sketch.finish();
  validateFunction(fn);
  const editor = new Editor(fn);
  separateOpens(editor);
  optimise(editor);
  validateFunction(fn);
  return withoutConstants(fn);
}

function withoutConstants(fn: IrFunction): string {
  const names = new Map<string, string>();
  const lines: string[] = [];
  for (const line of formatFunction(fn).split("\n").slice(1)) {
    const constant = /^ +(v\d+) = constant (-?\d+)/.exec(line);
    if (constant === null) lines.push(line);
    else names.set(constant[1]!, constant[2]!);
  }
  const text = lines.join("\n").replaceAll(/v\d+/g, (name) => names.get(name) ?? name);
  const numbers = new Map<string, string>();
  return text.replaceAll(/v\d+/g, (name) => {
    const known = numbers.get(name) ?? `v${numbers.size}`;
    numbers.set(name, known);
    return known;
  });
}

const to = (block: Block): { to: Block; with: readonly Value[] } => ({ to: block, with: [] });

const CASES: readonly (readonly [string, (sketch: Sketch, no: Block) => void, string])[] = [
  [
    "asks once for the same bytes, and for fewer of them",
    (sketch, no) => {
      const first = sketch.open(14, 20, to(no));
      const second = sketch.open(18, 4, to(no));
      sketch.act("count", { counter: "a", value: sketch.load(first, 0, 1) });
      sketch.act("count", { counter: "b", value: sketch.load(second, 1, 1) });
      sketch.answer(0);
    },
    `b0:
  open header 14, 20 ? b1(…) : b2
b1(v0 pointer):
  v1 = load v0, at 0, 1 native
  count v1, a
  v2 = load v0, at 5, 1 native
  count v2, b
  return 0
b2:
  return 2
`,
  ],
  [
    "asks for two neighbours at once where both ends are the same",
    (sketch, no) => {
      const first = sketch.open(0, 14, to(no));
      sketch.when(sketch.compare("equal", sketch.load(first, 12, 2), 0x0800), to(no));
      const second = sketch.open(14, 20, to(no));
      sketch.act("count", { counter: "a", value: sketch.load(second, 9, 1) });
      sketch.answer(0);
    },
    `b0:
  open header 0, 34 ? b1(…) : b3
b1(v0 pointer):
  v1 = load v0, at 12, 2 native
  v2 = equal unsigned v1, 8
  branch v2 ? b2 : b3
b2:
  v3 = load v0, at 23, 1 native
  count v3, a
  return 0
b3:
  return 2
`,
  ],
  [
    "does not join bytes whose absence ends otherwise",
    (sketch, no) => {
      sketch.open(0, 14, to(no));
      const other = sketch.answering(1);
      const second = sketch.open(14, 20, to(other));
      sketch.act("count", { counter: "a", value: sketch.load(second, 9, 1) });
      sketch.answer(0);
    },
    `b0:
  open header 0, 14 ? b1(…) : b4
b1(v0 pointer):
  open header 14, 20 ? b2(…) : b3
b2(v1 pointer):
  v2 = load v1, at 9, 1 native
  count v2, a
  return 0
b3:
  return 1
b4:
  return 2
`,
  ],
  [
    "asks again after the packet was cut",
    (sketch, no) => {
      const first = sketch.open(0, 14, to(no));
      sketch.act("count", { counter: "a", value: sketch.load(first, 0, 1) });
      const [offset, length] = [sketch.constant(20), sketch.constant(4)];
      sketch.make("resize", "integer", { offset, length, direction: "shrink", keeps: "front" });
      const second = sketch.open(0, 14, to(no));
      sketch.act("count", { counter: "a", value: sketch.load(second, 0, 1) });
      sketch.answer(0);
    },
    `b0:
  open header 0, 14 ? b1(…) : b3
b1(v0 pointer):
  v1 = load v0, at 0, 1 native
  count v1, a
  v2 = resize 20, 4, shrink, front stays
  open header 0, 14 ? b2(…) : b3
b2(v3 pointer):
  v4 = load v3, at 0, 1 native
  count v4, a
  return 0
b3:
  return 2
`,
  ],
  [
    "compares masked bytes as they are, and copies them",
    (sketch, no) => {
      const pointer = sketch.open(0, 20, to(no));
      const fragment = sketch.binary("and", sketch.load(pointer, 6, 2), 0x1fff);
      sketch.when(sketch.compare("equal", fragment, 0), to(no));
      sketch.store(pointer, 12, 4, sketch.load(pointer, 16, 4));
      sketch.store(pointer, 2, 2, 0x1234);
      sketch.answer(0);
    },
    `b0:
  open header 0, 20 ? b1(…) : b3
b1(v0 pointer):
  v1 = load v0, at 6, 2 native
  v2 = and word v1, 65311
  v3 = equal unsigned v2, 0
  branch v3 ? b2 : b3
b2:
  v4 = load v0, at 16, 4 native
  store v0, v4, at 12, 4 native
  store v0, 13330, at 2, 2 native
  return 0
b3:
  return 2
`,
  ],
  [
    "reads again only what may have been written, and knows what was",
    (sketch, no) => {
      const pointer = sketch.open(0, 20, to(no));
      const before = sketch.load(pointer, 4, 2);
      sketch.store(pointer, 8, 1, 7);
      sketch.act("count", {
        counter: "same",
        value: sketch.binary("add", before, sketch.load(pointer, 4, 2)),
      });
      sketch.act("count", { counter: "stored", value: sketch.load(pointer, 8, 1) });
      sketch.store(pointer, 5, 1, 1);
      sketch.act("count", { counter: "again", value: sketch.load(pointer, 4, 2) });
      sketch.answer(0);
    },
    `b0:
  open header 0, 20 ? b1(…) : b2
b1(v0 pointer):
  v1 = load v0, at 4, 2 network
  store v0, 7, at 8, 1 native
  v2 = add word v1, v1
  count v2, same
  count 7, stored
  store v0, 1, at 5, 1 native
  v3 = load v0, at 4, 2 network
  count v3, again
  return 0
b2:
  return 2
`,
  ],
  [
    "makes powers of two shifts and masks, and drops masks that take nothing away",
    (sketch, no) => {
      const pointer = sketch.open(0, 20, to(no));
      const byte = sketch.load(pointer, 0, 1);
      const header = sketch.binary("multiply", sketch.binary("and", byte, 15), 4);
      sketch.act("count", { counter: "a", value: sketch.binary("and", header, 0xff) });
      sketch.act("count", { counter: "b", value: sketch.binary("remainder", byte, 8) });
      sketch.act("count", {
        counter: "c",
        value: sketch.binary("shiftRight", sketch.binary("and", byte, 0xf0), 4),
      });
      sketch.answer(0);
    },
    `b0:
  open header 0, 20 ? b1(…) : b2
b1(v0 pointer):
  v1 = load v0, at 0, 1 native
  v2 = and word v1, 15
  v3 = shiftLeft word v2, 2
  count v3, a
  v4 = and word v1, 7
  count v4, b
  v5 = shiftRight word v1, 4
  count v5, c
  return 0
b2:
  return 2
`,
  ],
  [
    "asks for the second condition only where the first holds, and calculates where it is needed",
    (sketch, no) => {
      const mark = sketch.fact("mark");
      const product = sketch.binary("multiply", mark, 12_345);
      const both = sketch.make("select", "boolean", {
        condition: sketch.compare("unequal", mark, 300),
        ifTrue: sketch.compare("greater", mark, 100),
        ifFalse: sketch.truth(false),
      });
      sketch.when(both, to(no));
      sketch.act("count", { counter: "a", value: product });
      sketch.answer(0);
    },
    `b0:
  v0 = fact mark
  v1 = unequal unsigned v0, 300
  branch v1 ? b1 : b3
b1:
  v2 = greater unsigned v0, 100
  branch v2 ? b2 : b3
b2:
  v3 = multiply word v0, 12345
  count v3, a
  return 0
b3:
  return 2
`,
  ],
  [
    "knows behind a comparison what was compared",
    (sketch, no) => {
      const mark = sketch.fact("mark");
      const isSix = sketch.compare("equal", mark, 6);
      sketch.when(isSix, to(no));
      sketch.act("count", { counter: "a", value: sketch.binary("add", mark, 1) });
      sketch.when(sketch.compare("less", mark, 7), to(no));
      sketch.answer(0);
    },
    `b0:
  v0 = fact mark
  v1 = equal unsigned v0, 6
  branch v1 ? b1 : b2
b1:
  count 7, a
  return 0
b2:
  return 2
`,
  ],
];

for (const [what, make, wanted] of CASES) {
  test(`optimise() ${what}`, () => {
    assert.equal(optimised(make), wanted);
  });
}
