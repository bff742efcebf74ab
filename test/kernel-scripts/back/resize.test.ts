/**
 * Packets that become longer and shorter, and sums of their bytes: the interpreter, the simulated machine and the kernel
 * do the same.
 * @module
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { KernelPrograms } from "#io/kernel-programs.ts";
import { LinuxKernelPrograms } from "#linux/bpf/programs.ts";
import { emitProgram } from "#script/compiler/ebpf/emit.ts";
import { interpretFunction } from "#script/compiler/ir/interpret.ts";
import { PlainWorld } from "#script/compiler/ir/interpreted-world.ts";
import { type IrFunction, type ResizeInstruction, VerdictCode } from "#script/compiler/ir/ir.ts";
import { validateFunction } from "#script/compiler/ir/validate.ts";
import type { AttachType, CompileTarget } from "#script/compiler/target.ts";
import { SimKernelPrograms } from "#sim/ebpf/programs.ts";
import { whyNoKernel } from "../engines.ts";
import { Sketch } from "./sketch.ts";

const INTERFACES: readonly AttachType[] = ["tcx-ingress", "tcx-egress", "xdp"];

/** An IPv4 packet of some bytes of content, behind Ethernet. */
function packetOf(content: number): Uint8Array {
  const total = 20 + content;
  const ethernet = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
  const header = [0x45, 0, total >> 8, total & 255, 0, 0, 0, 0, 64, 254, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
  const bytes = Array.from({ length: content }, (_, index) => (index * 7 + (index >> 5)) & 255);
  return Uint8Array.from([...ethernet, ...header, ...bytes]);
}

type Change = Pick<ResizeInstruction, "direction" | "keeps"> & {
  readonly at: number;
  readonly length: number;
};

const CHANGES: readonly Change[] = [
  { at: 40, length: 4, direction: "shrink", keeps: "front" },
  { at: 41, length: 3, direction: "grow", keeps: "front" },
  { at: 34, length: 20, direction: "shrink", keeps: "back" },
  { at: 34, length: 20, direction: "grow", keeps: "back" },
  { at: 14, length: 28, direction: "grow", keeps: "back" },
  { at: 54, length: 0, direction: "shrink", keeps: "front" },
];

/** Does a change and marks its place, where it is done. */
function changing({ at, length, direction, keeps }: Change, isVarying: boolean): IrFunction {
  const sketch = new Sketch("changing");
  const no = { to: sketch.answering(VerdictCode.drop), with: [] };
  // The checksum's field is 0 in these packets.
  const zero = isVarying ? sketch.load(sketch.open(24, 2, no), 0, 2) : sketch.constant(0);
  const offset = sketch.binary("add", zero, at);
  const bytes = sketch.binary("add", zero, length);
  const result = sketch.make("resize", "integer", { offset, length: bytes, direction, keeps });
  sketch.when(sketch.compare("equal", result, 0), no);
  if (direction === "grow") {
    const pointer = sketch.open(at, length, no);
    for (let index = 0; index < length; index++) sketch.store(pointer, index, 1, 0xa0 + index);
  }
  sketch.answer(VerdictCode.accept);
  return sketch.finish();
}

function summing(at: number, length: number, isVarying: boolean): IrFunction {
  const sketch = new Sketch("summing");
  const no = { to: sketch.answering(VerdictCode.drop), with: [] };
  const zero = isVarying ? sketch.load(sketch.open(24, 2, no), 0, 2) : sketch.constant(0);
  const offset = sketch.binary("add", zero, at);
  const bytes = sketch.binary("add", zero, length);
  const sum = sketch.make("sum", "integer", { offset, length: bytes });
  sketch.store(sketch.open(0, 2, no), 0, 2, sum);
  sketch.answer(VerdictCode.accept);
  return sketch.finish();
}

function agree(kernel: KernelPrograms, fn: IrFunction, attach: AttachType, packet: Uint8Array): void {
  validateFunction(fn);
  const target: CompileTarget = { attach, first: "ethernet", onError: "drop", statistics: false };
  const { image } = emitProgram(fn, { target, maps: [], ringBytes: 4096 });
  const world = new PlainWorld({ packet });
  const wanted = interpretFunction(fn, world);
  assert.deepEqual(wanted, { kind: "verdict", verdict: BigInt(VerdictCode.accept) });
  const program = kernel.load(image, new Map());
  try {
    const { bytes, verdict } = program.test(packet);
    assert.equal(verdict, attach === "xdp" ? 2 : 0);
    assert.equal(Buffer.from(bytes).toString("hex"), Buffer.from(world.packet.bytes).toString("hex"));
  } finally {
    program.close();
  }
}

const KERNELS: readonly [name: string, kernel: () => KernelPrograms, why: string | undefined][] = [
  ["the simulated machine", (): KernelPrograms => new SimKernelPrograms(), undefined],
  ["the kernel", (): KernelPrograms => new LinuxKernelPrograms(), whyNoKernel()],
];

for (const [name, kernel, why] of KERNELS) {
  describe(`packets that change their length in ${name}`, { skip: why || false }, () => {
    for (const attach of INTERFACES) {
      for (const change of CHANGES) {
        const { at, length, direction, keeps } = change;
        it(`${direction} by ${length} at ${at} of a frame, ${keeps} stays, at ${attach}`, () => {
          for (const isVarying of [false, true]) {
            const fn = changing(change, isVarying);
            for (const content of [20, 40, 149, 150, 300, 1400])
              agree(kernel(), fn, attach, packetOf(content));
          }
        });
      }

      it(`sum up bytes at ${attach}`, () => {
        for (const [at, length] of [
          [34, 0],
          [24, 2],
          [34, 1],
          [35, 127],
          [34, 128],
          [36, 261],
          [0, 1014],
        ] as const)
          for (const isVarying of [false, true])
            agree(kernel(), summing(at, length, isVarying), attach, packetOf(980));
      });
    }
  });
}
