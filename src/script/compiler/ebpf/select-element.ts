/**
 * Chooses machine instructions for elements at an index that varies, so that the verifier sees that it is
 * within.
 * @module
 */
import type { LoadElementInstruction, StoreElementInstruction, Value } from "../ir/ir.ts";
import type { Register } from "./machine.ts";
import { type Address, beyond } from "./machine-builder.ts";
import type { Selection } from "./select.ts";

interface Element {
  readonly array: Value;
  readonly index: Value;
  readonly count: number;
  readonly bytes: 1 | 2 | 4 | 8;
}

export function selectElementLoad(selection: Selection, instruction: LoadElementInstruction): void {
  const { from: array, index, count, bytes, isSigned, result } = instruction;
  const address = elementAddress(selection, { array, index, count, bytes });
  selection.machine.load(selection.resultOf(result), address, bytes, isSigned && bytes < 8);
}

export function selectElementStore(selection: Selection, instruction: StoreElementInstruction): void {
  const { to: array, index, count, bytes, value } = instruction;
  const address = elementAddress(selection, { array, index, count, bytes });
  const constant = selection.facts.constantOf(value);
  const least = constant === undefined ? undefined : BigInt.asIntN(bytes * 8, constant);
  const isImmediate = least !== undefined && least >= -(2n ** 31n) && least < 2n ** 31n;
  const operand = isImmediate ? { immediate: Number(least) } : { register: selection.registerOf(value) };
  selection.machine.store(address, operand, bytes);
}

function elementAddress(selection: Selection, { array, index, count, bytes }: Element): Address {
  const { machine, facts } = selection;
  const base = selection.addressOf(array);
  const constant = facts.constantOf(index);
  if (constant !== undefined) return beyond(base, Number(constant) * bytes);
  const scaled = boundedIndex(selection, index, count);
  if (bytes > 1) machine.arithmetic("shiftLeft", scaled, { immediate: Math.log2(bytes) });
  const pointer = machine.register();
  machine.move(pointer, base.base);
  machine.arithmetic("add", pointer, { register: scaled });
  base.object?.holders.add(pointer);
  return { ...base, base: pointer };
}

/** A fresh register with the index, of which the verifier knows that it is below the count. */
function boundedIndex(selection: Selection, index: Value, count: number): Register {
  const { machine, facts } = selection;
  const copy = machine.register();
  selection.copyInto(copy, index);
  const { least, most } = facts.seen.of(index);
  if (least >= 0n && most < BigInt(count)) return copy;
  if ((count & (count - 1)) === 0) {
    machine.arithmetic("and", copy, { immediate: count - 1 });
    return copy;
  }
  const next = machine.block();
  // Never taken: what is not below the count has been excluded before.
  const ifTrue = selection.exitWith(selection.failed);
  machine.branch("greater", copy, { immediate: count - 1 }, { ifTrue, ifFalse: next });
  machine.begin(next);
  return copy;
}
