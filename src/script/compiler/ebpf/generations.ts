/**
 * Where pointers into the packet become void, so that it is known from where on they are to be had anew.
 * @module
 */
import type { Graph } from "../ir/graph.ts";
import type { Block, Instruction } from "../ir/ir.ts";

/** The generation of pointers at the start of each block; two ways with different ones make a new one. */
export function generationsOf(
  graph: Graph,
  isVoiding: (instruction: Instruction) => boolean,
): ReadonlyMap<Block, number> {
  const starts = new Map<Block, number>();
  const ends = new Map<Block, number>();
  const entry = graph.order[0];
  for (let isChanged = true; isChanged; ) {
    isChanged = false;
    for (const block of graph.order) {
      const arriving = new Set<number>();
      for (const { from } of graph.entrances(block)) {
        const end = ends.get(from);
        if (end !== undefined) arriving.add(end);
      }
      if (block === entry) arriving.add(0);
      const [only] = arriving;
      const isFixed = (starts.get(block) ?? 0) < 0;
      const start = arriving.size === 1 && only !== undefined && !isFixed ? only : -1 - block.id;
      const end = block.instructions.some(isVoiding) ? 1 + block.id : start;
      if (starts.get(block) === start && ends.get(block) === end) continue;
      starts.set(block, start);
      ends.set(block, end);
      isChanged = true;
    }
  }
  return starts;
}
