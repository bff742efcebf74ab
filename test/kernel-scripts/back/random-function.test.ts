/**
 * Random functions in the kernel and in the interpreter: the verifier takes them, and they do the same.
 * @module
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SeededRandom } from "#base/seeded-random.ts";
import type { KernelMap } from "#io/kernel-programs.ts";
import { ProgramRefusedError } from "#io/kernel-programs.ts";
import { LinuxKernelPrograms } from "#linux/bpf/programs.ts";
import type { UsedMap } from "#script/compiler/compiled.ts";
import { emitProgram } from "#script/compiler/ebpf/emit.ts";
import type { RangeOf } from "#script/compiler/ebpf/ranges.ts";
import { NATIVE_VERDICTS, nativeOf } from "#script/compiler/ebpf/verdicts.ts";
import { interpretFunction } from "#script/compiler/ir/interpret.ts";
import { PlainMap, PlainWorld } from "#script/compiler/ir/interpreted-world.ts";
import { type IrFunction, VerdictCode } from "#script/compiler/ir/ir.ts";
import { formatFunction } from "#script/compiler/ir/print.ts";
import { validateFunction } from "#script/compiler/ir/validate.ts";
import { lowerFunction } from "#script/compiler/lower/lower.ts";
import type { CompileTarget } from "#script/compiler/target.ts";
import { rootProblem } from "../../lab/own-namespace.ts";
import { RANDOM_MAP, randomFunction as randomFrontFunction } from "../../support/random-ir.ts";
import { OUT_BYTES, randomFunction, STATE_BYTES } from "./random-function.ts";

const COUNT = Number(process.env.METANET_BACK_COUNT ?? 60);
const SEED = Number(process.env.METANET_BACK_SEED ?? 20_261_122);
const PACKETS_EACH = 4;
const ATTACHES = ["tcx-ingress", "xdp"] as const;
/**
 * Never full: those random functions calculate with what a refusal results in, which is only known to be
 * below 0.
 */
const STATES_MAX = 4096;
const MAPS: readonly UsedMap[] = [
  {
    name: "state",
    shape: {
      kind: "hash",
      key: "number",
      keyBytes: 8,
      countMax: 3,
      timeToLive: undefined,
      perProcessor: false,
      valueBytes: 8,
    },
  },
  {
    name: RANDOM_MAP,
    shape: {
      kind: "hash",
      key: "number",
      keyBytes: 8,
      countMax: STATES_MAX,
      timeToLive: undefined,
      perProcessor: false,
      valueBytes: 8,
    },
  },
  {
    name: "out",
    shape: {
      kind: "array",
      key: "number",
      keyBytes: 8,
      countMax: 1,
      timeToLive: undefined,
      perProcessor: false,
      valueBytes: OUT_BYTES - 8,
    },
  },
];

const system = new LinuxKernelPrograms();

/** What is left behind, as text. */
function contentOf(entries: Iterable<{ readonly key: Uint8Array; readonly value: Uint8Array }>): string {
  return Array.from(
    entries,
    ({ key, value }) => `${Buffer.from(key).toString("hex")}=${Buffer.from(value).toString("hex")}`,
  )
    .toSorted()
    .join(" ");
}

function packetOf(random: SeededRandom): Uint8Array {
  return Uint8Array.from({ length: 40 + (random.word() % 60) }, () =>
    random.word() % 3 === 0 ? 0 : random.word() & 0xff,
  );
}

function targetOf(attach: (typeof ATTACHES)[number]): CompileTarget {
  return { attach, first: "ethernet", onError: "drop", statistics: true };
}

/** Runs a function in the kernel and in the interpreter, over the same packets. */
function compare(
  fn: IrFunction,
  attach: (typeof ATTACHES)[number],
  packets: readonly Uint8Array[],
  rangeOf: RangeOf = () => undefined,
): void {
  const target = targetOf(attach);
  const { image, counters } = emitProgram(fn, { target, maps: MAPS, rangeOf });
  const maps = new Map<string, KernelMap>();
  const program = system.load(image, maps);
  const state = new PlainMap({ keyBytes: STATE_BYTES.key, valueBytes: STATE_BYTES.value, countMax: 3 });
  const out = new PlainMap({ keyBytes: 4, valueBytes: OUT_BYTES, countMax: 1 });
  const states = new PlainMap({ keyBytes: 8, valueBytes: 16, countMax: STATES_MAX });
  const worldMaps = new Map([
    ["state", state],
    ["out", out],
    [RANDOM_MAP, states],
  ]);
  const counted = new Map<string, bigint>();
  try {
    for (const packet of packets) {
      const facts = { mark: attach === "xdp" ? 0n : 7n, inInterface: 1n };
      const world = new PlainWorld({ packet, maps: worldMaps, facts });
      const outcome = interpretFunction(fn, world);
      const run = program.test(packet, attach === "xdp" ? {} : { mark: 7 });
      const verdict = outcome.kind === "verdict" ? outcome.verdict : BigInt(VerdictCode.drop);
      assert.equal(run.verdict, nativeOf(NATIVE_VERDICTS[attach], verdict), "verdict");
      assert.deepEqual(Buffer.from(run.bytes), Buffer.from(world.packet.bytes), "bytes");
      for (const [name, plain] of [
        ["state", state],
        ["out", out],
        [RANDOM_MAP, states],
      ] as const) {
        const inKernel = Array.from(maps.get(name)?.entries() ?? [], ([key, value]) => ({ key, value }));
        if (maps.has(name)) assert.equal(contentOf(inKernel), contentOf(plain.entries()), name);
      }
      for (const [name, value] of world.counters)
        counted.set(name, BigInt.asUintN(64, (counted.get(name) ?? 0n) + value));
    }
    for (const [name, value] of counted)
      assert.equal(countOf(maps, counters.indexOf(`counter ${name}`)), value, name);
  } finally {
    program.close();
    for (const map of maps.values()) map.close();
  }
}

function countOf(maps: ReadonlyMap<string, KernelMap>, slot: number): bigint {
  const value = maps.get("statistics")?.get(new Uint8Array(4));
  assert(value !== undefined);
  const spec = maps.get("statistics")?.spec.valueBytes as number;
  const data = new DataView(value.buffer, value.byteOffset, value.byteLength);
  let sum = 0n;
  for (let lane = 0; lane < value.length; lane += spec) sum += data.getBigUint64(lane + 8 * slot, true);
  return BigInt.asUintN(64, sum);
}

/** Tells how to run a function again that has failed. */
function failure(seed: number, fn: IrFunction, cause: unknown): Error {
  const log = cause instanceof ProgramRefusedError ? cause.log.slice(-3000) : "";
  return new Error(`METANET_BACK_SEED=${seed} METANET_BACK_COUNT=1\n${formatFunction(fn)}\n${log}`, {
    cause,
  });
}

describe("emitProgram()", { skip: rootProblem() }, () => {
  for (const attach of ATTACHES) {
    it(`makes what the interpreter does of random functions at ${attach}, seed ${SEED}`, () => {
      for (let count = 0; count < COUNT; count++) {
        const seed = SEED + count;
        const random = new SeededRandom(seed);
        const fn = randomFunction(random, 5 + (random.word() % (random.word() % 5 === 0 ? 300 : 60)));
        validateFunction(fn);
        const packets = Array.from({ length: PACKETS_EACH }, () => packetOf(random));
        try {
          compare(fn, attach, packets);
        } catch (error) {
          throw failure(seed, fn, error);
        }
      }
    });

    it(`makes what the interpreter does of random functions that were lowered at ${attach}, seed ${SEED}`, () => {
      for (let count = 0; count < COUNT; count++) {
        const seed = SEED + count;
        const random = new SeededRandom(seed);
        const fn = randomFrontFunction(random, 5 + random.below(60));
        openHeaders(fn);
        const packets = Array.from({ length: PACKETS_EACH }, () => packetOf(random));
        const lowered = lowerFunction(fn, targetOf(attach));
        if (lowered.function === undefined || marksAt(lowered.function, attach)) continue;
        const { ranges } = lowered;
        try {
          compare(fn, attach, packets, (value) => ranges.of(value));
        } catch (error) {
          throw failure(seed, fn, error);
        }
      }
    });
  }
});

/** Those random functions write to whatever they have opened, and a payload may be a copy. */
function openHeaders({ blocks }: IrFunction): void {
  for (const block of blocks) {
    const { terminator } = block;
    if (terminator.op === "open") block.terminator = { ...terminator, access: "header" };
  }
}

/** Drivers know no marks, which the front end refuses there. */
function marksAt({ blocks }: IrFunction, attach: (typeof ATTACHES)[number]): boolean {
  return (
    attach === "xdp" && blocks.some(({ instructions }) => instructions.some(({ op }) => op === "setMark"))
  );
}
