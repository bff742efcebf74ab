/**
 * What an IPv4 header says that it carries: read once on each way, until the script writes another number there.
 * @module
 */
import type { Value } from "../../ir/ir.ts";
import type { Lowered, LoweredView } from "../lowered.ts";
import type { Lowering, PathKey } from "../lowering.ts";
import { load } from "./code.ts";

/** What has been read on the way here, by the view. */
const READ: WeakMap<LoweredView, PathKey> = new WeakMap();
/** All that is remembered of what IPv4 headers carry, by function. */
const REMEMBERED: WeakMap<Lowering, Set<PathKey>> = new WeakMap();

/** Remembers something that depends on what an IPv4 header says that it carries. */
export function rememberUpper(lowering: Lowering, key: PathKey, known: Lowered): void {
  const keys = REMEMBERED.get(lowering) ?? new Set();
  REMEMBERED.set(lowering, keys);
  keys.add(key);
  lowering.remember(key, known);
}

/** Some header says something else from here on: it may be any, by whichever view. */
export function forgetUpper(lowering: Lowering): void {
  for (const key of REMEMBERED.get(lowering) ?? []) lowering.remember(key, key.initial);
}

/** What it says. */
export interface Upper {
  readonly protocol: Value;
  /** Whether that is so: fragments but the first have no header of it. */
  readonly isFirst: Value;
}

/** Reads it where it is known from now on: not in the middle of an attempt, whose ways all end in one. */
export function readUpper(lowering: Lowering, view: LoweredView): void {
  if (view.protocol?.name !== "ipv4") return;
  const { isFirst, protocol } = upperOfIpv4(lowering, view);
  const key = READ.get(view) ?? { initial: { kind: "undefined" } };
  READ.set(view, key);
  const elements: Lowered[] = [
    { kind: "boolean", value: isFirst },
    { kind: "integer", value: protocol, isBig: false },
  ];
  rememberUpper(lowering, key, { kind: "list", elements });
}

/** The protocol number, and whether this is the first fragment. */
export function upperOfIpv4(lowering: Lowering, view: LoweredView): Upper {
  const key = READ.get(view);
  const known = key === undefined ? undefined : lowering.recall(key);
  const [first, number] = known?.kind === "list" ? known.elements : [];
  if (first?.kind === "boolean" && number?.kind === "integer") {
    return { isFirst: first.value, protocol: number.value };
  }
  const pointer = view.pointer as Value;
  const offset = lowering.binary("and", load(lowering, pointer, 6, 2), 0x1fff);
  const isFirst = lowering.compare("equal", offset, 0);
  const protocol = load(lowering, pointer, 9, 1);
  return { isFirst, protocol };
}
