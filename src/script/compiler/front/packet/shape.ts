/**
 * Remembers which fields a script's own protocol looks at to tell where its headers begin and end: once a header has
 * been looked at they must not change, as user space does not look again.
 * @module
 */
import type { LoweredView } from "../lowered.ts";
import type { ProtocolModel } from "./protocol-model.ts";

/** Views that are being aimed, and what their functions have read. */
const AIMED: WeakMap<LoweredView, Set<string>> = new WeakMap();

/** From now on what is read from this view decides about its shape. */
export function watch(view: LoweredView, shaping: Set<string>): void {
  AIMED.set(view, shaping);
}

/** Bits of a view are read; all that come to mind when it is not known which. */
export function observe(view: LoweredView, at: number | undefined, bits: number): void {
  const shaping = AIMED.get(view);
  if (shaping === undefined) return;
  for (const field of fieldsAt(view.protocol, at, bits)) shaping.add(field);
}

function fieldsAt(model: ProtocolModel | undefined, at: number | undefined, bits: number): readonly string[] {
  const fields = [...(model?.fields.values() ?? [])];
  const read = fields.filter(
    (field) => at === undefined || (at < field.at + field.bits && field.at < at + bits),
  );
  return read.map(({ name }) => name);
}
