/**
 * The maps that scripts share, as the bus sees them: keys are text, so that every language can write them.
 * @module
 */
import { ConfigurationError } from "#base/errors.ts";
import { formatHex, parseHex } from "#base/hex.ts";
import type { Answers } from "#mailbox/registry.ts";
import type { MapDirectory } from "#script/map-directory.ts";
import { formatPrefix, parsePrefix } from "#script/prefix-text.ts";
import type { SharedMap } from "#script/shared-map.ts";
import type { SharedMapKey } from "#script/shared-map-key.ts";

/** Maps of one page at the most. */
export const MAP_PAGE_COUNT_MAX = 100;
/** Entries that are read at once at the most. */
export const ENTRY_COUNT_MAX = 1000;

/** The maps there are; the engine's. */
export type ScriptMaps = Pick<MapDirectory, "list" | "open">;

/** No script has made a map of that name. */
export class NoSuchMapError extends ConfigurationError {
  override readonly code: string = "no-such-map";
}

export class MapDesk {
  readonly #maps: ScriptMaps;

  constructor(maps: ScriptMaps) {
    this.#maps = maps;
  }

  /** What `/packetd/map/list` answers. */
  list(limit: number = MAP_PAGE_COUNT_MAX, after = ""): Answers<"/packetd/map/list"> {
    const count = Math.min(MAP_PAGE_COUNT_MAX, Math.max(1, limit));
    const behind = this.#maps.list().filter(({ name }) => name > after);
    const page = behind.slice(0, count);
    return {
      name: page.map(({ name }) => name),
      kind: page.map(({ kind }) => kind),
      key: page.map(({ key }) => key),
      engine: page.map(({ engine }) => engine),
      "per-processor": page.map(({ perProcessor }) => perProcessor),
      size: page.map(({ size }) => size),
      "size-max": page.map(({ countMax }) => countMax),
      "memory-bytes": page.map(({ memoryBytes }) => memoryBytes),
      refused: page.map(({ refused }) => refused),
      evicted: page.map(({ evicted }) => evicted),
      expired: page.map(({ expired }) => expired),
      more: behind.length > count,
    };
  }

  /** The entries of these keys, or many in no order. @throws NoSuchMapError, ConfigurationError when a key cannot be one. */
  read(
    name: string,
    wanted: readonly string[] | undefined,
    limit: number = ENTRY_COUNT_MAX,
  ): Answers<"/packetd/map/read"> {
    const map = this.#require(name);
    const keys: string[] = [];
    const values: number[] = [];
    if (wanted !== undefined) {
      if (wanted.length > ENTRY_COUNT_MAX)
        throw new ConfigurationError(
          `Cannot read ${wanted.length} entries of map '${name}' at once: ${ENTRY_COUNT_MAX} at most`,
        );
      for (const key of wanted) {
        const value = map.shape.kind === "prefix" ? readPrefix(map, key) : map.get(keyOf(map, key));
        if (value === undefined) continue;
        keys.push(key);
        values.push(value);
      }
      return { key: keys, value: values, more: false };
    }
    const count = Math.min(ENTRY_COUNT_MAX, Math.max(1, limit));
    for (const [one, value] of entriesOf(map)) {
      if (keys.length === count) return { key: keys, value: values, more: true };
      keys.push(one);
      values.push(value);
    }
    return { key: keys, value: values, more: false };
  }

  /** @throws NoSuchMapError, ConfigurationError when the key cannot be one or there is no room. */
  write(name: string, key: string, value: number): void {
    const map = this.#require(name);
    if (map.shape.kind === "prefix") {
      const { address, bits } = prefixOf(map, key);
      if (map.setPrefix(address, bits, value)) return;
    } else if (map.set(keyOf(map, key), value)) return;
    const seen = `it has no room, or its ${map.shape.key} keys cannot be this`;
    throw new ConfigurationError(`Cannot write '${key}' into map '${name}': ${seen}`);
  }

  /** Whether the entry was there. @throws as {@link read}. */
  delete(name: string, key: string): boolean {
    const map = this.#require(name);
    if (map.shape.kind !== "prefix") return map.delete(keyOf(map, key));
    const { address, bits } = prefixOf(map, key);
    return map.deletePrefix(address, bits);
  }

  #require(name: string): SharedMap {
    const names = this.#maps.list().map((map) => map.name);
    if (names.includes(name)) return this.#maps.open(name);
    const there = names.length > 0 ? `there are ${names.join(", ")}` : "there is none yet";
    throw new NoSuchMapError(
      `Cannot find map '${name}': ${there}; a script makes it with context.map('${name}')`,
    );
  }
}

function* entriesOf(map: SharedMap): Iterable<[key: string, value: number]> {
  if (map.shape.kind === "prefix") {
    for (const [address, bits, value] of map.prefixes()) yield [formatPrefix(address, bits), value];
  } else {
    for (const [key, value] of map.entries()) yield [formatKey(key), value];
  }
}

/** A prefix's own number, or that of the longest one a lone address lies in. */
function readPrefix(map: SharedMap, text: string): number | undefined {
  const { address, bits } = prefixOf(map, text);
  if (!text.includes("/")) return map.get(address);
  const key = formatPrefix(address, bits);
  for (const [one, value] of entriesOf(map)) if (one === key) return value;
  return undefined;
}

/** @throws ConfigurationError when the text is no prefix of the map's kind. */
function prefixOf(map: SharedMap, text: string): { address: number | bigint; bits: number } {
  const prefix = parsePrefix(text, map.shape.key === "bigint");
  if (prefix !== undefined) return prefix;
  const wanted = map.shape.key === "bigint" ? "2001:db8::/32" : "10.0.0.0/8";
  throw new ConfigurationError(
    `Cannot use key '${text}' of map '${map.name}': its keys are prefixes such as ${wanted}`,
  );
}

function formatKey(key: SharedMapKey): string {
  return key instanceof Uint8Array ? formatHex(key) : String(key);
}

/** @throws ConfigurationError when the text is no key of the map's kind. */
function keyOf(map: SharedMap, text: string): SharedMapKey {
  const { key: kind } = map.shape;
  try {
    if (kind === "text") return text;
    if (kind === "bytes") return parseHex(text);
    if (/^(0x[0-9a-f]+|\d+)$/i.test(text)) return kind === "number" ? Number(text) : BigInt(text);
  } catch {
    // Said below.
  }
  const wanted = kind === "bytes" ? "hexadecimal digits" : "a whole number";
  throw new ConfigurationError(`Cannot use key '${text}' of map '${map.name}': its keys are ${wanted}`);
}
