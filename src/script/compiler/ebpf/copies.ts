/**
 * Copies that happen at once: where an edge gives a block its parameters.
 * @module
 */
import type { Register } from "./machine.ts";
import type { Address, MachineBuilder } from "./machine-builder.ts";

/** What goes into a register: what another one and a distance come to, or a constant. */
export type Copy =
  | { readonly to: Register; readonly from: Address; readonly constant?: never }
  | { readonly to: Register; readonly constant: bigint };

/**
 * Writes the copies in an order in which none overwrites what another still reads; circles take one
 * register more.
 */
export function copyAtOnce(machine: MachineBuilder, copies: readonly Copy[]): void {
  let pending = copies.flatMap((copy) =>
    copy.constant === undefined && (copy.from.base !== copy.to || copy.from.at !== 0)
      ? [{ to: copy.to, from: copy.from }]
      : [],
  );
  while (pending.length > 0) {
    const free = pending.find((copy) =>
      pending.every((other) => other === copy || other.from.base !== copy.to),
    );
    const [first] = pending;
    if (free !== undefined) {
      machine.addressInto(free.to, free.from);
      pending = pending.filter((copy) => copy !== free);
    } else if (first !== undefined) {
      const aside = machine.register();
      machine.move(aside, first.to);
      pending = pending.map(({ to, from }) =>
        from.base === first.to ? { to, from: { base: aside, at: from.at } } : { to, from },
      );
    }
  }
  for (const copy of copies) if (copy.constant !== undefined) machine.constant(copy.to, copy.constant);
}
