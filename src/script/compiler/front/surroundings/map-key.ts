/**
 * Keys of maps, as they stand in the kernel: see `kernelMapLayout`.
 * @module
 */
import type TypeScript from "typescript";
import { kernelMapLayout } from "../../../kernel-map-layout.ts";
import type { UsedMap } from "../../compiled.ts";
import type { Value } from "../../ir/ir.ts";
import { describe } from "../expressions/constants.ts";
import { refuseQuotient } from "../expressions/operators.ts";
import { halvesOf } from "../expressions/wide.ts";
import type { Front } from "../front.ts";
import type { Lowered } from "../lowered.ts";

/**
 * Writes the key to memory and does something with it; where no entry can have such a key, something else.
 * @param node the key's
 */
export function withKey(
  front: Front,
  node: TypeScript.Node,
  map: UsedMap,
  key: Lowered,
  action: (memory: Value) => Lowered,
  otherwise: () => Lowered,
): Lowered {
  return front.each(key, (one) => {
    if (map.shape.key === "bytes") return bytesKey(front, node, map, one, action);
    return map.shape.key === "bigint"
      ? bigintKey(front, node, map, one, action, otherwise)
      : numberKey(front, node, map, one, action, otherwise);
  });
}

function memoryOf(front: Front, map: UsedMap): Value {
  return front.emit.scratch("key", 8 * Math.ceil(kernelMapLayout(map.shape).keyBytes / 8));
}

function numberKey(
  front: Front,
  node: TypeScript.Node,
  map: UsedMap,
  key: Lowered,
  action: (memory: Value) => Lowered,
  otherwise: () => Lowered,
): Lowered {
  if (key.kind === "quotient") return refuseQuotient(front, key, node);
  if (key.kind !== "integer" || key.isBig) return refuseKey(front, node, map, key);
  const { kind, countMax } = map.shape;
  const most = kind === "array" ? countMax - 1 : kind === "prefix" ? 2 ** 32 - 1 : undefined;
  const isLow = front.compare("greaterOrEqual", key.value, 0);
  const isKey =
    most === undefined ? isLow : front.emit.both(isLow, front.compare("lessOrEqual", key.value, most));
  return front.choose(
    isKey,
    () => {
      const memory = memoryOf(front, map);
      if (kind === "prefix") {
        front.emit.store(memory, 0, 4, front.constant(32));
        front.emit.store(memory, 4, 4, key.value, "network");
      } else front.emit.store(memory, 0, kind === "array" ? 4 : 8, key.value);
      return action(memory);
    },
    otherwise,
  );
}

function bigintKey(
  front: Front,
  node: TypeScript.Node,
  map: UsedMap,
  key: Lowered,
  action: (memory: Value) => Lowered,
  otherwise: () => Lowered,
): Lowered {
  const write = (): Lowered => {
    const { high, low } = halvesOf(front, node, key);
    const memory = memoryOf(front, map);
    if (map.shape.kind === "prefix") {
      front.emit.store(memory, 0, 4, front.constant(128));
      front.emit.store(memory, 4, 8, high, "network");
      front.emit.store(memory, 12, 8, low, "network");
    } else {
      front.emit.store(memory, 0, 8, low);
      front.emit.store(memory, 8, 8, high);
    }
    return action(memory);
  };
  if (key.kind === "wide") return write();
  if (key.kind !== "integer" || !key.isBig) return refuseKey(front, node, map, key);
  return front.choose(front.compare("greaterOrEqual", key.value, 0), write, otherwise);
}

function bytesKey(
  front: Front,
  node: TypeScript.Node,
  map: UsedMap,
  key: Lowered,
  action: (memory: Value) => Lowered,
): Lowered {
  const { keyBytes } = map.shape;
  if (key.kind === "array" && key.bytes * key.count === keyBytes && keyBytes % 8 === 0) {
    return action(key.memory);
  }
  if (key.kind === "array" && key.bytes === 1 && key.count === keyBytes) {
    const memory = memoryOf(front, map);
    for (let at = 0; at < keyBytes; at++) {
      front.emit.store(memory, at, 1, front.emit.load(key.memory, at, 1));
    }
    return action(memory);
  }
  return refuseKey(front, node, map, key);
}

function refuseKey(front: Front, node: TypeScript.Node, map: UsedMap, key: Lowered): never {
  const { name, shape } = map;
  const wanted = {
    number: "numbers",
    bigint: "bigints",
    text: "texts",
    bytes: `typed arrays of ${shape.keyBytes} bytes`,
  }[shape.key];
  return front.refuse(node, {
    code: "kernel-map",
    why: `keys of map ${JSON.stringify(name)} are ${wanted}, and this is ${describe(front, key)}`,
    instead: `give what the map has for keys, or make the map with another key`,
  });
}
