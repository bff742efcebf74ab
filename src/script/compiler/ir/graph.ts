/**
 * The graph of a function's blocks: who leads to whom, who stands on every way to whom, and where it goes in circles.
 * @module
 */
import type { Block, Edge, IrFunction } from "./ir.ts";
import { edgesOf } from "./visit.ts";

/** A way into a block. */
export interface Entrance {
  readonly from: Block;
  readonly edge: Edge;
}

/** A circle that is entered at its head only: every block that can come back to the head without leaving. */
export interface Loop {
  readonly head: Block;
  readonly blocks: ReadonlySet<Block>;
  /** The blocks that jump back. */
  readonly latches: readonly Block[];
  /** The innermost loop around it. */
  readonly outer: Loop | undefined;
}

/** A function's graph as it was when this was made: good until a pass changes an edge. */
export class Graph {
  /** What can be reached, each before what it leads to, loops aside; `ifTrue` right behind where it can. */
  readonly order: readonly Block[];
  readonly #entrances = new Map<Block, Entrance[]>();
  readonly #dominator = new Map<Block, Block>();
  readonly #number = new Map<Block, number>();
  readonly #children = new Map<Block, Block[]>();
  readonly #span = new Map<Block, readonly [first: number, last: number]>();

  constructor(fn: IrFunction) {
    this.order = reversePostOrder(fn.entry);
    for (const [index, block] of this.order.entries()) {
      this.#number.set(block, index);
      this.#entrances.set(block, []);
      this.#children.set(block, []);
    }
    for (const from of this.order) {
      for (const edge of edgesOf(from.terminator)) this.#entrances.get(edge.to)?.push({ from, edge });
    }
    this.#findDominators(fn.entry);
    this.#numberTree(fn.entry);
  }

  isReachable(block: Block): boolean {
    return this.#number.has(block);
  }

  /** Position in {@link order}; -1 for what cannot be reached. */
  position(block: Block): number {
    return this.#number.get(block) ?? -1;
  }

  /** The ways into a block; a branch with both edges there counts twice. */
  entrances(block: Block): readonly Entrance[] {
    return this.#entrances.get(block) ?? [];
  }

  /** The nearest other block on every way there; `undefined` for the entry. */
  dominator(block: Block): Block | undefined {
    return this.#dominator.get(block);
  }

  /** The blocks whose nearest dominator this is. */
  children(block: Block): readonly Block[] {
    return this.#children.get(block) ?? [];
  }

  /** Whether every way to `block` goes through `over`; a block dominates itself. */
  dominates(over: Block, block: Block): boolean {
    const outer = this.#span.get(over);
    const inner = this.#span.get(block);
    return outer !== undefined && inner !== undefined && outer[0] <= inner[0] && inner[1] <= outer[1];
  }

  /** Whether an entrance comes back to the head of its loop. */
  isBack({ from, edge }: Entrance): boolean {
    return this.dominates(edge.to, from);
  }

  /** Whether somebody jumps back to this block. */
  isHead(block: Block): boolean {
    return this.entrances(block).some((entrance) => this.isBack(entrance));
  }

  /** All loops, outer ones before those inside of them. */
  loops(): readonly Loop[] {
    const loops: Loop[] = [];
    for (const head of this.order) {
      const latches = this.entrances(head)
        .filter((entrance) => this.isBack(entrance))
        .map(({ from }) => from);
      if (latches.length === 0) continue;
      const blocks = new Set<Block>([head]);
      const waiting = [...latches];
      for (let block = waiting.pop(); block !== undefined; block = waiting.pop()) {
        if (blocks.has(block)) continue;
        blocks.add(block);
        for (const { from } of this.entrances(block)) waiting.push(from);
      }
      const outer = loops.findLast((loop) => loop.blocks.has(head));
      loops.push({ head, blocks, latches, outer });
    }
    return loops;
  }

  /** Whether there is a circle that can be entered at two places, which no loop of the language makes. */
  isIrreducible(): boolean {
    return this.order.some((block) =>
      this.entrances(block).some(
        (entrance) => this.position(entrance.from) >= this.position(block) && !this.isBack(entrance),
      ),
    );
  }

  /** Cooper, Harvey and Kennedy: A Simple, Fast Dominance Algorithm (2001). */
  #findDominators(entry: Block): void {
    const dominator = this.#dominator;
    dominator.set(entry, entry);
    for (let isChanged = true; isChanged; ) {
      isChanged = false;
      for (const block of this.order) {
        if (block === entry) continue;
        let nearest: Block | undefined;
        for (const { from } of this.entrances(block)) {
          if (!dominator.has(from)) continue;
          nearest = nearest === undefined ? from : this.#meet(nearest, from);
        }
        if (nearest === undefined || dominator.get(block) === nearest) continue;
        dominator.set(block, nearest);
        isChanged = true;
      }
    }
    dominator.delete(entry);
    for (const block of this.order) {
      const over = dominator.get(block);
      if (over !== undefined) this.#children.get(over)?.push(block);
    }
  }

  #meet(one: Block, other: Block): Block {
    let left = one;
    let right = other;
    while (left !== right) {
      while (this.position(left) > this.position(right)) left = this.#dominator.get(left) ?? right;
      while (this.position(right) > this.position(left)) right = this.#dominator.get(right) ?? left;
    }
    return left;
  }

  #numberTree(entry: Block): void {
    let count = 0;
    const first = new Map<Block, number>();
    const stack: Block[] = [entry];
    for (let block = stack.at(-1); block !== undefined; block = stack.at(-1)) {
      const begun = first.get(block);
      if (begun === undefined) {
        first.set(block, count++);
        stack.push(...this.children(block));
      } else {
        stack.pop();
        if (!this.#span.has(block)) this.#span.set(block, [begun, count++]);
      }
    }
  }
}

/** What can be reached, each before what it leads to, loops aside. */
export function reversePostOrder(entry: Block): readonly Block[] {
  const begun = new Set<Block>();
  const done = new Set<Block>();
  const order: Block[] = [];
  const stack: Block[] = [entry];
  for (let block = stack.at(-1); block !== undefined; block = stack.at(-1)) {
    if (begun.has(block)) {
      stack.pop();
      if (!done.has(block)) order.push(block);
      done.add(block);
      continue;
    }
    begun.add(block);
    // What is visited last comes first in the end: the way of a condition that holds.
    for (const { to } of edgesOf(block.terminator)) if (!begun.has(to)) stack.push(to);
  }
  return order.reverse();
}
