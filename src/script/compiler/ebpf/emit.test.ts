/**
 * What the back end makes of functions, as assembly to be read; that it does what it should the kernel's
 * own tests show.
 * @module
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { decodeEbpf } from "#wire/ebpf.ts";
import { formatEbpf } from "#wire/ebpf-text.ts";
import { dropPort, translate } from "../../../../test/kernel-scripts/back/functions.ts";
import { Sketch } from "../../../../test/kernel-scripts/back/sketch.ts";
import { type IrFunction, type Value, VerdictCode } from "../ir/ir.ts";
import { CompileError } from "../problem.ts";
import type { AttachType, CompileTarget } from "../target.ts";
import { type EmittedProgram, emitProgram } from "./emit.ts";

function emitted(fn: IrFunction, attach: AttachType): EmittedProgram {
  const target: CompileTarget = { attach, first: "ethernet", onError: "accept", statistics: true };
  const shape = {
    kind: "lru",
    key: "number",
    keyBytes: 8,
    countMax: 100,
    timeToLive: undefined,
    valueBytes: 8,
    perProcessor: false,
  } as const;
  return emitProgram(fn, {
    target,
    maps: [{ name: "table", shape }],
    lineText: ({ line }) => `line ${line}`,
  });
}

/** The program as text, one instruction a line, without their numbers. */
function textOf(fn: IrFunction, attach: AttachType): readonly string[] {
  const { image } = emitted(fn, attach);
  const names = new Map(
    image.relocations.map((one) => {
      if (one.kind === "map") return [one.at, one.map];
      if (one.kind === "kernel-field") return [one.at, `${one.structure}.${one.field}`];
      if (one.kind === "clock") return [one.at, "clock"];
      return [one.at, one.kind === "kernel-type" ? one.structure : one.name];
    }),
  );
  return formatEbpf(decodeEbpf(image.instructions), names)
    .split("\n")
    .map((line) => line.replace(/^ *\d+: /, ""));
}

/** A function that opens the first bytes, and goes on with a pointer to them. */
function opening(make: (sketch: Sketch, pointer: Value) => void): IrFunction {
  const sketch = new Sketch("opening");
  const pointer = sketch.open(0, 34, { to: sketch.answering(VerdictCode.continue), with: [] });
  make(sketch, pointer);
  return sketch.finish();
}

const GOLDEN: readonly { name: string; fn: () => IrFunction; attach: AttachType; text: string }[] = [
  {
    name: "compares bytes as they stand in the packet, and reaches varying offsets by a pointer",
    fn: () => dropPort(53, 14),
    attach: "xdp",
    text: `
      r0 = *(u32 *)(r1 + 0)
      r1 = *(u32 *)(r1 + 4)
      r2 = r0
      r2 += 14
      if r2 > r1 goto +21
      r2 = *(u16 *)(r0 + 12)
      if r2 != 8 goto +19
      r2 = r0
      r2 += 34
      if r2 > r1 goto +16
      r2 = *(u8 *)(r0 + 14)
      r3 = r2
      r3 >>= 4
      if r3 != 4 goto +12
      r3 = *(u8 *)(r0 + 23)
      if r3 != 17 goto +10
      r2 &= 15
      r2 <<= 2
      r0 += r2
      r2 = r0
      r2 += 22
      if r2 > r1 goto +4
      r0 = *(u16 *)(r0 + 16)
      if r0 != 13568 goto +2
      r0 = 1
      exit
      r0 = 2
      exit`,
  },
  {
    name: "brings headers into one piece where they are not, at an interface's traffic control",
    fn: () =>
      opening((sketch, pointer) => {
        sketch.store(pointer, 22, 1, 63);
        sketch.answer(VerdictCode.accept);
      }),
    attach: "tcx-egress",
    text: `
      r6 = r1
      r0 = *(u32 *)(r6 + 76)
      r1 = *(u32 *)(r6 + 80)
      r2 = r0
      r2 += 34
      if r2 <= r1 goto +10
      r2 = *(u32 *)(r6 + 0)
      r3 = r1
      r3 -= r0
      if r2 <= r3 goto +6
      r1 = r6
      if r2 <= 34 goto +1
      r2 = 34
      call skbPullData
      r0 = *(u32 *)(r6 + 76)
      r1 = *(u32 *)(r6 + 80)
      r2 = r0
      r2 += 34
      if r2 > r1 goto +3
      *(u8 *)(r0 + 22) = 63
      r0 = 0
      exit
      r0 = -1
      exit`,
  },
  {
    name: "asks the dynamic pointer at netfilter's hooks, and for nothing twice",
    fn: () => {
      const sketch = new Sketch("slicing");
      const others = { to: sketch.answering(VerdictCode.continue), with: [] };
      const ip = sketch.open(0, 20, others);
      sketch.when(sketch.compare("equal", sketch.load(ip, 9, 1), 6), others);
      const again = sketch.open(12, 4, others);
      sketch.when(sketch.compare("equal", sketch.load(again, 0, 4), 0x0a00_0001), others);
      sketch.answer(VerdictCode.drop);
      return sketch.finish();
    },
    attach: "netfilter",
    text: `
      r1 = *(u64 *)(r1 + 8)
      r2 = 0
      r3 = r10
      r3 += -40
      call kernel bpf_dynptr_from_skb
      r1 = r10
      r1 += -40
      r2 = 0
      r3 = r10
      r3 += -24
      r4 = 20
      call kernel bpf_dynptr_slice
      if r0 == 0 goto +6
      r1 = *(u8 *)(r0 + 9)
      if r1 != 6 goto +4
      r0 = *(u32 *)(r0 + 12)
      if r0 != 0x100000a goto +2
      r0 = 0
      exit
      r0 = 1
      exit`,
  },
  {
    name: "counts by place, and faults with where they are",
    fn: () => {
      const sketch = new Sketch("counting");
      sketch.act("count", { counter: "bytes", value: sketch.fact("length") });
      sketch.fault("it cannot be");
      return sketch.finish();
    },
    attach: "tcx-ingress",
    text: `
      r6 = *(u32 *)(r1 + 0)
      *(u32 *)(r10 - 8) = 0
      r1 = map statistics
      r2 = r10
      r2 += -8
      call mapLookUp
      if r0 == 0 goto +9
      r1 = *(u64 *)(r0 + 0)
      r1 += r6
      *(u64 *)(r0 + 0) = r1
      r1 = *(u64 *)(r0 + 72)
      r1 += 1
      *(u64 *)(r0 + 72) = r1
      r1 = *(u64 *)(r0 + 56)
      r1 += 1
      *(u64 *)(r0 + 56) = r1
      r0 = 0
      exit`,
  },
  {
    name: "changes places of a loop's values by one register more",
    fn: () => {
      const sketch = new Sketch("swapping");
      const head = sketch.block("integer", "integer", "integer");
      const [body, next] = [sketch.block(), sketch.block()];
      const length = sketch.fact("length");
      const mark = sketch.fact("mark");
      sketch.jump(sketch.place, head, sketch.constant(0), length, mark);
      sketch.begin(head);
      const [index, one, other] = head.parameters as [Value, Value, Value];
      const isMore = sketch.compare("less", index, 5);
      sketch.branch(sketch.place, isMore, { to: body, with: [] }, { to: next, with: [] });
      sketch.begin(body);
      sketch.jump(sketch.place, head, sketch.binary("add", index, 1), other, one);
      sketch.begin(next);
      sketch.act("setMark", { value: sketch.binary("subtract", one, other) });
      sketch.answer(VerdictCode.continue);
      return sketch.finish();
    },
    attach: "tcx-ingress",
    text: `
      r0 = *(u32 *)(r1 + 0)
      r2 = *(u32 *)(r1 + 8)
      r3 = 0
      if r3 >= 5 goto +5
      r3 += 1
      r4 = r0
      r0 = r2
      r2 = r4
      goto -6
      r0 -= r2
      *(u32 *)(r1 + 8) = r0
      r0 = -1
      exit`,
  },
];

describe("emitProgram()", () => {
  for (const { name, fn, attach, text } of GOLDEN) {
    it(name, () => {
      const expected = text
        .trim()
        .split("\n")
        .map((line) => line.trim());
      assert.deepEqual(textOf(fn(), attach), expected);
    });
  }

  it("makes the same bytes of the same function", () => {
    const once = emitted(translate(), "tcx-ingress").image;
    const again = emitted(translate(), "tcx-ingress").image;
    assert.deepEqual(once, again);
  });

  it("names the maps that are used, and what is counted", () => {
    const { image, counters } = emitted(translate(), "tcx-ingress");
    assert.deepEqual(
      image.maps.map(({ name, kind, keyBytes, valueBytes, countMax }) => [
        name,
        kind,
        keyBytes,
        valueBytes,
        countMax,
      ]),
      [
        ["table", "lru", 8, 16, 100],
        ["statistics", "per-cpu-array", 4, 80, 1],
      ],
    );
    assert.deepEqual(counters.slice(0, 2), ["bytes", "drop"]);
    assert.equal(counters.at(-1), "counter translated");
  });

  it("tells the line of every instruction", () => {
    const { lines } = emitted(dropPort(53, 14), "xdp").image;
    assert.equal(lines[0]?.at, 0);
    assert(lines.every(({ file, line, text }) => file === "sketch.ts" && text === `line ${line}`));
    assert(lines.every(({ at }, index) => index === 0 || at > (lines[index - 1]?.at ?? 0)));
  });

  it("lets memory that is not needed at once share its place", () => {
    const sketch = new Sketch("sharing");
    for (let count = 0; count < 6; count++) {
      const key = sketch.slot(200);
      sketch.store(key, 0, 8, count, "native");
      sketch.make("remove", "integer", { map: "table", key });
    }
    sketch.answer(VerdictCode.drop);
    const text = textOf(sketch.finish(), "xdp");
    assert.equal(text.filter((line) => line === "r2 += -200").length, 6);
  });

  it("refuses what needs more stack than there is", () => {
    const sketch = new Sketch("deep");
    const slots = [sketch.slot(300), sketch.slot(300)] as const;
    for (const slot of slots) sketch.store(slot, 0, 8, 1, "native");
    sketch.make("update", "integer", { map: "table", key: slots[0], value: slots[1], mode: "any" });
    sketch.answer(VerdictCode.drop);
    assert.throws(
      () => emitted(sketch.finish(), "xdp"),
      (error) => error instanceof CompileError && error.problem.code === "kernel-stack",
    );
  });
});
