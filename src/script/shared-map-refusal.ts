/**
 * What maps of every engine refuse in the same words.
 * @module
 */
import { ConfigurationError } from "#base/errors.ts";
import type { SharedMap } from "./shared-map.ts";
import type { SharedMapKey } from "./shared-map-key.ts";

type Named = Pick<SharedMap, "name" | "shape">;

const TYPE_OF = { number: "number", bigint: "bigint", text: "string", bytes: "object" } as const;

/** @throws ConfigurationError unless the key is of the map's kind; whether an entry can have it is not asked here. */
export function requireKeyKind({ name, shape }: Named, key: SharedMapKey): void {
  if (typeof key === TYPE_OF[shape.key]) return;
  throw new ConfigurationError(
    `Cannot look up a ${typeof key} in map '${name}': its keys are ${shape.key}; make it with another key`,
  );
}

/** @throws ConfigurationError unless the map is one of prefixes. */
export function requirePrefixes({ name, shape }: Named): void {
  if (shape.kind === "prefix") return;
  throw new ConfigurationError(
    `Cannot use a prefix in map '${name}': it is of kind ${shape.kind}; make it with kind prefix`,
  );
}

/** @throws ConfigurationError when there is a number for each processor, which can only be added to. */
export function requireOneNumber({ name, shape }: Named, what: "set" | "compareAndSet"): void {
  if (!shape.perProcessor) return;
  throw new ConfigurationError(
    `Cannot ${what} in map '${name}': it is perProcessor, and those only add and delete`,
  );
}
