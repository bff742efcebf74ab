import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Duration, instant, seconds } from "#base/time.ts";
import type { KernelMapKind } from "#io/kernel-programs.ts";
import { SimKernelMap } from "#sim/ebpf/maps.ts";
import { SimKernelPrograms } from "#sim/ebpf/programs.ts";
import { decodeKernelKey, encodeKernelKey } from "./kernel-map-key.ts";
import { kernelMapLayout } from "./kernel-map-layout.ts";
import { operationImage, type RunOperation } from "./kernel-map-operations.ts";
import { KernelMapView } from "./kernel-map-view.ts";
import type { SharedMapKey } from "./shared-map-key.ts";
import { type MapOptions, shapeOf } from "./shared-map-layout.ts";

function makeView<Key extends SharedMapKey = number>(options: MapOptions = {}) {
  const shape = shapeOf("test", options);
  const { keyBytes, valueBytes } = kernelMapLayout(shape);
  const kind = (shape.perProcessor ? `per-cpu-${shape.kind}` : shape.kind) as KernelMapKind;
  const map = new SimKernelMap({ name: "test", kind, keyBytes, valueBytes, countMax: shape.countMax });
  const time = { now: instant(1000) };
  const kernel = new SimKernelPrograms();
  const programs = new Map(
    (["add", "exchange"] as const).map((operation) => {
      const image = operationImage(operation, "test", kernelMapLayout(shape));
      return [operation, kernel.load(image, new Map([["test", map]]))];
    }),
  );
  const run: RunOperation = (operation, packet) => (programs.get(operation) ?? assert.fail()).test(packet);
  return { view: new KernelMapView<Key>("test", shape, map, { time, run }), map, time };
}

describe("keys of maps in the kernel", () => {
  const keys: [MapOptions, SharedMapKey, string][] = [
    [{}, 0x0a00_0001, "0100000a00000000"],
    [{}, 2 ** 53 - 1, "ffffffffffff1f00"],
    [{ kind: "array", countMax: 9 }, 8, "08000000"],
    [{ key: "bigint" }, (1n << 64n) | 2n, "02000000000000000100000000000000"],
    [{ key: "bytes", keyBytes: 3 }, Uint8Array.of(1, 2, 3), "010203"],
    [{ kind: "prefix" }, 0x0a00_0001, "200000000a000001"],
    [{ kind: "prefix", key: "bigint" }, 0x2001_0db8n << 96n, "8000000020010db8000000000000000000000000"],
  ];
  for (const [options, key, hex] of keys) {
    it(`encodeKernelKey() writes ${String(key)} as ${hex}, and back`, () => {
      const shape = shapeOf("x", options);
      const bytes = encodeKernelKey(shape, key) ?? assert.fail();
      assert.equal(Buffer.from(bytes).toString("hex"), hex);
      assert.deepEqual(decodeKernelKey(shape, bytes), key);
    });
  }

  const refused: [MapOptions, SharedMapKey, number?][] = [
    [{}, -1],
    [{}, 1.5],
    [{ kind: "array", countMax: 9 }, 9],
    [{ key: "bigint" }, 1n << 128n],
    [{ key: "bytes", keyBytes: 3 }, Uint8Array.of(1)],
    [{ kind: "prefix" }, 2 ** 32],
    [{ kind: "prefix" }, 0, 33],
  ];
  for (const [options, key, bits] of refused) {
    it(`encodeKernelKey() refuses ${String(key)} in ${JSON.stringify(options)}`, () => {
      assert.equal(encodeKernelKey(shapeOf("x", options), key, bits), undefined);
    });
  }
});

describe("KernelMapView", () => {
  it("does what a map in memory does", () => {
    const { view } = makeView({ countMax: 2 });
    assert.deepEqual([view.get(1), view.add(1), view.add(1, 4), view.get(1)], [undefined, 1, 5, 5]);
    assert.deepEqual(
      [view.compareAndSet(1, 4, 9), view.compareAndSet(1, 5, 9), view.get(1)],
      [false, true, 9],
    );
    assert.deepEqual([view.set(2, -7), view.set(3, 1), view.has(2), view.size], [true, false, true, 2]);
    assert.deepEqual([...view.entries()].sort(), [
      [1, 9],
      [2, -7],
    ]);
    assert.deepEqual([view.delete(1), view.delete(1), view.describe().refused], [true, false, 1]);
    view.clear();
    assert.equal(view.size, 0);
    assert.throws(() => view.get("1" as never), /its keys are number/);
  });

  it("refuses numbers that the kernel could not add exactly", () => {
    const { view } = makeView();
    assert.deepEqual(
      [view.set(1, 0.5), view.set(1, 2 ** 52 + 1), view.set(1, 2 ** 52), view.add(1, 1), view.get(1)],
      [false, false, true, undefined, 2 ** 52],
    );
  });

  it("keeps bytes beside the number", () => {
    const { view } = makeView({ valueBytes: 3 });
    const into = new Uint8Array(3);
    assert.deepEqual([view.setBytes(1, Uint8Array.of(1, 2, 3)), view.add(1, 4)], [true, 4]);
    assert.deepEqual([view.getBytes(1, into), [...into], view.get(1)], [true, [1, 2, 3], 4]);
    assert.equal(view.setBytes(1, Uint8Array.of(1)), false);
  });

  it("lets entries expire, and makes room of them", () => {
    const { view, time } = makeView({ timeToLive: seconds(1) as Duration, countMax: 1 });
    view.set(1, 5);
    time.now = instant(1500);
    assert.deepEqual([view.touch(1), view.set(2, 1)], [true, false]);
    time.now = instant(2400);
    assert.equal(view.get(1), 5);
    time.now = instant(2500);
    assert.deepEqual([view.get(1), view.touch(1), view.set(2, 6), view.get(2)], [undefined, false, true, 6]);
    assert.deepEqual([view.describe().expired, view.size], [1, 1]);
  });

  it("of prefixes finds the longest one", () => {
    const { view } = makeView({ kind: "prefix", countMax: 9 });
    assert.deepEqual([view.setPrefix(0x0a00_0000, 8, 1), view.setPrefix(0x0a01_0009, 16, 2)], [true, true]);
    assert.deepEqual(
      [0x0a01_0001, 0x0a02_0001, 0x0b00_0001].map((key) => view.get(key)),
      [2, 1, undefined],
    );
    assert.deepEqual(
      [view.add(0x0a02_0001, 4), view.get(0x0a03_0001), view.add(0x0b00_0001)],
      [5, 5, undefined],
    );
    assert.deepEqual(
      [...view.prefixes()].sort(([one], [other]) => one - other),
      [
        [0x0a00_0000, 8, 5],
        [0x0a01_0000, 16, 2],
      ],
    );
    assert.deepEqual([view.deletePrefix(0x0a01_0000, 16), view.get(0x0a01_0001)], [true, 5]);
    assert.equal(view.delete(0x0a01_0001), false);
  });

  it("of a number for each processor shows the sum", () => {
    const { view } = makeView({ perProcessor: true });
    assert.deepEqual([view.add(1, 3), view.add(1, 4), view.get(1)], [3, 7, 7]);
    assert.throws(() => view.set(1, 1), /only add and delete/);
  });
});
