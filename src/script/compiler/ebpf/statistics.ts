/**
 * Counting: a per-processor array with one entry of 64-bit numbers, looked up at the first use on each way.
 * @module
 */

import type { KernelMapSpec } from "#io/kernel-programs.ts";
import { Atomic, Helper } from "#wire/ebpf.ts";
import { STATISTICS_MAP } from "../compiled.ts";
import type { Block, CountInstruction, FaultTerminator } from "../ir/ir.ts";
import { formatPlace } from "../place.ts";
import type { Register } from "./machine.ts";
import type { Address, Operand } from "./machine-builder.ts";
import type { Selection } from "./select.ts";

/** The counters that every program has, in their order. */
export const PLAIN_COUNTERS: readonly string[] = [
  "bytes",
  "drop",
  "accept",
  "continue",
  "mark",
  "redirect",
  "handed",
  "errors",
  "lost",
];

const KEY_BYTES = 4;

export class Statistics {
  readonly #selection: Selection;
  readonly #slots = new Map<string, number>(PLAIN_COUNTERS.map((name, index) => [name, index]));
  readonly #pointers = new Map<Block, Register>();
  #key: Address | undefined;

  constructor(selection: Selection) {
    this.#selection = selection;
  }

  /** Names of all that is counted, by place. */
  get counters(): readonly string[] {
    return [...this.#slots.keys()];
  }

  /** `undefined` when nothing is counted. */
  map(): KernelMapSpec | undefined {
    if (this.#key === undefined) return undefined;
    const valueBytes = 8 * this.#slots.size;
    return { name: STATISTICS_MAP, kind: "per-cpu-array", keyBytes: KEY_BYTES, valueBytes, countMax: 1 };
  }

  count({ counter, value }: CountInstruction): void {
    if (!this.#selection.target.statistics) return;
    const isPlain = PLAIN_COUNTERS.includes(counter) || counter.startsWith("counter ");
    this.add(isPlain ? counter : `counter ${counter}`, this.#selection.operandOf(value));
  }

  /** Counts also where statistics are not wanted. */
  add(counter: string, value: Operand): void {
    const { machine, target } = this.#selection;
    const base = this.#pointer();
    const address = { base, at: 8 * this.#slotOf(counter) };
    if (target.attach === "netfilter") {
      // Programs at output run in processes, which packets that arrive can interrupt.
      const register = machine.register();
      if ("register" in value) machine.move(register, value.register);
      else machine.constant(register, BigInt(value.immediate));
      machine.atomic(address, register, Atomic.add);
      return;
    }
    const sum = machine.register();
    machine.load(sum, address, 8);
    machine.arithmetic("add", sum, value);
    machine.store(address, { register: sum }, 8);
  }

  /** Whether every way through the function has looked the entry up, so that it can be shared. */
  get isAtHand(): boolean {
    const [entry] = this.#selection.facts.graph.order;
    return entry !== undefined && this.#pointers.has(entry);
  }

  /** Counts on a way that joins the others again within the block. */
  addAside(counter: string, value: Operand): void {
    const { block } = this.#selection;
    const known = this.#pointers.get(block);
    this.add(counter, value);
    if (known === undefined) this.#pointers.delete(block);
  }

  /** Counts where and that the script has failed, and leaves. */
  fault({ place, message, isChanged }: FaultTerminator): void {
    const selection = this.#selection;
    this.add(`fault ${formatPlace(place)}: ${message}`, { immediate: 1 });
    this.add("errors", { immediate: 1 });
    selection.machine.jump(selection.exitWith(isChanged ? selection.natives.drop : selection.failed));
  }

  #slotOf(counter: string): number {
    const known = this.#slots.get(counter);
    if (known !== undefined) return known;
    const slot = this.#slots.size;
    this.#slots.set(counter, slot);
    return slot;
  }

  /** The register with the entry's address: of this block, or one that all ways here go through. */
  #pointer(): Register {
    const { block, facts } = this.#selection;
    for (let at: Block | undefined = block; at !== undefined; at = facts.graph.dominator(at)) {
      const known = this.#pointers.get(at);
      if (known !== undefined) return known;
    }
    const pointer = this.#lookUp();
    this.#pointers.set(block, pointer);
    return pointer;
  }

  #lookUp(): Register {
    const selection = this.#selection;
    const { machine } = selection;
    this.#key ??= machine.memory(KEY_BYTES);
    const key = this.#key;
    machine.store(key, { immediate: 0 }, 4);
    machine.map(1, STATISTICS_MAP);
    machine.addressInto(2, key);
    machine.call(Helper.mapLookUp, 2);
    const pointer = machine.register();
    machine.move(pointer, 0);
    const next = machine.block();
    // An array always has its entries; the verifier does not know.
    const ifTrue = selection.exitWith(selection.failed);
    machine.branch("equal", pointer, { immediate: 0 }, { ifTrue, ifFalse: next });
    machine.begin(next);
    return pointer;
  }
}
