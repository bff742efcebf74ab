/**
 * Chooses registers by colouring the graph of interferences (Chaitin, Briggs; coalescing by the tests of
 * Briggs and George), and moves to the stack what has no place.
 * @module
 */
import { InvariantError } from "#base/errors.ts";
import { buildGraph, type InterferenceGraph, MACHINE_REGISTER_COUNT } from "./interference.ts";
import { FIRST_VIRTUAL, isMove, type MachineFunction, type Register } from "./machine.ts";
import { spill } from "./spill.ts";

/** Each round moves some registers to memory; what is left fits in much fewer. */
const ROUND_COUNT_MAX = 60;

/**
 * Puts a machine register in the place of every virtual one; copies that have become needless are taken
 * out.
 */
export function allocateRegisters(machine: MachineFunction): void {
  const keep = new Set<Register>();
  const shared = new Set<Register>();
  for (let round = 0; round < ROUND_COUNT_MAX; round++) {
    const graph = buildGraph(machine, keep);
    coalesce(graph);
    const { colours, spilled } = colour(graph, machine.registerCount);
    if (spilled.length === 0) {
      rewrite(machine, (register) => (register === 10 ? 10 : (colours[graph.nodeOf(register)] as number)));
      return;
    }
    const nodes = new Set(spilled);
    const registers = new Set<Register>();
    for (let register = FIRST_VIRTUAL; register < machine.registerCount; register++) {
      if (nodes.has(graph.nodeOf(register))) registers.add(register);
    }
    spill(machine, { registers, nodeOf: (register) => graph.nodeOf(register), keep, shared });
  }
  throw new InvariantError("Cannot choose registers: what was moved to memory does not make enough room");
}

function coalesce(graph: InterferenceGraph): void {
  const moves = graph.moves.toSorted((a, b) => b.weight - a.weight);
  for (let isChanged = true; isChanged; ) {
    isChanged = false;
    for (const { destination, source } of moves) {
      const one = graph.nodeOf(destination);
      const other = graph.nodeOf(source);
      if (one === other || graph.neighboursOf(one).has(other)) continue;
      if (one < FIRST_VIRTUAL && other < FIRST_VIRTUAL) continue;
      if (!canUnite(graph, one, other)) continue;
      graph.unite(one, other);
      isChanged = true;
    }
  }
}

function isEasy(graph: InterferenceGraph, node: Register): boolean {
  return node >= FIRST_VIRTUAL && graph.degreeOf(node) < MACHINE_REGISTER_COUNT;
}

/** Whether the graph stays as easy to colour as it was. */
function canUnite(graph: InterferenceGraph, one: Register, other: Register): boolean {
  if (one < FIRST_VIRTUAL || other < FIRST_VIRTUAL) {
    const [fixed, free] = one < FIRST_VIRTUAL ? [one, other] : [other, one];
    const around = graph.neighboursOf(fixed);
    for (const neighbour of graph.neighboursOf(free)) {
      if (neighbour >= FIRST_VIRTUAL && !isEasy(graph, neighbour) && !around.has(neighbour)) return false;
    }
    return true;
  }
  let hard = 0;
  const neighbours = new Set([...graph.neighboursOf(one), ...graph.neighboursOf(other)]);
  for (const neighbour of neighbours) {
    const isShared = graph.neighboursOf(one).has(neighbour) && graph.neighboursOf(other).has(neighbour);
    const degree = graph.degreeOf(neighbour) - (isShared ? 1 : 0);
    if (neighbour < FIRST_VIRTUAL || degree >= MACHINE_REGISTER_COUNT) hard++;
  }
  return hard < MACHINE_REGISTER_COUNT;
}

interface Colouring {
  readonly colours: Int8Array;
  readonly spilled: readonly Register[];
}

function colour(graph: InterferenceGraph, count: number): Colouring {
  const colours = new Int8Array(count).fill(-1);
  for (let register = 0; register < MACHINE_REGISTER_COUNT; register++) colours[register] = register;
  const partners = partnersOf(graph);
  const spilled: Register[] = [];
  for (const node of simplify(graph, count).toReversed()) {
    const taken = new Set<number>();
    for (const neighbour of graph.neighboursOf(node)) taken.add(colours[neighbour] as number);
    const wanted = (partners.get(node) ?? []).map((partner) => colours[partner] as number);
    const best = wanted.find((one) => one >= 0 && !taken.has(one)) ?? firstFree(taken);
    if (best === undefined) spilled.push(node);
    else colours[node] = best;
  }
  return { colours, spilled };
}

function firstFree(taken: ReadonlySet<number>): number | undefined {
  for (let register = 0; register < MACHINE_REGISTER_COUNT; register++)
    if (!taken.has(register)) return register;
  return undefined;
}

/** For each node those that copies join it with, the most frequent first. */
function partnersOf(graph: InterferenceGraph): ReadonlyMap<Register, Register[]> {
  const partners = new Map<Register, Register[]>();
  for (const { destination, source } of graph.moves.toSorted((a, b) => b.weight - a.weight)) {
    const one = graph.nodeOf(destination);
    const other = graph.nodeOf(source);
    if (one === other) continue;
    for (const [node, partner] of [
      [one, other],
      [other, one],
    ] as const) {
      const list = partners.get(node);
      if (list === undefined) partners.set(node, [partner]);
      else list.push(partner);
    }
  }
  return partners;
}

/**
 * The nodes in the order in which they can be taken out: those with few neighbours first, then the
 * cheapest.
 */
function simplify(graph: InterferenceGraph, count: number): readonly Register[] {
  const degrees = new Int32Array(count);
  const left = new Set<Register>();
  const easy: Register[] = [];
  for (let node = FIRST_VIRTUAL; node < count; node++) {
    if (graph.nodeOf(node) !== node) continue;
    degrees[node] = graph.degreeOf(node);
    left.add(node);
    if ((degrees[node] as number) < MACHINE_REGISTER_COUNT) easy.push(node);
  }
  const order: Register[] = [];
  while (left.size > 0) {
    const node = easy.pop() ?? cheapest(graph, left, degrees);
    if (!left.delete(node)) continue;
    order.push(node);
    for (const neighbour of graph.neighboursOf(node)) {
      if (!left.has(neighbour)) continue;
      const degree = (degrees[neighbour] as number) - 1;
      degrees[neighbour] = degree;
      if (degree === MACHINE_REGISTER_COUNT - 1) easy.push(neighbour);
    }
  }
  return order;
}

function cheapest(graph: InterferenceGraph, left: ReadonlySet<Register>, degrees: Int32Array): Register {
  let best = -1;
  let least = Number.POSITIVE_INFINITY;
  for (const node of left) {
    // Whoever stands in the way of many makes the most room.
    const cost = (graph.costs[node] as number) / (degrees[node] as number) ** 2;
    if (best < 0 || cost < least) {
      best = node;
      least = cost;
    }
  }
  return best;
}

function rewrite(machine: MachineFunction, change: (register: Register) => Register): void {
  for (const block of machine.blocks) {
    for (const instruction of block.instructions) {
      const isConstant = (instruction.code & 7) === 0;
      instruction.destination = change(instruction.destination);
      // In place of a register such constants and calls say what kind they are.
      if (!isConstant && instruction.argumentCount === undefined)
        instruction.source = change(instruction.source);
    }
    block.instructions = block.instructions.filter(
      (instruction) => !isMove(instruction) || instruction.destination !== instruction.source,
    );
    const { end } = block;
    if (end.kind !== "branch") continue;
    end.left = change(end.left);
    if (end.right !== undefined) end.right = change(end.right);
  }
}
