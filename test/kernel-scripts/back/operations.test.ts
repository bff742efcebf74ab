/**
 * What the back end makes of each operation, in the kernel: by test runs, which need no network.
 * @module
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type KernelMap, ProgramRefusedError, type TestRun } from "#io/kernel-programs.ts";
import { LinuxKernelPrograms } from "#linux/bpf/programs.ts";
import type { UsedMap } from "#script/compiler/compiled.ts";
import { emitProgram } from "#script/compiler/ebpf/emit.ts";
import { type IrFunction, type PacketFact, type Value, VerdictCode } from "#script/compiler/ir/ir.ts";
import { validateFunction } from "#script/compiler/ir/validate.ts";
import type { AttachType, CompileTarget } from "#script/compiler/target.ts";
import { rootProblem } from "../../lab/own-namespace.ts";
import { dropPort } from "./functions.ts";
import { Sketch } from "./sketch.ts";

const system = new LinuxKernelPrograms();
const ALL: readonly AttachType[] = ["netfilter", "tcx-ingress", "tcx-egress", "xdp"];
const INTERFACES: readonly AttachType[] = ["tcx-ingress", "tcx-egress", "xdp"];
const OUT: UsedMap = {
  name: "out",
  shape: {
    kind: "array",
    key: "number",
    keyBytes: 8,
    countMax: 1,
    timeToLive: undefined,
    perProcessor: false,
    valueBytes: 56,
  },
};
const MAC = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];

/** An IPv4 packet with UDP, of 20 + 8 + `content` bytes. */
function ipv4Packet(port: number, content = 12): readonly number[] {
  const total = 28 + content;
  const header = [0x45, 0, total >> 8, total & 255, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
  const udp = [0, 7, port >> 8, port & 255, 0, 8 + content, 0x12, 0x34];
  return [...header, ...udp, ...Array.from({ length: content }, (_, index) => index)];
}

function packetFor(attach: AttachType, port = 53, content = 12): Uint8Array {
  const packet = ipv4Packet(port, content);
  return Uint8Array.from(attach === "netfilter" ? packet : [...MAC, 8, 0, ...packet]);
}

interface Loaded {
  readonly run: TestRun;
  /** The first number of the map `out`. */
  readonly out: bigint | undefined;
  readonly maps: ReadonlyMap<string, KernelMap>;
  readonly counters: readonly string[];
}

/** Loads a function and runs it over a packet; `look` sees what is left. */
function runOver(
  fn: IrFunction,
  attach: AttachType,
  options: { readonly packet?: Uint8Array; readonly mark?: number; readonly look?: (loaded: Loaded) => void },
): Loaded {
  validateFunction(fn);
  const first = attach === "netfilter" ? "network" : "ethernet";
  const base = { attach, first, onError: "drop", statistics: true } as const;
  const target: CompileTarget = attach === "netfilter" ? { ...base, family: "ipv4" } : base;
  const { image, counters } = emitProgram(fn, { target, maps: [OUT], ringBytes: 4096 });
  const maps = new Map<string, KernelMap>();
  try {
    const program = system.load(image, maps);
    try {
      const { packet = packetFor(attach), mark } = options;
      const run = program.test(packet, mark === undefined ? {} : { mark });
      const value = maps.get("out")?.get(new Uint8Array(4));
      const out = value && new DataView(value.buffer, value.byteOffset).getBigInt64(0, true);
      const loaded = { run, out, maps, counters };
      options.look?.(loaded);
      return loaded;
    } finally {
      program.close();
    }
  } catch (error) {
    if (error instanceof ProgramRefusedError) throw new Error(error.log.slice(-3000), { cause: error });
    throw error;
  } finally {
    for (const map of maps.values()) map.close();
  }
}

/** A function that leaves one number in the map `out`. */
function leaving(
  make: (sketch: Sketch, absent: { to: ReturnType<Sketch["answering"]>; with: [] }) => Value,
): IrFunction {
  const sketch = new Sketch("leaving");
  const absent = { to: sketch.answering(VerdictCode.drop), with: [] as [] };
  const value = make(sketch, absent);
  const key = sketch.slot(4);
  sketch.store(key, 0, 4, 0, "native");
  const entry = sketch.make("lookUp", "entry", { map: "out", key });
  sketch.when(sketch.make("isFound", "boolean", { entry }), absent);
  sketch.store(entry, 0, 8, value, "native");
  sketch.answer(VerdictCode.accept);
  return sketch.finish();
}

const DROPPED: Readonly<Record<AttachType, number>> = {
  netfilter: 0,
  "tcx-ingress": 2,
  "tcx-egress": 2,
  xdp: 1,
};
const CONTINUED: Readonly<Record<AttachType, number>> = {
  netfilter: 1,
  "tcx-ingress": -1,
  "tcx-egress": -1,
  xdp: 2,
};

describe("programs of the back end", { skip: rootProblem() }, () => {
  for (const attach of ALL) {
    it(`drop a port at ${attach}`, () => {
      const fn = dropPort(53, attach === "netfilter" ? 0 : 14);
      assert.equal(runOver(fn, attach, {}).run.verdict, DROPPED[attach]);
      assert.equal(runOver(fn, attach, { packet: packetFor(attach, 54) }).run.verdict, CONTINUED[attach]);
      const short = packetFor(attach).slice(0, attach === "netfilter" ? 26 : 40);
      assert.equal(runOver(fn, attach, { packet: short }).run.verdict, CONTINUED[attach]);
    });

    it(`read bytes of the payload at ${attach}, and find where it ends`, () => {
      const start = attach === "netfilter" ? 28 : 42;
      const fn = leaving((sketch, absent) => {
        const length = sketch.fact("length");
        const offset = sketch.binary("subtract", length, 4);
        const last = sketch.load(sketch.open(offset, 4, absent, "payload"), 0, 4);
        const first = sketch.load(sketch.open(start, 2, absent, "payload"), 0, 2);
        return sketch.binary("add", sketch.binary("multiply", first, 0x1_0000_0000n), last);
      });
      assert.equal(runOver(fn, attach, {}).out, 0x0001_0809_0a0bn);
      const beyond = leaving((sketch, absent) =>
        sketch.load(sketch.open(sketch.fact("length"), 1, absent, "payload"), 0, 1),
      );
      assert.equal(runOver(beyond, attach, {}).run.verdict, DROPPED[attach]);
    });

    const facts: readonly [PacketFact, bigint][] = [
      ["length", BigInt(packetFor(attach).length)],
      ["etherType", 0x0800n],
      ["segmentBytes", 0n],
      ["mark", attach.startsWith("tcx") ? 77n : 0n],
    ];
    for (const [fact, expected] of facts) {
      it(`know the packet's ${fact} at ${attach}`, () => {
        const fn = leaving((sketch) => sketch.fact(fact));
        assert.equal(runOver(fn, attach, attach.startsWith("tcx") ? { mark: 77 } : {}).out, expected);
      });
    }

    it(`know the interfaces at ${attach}`, () => {
      for (const fact of ["inInterface", "outInterface"] as const) {
        const { out } = runOver(
          leaving((sketch) => sketch.fact(fact)),
          attach,
          {},
        );
        assert(out !== undefined && out >= 0n && out < 65_536n);
      }
    });

    it(`read the wall clock and a random number at ${attach}`, () => {
      const fn = leaving((sketch) =>
        sketch.binary("divide", sketch.make("ask", "integer", { what: "nanoseconds" }), 1_000_000),
      );
      const before = Date.now();
      const { out } = runOver(fn, attach, {});
      const after = Date.now();
      assert(Number(out) >= before - 1 && Number(out) <= after + 1, `${before} ${out} ${after}`);
      const random = leaving((sketch) => sketch.make("ask", "integer", { what: "random" }));
      const seen = new Set(Array.from({ length: 8 }, () => runOver(random, attach, {}).out));
      assert(seen.size > 1);
      for (const one of seen) assert(one !== undefined && one >= 0n && one < 1n << 32n);
    });

    it(`read tables of constants at ${attach}`, () => {
      const fn = leaving((sketch, absent) => {
        const start = attach === "netfilter" ? 0 : 14;
        const table = sketch.make("table", "entry", { bytes: Uint8Array.from([9, 8, 7, 6, 5]) });
        const other = sketch.make("table", "entry", { bytes: Uint8Array.from([1, 2, 3, 4]) });
        const from = sketch.load(sketch.open(start, 20, absent), 19, 1);
        const one = sketch.make("loadElement", "integer", {
          from: table,
          index: from,
          count: 5,
          bytes: 1,
          isSigned: false,
        });
        const two = sketch.make("loadElement", "integer", {
          from: other,
          index: from,
          count: 4,
          bytes: 1,
          isSigned: false,
        });
        return sketch.binary("add", sketch.binary("multiply", one, 10), two);
      });
      assert.equal(runOver(fn, attach, {}).out, 73n);
    });

    it(`count faults with their places at ${attach}, and go by onError`, () => {
      const sketch = new Sketch("failing");
      sketch.fault("it cannot be");
      runOver(sketch.finish(), attach, {
        look: ({ run, maps, counters }) => {
          assert.equal(run.verdict, DROPPED[attach]);
          const value = maps.get("statistics")?.get(new Uint8Array(4)) ?? new Uint8Array();
          const lanes = new BigUint64Array(value.slice().buffer);
          const sum = (name: string): bigint =>
            lanes.reduce(
              (all, one, at) => all + (at % counters.length === counters.indexOf(name) ? one : 0n),
              0n,
            );
          assert.equal(sum("fault sketch.ts:1:1: it cannot be"), 1n);
          assert.equal(sum("errors"), 1n);
        },
      });
    });

    it(`emit events at ${attach}`, async () => {
      const sketch = new Sketch("emitting");
      const memory = sketch.slot(16);
      sketch.store(memory, 0, 8, 5, "native");
      sketch.store(memory, 8, 8, 0x1234_5678_9abcn, "native");
      sketch.act("emit", { from: memory, bytes: 16 });
      sketch.answer(VerdictCode.drop);
      const events: string[] = [];
      const { maps, ring } = emitInto(sketch.finish(), attach, events);
      try {
        for (let tries = 0; tries < 200 && events.length === 0; tries++) {
          await new Promise((resolve) => setTimeout(resolve, 10));
        }
        assert.deepEqual(events, ["0500000000000000bc9a785634120000"]);
      } finally {
        ring.close();
        for (const map of maps.values()) map.close();
      }
    });
  }

  for (const attach of INTERFACES) {
    it(`bring changes to checksums at ${attach}`, () => {
      for (const zeroIsNone of [false, true]) {
        const sketch = new Sketch("patching");
        const others = { to: sketch.answering(VerdictCode.drop), with: [] };
        const udp = sketch.open(34, 8, others);
        const before = sketch.load(udp, 2, 2, "native");
        sketch.store(udp, 2, 2, 5353);
        const after = sketch.load(udp, 2, 2, "native");
        const difference = sketch.binary("add", sketch.binary("xor", before, 0xffff), after);
        sketch.act("patchChecksum", { offset: sketch.constant(40), difference, isPseudo: false, zeroIsNone });
        const again = sketch.open(34, 8, others);
        sketch.store(again, 0, 2, 9);
        sketch.answer(VerdictCode.accept);
        const fn = sketch.finish();
        const { run } = runOver(fn, attach, {});
        const [high = 0, low = 0] = run.bytes.slice(40, 42);
        // 0x1234 less the difference of 53 and 5353, in ones' complement.
        assert.equal((high << 8) | low, 0x1234 - (5353 - 53) + 0xffff);
        assert.deepEqual([...run.bytes.slice(34, 38)], [0, 9, 5353 >> 8, 5353 & 255]);
        const none = packetFor(attach);
        none.set([0, 0], 40);
        const left = runOver(fn, attach, { packet: none }).run.bytes.slice(40, 42);
        assert.equal(
          left.every((byte) => byte === 0),
          zeroIsNone,
        );
      }
    });

    it(`redirect at ${attach}, straight or by way of a choice`, () => {
      const sketch = new Sketch("redirecting");
      const end = sketch.block("integer");
      const others = { to: sketch.answering(VerdictCode.drop), with: [] };
      const isLong = sketch.compare("greater", sketch.fact("length"), 60);
      const otherwise = { to: end, with: [sketch.constant(VerdictCode.continue)] };
      sketch.when(isLong, otherwise);
      const result = sketch.make("redirect", "integer", { interface: "lo" });
      sketch.jump(sketch.place, end, result);
      sketch.begin(end);
      sketch.open(0, 14, others);
      sketch.answer(end.parameters[0] as Value);
      const fn = sketch.finish();
      const redirected = attach === "xdp" ? 4 : 7;
      assert.equal(runOver(fn, attach, { packet: packetFor(attach, 53, 60) }).run.verdict, redirected);
      assert.equal(runOver(fn, attach, {}).run.verdict, CONTINUED[attach]);
    });
  }

  it("set the mark at tcx", () => {
    const sketch = new Sketch("marking");
    sketch.act("setMark", { value: sketch.constant(0xfedc_ba98n) });
    sketch.answer(VerdictCode.continue);
    const fn = sketch.finish();
    assert.equal(runOver(fn, "tcx-ingress", { mark: 1 }).run.mark >>> 0, 0xfedc_ba98);
  });
});

function emitInto(
  fn: IrFunction,
  attach: AttachType,
  events: string[],
): { maps: Map<string, KernelMap>; ring: { close(): void } } {
  const first = attach === "netfilter" ? "network" : "ethernet";
  const target: CompileTarget = { attach, first, onError: "drop", statistics: true };
  const { image } = emitProgram(fn, { target, maps: [], ringBytes: 4096 });
  const maps = new Map<string, KernelMap>();
  const program = system.load(image, maps);
  const ring = system.listen(maps.get("events") as KernelMap, (bytes) => {
    events.push(Buffer.from(bytes).toString("hex"));
  });
  program.test(packetFor(attach));
  program.close();
  return { maps, ring };
}
