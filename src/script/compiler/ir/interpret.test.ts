import assert from "node:assert/strict";
import test from "node:test";
import { Sketch } from "../../../../test/support/ir-sketch.ts";
import { interpretFunction } from "./interpret.ts";
import { PlainMap, PlainWorld } from "./interpreted-world.ts";

function run(
  make: (sketch: Sketch) => void,
  options: Partial<ConstructorParameters<typeof PlainWorld>[0]> = {},
) {
  const sketch = new Sketch("run");
  make(sketch);
  const world = new PlainWorld({ packet: new Uint8Array(20), ...options });
  return { outcome: interpretFunction(sketch.finish(), world), world };
}

test("interpretFunction() brings a change to a checksum as RFC 1624 does", () => {
  // Words 0x1234 and 0xedcb, whose checksum is 0; the first becomes 0x1235.
  const packet = Uint8Array.from([0x12, 0x35, 0xed, 0xcb, 0x00, 0x00]);
  const { world } = run(
    (sketch) => {
      const difference = sketch.constant((~0x3412 & 0xffff) + 0x3512);
      const offset = sketch.constant(4);
      sketch.act("patchChecksum", { offset, difference, isPseudo: false, zeroIsNone: false });
      sketch.answer(0);
    },
    { packet },
  );
  assert.deepEqual([...world.packet.bytes.subarray(4)], [0xff, 0xfe]);
});

test("interpretFunction() refuses a pointer that was made before the packet was cut", () => {
  assert.throws(
    () =>
      run((sketch) => {
        const no = sketch.answering(2);
        const pointer = sketch.open(0, 4, { to: no, with: [] });
        const [offset, length] = [sketch.constant(10), sketch.constant(2)];
        sketch.make("resize", "integer", { offset, length, direction: "shrink", keeps: "front" });
        sketch.answer(sketch.load(pointer, 0, 1));
      }),
    /the pointer is void/,
  );
});

test("interpretFunction() refuses a number that leaves what is exact", () => {
  assert.throws(
    () =>
      run((sketch) => {
        const large = sketch.constant(2n ** 53n - 1n);
        sketch.answer(sketch.exact("add", large, sketch.constant(1)));
      }),
    /add number of 9007199254740991 and 1 has no result/,
  );
});

test("interpretFunction() reaches maps by the bytes of their keys", () => {
  const map = new PlainMap({ keyBytes: 8, valueBytes: 8, countMax: 1 });
  const { outcome } = run(
    (sketch) => {
      const [key, value] = [sketch.slot(8), sketch.slot(8)];
      sketch.store(key, 0, 8, 5, "native");
      sketch.store(value, 0, 8, 7, "native");
      sketch.make("update", "integer", { map: "m", key, value, mode: "any" });
      const entry = sketch.make("lookUp", "entry", { map: "m", key });
      sketch.act("atomicAdd", { to: entry, at: 0, value: sketch.constant(3) });
      sketch.answer(sketch.load(entry, 0, 8, "native"));
    },
    { maps: new Map([["m", map]]) },
  );
  assert.deepEqual(outcome, { kind: "verdict", verdict: 10n });
});
