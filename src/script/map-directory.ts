/**
 * Which map a name means. The supervisor's directory makes a map on its first use; an isolate's asks it once for each
 * name and keeps what it got. A second use with other options is an error that tells both.
 * @module
 */
import { ConfigurationError, LimitExceededError } from "#base/errors.ts";
import type { Random } from "#base/random.ts";
import type { KernelMapSpec } from "#io/kernel-programs.ts";
import { describeValue } from "./faults.ts";
import type { MapOperation } from "./kernel-map-operations.ts";
import { MemoryMap } from "./memory-map.ts";
import type { MapTime, SharedMap, SharedMapDescription } from "./shared-map.ts";
import { HASH_SEED_BYTES } from "./shared-map-hash.ts";
import type { SharedMapKey } from "./shared-map-key.ts";
import {
  createSharedMap,
  layoutOf,
  type MapOptions,
  type MapShape,
  type SharedMapHandle,
  shapeOf,
} from "./shared-map-layout.ts";

export type { MapOptions } from "./shared-map-layout.ts";

/** The most maps of one directory; one more is a LimitExceededError. */
export const MAP_COUNT_MAX = 256;
/** The most memory of all maps together, in bytes; more is a LimitExceededError. */
export const ALL_MAPS_BYTES_MAX = 1_073_741_824;
/** Characters of the longest name. */
export const MAP_NAME_LENGTH_MAX = 64;

/** Two uses of a name that cannot mean the same map. */
export class MapConflictError extends ConfigurationError {
  override readonly code: string = "map-conflict";
  readonly map: string;
  /** What the map was made with. */
  readonly made: MapShape;
  /** What it was asked for with. */
  readonly wanted: MapShape;

  constructor(map: string, made: MapShape, wanted: MapShape) {
    super(
      `Cannot open map '${map}': it was made with ${formatShape(made, wanted)}, ` +
        `and is wanted with ${formatShape(wanted, made)}; use the same options, or another name`,
    );
    this.map = map;
    this.made = made;
    this.wanted = wanted;
  }
}

/** "Give me the map of this name": from an isolate to the supervisor. */
export interface MapRequest {
  readonly name: string;
  /** Absent: with whatever options it has; made with the standard ones when there is none. */
  readonly options?: MapOptions;
}

/** A map of the kernel as it travels to another thread: descriptors are good in all of them. */
export interface KernelMapHandle {
  readonly name: string;
  readonly shape: MapShape;
  readonly descriptor: number;
  readonly spec: KernelMapSpec;
  /** Descriptors of the programs that change it in one step. */
  readonly operations: Readonly<Record<MapOperation, number>>;
}

/** The maps that programs in the kernel have. */
export interface KernelMaps {
  /** `undefined` when they have none of the name. */
  find(name: string): { readonly view: SharedMap; readonly handle: KernelMapHandle } | undefined;
  list(): readonly SharedMapDescription[];
}

/** The answer: the map, or the error that the script gets; plain data, fit for a message between threads. */
export type MapAnswer =
  | { readonly handle: SharedMapHandle }
  | { readonly kernel: KernelMapHandle }
  | { readonly error: "conflict"; readonly made: MapShape; readonly wanted: MapShape }
  | { readonly error: "configuration" | "limit"; readonly message: string };

/** The supervisor's directory: it makes the maps. */
export class MapDirectory {
  readonly #random: Random;
  readonly #options: { readonly owner: number; readonly time: MapTime };
  readonly #maps = new Map<string, MemoryMap>();
  readonly #kernel: KernelMaps | undefined;
  #bytes = 0;

  /**
   * @param options.random for the seeds of the maps' hashes; whoever guesses them can make a map slow.
   * @param options.kernel maps that are found there are taken from there, and made there by nobody here.
   */
  constructor(options: {
    readonly random: Random;
    readonly owner: number;
    readonly time: MapTime;
    readonly kernel?: KernelMaps;
  }) {
    this.#random = options.random;
    this.#kernel = options.kernel;
    this.#options = { owner: options.owner, time: options.time };
  }

  /**
   * The map of this name, made if there is none.
   * @throws MapConflictError, ConfigurationError, LimitExceededError
   */
  open(name: string, options?: MapOptions): SharedMap {
    const held = this.#kernel?.find(name);
    if (held === undefined) return this.#open(name, options);
    checkShape(held.view, options);
    return held.view;
  }

  /** Whether a map of this name is in memory here. */
  has(name: string): boolean {
    return this.#maps.has(name);
  }

  #open(name: string, options: MapOptions | undefined): MemoryMap {
    const known = this.#maps.get(name);
    if (known) {
      checkShape(known, options);
      return known;
    }
    checkMapName(name);
    const shape = shapeOf(name, options ?? {});
    const { totalBytes } = layoutOf(shape);
    if (this.#maps.size >= MAP_COUNT_MAX) {
      throw new LimitExceededError(
        `Cannot make map '${name}': there are ${MAP_COUNT_MAX} maps; unload what uses them`,
      );
    }
    if (this.#bytes + totalBytes > ALL_MAPS_BYTES_MAX) {
      throw new LimitExceededError(
        `Cannot make map '${name}': with its ${totalBytes} bytes all maps would take more than ` +
          `${ALL_MAPS_BYTES_MAX}; make countMax smaller`,
      );
    }
    const seed = this.#random.bytes(HASH_SEED_BYTES);
    const map = new MemoryMap(createSharedMap({ ...options, name, seed }), this.#options);
    this.#maps.set(name, map);
    this.#bytes += totalBytes;
    return map;
  }

  /** Answers an isolate; throws nothing that a script could cause. */
  answer(request: MapRequest): MapAnswer {
    const { name, options } = request;
    try {
      const held = this.#kernel?.find(name);
      if (held === undefined) return { handle: this.#open(name, options).handle };
      checkShape(held.view, options);
      return { kernel: held.handle };
    } catch (error) {
      if (error instanceof MapConflictError) {
        return { error: "conflict", made: error.made, wanted: error.wanted };
      }
      if (error instanceof LimitExceededError) return { error: "limit", message: error.message };
      if (error instanceof ConfigurationError) return { error: "configuration", message: error.message };
      throw error;
    }
  }

  /**
   * Forgets a map: the next use of its name makes a new one. Isolates that hold it go on with it, and its memory is
   * free when the last of them has ended. Whether there was one.
   */
  remove(name: string): boolean {
    this.#bytes -= this.#maps.get(name)?.handle.memory.byteLength ?? 0;
    return this.#maps.delete(name);
  }

  /** All maps, by name. */
  list(): SharedMapDescription[] {
    const own = [...this.#maps.values()].map((map) => map.describe());
    return [...own, ...(this.#kernel?.list() ?? [])].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** To be called when a thread has ended, however it did: whatever lock it held is free again. How many it held. */
  breakLocksOf(owner: number): number {
    let count = 0;
    for (const map of this.#maps.values()) if (map.breakLocksOf(owner)) count++;
    return count;
  }
}

/** An isolate's directory: what it has once been given, it keeps. */
export class IsolateMaps {
  readonly #ask: (request: MapRequest) => MapAnswer;
  readonly #kernel: ((handle: KernelMapHandle) => SharedMap) | undefined;
  readonly #options: { readonly owner: number; readonly time: MapTime };
  readonly #maps = new Map<string, SharedMap>();

  /**
   * @param options.ask brings a request to the supervisor's {@link MapDirectory.answer} and waits for the answer.
   * @param options.kernel makes a view of a map of the kernel; without it there are none.
   * @param options.owner the isolate's number, which no other living thread has.
   */
  constructor(options: {
    readonly ask: (request: MapRequest) => MapAnswer;
    readonly kernel?: (handle: KernelMapHandle) => SharedMap;
    readonly owner: number;
    readonly time: MapTime;
  }) {
    this.#ask = options.ask;
    this.#kernel = options.kernel;
    this.#options = { owner: options.owner, time: options.time };
  }

  /**
   * The map of this name; the same object every time.
   * @throws MapConflictError, ConfigurationError, LimitExceededError
   */
  open<Key extends SharedMapKey = SharedMapKey>(name: string, options?: MapOptions): SharedMap<Key> {
    const known = this.#maps.get(name);
    if (known) {
      // Scripts may ask once for each packet, with the same literal.
      checkShape(known, options);
      return known as unknown as SharedMap<Key>;
    }
    const answer = this.#ask(options === undefined ? { name } : { name, options });
    if ("handle" in answer) {
      const map = new MemoryMap<Key>(answer.handle, this.#options);
      this.#maps.set(name, map as unknown as SharedMap);
      return map;
    }
    if ("kernel" in answer) {
      if (this.#kernel === undefined)
        throw new ConfigurationError(`Cannot open map '${name}' of the kernel here`);
      const map = this.#kernel(answer.kernel);
      this.#maps.set(name, map);
      return map as unknown as SharedMap<Key>;
    }
    if (answer.error === "conflict") throw new MapConflictError(name, answer.made, answer.wanted);
    if (answer.error === "limit") throw new LimitExceededError(answer.message);
    throw new ConfigurationError(answer.message);
  }
}

function checkShape(map: SharedMap, options: MapOptions | undefined): void {
  if (options === undefined) return;
  const wanted = shapeOf(map.name, options);
  if (differences(map.shape, wanted).length > 0) throw new MapConflictError(map.name, map.shape, wanted);
}

/**
 * Checks a map's name: 1 to {@link MAP_NAME_LENGTH_MAX} of `a-z A-Z 0-9 _ - . :`. A script may have anything in its place.
 * @throws ConfigurationError for any other
 */
export function checkMapName(name: unknown): void {
  const isText = typeof name === "string";
  if (isText && name.length <= MAP_NAME_LENGTH_MAX && /^[\w.:-]+$/.test(name)) return;
  const seen = isText ? `'${name.slice(0, MAP_NAME_LENGTH_MAX)}'` : `of name ${describeValue(name)}`;
  throw new ConfigurationError(
    `Cannot make map ${seen}: a name is 1 to ${MAP_NAME_LENGTH_MAX} of a-z A-Z 0-9 _ - . :`,
  );
}

function differences(one: MapShape, other: MapShape): (keyof MapShape)[] {
  return (Object.keys(one) as (keyof MapShape)[]).filter((field) => one[field] !== other[field]);
}

/** The fields in which a shape differs from another. */
function formatShape(shape: MapShape, other: MapShape): string {
  return differences(shape, other)
    .map((field) => `${field} ${shape[field] ?? "absent"}`)
    .join(", ");
}
