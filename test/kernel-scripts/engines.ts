/**
 * All engines: user space, the compiler's intermediate form, and compiled scripts in a simulated kernel and in the
 * machine's own, at each place where programs are attached.
 * @module
 */
import { type KernelMap, type KernelPrograms, ProgramRefusedError } from "#io/kernel-programs.ts";
import { LinuxKernelPrograms } from "#linux/bpf/programs.ts";
import { EVENT_WORDS, native } from "#linux/native.ts";
import type { CompileProblem } from "#script/compiler/problem.ts";
import { ABILITIES, type CompileTarget } from "#script/compiler/target.ts";
import { SimKernelPrograms } from "#sim/ebpf/programs.ts";
import { CompiledRun, type CompiledRunOptions, type OpenRing } from "./compiled-run.ts";
import { compileOnce, frontAt } from "./compiler.ts";
import { type Engine, type Started, userEngine } from "./engine.ts";
import { ETHERNET_BYTES, packetOf } from "./frames.ts";
import type { Abilities } from "./generate/scope.ts";
import { InterpretedRun } from "./interpreted-run.ts";

type Target = Pick<CompileTarget, "attach" | "first"> & Partial<CompileTarget>;

const TARGETS: readonly (Target & { readonly name: string })[] = [
  { name: "tcx", attach: "tcx-ingress", first: "network" },
  { name: "tcx from ethernet", attach: "tcx-egress", first: "ethernet" },
  { name: "netfilter ipv4", attach: "netfilter", first: "network", family: "ipv4" },
  { name: "netfilter ipv6", attach: "netfilter", first: "network", family: "ipv6" },
  { name: "xdp", attach: "xdp", first: "ethernet" },
];

/** Least bytes of a packet for which a hook of a family is asked: the IP header has been looked at before. */
const HEADER_BYTES = { ipv4: 20, ipv6: 40 } as const;
const ETHER_TYPES = { ipv4: 0x0800, ipv6: 0x86dd } as const;

/** The kernel's own test runs want an IP header behind an Ethernet header that tells of one. */
function isWhole(bytes: Uint8Array): boolean {
  const etherType = ((bytes[12] ?? 0) << 8) | (bytes[13] ?? 0);
  const header = etherType === ETHER_TYPES.ipv4 ? HEADER_BYTES.ipv4 : HEADER_BYTES.ipv6;
  const isIp = etherType === ETHER_TYPES.ipv4 || etherType === ETHER_TYPES.ipv6;
  return !isIp || bytes.length >= ETHERNET_BYTES + header;
}

function takes({ attach, family = "ipv4" }: Target, bytes: Uint8Array): boolean {
  if (attach === "xdp") return bytes.length >= ETHERNET_BYTES;
  if (attach !== "netfilter") return bytes.length >= ETHERNET_BYTES && isWhole(bytes);
  const seen = packetOf(bytes, "network");
  if (seen === undefined || seen.etherType !== ETHER_TYPES[family]) return false;
  const version = (seen.bytes[0] ?? 0) >> 4;
  return seen.bytes.length >= HEADER_BYTES[family] && version === (family === "ipv4" ? 4 : 6);
}

function may({ attach }: Target, { writes, marks, redirects, handsOver }: Abilities): boolean {
  const can = ABILITIES[attach];
  if (handsOver && attach !== "tcx-ingress") return false;
  return (can.writes || !writes) && (can.marks || !marks) && (can.redirects || !redirects);
}

export function refused(problems: readonly CompileProblem[]): Started {
  const [first] = problems;
  if (first === undefined) throw new Error("the compiler refuses, and does not say why");
  const { code, place, construct, why, instead } = first;
  const text = `${place.line}:${place.column}: ${construct}: ${why}; ${instead}`;
  return { refusal: { code, text } };
}

/** A program that costs the verifier too much is counted among the refused ones, and not taken for wrong. */
function load(options: CompiledRunOptions): Started {
  try {
    return { run: new CompiledRun(options) };
  } catch (error) {
    const isTooLarge = error instanceof ProgramRefusedError && /too large|too complex/.test(error.reason);
    if (!isTooLarge) throw error;
    return { refusal: { code: "verifier-too-large", text: error.message } };
  }
}

/** Compiled scripts in a kernel. */
function compiled(word: string, kernel: KernelPrograms, openRing: CompiledRunOptions["openRing"]): Engine[] {
  return TARGETS.map((target) => ({
    name: `${word}, ${target.name}`,
    first: target.first,
    isCoarse: target.attach === "netfilter" || target.attach === "xdp",
    isUserSpace: false,
    hasAggregates: target.attach === "tcx-ingress" || target.attach === "tcx-egress",
    may: (abilities) => may(target, abilities),
    takes: (bytes) => takes(target, bytes),
    start: (module, name) => {
      const { script, problems } = compileOnce(module.compiled(), name, target);
      if (script === undefined) return refused(problems);
      return load({ kernel, script, openRing });
    },
  }));
}

/** The front end's work alone, which every other engine of the compiler builds on. */
export const interpreted: Engine = {
  name: "intermediate form",
  first: "network",
  isCoarse: false,
  isUserSpace: false,
  hasAggregates: true,
  may: () => true,
  takes: (bytes) => bytes.length >= ETHERNET_BYTES,
  start: (module, name) => {
    const front = frontAt(module.compiled(), name, { attach: "tcx-ingress", first: "network" });
    if (front.function === undefined) return refused(front.problems);
    return { run: new InterpretedRun(front.function, front.facts) };
  },
};

/** Compiled scripts on a simulated machine. */
export function simulatedEngines(): readonly Engine[] {
  const kernel = new SimKernelPrograms({ interfaceIndex: () => 1 });
  return compiled("simulated kernel", kernel, (ring) => simulatedRing(kernel, ring));
}

/** Compiled scripts in this machine's kernel. */
export function kernelEngines(): readonly Engine[] {
  return compiled("kernel", new LinuxKernelPrograms(), linuxRing);
}

/** Events come when they are emitted; they are told when they are asked for. */
function simulatedRing(kernel: SimKernelPrograms, ring: KernelMap): OpenRing {
  const events: Uint8Array[] = [];
  const { close } = kernel.listen(ring, (bytes) => events.push(bytes.slice()));
  return {
    read: (event) => {
      for (const bytes of events.splice(0)) event(bytes);
    },
    close,
  };
}

/** Without the event loop, for which a test of thousands of scripts does not wait. */
export function linuxRing({ descriptor }: KernelMap): OpenRing {
  const events = native().openEvents(descriptor);
  const slab = new Uint8Array(1 << 16);
  const table = new Int32Array(256 * EVENT_WORDS);
  const read = (event: (bytes: Uint8Array) => void): void => {
    const count = native().readEvents(events, slab, table);
    for (let row = 0; row < count; row++) {
      const [offset = 0, length = 0] = table.subarray(EVENT_WORDS * row);
      event(slab.subarray(offset, offset + length));
    }
  };
  return { read, close: () => native().closeEvents(events) };
}

/** What generated scripts may be refused for, by how many of a hundred at most: they are large, and nothing else. */
export const REFUSED_PERCENT_MAX: Readonly<Record<string, number>> = {
  "verifier-too-large": 2,
  "kernel-read-checksum": 2,
  "kernel-stack": 1,
};

let known: readonly Engine[] | undefined;

/** All that there are here. */
export function engines(): readonly Engine[] {
  known ??= [
    userEngine,
    interpreted,
    ...simulatedEngines(),
    ...(whyNoKernel() === "" ? kernelEngines() : []),
  ];
  return known;
}

/** A few of them for each script: all that cost next to nothing, and one place where programs are attached, in turns. */
export function enginesInTurns(): (turn: number, abilities: Abilities) => readonly Engine[] {
  const simulated = simulatedEngines();
  const real = whyNoKernel() === "" ? kernelEngines() : [];
  return (turn, abilities) => {
    const places = simulated.flatMap((engine, index) => (engine.may(abilities) ? [index] : []));
    const place = places[turn % places.length] ?? 0;
    // What the others do is what the front end has made: it is asked by itself to tell where a fault is.
    const middle = turn % 4 === 0 ? [interpreted] : [];
    return [userEngine, ...middle, ...[simulated, real].flatMap((list) => list[place] ?? [])];
  };
}

/** Why programs cannot be loaded here; empty when they can. */
export function whyNoKernel(): string {
  try {
    const kernel = new LinuxKernelPrograms();
    kernel.createMap({ name: "probe", kind: "array", keyBytes: 4, valueBytes: 8, countMax: 1 }).close();
    return "";
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
