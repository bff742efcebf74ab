/**
 * How often each block is run, roughly, for one run of its function: where a register is worth most, and
 * which way runs straight on.
 * @module
 */
import type { Graph } from "../ir/graph.ts";
import type { Block, Edge, Terminator } from "../ir/ir.ts";
import { edgesOf } from "../ir/visit.ts";

const LOOP_WEIGHT = 8;

/** The entry's is 1. */
export function weightsOf(graph: Graph): ReadonlyMap<Block, number> {
  const weights = new Map<Block, number>();
  const fails = failing(graph);
  for (const block of graph.order) {
    const entrances = graph.entrances(block);
    const forward = entrances.filter((entrance) => !graph.isBack(entrance));
    const arriving = forward.reduce(
      (most, { from, edge }) =>
        Math.max(most, (weights.get(from) ?? 0) * shareOf(from.terminator, edge, fails)),
      block === graph.order[0] ? 1 : 0,
    );
    weights.set(block, arriving * (forward.length < entrances.length ? LOOP_WEIGHT : 1));
  }
  return weights;
}

/** Blocks that end in a fault whatever happens. */
function failing(graph: Graph): ReadonlySet<Block> {
  const fails = new Set<Block>();
  for (const block of graph.order.toReversed()) {
    const { terminator } = block;
    const edges = edgesOf(terminator);
    const isSure = edges.length > 0 && edges.every(({ to }) => fails.has(to));
    if (terminator.op === "fault" || isSure) fails.add(block);
  }
  return fails;
}

/** How much of a block's runs go on by one of its edges. */
function shareOf(terminator: Terminator, edge: Edge, fails: ReadonlySet<Block>): number {
  const edges = edgesOf(terminator);
  const [first, second] = edges;
  if (first === undefined || second === undefined) return 1;
  const isFirst = first === edge;
  const [one, other] = [fails.has(first.to), fails.has(second.to)];
  if (one !== other) return one === isFirst ? 0.001 : 0.999;
  if (terminator.op === "open") return isFirst ? 0.95 : 0.05;
  return isFirst ? 0.95 : 0.9;
}
