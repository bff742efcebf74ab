/**
 * What of the packet is known to be there, so that it is not asked for twice, and how its offsets are split
 * into what varies and what does not.
 * @module
 */
import type { Block, OpenTerminator, Value } from "../ir/ir.ts";
import type { FunctionFacts } from "./facts.ts";
import { type Address, beyond } from "./machine-builder.ts";
import type { RangeOf } from "./ranges.ts";

/** An offset: a constant, and something that varies. */
export interface SplitOffset {
  readonly variable: Value | undefined;
  readonly constant: number;
}

/** Takes constant summands out of an offset, where what is left cannot be negative. */
export function splitOffset(facts: FunctionFacts, rangeOf: RangeOf, offset: Value): SplitOffset {
  const whole = facts.constantOf(offset);
  if (whole !== undefined) return { variable: undefined, constant: Number(whole) };
  const maker = facts.makers.get(offset);
  if (maker?.op === "assume") return splitOffset(facts, rangeOf, maker.operand);
  if (maker?.op === "binary" && maker.operator === "add") {
    for (const [one, other] of [
      [maker.left, maker.right],
      [maker.right, maker.left],
    ] as const) {
      const constant = facts.constantOf(other);
      const isNatural = facts.seen.of(one).least >= 0n || (rangeOf(one)?.least ?? -1n) >= 0n;
      if (constant === undefined || constant < 0n || constant > 4096n || !isNatural) continue;
      const inner = splitOffset(facts, rangeOf, one);
      return { variable: inner.variable, constant: inner.constant + Number(constant) };
    }
  }
  return { variable: offset, constant: 0 };
}

/** Bytes that a check has found, by where the packet's data stand. */
export interface OpenedBytes {
  readonly variable: Value | undefined;
  /** Changes when pointers become void. */
  readonly generation: number;
  readonly from: number;
  readonly to: number;
  /** Of the byte at `from`. */
  readonly address: Address;
}

/** What has been opened on the way to each block. */
export class OpenedMap {
  readonly #facts: FunctionFacts;
  readonly #opened = new Map<Block, OpenedBytes[]>();

  constructor(facts: FunctionFacts) {
    this.#facts = facts;
  }

  /** Remembers what holds where `block` begins. */
  add(block: Block, bytes: OpenedBytes): void {
    const list = this.#opened.get(block);
    if (list === undefined) this.#opened.set(block, [bytes]);
    else list.push(bytes);
  }

  /** The bytes if a check on every way to a block has found them. */
  find(
    block: Block,
    wanted: { variable: Value | undefined; generation: number; from: number; to: number },
  ): Address | undefined {
    const known = this.#search(
      block,
      (one) =>
        one.variable === wanted.variable &&
        one.generation === wanted.generation &&
        one.from <= wanted.from &&
        one.to >= wanted.to,
    );
    if (known === undefined) return undefined;
    return beyond(known.address, wanted.from - known.from);
  }

  /** Any bytes at the same variable offset. */
  findBase(block: Block, variable: Value, generation: number): OpenedBytes | undefined {
    return this.#search(block, (one) => one.variable === variable && one.generation === generation);
  }

  #search(block: Block, isGood: (bytes: OpenedBytes) => boolean): OpenedBytes | undefined {
    for (let at: Block | undefined = block; at !== undefined; at = this.#facts.graph.dominator(at)) {
      const known = this.#opened.get(at)?.find(isGood);
      if (known !== undefined) return known;
    }
    return undefined;
  }

  /** Whether what an `open` finds holds where its edge leads: nothing else leads there. */
  isOnlyWay({ there, absent }: OpenTerminator): boolean {
    return there.to !== absent.to && this.#facts.graph.entrances(there.to).length === 1;
  }
}
