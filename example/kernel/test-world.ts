/**
 * A world for the tests of the examples: each packet is given to a script as plain TypeScript, and to its compiled form
 * in a kernel, simulated or this machine's own. Both have to agree on the verdict, on every byte, on all maps and on all
 * counters. Time and chance stand still in both until a test moves them.
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { describe } from "node:test";
import { ts } from "#app/script/analysis/module-graph.ts";
import { type ScriptProgram, scriptProgram } from "#app/script/kernel-compile.ts";
import { readCounters } from "#app/script/kernel-statistics.ts";
import type { Duration } from "#base/time.ts";
import type { KernelMap, KernelProgram, KernelPrograms, ProgramImage } from "#io/kernel-programs.ts";
import { LinuxKernelPrograms } from "#linux/bpf/programs.ts";
import type { BuiltPacket } from "#packet/build.ts";
import { compileFunction } from "#script/compiler/compile.ts";
import { type CompiledScript, STATISTICS_MAP } from "#script/compiler/compiled.ts";
import type { AttachType } from "#script/compiler/target.ts";
import { KernelMapView } from "#script/kernel-map-view.ts";
import type { SharedMap } from "#script/shared-map.ts";
import { SimKernelPrograms } from "#sim/ebpf/programs.ts";
import {
  Arithmetic,
  decodeEbpf,
  encodeEbpf,
  Helper,
  InstructionClass,
  Jump,
  PseudoCall,
} from "#wire/ebpf.ts";
import { kernelProblem } from "../../test/support/kernel-problem.ts";
import { type Answer, ScriptWorld, wrongChecksums } from "../packet/test-world.ts";

/** The bit of packets that are handed over to user space. */
export const HANDED_MARK = 0x1_0000;

const ETHERNET_BYTES = 14;
const FAMILIES = { 2048: "ipv4", 34525: "ipv6" } as const;
export type EtherType = keyof typeof FAMILIES;

/** What programs return. */
const VERDICTS: Readonly<Record<AttachType, Readonly<Record<number, string>>>> = {
  netfilter: { 0: "drop", 1: "continue" },
  "tcx-ingress": { [-1]: "continue", 0: "accept", 2: "drop" },
  "tcx-egress": { [-1]: "continue", 0: "accept", 2: "drop" },
  xdp: { 1: "drop", 2: "continue" },
};

export type { Answer };

/** Which kernel a world has. */
export type WorldKernel = "simulated" | "real";

/** Describes an example twice: beside the simulated kernel, and beside this machine's. */
export function inBothKernels(name: string, tests: (kernel: WorldKernel) => void): void {
  describe(`${name}, beside the simulated kernel`, () => tests("simulated"));
  describe(`${name}, beside this kernel`, { skip: kernelProblem() }, () => tests("real"));
}

export class KernelWorld {
  readonly plain: ScriptWorld;
  /** 0 to 2^32 - 1: what all randomness comes from. */
  chance: number = 0;
  /** Whether the kernel has handed the last packet over to user space. */
  isHanded: boolean = false;
  readonly #functions = new Map<string, KernelFunction>();
  readonly #maps = new Map<string, KernelMap>();
  readonly #kernel: KernelPrograms;

  private constructor(plain: ScriptWorld, kernel: KernelPrograms) {
    this.plain = plain;
    this.#kernel = kernel;
  }

  /** Loads functions of an example, each where it is meant to stand. */
  static async load(
    which: WorldKernel,
    file: string,
    functions: Readonly<Record<string, AttachType>>,
  ): Promise<KernelWorld> {
    const names = Object.keys(functions);
    const plain = await ScriptWorld.load(`../kernel/${file}`, ...names);
    const kernel = which === "real" ? new LinuxKernelPrograms() : new SimKernelPrograms();
    const world = new KernelWorld(plain, kernel);
    for (const [name, attach] of Object.entries(functions)) {
      world.#functions.set(name, new KernelFunction(file, name, attach));
      // As the kernel does: the upper half of chance times the limit.
      const randomInteger = (limit: number): number => Math.floor((world.chance * limit) / 2 ** 32);
      Object.assign(plain.context(name), { randomInteger, random: () => world.chance / 2 ** 32 });
    }
    return world;
  }

  /** Gives a packet to a function; fails when the two differ, when it fails, or when a checksum is wrong then. */
  async give(name: string, packet: BuiltPacket): Promise<Answer> {
    const answer = await this.giveBytes(name, packet.toBytes(), packet.etherType as EtherType);
    assert.deepEqual(wrongChecksums(answer.packet), [], "wrong checksums");
    return answer;
  }

  /** The same with bytes from the IP header on, whatever they are. */
  async giveBytes(name: string, bytes: Uint8Array, etherType: EtherType): Promise<Answer> {
    const compiled = this.#functions.get(name);
    if (compiled === undefined) throw new Error(`no function ${name} was loaded`);
    const answer = await this.plain.giveBytes(name, { bytes, etherType, fullLengthBytes: bytes.length });
    const now = this.plain.clock.now();
    const seen = compiled.test(this.#kernel, this.#maps, { bytes, etherType, now, chance: this.chance });
    this.isHanded = (seen.mark & HANDED_MARK) !== 0;
    assert.equal(seen.verdict, answer.verdict, "the kernel's verdict");
    if (seen.verdict !== "drop") {
      assert.equal(hex(seen.bytes), hex(answer.packet.bytes()), "the kernel's bytes");
    }
    this.#compareMaps(compiled);
    assert.deepEqual(compiled.counters(), this.#plainCounters(name, compiled), "the kernel's counters");
    return answer;
  }

  /** Moves time. */
  async wait(duration: Duration): Promise<void> {
    await this.plain.wait(duration);
  }

  counter(name: string, counter: string): number {
    return this.plain.counter(name, counter);
  }

  /** What a map has, in both. */
  entries(map: string): [key: unknown, value: number][] {
    return [...this.plain.maps.open(map).entries()];
  }

  /** Sets an entry of a map, in both. */
  set(map: string, key: number, value: number): void {
    for (const one of this.#views(map)) assert.ok(one.set(key as never, value));
  }

  #views(name: string): readonly SharedMap[] {
    for (const compiled of this.#functions.values()) {
      const view = compiled.views(this.#maps, this.plain).find((one) => one.name === name);
      if (view) return [this.plain.maps.open(name), view];
    }
    throw new Error(`no map ${name} has been used`);
  }

  #compareMaps(compiled: KernelFunction): void {
    for (const view of compiled.views(this.#maps, this.plain)) {
      const plain = this.plain.maps.has(view.name) ? this.plain.maps.open(view.name) : undefined;
      assert.deepEqual(entriesOf(view), plain ? entriesOf(plain) : [], `the kernel's map ${view.name}`);
    }
  }

  #plainCounters(name: string, compiled: KernelFunction): Record<string, number> {
    const names = Object.keys(compiled.counters());
    return Object.fromEntries(names.map((counter) => [counter, this.counter(name, counter)]));
  }

  close(): void {
    for (const compiled of this.#functions.values()) compiled.close();
    for (const map of this.#maps.values()) map.close();
  }
}

/** A packet from its IP header on, and what is the world's. */
interface Given {
  readonly bytes: Uint8Array;
  readonly etherType: EtherType;
  readonly now: number;
  readonly chance: number;
}

/** What the kernel made of it. */
interface Seen {
  readonly verdict: string;
  readonly bytes: Uint8Array;
  readonly mark: number;
}

/** One function in the kernel: at netfilter's hooks a program for each family. */
class KernelFunction {
  readonly #file: string;
  readonly #name: string;
  readonly #attach: AttachType;
  readonly #scripts = new Map<string, CompiledScript>();
  readonly #programs = new Map<string, { readonly key: string; readonly program: KernelProgram }>();
  /** The script's own numbers, of all its programs. */
  readonly #statistics = new Map<string, KernelMap>();

  constructor(file: string, name: string, attach: AttachType) {
    this.#file = file;
    this.#name = name;
    this.#attach = attach;
  }

  test(kernel: KernelPrograms, maps: Map<string, KernelMap>, given: Given): Seen {
    const family = this.#attach === "netfilter" ? FAMILIES[given.etherType] : undefined;
    const program = this.#program(kernel, maps, family, given);
    const front = family === undefined ? ETHERNET_BYTES : 0;
    const frame = new Uint8Array(front + given.bytes.length);
    frame.set(given.bytes, front);
    if (front > 0) new DataView(frame.buffer).setUint16(12, given.etherType);
    const { verdict, bytes, mark } = program.test(frame);
    const known = VERDICTS[this.#attach][verdict];
    assert.ok(known, `the program answered ${verdict}`);
    return { verdict: known, bytes: bytes.subarray(front), mark };
  }

  /** The script's counters, without its fixed ones. */
  counters(): Record<string, number> {
    const sums: Record<string, number> = {};
    for (const [family, statistics] of this.#statistics) {
      for (const [name, value] of readCounters(statistics, this.#script(family).counters)) {
        assert.ok(value === 0 || (name !== "errors" && !name.startsWith("fault")), `${name}: ${value}`);
        const [, own] = /^counter (.*)$/s.exec(name) ?? [];
        if (own !== undefined) sums[own] = (sums[own] ?? 0) + value;
      }
    }
    return sums;
  }

  /** The maps that its programs have. */
  views(maps: ReadonlyMap<string, KernelMap>, { clock }: ScriptWorld): KernelMapView[] {
    const time = {
      get now() {
        return clock.now();
      },
    };
    const shapes = new Map(
      [...this.#scripts.values()].flatMap(({ facts }) => facts.maps.map(({ name, shape }) => [name, shape])),
    );
    return [...shapes].flatMap(([name, shape]) => {
      const map = maps.get(name);
      return map === undefined ? [] : [new KernelMapView(name, shape, map, { time, run: adds })];
    });
  }

  close(): void {
    for (const { program } of this.#programs.values()) program.close();
    for (const map of this.#statistics.values()) map.close();
  }

  #program(
    kernel: KernelPrograms,
    maps: Map<string, KernelMap>,
    family: "ipv4" | "ipv6" | undefined,
    { now, chance }: Given,
  ): KernelProgram {
    const which = family ?? "";
    const key = `${now} ${chance}`;
    const known = this.#programs.get(which);
    if (known?.key === key) return known.program;
    known?.program.close();
    const { image } = this.#script(which);
    const own = new Map(maps);
    const statistics = this.#statistics.get(which);
    if (statistics) own.set(STATISTICS_MAP, statistics);
    const program = kernel.load(standingStill(image, now, chance), own);
    for (const [name, map] of own) {
      if (name === STATISTICS_MAP) this.#statistics.set(which, map);
      else maps.set(name, map);
    }
    this.#programs.set(which, { key, program });
    return program;
  }

  #script(which: string): CompiledScript {
    const known = this.#scripts.get(which);
    if (known) return known;
    const script = compiledScript(this.#file, this.#name, this.#attach, which as "ipv4" | "ipv6" | "");
    this.#scripts.set(which, script);
    return script;
  }
}

const programs = new Map<string, ScriptProgram>();
const scripts = new Map<string, CompiledScript>();

/** Compiled once for both kernels. */
function compiledScript(
  file: string,
  name: string,
  attach: AttachType,
  family: "ipv4" | "ipv6" | "",
): CompiledScript {
  const key = `${file} ${name} ${attach} ${family}`;
  const known = scripts.get(key);
  if (known) return known;
  const program = programs.get(file) ?? scriptProgram(join(import.meta.dirname, file));
  programs.set(file, program);
  const target = {
    attach,
    first: "network",
    onError: "drop",
    statistics: true,
    ...(family === "" ? {} : { family }),
    ...(attach === "tcx-ingress" ? { handOverMark: HANDED_MARK } : {}),
  } as const;
  const { script, problems } = compileFunction({ ts, ...program, function: name, target });
  assert.ok(script, problems.map(({ place, why }) => `${place.file}:${place.line}: ${why}`).join("\n"));
  scripts.set(key, script);
  return script;
}

/** A program for which it is always the same time, and which is always given the same chance. */
function standingStill(image: ProgramImage, now: number, chance: number): ProgramImage {
  const clocks = new Set(image.relocations.flatMap(({ kind, at }) => (kind === "clock" ? [at] : [])));
  const nanoseconds = BigInt(now) * 1_000_000n;
  const call = InstructionClass.jump | Jump.call;
  const move = { code: InstructionClass.alu64 | Arithmetic.move, destination: 0, source: 0, offset: 0 };
  const instructions = decodeEbpf(image.instructions).map((one, at) => {
    if (clocks.has(at)) return { ...one, immediate: Number(BigInt.asIntN(32, nanoseconds)) };
    if (clocks.has(at - 1)) return { ...one, immediate: Number(nanoseconds >> 32n) };
    if (one.code !== call || one.source !== PseudoCall.helper) return one;
    if (one.immediate === Helper.nanosecondsTai) return { ...move, immediate: 0 };
    return one.immediate === Helper.random ? { ...move, immediate: chance | 0 } : one;
  });
  const relocations = image.relocations.filter(({ kind }) => kind !== "clock");
  return { ...image, instructions: encodeEbpf(instructions), relocations };
}

/** Tests read and set; adding is left to the programs. */
function adds(): never {
  throw new Error("not used");
}

/** What an array has from the start does not count: it may not have been opened yet. */
function entriesOf(map: SharedMap): string[] {
  const seen = [...map.entries()].filter(([, value]) => map.shape.kind !== "array" || value !== 0);
  return seen.map(([key, value]) => `${key}=${value}`).sort();
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
