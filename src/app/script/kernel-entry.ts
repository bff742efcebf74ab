/**
 * A script in the kernel as its engine has it: what runs, where it is attached, and what it has counted in all.
 * @module
 */
import type { KernelLink } from "#io/kernel-programs.ts";
import type { FunctionFacts } from "#script/compiler/compiled.ts";
import type { LoadedScript, ScriptSpec } from "#script/engine.ts";
import type { CompiledWay } from "./kernel-choice.ts";
import type { Neighbour } from "./kernel-neighbours.ts";
import { addCounters, kernelStatistics } from "./kernel-statistics.ts";
import type { KernelVersion } from "./kernel-version.ts";

/** A program's place that is taken. */
export interface AttachedLink {
  readonly link: KernelLink;
  /** Index of the interface; 0 at netfilter's hooks. */
  readonly interfaceIndex: number;
  /** As people read it. */
  readonly told: string;
  readonly isPinned: boolean;
}

export class KernelEntry {
  spec: ScriptSpec;
  way: CompiledWay;
  version: number;
  /** The bit of what it hands over; `undefined` when it hands nothing over. */
  handOverMark: number | undefined;
  /** `undefined` while it waits for an interface. */
  running: KernelVersion | undefined;
  /** By the names of their places. */
  readonly links: Map<string, AttachedLink> = new Map();
  /** Its place at netfilter's hook. */
  readonly index: number;
  /** The numbers of interfaces that its programs have been loaded with, by name. */
  interfaces: ReadonlyMap<string, number> = new Map();
  warnings: readonly string[] = [];
  /** Why it waits, when that is not an interface alone. */
  problem: string | undefined;
  /** Counted by versions that are gone. */
  readonly #before = new Map<string, number>();

  constructor(spec: ScriptSpec, way: CompiledWay, index: number, version: number) {
    this.spec = spec;
    this.way = way;
    this.index = index;
    this.version = version;
  }

  get facts(): FunctionFacts {
    return factsOf(this.way);
  }

  get neighbour(): Neighbour {
    return neighbourOf(this.spec, this.way, this.index);
  }

  /** Keeps what a version has counted that ends, and lets go of it. */
  retire(version: KernelVersion | undefined): void {
    if (version === undefined) return;
    addCounters(this.#before, version.counted());
    version.close();
  }

  /** Goes on with what another has counted. */
  takeCounts(before: KernelEntry): void {
    addCounters(this.#before, before.#before);
  }

  describe(): LoadedScript {
    const counted = new Map(this.#before);
    if (this.running) addCounters(counted, this.running.counted());
    const { writes, handsOverTo } = this.facts;
    const links = [...this.links.values()];
    return {
      spec: this.spec,
      engine: "kernel",
      state: this.running ? "running" : "waiting",
      version: this.version,
      place: this.index,
      isWriting: writes,
      readBytes: 65_535,
      statistics: kernelStatistics(counted),
      attached: links.map(({ told }) => told),
      isPinned: links.length > 0 && links.every(({ isPinned }) => isPinned),
      ...(handsOverTo === undefined ? {} : { handsOverTo }),
      warnings: this.warnings,
    };
  }
}

/** What others of its hook have to know of a script at this way. */
export function neighbourOf(spec: ScriptSpec, way: CompiledWay, place: number): Neighbour {
  const at = way[0]?.place.target.attach ?? "netfilter";
  return { spec, place, at, interface: way[0]?.place.interface, accepts: factsOf(way).accepts };
}

/** What all programs of a way do together: they are one function, compiled for each place. */
export function factsOf(way: CompiledWay): FunctionFacts {
  const all = way.map(({ compiled }) => compiled.facts);
  const [first] = all;
  if (first === undefined) throw new RangeError("A way has no place");
  return {
    ...first,
    writes: all.some(({ writes }) => writes),
    accepts: all.some(({ accepts }) => accepts),
    notes: [...new Set(all.flatMap(({ notes }) => notes))],
  };
}

/** Interfaces by name that the script is attached to, compares with, or sends out of. */
export function neededInterfaces(spec: ScriptSpec, way: CompiledWay): string[] {
  const names = way.flatMap(({ place, compiled }) => [
    ...(place.interface === undefined ? netfilterInterfaces(spec) : [place.interface]),
    ...compiled.image.relocations.flatMap((one) => (one.kind === "interface" ? [one.name] : [])),
  ]);
  return [...new Set(names)];
}

function netfilterInterfaces({ inInterface, outInterface }: ScriptSpec): string[] {
  return [inInterface, outInterface].filter((name) => name !== undefined);
}
