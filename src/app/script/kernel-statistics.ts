/**
 * What programs have counted, as the engine tells it: sums over all processors and all versions of a script.
 * @module
 */
import type { KernelMap } from "#io/kernel-programs.ts";
import type { ScriptFault, ScriptStatistics } from "#script/engine.ts";
import { VERDICT_KINDS, type VerdictKind } from "#script/verdict.ts";

const COUNTER = "counter ";
const FAULT = "fault ";
const WORD_BYTES = 8;

/** The numbers of a version, by their names, in the order that its compiler has given them. */
export function readCounters(statistics: KernelMap, names: readonly string[]): Map<string, number> {
  const lanes = statistics.get(new Uint8Array(4)) ?? new Uint8Array();
  const data = new DataView(lanes.buffer, lanes.byteOffset, lanes.byteLength);
  const sums = new Map<string, number>(names.map((name) => [name, 0]));
  const laneBytes = names.length * WORD_BYTES;
  if (laneBytes === 0) return sums;
  for (let lane = 0; lane + laneBytes <= lanes.length; lane += laneBytes) {
    for (const [index, name] of names.entries()) {
      const value = Number(data.getBigInt64(lane + index * WORD_BYTES, true));
      sums.set(name, (sums.get(name) ?? 0) + value);
    }
  }
  return sums;
}

/** Adds what one version has counted to what others have. */
export function addCounters(sums: Map<string, number>, more: ReadonlyMap<string, number>): void {
  for (const [name, value] of more) sums.set(name, (sums.get(name) ?? 0) + value);
}

/** What all versions of a script have counted. */
export function kernelStatistics(counted: ReadonlyMap<string, number>): ScriptStatistics {
  const of = (name: string): number => counted.get(name) ?? 0;
  const verdicts = Object.fromEntries(VERDICT_KINDS.map((kind) => [kind, of(kind)]));
  const judged = VERDICT_KINDS.reduce((sum, kind) => sum + of(kind), 0);
  const counters = [...counted].filter(([name]) => name.startsWith(COUNTER));
  const lost = of("lost") > 0 ? { "events lost": of("lost") } : {};
  return {
    // What is handed over continues, for the kernel.
    packets: judged + of("redirect") + of("errors"),
    bytes: of("bytes"),
    verdicts: verdicts as Record<VerdictKind, number>,
    errors: of("errors"),
    bypassed: 0,
    held: 0,
    sent: 0,
    deferred: 0,
    handed: of("handed"),
    redirected: of("redirect"),
    timeP50: 0,
    timeP99: 0,
    counters: {
      ...Object.fromEntries(counters.map(([name, value]) => [name.slice(COUNTER.length), value])),
      ...lost,
    },
    faults: [...faultsOf(counted)],
  };
}

function* faultsOf(counted: ReadonlyMap<string, number>): Iterable<ScriptFault> {
  for (const [name, count] of counted) {
    if (!name.startsWith(FAULT) || count === 0) continue;
    const text = name.slice(FAULT.length);
    const [, place = "", message = text] = /^(.*?:\d+:\d+): (.*)$/s.exec(text) ?? [];
    yield { kind: "threw", place, message, count };
  }
}

/** Both halves of a script that hands packets over: what the kernel has judged, and what user space then did. */
export function joinStatistics(kernel: ScriptStatistics, user: ScriptStatistics): ScriptStatistics {
  const handed = kernel.handed ?? 0;
  const verdicts = VERDICT_KINDS.map((kind) => {
    // What was handed over has continued only to be judged there.
    const own = kind === "continue" ? Math.max(0, kernel.verdicts[kind] - handed) : kernel.verdicts[kind];
    return [kind, own + user.verdicts[kind]];
  });
  const counters: Record<string, number> = { ...kernel.counters };
  for (const [name, value] of Object.entries(user.counters)) counters[name] = (counters[name] ?? 0) + value;
  return {
    ...user,
    packets: kernel.packets,
    bytes: kernel.bytes,
    verdicts: Object.fromEntries(verdicts) as Record<VerdictKind, number>,
    errors: kernel.errors + user.errors,
    handed,
    redirected: kernel.redirected ?? 0,
    counters,
    faults: [...kernel.faults, ...user.faults],
  };
}
