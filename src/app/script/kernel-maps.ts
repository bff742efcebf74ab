/**
 * The maps that programs in the kernel have, by the names that scripts give them. Each is there once, whoever names it,
 * and stays as long as any script is loaded.
 * @module
 */
import { LimitExceededError } from "#base/errors.ts";
import type {
  KernelMap,
  KernelMapSpec,
  KernelProgram,
  KernelPrograms,
  TestRun,
} from "#io/kernel-programs.ts";
import type { UsedMap } from "#script/compiler/compiled.ts";
import { kernelMapLayout } from "#script/kernel-map-layout.ts";
import { type MapOperation, operationImage } from "#script/kernel-map-operations.ts";
import { KernelMapView } from "#script/kernel-map-view.ts";
import {
  type KernelMapHandle,
  type KernelMaps,
  MAP_COUNT_MAX,
  MapConflictError,
} from "#script/map-directory.ts";
import type { MapTime, SharedMapDescription } from "#script/shared-map.ts";
import type { KernelPins } from "./kernel-pins.ts";

/** The map's name in the programs that change it. */
const MAP = "map";

interface HeldMap {
  readonly view: KernelMapView;
  readonly map: KernelMap;
  /** Made when somebody in user space wants the map. */
  readonly operations: Map<MapOperation, KernelProgram>;
  /** Where it is pinned; `undefined` when it is not. */
  pin: string | undefined;
}

export interface KernelMapStoreOptions {
  readonly programs: KernelPrograms;
  readonly pins: KernelPins | undefined;
  readonly time: MapTime;
}

export class KernelMapStore implements KernelMaps {
  readonly #options: KernelMapStoreOptions;
  readonly #maps = new Map<string, HeldMap>();

  constructor(options: KernelMapStoreOptions) {
    this.#options = options;
  }

  find(name: string): { readonly view: KernelMapView; readonly handle: KernelMapHandle } | undefined {
    const held = this.#maps.get(name);
    if (held === undefined) return undefined;
    const { view, map } = held;
    const { descriptor, spec } = map;
    const [add, exchange] = [this.#operation(held, "add"), this.#operation(held, "exchange")].map(
      descriptorOf,
    );
    const operations = { add: add ?? 0, exchange: exchange ?? 0 };
    return { view, handle: { name, shape: view.shape, descriptor, spec, operations } };
  }

  #operation({ view, map, operations }: HeldMap, operation: MapOperation): KernelProgram {
    const known = operations.get(operation);
    if (known) return known;
    const image = operationImage(operation, MAP, kernelMapLayout(view.shape));
    const program = this.#options.programs.load(image, new Map([[MAP, map]]));
    operations.set(operation, program);
    return program;
  }

  list(): SharedMapDescription[] {
    return [...this.#maps.values()].map(({ view }) => view.describe());
  }

  /**
   * The map of this name, made if there is none.
   * @throws MapConflictError, LimitExceededError, and what the kernel says.
   */
  require(
    { name, shape }: UsedMap,
    spec: KernelMapSpec,
    isPinned: boolean,
  ): { readonly map: KernelMap; readonly isNew: boolean } {
    const known = this.#maps.get(name);
    if (known) {
      if (JSON.stringify(known.view.shape) !== JSON.stringify(shape)) {
        throw new MapConflictError(name, known.view.shape, shape);
      }
      if (isPinned) this.#pin(name, known);
      return { map: known.map, isNew: false };
    }
    if (this.#maps.size >= MAP_COUNT_MAX) {
      throw new LimitExceededError(
        `Cannot make map '${name}': programs in the kernel have ${MAP_COUNT_MAX} maps; unload what uses them`,
      );
    }
    const { programs, pins, time } = this.#options;
    const left = isPinned ? pins?.takeMap(name, spec) : undefined;
    const map = left ?? programs.createMap(spec);
    const operations = new Map<MapOperation, KernelProgram>();
    const run = (operation: MapOperation, packet: Uint8Array): TestRun =>
      this.#operation(held, operation).test(packet);
    const view = new KernelMapView(name, shape, map, { time, run });
    const held: HeldMap = { view, map, operations, pin: left && pins?.mapPath(name) };
    this.#maps.set(name, held);
    try {
      if (isPinned) this.#pin(name, held);
    } catch (error) {
      this.drop(name);
      throw error;
    }
    return { map, isNew: left === undefined };
  }

  #pin(name: string, held: HeldMap): void {
    if (held.pin !== undefined) return;
    held.pin = this.#options.pins?.keepMap(name, held.map);
  }

  /** Lets entries go whose time is over. */
  sweep(): void {
    for (const { view } of this.#maps.values()) view.sweep();
  }

  /** Lets go of a map that nobody uses. */
  drop(name: string): void {
    const held = this.#maps.get(name);
    if (held === undefined) return;
    this.#maps.delete(name);
    for (const program of held.operations.values()) program.close();
    held.map.close();
    if (held.pin !== undefined) this.#options.pins?.forgetMap(name);
  }

  /** Lets go of all of them. @param keepsPinned what is pinned stays in the kernel */
  dropAll(keepsPinned = false): void {
    for (const [name, held] of [...this.#maps]) {
      if (keepsPinned) held.pin = undefined;
      this.drop(name);
    }
  }
}

/** Other threads run a program by its descriptor; one that is simulated has none. */
function descriptorOf(program: KernelProgram): number {
  return "descriptor" in program && typeof program.descriptor === "number" ? program.descriptor : 0;
}
