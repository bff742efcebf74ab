/**
 * Which registers cannot be the same one, because both hold something at the same time.
 * @module
 */
import { livenessOf } from "./liveness.ts";
import {
  effectsOf,
  FIRST_VIRTUAL,
  isMove,
  type MachineFunction,
  type Register,
  usesOfEnd,
} from "./machine.ts";

/** Registers that can be chosen: r0 to r9. */
export const MACHINE_REGISTER_COUNT = 10;

/** A copy that is not needed when both are the same register. */
export interface Move {
  readonly destination: Register;
  readonly source: Register;
  readonly weight: number;
}

/** The registers of a function as a graph; coalesced ones are one node, named by one of them. */
export class InterferenceGraph {
  readonly moves: Move[] = [];
  /** What it costs to keep each in memory, in instructions by their weights. */
  readonly costs: Float64Array;
  readonly #neighbours: Set<Register>[];
  readonly #names: Int32Array;

  constructor(count: number) {
    this.costs = new Float64Array(count);
    this.#neighbours = Array.from({ length: count }, () => new Set());
    this.#names = Int32Array.from({ length: count }, (_, index) => index);
  }

  /** The node that a register belongs to. */
  nodeOf(register: Register): Register {
    let at = register;
    while (this.#names[at] !== at) at = this.#names[at] as number;
    return at;
  }

  neighboursOf(node: Register): ReadonlySet<Register> {
    return this.#neighbours[node] as Set<Register>;
  }

  interfere(one: Register, other: Register): void {
    if (one === other || one === 10 || other === 10) return;
    this.#neighbours[one]?.add(other);
    this.#neighbours[other]?.add(one);
  }

  /** How many neighbours count against a colour; the machine's own do so each. */
  degreeOf(node: Register): number {
    return this.neighboursOf(node).size;
  }

  /** Makes two nodes that do not interfere one; the machine's registers keep their names. */
  unite(one: Register, other: Register): void {
    const [kept, gone] = one < FIRST_VIRTUAL ? [one, other] : [other, one];
    this.#names[gone] = kept;
    this.costs[kept] = (this.costs[kept] as number) + (this.costs[gone] as number);
    for (const neighbour of this.neighboursOf(gone)) {
      this.#neighbours[neighbour]?.delete(gone);
      this.interfere(kept, neighbour);
    }
    this.#neighbours[gone]?.clear();
  }
}

/** @param keep registers that must not be kept in memory, since they are how what is there is reached */
export function buildGraph(machine: MachineFunction, keep: ReadonlySet<Register>): InterferenceGraph {
  const graph = new InterferenceGraph(machine.registerCount);
  for (let one = 0; one < MACHINE_REGISTER_COUNT; one++) {
    for (let other = 0; other < one; other++) graph.interfere(one, other);
  }
  const addCost = (register: Register, weight: number): void => {
    graph.costs[register] = (graph.costs[register] as number) + weight;
  };
  for (const [block, end] of livenessOf(machine)) {
    const live = end.copy();
    for (const use of usesOfEnd(block.end)) {
      live.add(use);
      addCost(use, block.weight);
    }
    for (const instruction of block.instructions.toReversed()) {
      const { uses, defines } = effectsOf(instruction);
      const isCopy = isMove(instruction);
      if (isCopy) {
        const { destination, source } = instruction;
        live.delete(source);
        if (source !== 10) graph.moves.push({ destination, source, weight: block.weight });
      }
      for (const defined of defines) live.add(defined);
      for (const defined of defines) for (const other of live) graph.interfere(defined, other);
      for (const defined of defines) live.delete(defined);
      for (const use of uses) live.add(use);
      for (const register of [...uses, ...defines]) addCost(register, block.weight);
    }
  }
  for (const register of keep) graph.costs[register] = Number.POSITIVE_INFINITY;
  return graph;
}
