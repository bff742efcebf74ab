/**
 * One version of a script in the kernel: its programs with the maps that are theirs alone, and the reading of their
 * events and numbers.
 * @module
 */
import type { KernelMap, KernelProgram, KernelPrograms, KernelRing } from "#io/kernel-programs.ts";
import { type CompiledScript, EVENTS_MAP, STATISTICS_MAP } from "#script/compiler/compiled.ts";
import type { ScriptSpec } from "#script/engine.ts";
import { decodeKernelEvent, type KernelEvent } from "./kernel-events.ts";
import { filterImage } from "./kernel-filter.ts";
import type { KernelMapStore } from "./kernel-maps.ts";
import type { KernelPins } from "./kernel-pins.ts";
import type { KernelPlace } from "./kernel-places.ts";
import { addCounters, readCounters } from "./kernel-statistics.ts";

/** A program and where it belongs. */
export interface PlacedProgram {
  readonly place: KernelPlace;
  readonly compiled: CompiledScript;
  readonly program: KernelProgram;
  readonly statistics: KernelMap | undefined;
  readonly ring: KernelRing | undefined;
  /** Maps of its own, to be closed with it. */
  readonly own: readonly KernelMap[];
}

export interface VersionParts {
  readonly programs: KernelPrograms;
  readonly maps: KernelMapStore;
  /** Where its maps are pinned; `undefined` when they are not to be. */
  readonly pins: KernelPins | undefined;
  readonly spec: ScriptSpec;
  /** Bits of the mark of packets that scripts do not see. */
  readonly skipMarks: number;
  readonly placed: readonly { readonly place: KernelPlace; readonly compiled: CompiledScript }[];
  readonly event: (event: KernelEvent) => void;
}

export class KernelVersion {
  readonly programs: readonly PlacedProgram[];
  /** Shared maps that nobody had before. */
  readonly #made: readonly string[];
  readonly #maps: KernelMapStore;

  /** @throws ProgramRefusedError, MapConflictError, and what the kernel says; nothing of it is left then. */
  constructor(parts: VersionParts) {
    this.#maps = parts.maps;
    const made: string[] = [];
    const loaded: PlacedProgram[] = [];
    this.programs = loaded;
    this.#made = made;
    try {
      for (const { place, compiled } of parts.placed) loaded.push(load(parts, place, compiled, made));
    } catch (error) {
      this.close();
      this.forgetMade();
      throw error;
    }
  }

  /** Lets go of shared maps that this version has made: it is not to run after all. */
  forgetMade(): void {
    for (const name of this.#made) this.#maps.drop(name);
  }

  /** What it has counted until now. */
  counted(): Map<string, number> {
    const sums = new Map<string, number>();
    for (const { statistics, compiled } of this.programs) {
      if (statistics) addCounters(sums, readCounters(statistics, compiled.counters));
    }
    return sums;
  }

  /** The interfaces whose numbers are in its programs. */
  interfaces(): string[] {
    return interfacesIn(this.programs.map(({ program }) => program.image.relocations));
  }

  /** Lets go of it; what is attached runs on until it is replaced or detached. */
  close(): void {
    for (const { program, ring, own } of this.programs) {
      ring?.close();
      program.close();
      for (const map of own) map.close();
    }
  }
}

/** Names of interfaces that programs have the numbers of. */
export function interfacesIn(relocations: readonly CompiledScript["image"]["relocations"][]): string[] {
  const all = relocations.flat().flatMap((one) => (one.kind === "interface" ? [one.name] : []));
  return [...new Set(all)];
}

/** The file name of a place: `netfilter-ipv4-prerouting`, `tcx-ingress-eth0`. */
export function placeName({ target, hook, interface: name }: KernelPlace): string {
  const parts = target.attach === "netfilter" ? [target.family, hook] : [name?.replaceAll(".", "%")];
  return [target.attach, ...parts].join("-");
}

function load(
  parts: VersionParts,
  place: KernelPlace,
  compiled: CompiledScript,
  made: string[],
): PlacedProgram {
  const { programs, spec, pins } = parts;
  const image = filterImage(compiled.image, spec, parts.skipMarks);
  const maps = new Map<string, KernelMap>();
  const own: KernelMap[] = [];
  try {
    for (const mapSpec of image.maps) {
      const used = compiled.facts.maps.find(({ name }) => name === mapSpec.name);
      if (used !== undefined) {
        const { map, isNew } = parts.maps.require(used, mapSpec, pins !== undefined);
        if (isNew) made.push(used.name);
        maps.set(mapSpec.name, map);
      } else if (mapSpec.name === STATISTICS_MAP && pins !== undefined) {
        const path = pins.statisticsPath(spec.name, placeName(place), compiled.counters);
        const left = pins.takeStatistics(path, mapSpec);
        const map = left ?? programs.createMap(mapSpec);
        own.push(map);
        if (left === undefined) pins.keepStatistics(path, map);
        maps.set(mapSpec.name, map);
      }
    }
    const before = new Set(maps.values());
    const program = programs.load(image, maps);
    for (const map of maps.values()) if (!before.has(map)) own.push(map);
    const events = maps.get(EVENTS_MAP);
    const ring = events && programs.listen(events, (bytes) => tell(bytes, compiled, parts.event));
    return { place, compiled, program, statistics: maps.get(STATISTICS_MAP), ring, own };
  } catch (error) {
    for (const map of own) map.close();
    throw error;
  }
}

function tell(bytes: Uint8Array, { facts }: CompiledScript, event: VersionParts["event"]): void {
  const decoded = decodeKernelEvent(bytes, facts.events);
  if (decoded) event(decoded);
}
