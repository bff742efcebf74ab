/**
 * Runs packet scripts in the kernel, compiled to eBPF. What is attached goes with this process unless it is pinned; a
 * new version takes the old one's place between two packets, and maps and numbers stay.
 * @module
 */
import { ConfigurationError, LimitExceededError } from "#base/errors.ts";
import { KernelPlaceTakenError, type KernelPrograms } from "#io/kernel-programs.ts";
import { RULE_INDEX_MAX } from "#io/queue-rules.ts";
import type { Hook } from "#packet/packet.ts";
import type { ScriptBus } from "#script/context.ts";
import type { LoadedScript, ScriptEngine, ScriptSpec } from "#script/engine.ts";
import { ScriptLoadError } from "#script/errors.ts";
import { type CompiledWay, chooseWay, type KernelCompiler } from "./kernel-choice.ts";
import { type AttachedLink, factsOf, KernelEntry, neededInterfaces, neighbourOf } from "./kernel-entry.ts";
import type { KernelMapStore } from "./kernel-maps.ts";
import { clashOf, type Neighbour } from "./kernel-neighbours.ts";
import type { KernelPins } from "./kernel-pins.ts";
import { type KernelInterfaces, type KernelPlace, kernelWays } from "./kernel-places.ts";
import { refusalOf } from "./kernel-refusal.ts";
import { joinStatistics } from "./kernel-statistics.ts";
import { KernelVersion, type PlacedProgram, placeName } from "./kernel-version.ts";

/** Where the first script stands at a hook, as rules of queues do: nft's "mangle". */
const FIRST_PRIORITY = -150;

export interface KernelEngineOptions {
  readonly programs: KernelPrograms;
  readonly compiler: KernelCompiler;
  readonly interfaces: KernelInterfaces;
  readonly maps: KernelMapStore;
  /** Runs what is handed over to user space. */
  readonly user: ScriptEngine;
  /** Bits of the mark for what is handed over, one for each such script. */
  readonly handOverMarks: readonly number[];
  /** `undefined` where nothing can be pinned. */
  readonly pins?: KernelPins | undefined;
  /** Places at a hook that scripts in user space have. */
  readonly takenPlaces?: (hook: Hook) => readonly number[];
  /** Bits of the mark of packets that scripts do not see: what was accepted before, and what scripts have sent. */
  readonly skipMarks?: number;
  /** Told when scripts have come to hooks, or gone. */
  readonly changed?: () => void;
  /** Whether a map of this name is in memory, where programs in the kernel cannot see it. */
  readonly isInMemory?: (map: string) => boolean;
  readonly bus?: (script: string) => Pick<ScriptBus, "post">;
  readonly trouble?: (script: string, text: string) => void;
}

/** A script that was loaded, or why it cannot be in the kernel. */
export type KernelAttempt = { readonly script: LoadedScript } | { readonly reasons: readonly string[] };

export class KernelScriptEngine implements ScriptEngine {
  readonly #options: KernelEngineOptions;
  readonly #entries = new Map<string, KernelEntry>();
  /** One change after the other. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: KernelEngineOptions) {
    this.#options = options;
  }

  async load(spec: ScriptSpec): Promise<LoadedScript> {
    const attempt = await this.attempt(spec);
    if ("script" in attempt) return attempt.script;
    const reasons = attempt.reasons.join("\n  ");
    throw new ScriptLoadError(`Cannot load ${spec.name} into the kernel:\n  ${reasons}`);
  }

  /**
   * Loads a script if it can be in the kernel.
   * @param insists `false`: only when it is exactly as in user space there
   * @throws ScriptLoadError for what no engine could load, and what the kernel says
   */
  attempt(spec: ScriptSpec, insists = true): Promise<KernelAttempt> {
    return this.#next(() => this.#attempt(spec, insists));
  }

  /** Nothing can be kept for a script before it is compiled: what is pinned runs on, and what nobody wants goes. */
  reserve(specs: readonly ScriptSpec[]): Promise<readonly string[]> {
    return this.#next(async () => {
      const { pins } = this.#options;
      const wanted = new Set(specs.filter(({ pin }) => pin).map(({ name }) => name));
      const left = pins?.scripts() ?? [];
      for (const name of left) if (!wanted.has(name)) pins?.clear(name);
      if (wanted.size === 0) pins?.clearMaps();
      return specs.map(({ name }) => name).filter((name) => !left.includes(name));
    });
  }

  /** Attaches what has waited for an interface, and lets entries of maps go whose time is over. */
  repair(): Promise<readonly string[]> {
    return this.#next(async () => {
      this.#options.maps.sweep();
      for (const entry of this.#entries.values()) this.#follow(entry);
      return [];
    });
  }

  unload(name: string): Promise<boolean> {
    return this.#next(async () => {
      const isMixed = this.mixed.has(name);
      const wasThere = this.#leave(name);
      if (isMixed) await this.#options.user.unload(name);
      return wasThere;
    });
  }

  /** Takes a script out of the kernel, and leaves to user space what is there of it. */
  leave(name: string): Promise<boolean> {
    return this.#next(async () => this.#leave(name));
  }

  /** Lets go of all maps, unless a script is here that has them open. */
  forgetMaps(): void {
    if (this.#entries.size === 0) this.#options.maps.dropAll();
  }

  async list(): Promise<readonly LoadedScript[]> {
    const user = new Map((await this.#options.user.list()).map((script) => [script.spec.name, script]));
    return [...this.#entries.values()].map((entry) => {
      const script = entry.describe();
      const other = script.handsOverTo === undefined ? undefined : user.get(script.spec.name);
      if (other === undefined) return script;
      const state = script.state === "running" ? other.state : script.state;
      return { ...script, state, statistics: joinStatistics(script.statistics, other.statistics) };
    });
  }

  /** Names of scripts whose other half is in user space. */
  get mixed(): ReadonlySet<string> {
    const all = [...this.#entries.values()].filter(({ facts }) => facts.handsOverTo !== undefined);
    return new Set(all.map(({ spec }) => spec.name));
  }

  has(name: string): boolean {
    return this.#entries.has(name);
  }

  /** Places at a hook of netfilter that programs have. */
  places(hook: Hook): number[] {
    return [...this.#entries.values()].filter(({ spec }) => spec.hook === hook).map(({ index }) => index);
  }

  /** Scripts that are not what they would be in user space beside this one, and why. */
  async clashes(name: string): Promise<{ readonly script: LoadedScript; readonly reason: string }[]> {
    const other = (await this.#neighbours()).find(({ spec }) => spec.name === name);
    return [...this.#entries.values()].flatMap((entry) => {
      if (other === undefined || entry.spec.name === name) return [];
      const reason = clashOf(entry.neighbour, other);
      return reason === undefined ? [] : [{ script: entry.describe(), reason }];
    });
  }

  /** All scripts at hooks, those in user space included. */
  async #neighbours(): Promise<Neighbour[]> {
    const user = (await this.#options.user.list()).filter(({ spec }) => !this.#entries.has(spec.name));
    return [
      ...[...this.#entries.values()].map((entry) => entry.neighbour),
      ...user.map(({ spec, place = 0 }): Neighbour => {
        return { spec, place, at: "user", interface: undefined, accepts: true };
      }),
    ];
  }

  /** Lets go of everything but what is pinned. */
  close(): Promise<void> {
    return this.#next(async () => {
      for (const entry of [...this.#entries.values()].reverse()) {
        if (entry.describe().isPinned) {
          this.#entries.delete(entry.spec.name);
          entry.running?.close();
        } else {
          this.#leave(entry.spec.name);
          if (entry.facts.handsOverTo !== undefined) await this.#options.user.unload(entry.spec.name);
        }
      }
      this.#options.maps.dropAll(true);
      this.#options.compiler.close();
    });
  }

  #next<R>(action: () => Promise<R>): Promise<R> {
    const result = this.#last.then(action);
    this.#last = result.catch(() => undefined);
    return result;
  }

  async #attempt(spec: ScriptSpec, insists: boolean): Promise<KernelAttempt> {
    const { compiler, interfaces } = this.#options;
    const before = this.#entries.get(spec.name);
    const mark = before?.handOverMark ?? this.#freeMark();
    const ways = kernelWays(spec, interfaces, mark);
    if ("reasons" in ways) return ways;
    const choice = await chooseWay(compiler, spec, ways.ways);
    if ("reasons" in choice) return choice;
    const reasons = await this.#objections(spec, choice.way, insists);
    if (reasons.length > 0) return { reasons };
    return { script: await this.#load(spec, choice.way, mark, before) };
  }

  /** What the compiler cannot know. */
  async #objections(spec: ScriptSpec, way: CompiledWay, insists: boolean): Promise<string[]> {
    const { isInMemory } = this.#options;
    const facts = factsOf(way);
    const found = facts.maps
      .filter(({ name }) => isInMemory?.(name))
      .map(
        ({ name }) =>
          `map '${name}' is held by scripts in user space; load this one before them, or unload them once`,
      );
    if (insists) return found;
    const others = (await this.#neighbours()).filter((other) => other.spec.name !== spec.name);
    const known = (await this.#options.user.list()).find((script) => script.spec.name === spec.name);
    const place = known?.place ?? this.#indexFor(spec, this.#entries.get(spec.name));
    const own = neighbourOf(spec, way, place);
    return [...found, ...others.flatMap((other) => clashOf(own, other) ?? [])];
  }

  async #load(
    spec: ScriptSpec,
    way: CompiledWay,
    mark: number | undefined,
    before: KernelEntry | undefined,
  ): Promise<LoadedScript> {
    const { handsOverTo } = factsOf(way);
    const fresh = new KernelEntry(spec, way, this.#indexFor(spec, before), (before?.version ?? 0) + 1);
    if (handsOverTo !== undefined) fresh.handOverMark = mark;
    // What is handed over needs somebody who takes it before the first packet comes.
    if (handsOverTo !== undefined && mark !== undefined) await this.#loadOther(spec, handsOverTo, mark);
    try {
      this.#start(fresh, before);
    } catch (error) {
      const isOrphan = handsOverTo !== undefined && before?.facts.handsOverTo === undefined;
      if (isOrphan) await this.#options.user.unload(spec.name);
      throw refusalOf(error, spec);
    }
    this.#entries.set(spec.name, fresh);
    this.#options.changed?.();
    if (before?.facts.handsOverTo !== undefined && handsOverTo === undefined) {
      await this.#options.user.unload(spec.name);
    }
    fresh.warnings = await this.#warningsOf(fresh);
    return fresh.describe();
  }

  async #loadOther(spec: ScriptSpec, functionName: string, handOverMark: number): Promise<void> {
    const { pin: _pin, ...rest } = spec;
    await this.#options.user.load({ ...rest, function: functionName, engine: "user", handOverMark });
  }

  async #warningsOf(entry: KernelEntry): Promise<string[]> {
    const { notes, handsOverTo } = entry.facts;
    const { name, pin, hook, inInterface } = entry.spec;
    const others = (await this.#neighbours()).filter((other) => other.spec.name !== name);
    const warnings = [...notes, ...others.flatMap((other) => clashOf(entry.neighbour, other) ?? [])];
    if (handsOverTo !== undefined && hook !== "prerouting") {
      warnings.push(
        `in the kernel it sees all that comes in by ${inInterface}, and not only packets of ${hook}`,
      );
    }
    if (pin && handsOverTo !== undefined) {
      warnings.push(`only the kernel's half stays when this process ends: nobody asks ${handsOverTo} then`);
    }
    return warnings;
  }

  /** Loads the programs, and puts them where they belong: in the places of the version before, where it has them. */
  #start(entry: KernelEntry, before: KernelEntry | undefined): void {
    const indices = this.#indicesOf(entry);
    if ([...indices.values()].includes(0)) {
      if (before) this.#stop(before, entry);
      return;
    }
    const version = this.#version(entry);
    const taken = new Map<string, AttachedLink>();
    const made: AttachedLink[] = [];
    try {
      for (const placed of version.programs) {
        const name = placeName(placed.place);
        const known = before?.links.get(name);
        const link = this.#put(entry, placed, known, indices);
        if (link !== known) made.push(link);
        taken.set(name, link);
      }
    } catch (error) {
      for (const { link } of made) link.detach();
      this.#putBack(before);
      version.close();
      version.forgetMade();
      throw error;
    }
    for (const [name, attached] of before?.links ?? []) {
      if (taken.get(name) !== attached) attached.link.detach();
    }
    entry.running = version;
    entry.interfaces = indices;
    for (const [name, link] of taken) entry.links.set(name, link);
    if (before) this.#inherit(entry, before);
    this.#clearPins(entry);
  }

  #version(entry: KernelEntry): KernelVersion {
    const { programs, maps, pins, bus, trouble } = this.#options;
    const { spec, way } = entry;
    if (spec.pin && pins === undefined) {
      throw new ConfigurationError(
        `Cannot pin ${spec.name}: there is no BPF file system; mount -t bpf bpf /sys/fs/bpf, and start packetd again`,
      );
    }
    return new KernelVersion({
      programs,
      maps,
      pins: spec.pin ? pins : undefined,
      spec,
      skipMarks: this.#options.skipMarks ?? 0,
      placed: way,
      event: ({ address, fields }) => {
        try {
          bus?.(spec.name).post(address, fields);
        } catch (error) {
          trouble?.(spec.name, error instanceof Error ? error.message : String(error));
        }
      },
    });
  }

  /** The program at its place: over the one that is there, over what an earlier process has left, or anew. */
  #put(
    entry: KernelEntry,
    placed: PlacedProgram,
    known: AttachedLink | undefined,
    indices: ReadonlyMap<string, number>,
  ): AttachedLink {
    const { spec } = entry;
    const { place, program } = placed;
    const interfaceIndex = place.interface === undefined ? 0 : (indices.get(place.interface) ?? 0);
    const isPinned = spec.pin ?? false;
    if (known && known.interfaceIndex === interfaceIndex && known.isPinned === isPinned) {
      known.link.replace(program);
      return known;
    }
    const pins = isPinned ? this.#options.pins : undefined;
    const name = placeName(place);
    const left = pins?.takeLink(spec.name, name);
    if (left) {
      try {
        left.replace(program);
        return { link: left, interfaceIndex, told: tellPlace(place), isPinned };
      } catch {
        // It belonged to an interface that is gone.
        left.detach();
      }
    }
    const attached = this.#attach(entry, placed, interfaceIndex);
    try {
      if (pins) attached.link.pin(pins.linkPath(spec.name, name));
    } catch (error) {
      attached.link.detach();
      throw error;
    }
    return { ...attached, interfaceIndex, isPinned };
  }

  #attach(
    entry: KernelEntry,
    { place, program }: PlacedProgram,
    interfaceIndex: number,
  ): Pick<AttachedLink, "link" | "told"> {
    const { attach, family = "ipv4" } = place.target;
    if (attach !== "netfilter") {
      return { link: program.attach({ kind: attach, interfaceIndex }), told: tellPlace(place) };
    }
    const hook = place.hook ?? "forward";
    // A program wants a priority that nobody else has at its hook.
    for (let index = entry.index; ; index++) {
      const priority = FIRST_PRIORITY + index;
      try {
        const link = program.attach({ kind: "netfilter", family, hook, priority });
        return { link, told: `${tellPlace(place)} ${priority}` };
      } catch (error) {
        if (!(error instanceof KernelPlaceTakenError) || index >= RULE_INDEX_MAX) throw error;
      }
    }
  }

  /** After a failure: places that already have the new program get the old one again. */
  #putBack(before: KernelEntry | undefined): void {
    for (const { place, program } of before?.running?.programs ?? []) {
      before?.links.get(placeName(place))?.link.replace(program);
    }
  }

  #inherit(entry: KernelEntry, before: KernelEntry): void {
    before.retire(before.running);
    before.running = undefined;
    before.links.clear();
    entry.takeCounts(before);
  }

  /** Files of places that the script does not have any more. */
  #clearPins({ spec, links, running }: KernelEntry): void {
    const { pins } = this.#options;
    if (pins === undefined) return;
    if (!spec.pin) {
      pins.clear(spec.name);
      return;
    }
    const places = [...links.keys()].map((name) => pins.linkPath(spec.name, name));
    if (running) pins.clear(spec.name, places);
  }

  /** Ends what runs, as an interface is not there; what was counted stays. */
  #stop(before: KernelEntry, entry: KernelEntry): void {
    for (const { link } of before.links.values()) link.detach();
    this.#inherit(entry, before);
  }

  /** Interfaces come and go, and come back with other numbers. */
  #follow(entry: KernelEntry): void {
    const indices = this.#indicesOf(entry);
    const isSame = [...indices].every(([name, index]) => entry.interfaces.get(name) === index);
    if (entry.running !== undefined && isSame) return;
    if (entry.running !== undefined) {
      for (const { link } of entry.links.values()) link.detach();
      entry.links.clear();
      entry.retire(entry.running);
      entry.running = undefined;
    }
    if ([...indices.values()].includes(0)) return;
    const { trouble } = this.#options;
    try {
      this.#start(entry, undefined);
      entry.problem = undefined;
      trouble?.(entry.spec.name, `attached again to ${[...indices.keys()].join(", ")}`);
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      if (text !== entry.problem) trouble?.(entry.spec.name, text);
      entry.problem = text;
    }
  }

  #leave(name: string): boolean {
    const { pins } = this.#options;
    const entry = this.#entries.get(name);
    if (entry === undefined) return pins?.clear(name) ?? false;
    this.#entries.delete(name);
    this.#options.changed?.();
    for (const { link } of entry.links.values()) link.detach();
    entry.running?.close();
    pins?.clear(name);
    return true;
  }

  #indicesOf({ spec, way }: KernelEntry): Map<string, number> {
    const { interfaces } = this.#options;
    return new Map(neededInterfaces(spec, way).map((name) => [name, interfaces.index(name)]));
  }

  #freeMark(): number | undefined {
    const used = new Set([...this.#entries.values()].map(({ handOverMark }) => handOverMark));
    return this.#options.handOverMarks.find((mark) => !used.has(mark));
  }

  #indexFor({ name, hook, place }: ScriptSpec, before: KernelEntry | undefined): number {
    if (place !== undefined) return place;
    if (before && before.spec.hook === hook) return before.index;
    const used = [...this.places(hook as Hook), ...(this.#options.takenPlaces?.(hook as Hook) ?? [])];
    const behind = Math.max(-1, ...used) + 1;
    if (behind <= RULE_INDEX_MAX) return behind;
    for (let index = 0; index <= RULE_INDEX_MAX; index++) if (!used.includes(index)) return index;
    throw new LimitExceededError(
      `Cannot load ${name}: there are ${RULE_INDEX_MAX + 1} scripts at ${hook}; unload one of them`,
    );
  }
}

function tellPlace({ target, hook, interface: name }: KernelPlace): string {
  return target.attach === "netfilter" ? `netfilter ${target.family} ${hook}` : `${target.attach} ${name}`;
}
