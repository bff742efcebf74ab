/**
 * Programs that clang made of C, at traffic control of the measurements' router; orders as `router-orders.ts` has them.
 * Those that count do it in a map `statistics_map` with the layout of a script's own numbers.
 * @module
 */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import type { KernelLink, KernelMap, Relocation } from "#io/kernel-programs.ts";
import type { LinuxKernelProgram } from "#linux/bpf/program.ts";
import { LinuxKernelPrograms } from "#linux/bpf/programs.ts";
import { native } from "#linux/native.ts";
import { INSTRUCTION_BYTES } from "#wire/ebpf.ts";
import { readCounters } from "../../src/app/script/kernel-statistics.ts";
import { type ObjectPut, obey, type PlacedCount, type PlacedInfo } from "./router-orders.ts";
import { type RunTime, runTimeOf, runTimeSince } from "./run-time.ts";

/** `struct statistics` of `ebpf/packet.h`. */
const COUNTERS = ["bytes", "drop", "accept", "passed", "mark", "redirect", "handed", "errors", "lost"];
const STATISTICS = {
  name: "statistics_map",
  kind: "per-cpu-array",
  keyBytes: 4,
  valueBytes: COUNTERS.length * 8,
  countMax: 1,
} as const;

interface Loaded {
  readonly program: LinuxKernelProgram;
  readonly statistics: KernelMap | undefined;
}

interface Placed extends Loaded {
  readonly name: string;
  readonly link: KernelLink;
  readonly packetsBefore: number;
  readonly timeBefore: RunTime;
}

const kernel = new LinuxKernelPrograms();
const loaded = new Map<string, Loaded>();
const placed: Placed[] = [];

await obey(put, take);

async function put({ object, section, kind, device }: ObjectPut): Promise<PlacedInfo> {
  const key = `${object} ${section} ${kind}`;
  const found = loaded.get(key) ?? load(object, section, kind);
  loaded.set(key, found);
  const { program, statistics } = found;
  const link = program.attach({ kind, interfaceIndex: native().interfaceIndex(device) });
  const name = `${basename(object, ".o")} ${section}`;
  const before = { packetsBefore: packetsOf(statistics), timeBefore: runTimeOf(program) };
  placed.push({ name, link, program, statistics, ...before });
  const instructions = program.image.instructions.length / INSTRUCTION_BYTES;
  return { name, instructions, machineBytes: program.machineBytes };
}

async function take(): Promise<readonly PlacedCount[]> {
  return placed.splice(0).map(({ name, link, program, statistics, packetsBefore, timeBefore }) => {
    link.detach();
    const packets = statistics && packetsOf(statistics) - packetsBefore;
    return { name, packets, errors: 0, ...runTimeSince(timeBefore, runTimeOf(program)) };
  });
}

function load(object: string, section: string, kind: ObjectPut["kind"]): Loaded {
  const raw = `${object}.${section}`;
  execFileSync("llvm-objcopy", ["-O", "binary", `--only-section=${section}`, object, raw]);
  const relocations = relocationsOf(object, section);
  const maps = new Map<string, KernelMap>();
  const image = { name: section, type: kind, instructions: readFileSync(raw), relocations, lines: [] };
  const program = kernel.load({ ...image, maps: relocations.length > 0 ? [STATISTICS] : [] }, maps);
  return { program, statistics: maps.get(STATISTICS.name) };
}

/** Where its instructions name a map: `00000000000000d8 R_BPF_64_64 statistics_map`. */
function relocationsOf(object: string, section: string): Relocation[] {
  const text = execFileSync("llvm-objdump", ["-r", object], { encoding: "utf8" });
  const own = text.split("RELOCATION RECORDS FOR ").find((part) => part.startsWith(`[${section}]`)) ?? "";
  return [...own.matchAll(/^([0-9a-f]+) R_BPF_64_64 +(\w+)$/gm)].map(([, at = "", map = ""]) => {
    return { kind: "map", at: Number.parseInt(at, 16) / INSTRUCTION_BYTES, map, isValue: false, offset: 0 };
  });
}

function packetsOf(statistics: KernelMap | undefined): number {
  if (statistics === undefined) return 0;
  const counted = readCounters(statistics, COUNTERS);
  return ["drop", "accept", "passed"].reduce((sum, name) => sum + (counted.get(name) ?? 0), 0);
}
