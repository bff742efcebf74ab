/**
 * Tidies the graph of a function: branches that are decided, blocks that nobody comes to or that only lead on, and
 * parameters that are always the same.
 * @module
 */
import { Graph, reversePostOrder } from "../ir/graph.ts";
import type { Block, Edge, IrFunction, Terminator, Value } from "../ir/ir.ts";
import { edgesOf, forEachUse, mapEdges, replaceValues, resultOf } from "../ir/visit.ts";
import type { Editor } from "./editor.ts";

/**
 * Gives each `open` a block of its own for the bytes being there, with the pointer as its only parameter: so passes
 * need not know that a pointer comes along that no edge names.
 */
export function separateOpens(editor: Editor): void {
  for (const block of [...editor.function.blocks]) {
    const { terminator } = block;
    if (terminator.op !== "open") continue;
    const { there, place } = terminator;
    const pointer = editor.value("pointer");
    const edge: Edge = { to: there.to, with: [...there.with, pointer] };
    const between = editor.block([pointer], [], { op: "jump", place, edge });
    block.terminator = { ...terminator, there: { to: between, with: [] } };
  }
  dropDeadBlocks(editor.function);
}

/** Takes out what cannot be reached, and brings the rest into order; `true` when something went. */
export function dropDeadBlocks(fn: IrFunction): boolean {
  const before = fn.blocks.length;
  fn.blocks = [...reversePostOrder(fn.entry)];
  return fn.blocks.length < before;
}

/** Branches on what is known, or to the same end either way, become jumps. */
export function foldBranches(
  editor: Editor,
  known: (condition: Value, block: Block) => bigint | undefined,
): boolean {
  let isChanged = false;
  for (const block of editor.function.blocks) {
    const { terminator } = block;
    if (terminator.op !== "branch") continue;
    const { ifTrue, ifFalse, place } = terminator;
    const condition = known(terminator.condition, block);
    const isSame =
      ifTrue.to === ifFalse.to && ifTrue.with.every((value, index) => value === ifFalse.with[index]);
    if (condition === undefined && !isSame) continue;
    block.terminator = { op: "jump", place, edge: condition === 0n ? ifFalse : ifTrue };
    isChanged = true;
  }
  return isChanged;
}

function countEntrances(fn: IrFunction): Map<Block, number> {
  const counts = new Map<Block, number>();
  for (const block of fn.blocks) {
    for (const { to } of edgesOf(block.terminator)) counts.set(to, (counts.get(to) ?? 0) + 1);
  }
  return counts;
}

/** Joins each block with the one it jumps to, when nobody else goes there. */
export function mergeBlocks(editor: Editor): boolean {
  const { function: fn } = editor;
  const counts = countEntrances(fn);
  const replacements = new Map<Value, Value>();
  const merged = new Set<Block>();
  for (const block of fn.blocks) {
    if (merged.has(block)) continue;
    for (let { terminator } = block; terminator.op === "jump"; { terminator } = block) {
      const { edge } = terminator;
      if (counts.get(edge.to) !== 1 || edge.to === fn.entry || edge.to === block) break;
      for (const [index, parameter] of edge.to.parameters.entries()) {
        const passed = edge.with[index];
        if (passed !== undefined) replacements.set(parameter, passed);
      }
      block.instructions.push(...edge.to.instructions);
      block.terminator = edge.to.terminator;
      merged.add(edge.to);
    }
  }
  if (merged.size === 0) return false;
  fn.blocks = fn.blocks.filter((block) => !merged.has(block));
  replaceValues(fn, replacements);
  editor.refresh();
  return true;
}

/** Leads past blocks that do nothing but jump on. */
export function skipEmptyBlocks(editor: Editor): boolean {
  const { function: fn } = editor;
  const usedElsewhere = new Set<Value>();
  for (const block of fn.blocks) {
    const own = new Set(block.parameters);
    forEachUse(block, (value) => {
      if (!own.has(value)) usedElsewhere.add(value);
    });
  }
  const opened = new Set<Block>();
  for (const { terminator } of fn.blocks) if (terminator.op === "open") opened.add(terminator.there.to);
  const canBeSkipped = (block: Block): boolean =>
    block !== fn.entry &&
    block.instructions.length === 0 &&
    block.terminator.op === "jump" &&
    block.terminator.edge.to !== block &&
    !opened.has(block) &&
    !block.parameters.some((parameter) => usedElsewhere.has(parameter));
  const skippable = new Set(fn.blocks.filter(canBeSkipped));
  let isChanged = false;
  const skip = (edge: Edge): Edge => {
    const { to } = edge;
    if (!skippable.has(to) || to.terminator.op !== "jump") return edge;
    isChanged = true;
    const next = to.terminator.edge;
    const map = (value: Value): Value => edge.with[to.parameters.indexOf(value)] ?? value;
    return { to: next.to, with: next.with.map(map) };
  };
  for (const block of fn.blocks) block.terminator = skipFrom(block.terminator, skip);
  return isChanged && dropDeadBlocks(fn);
}

function skipFrom(terminator: Terminator, skip: (edge: Edge) => Edge): Terminator {
  if (edgesOf(terminator).every((edge) => skip(edge) === edge)) return terminator;
  return mapEdges(terminator, skip);
}

/** Where values are known. */
class Scopes {
  readonly #function: IrFunction;
  #graph: Graph | undefined;
  readonly #makers = new Map<Value, Block>();

  constructor(fn: IrFunction) {
    this.#function = fn;
  }

  /** Whether a value is made on every way to a block. */
  has(value: Value, block: Block): boolean {
    if (this.#graph === undefined) {
      this.#graph = new Graph(this.#function);
      for (const one of this.#function.blocks) {
        const results = one.instructions.map(resultOf);
        for (const made of [...one.parameters, ...results])
          if (made !== undefined) this.#makers.set(made, one);
      }
    }
    const maker = this.#makers.get(value);
    return maker !== undefined && maker !== block && this.#graph.dominates(maker, block);
  }
}

/** Replaces parameters that are the same whichever way is taken. */
export function dropSameParameters(editor: Editor): boolean {
  const { function: fn } = editor;
  const passed = new Map<Block, Edge[]>();
  const opened = new Set<Block>();
  for (const { terminator } of fn.blocks) {
    if (terminator.op === "open") opened.add(terminator.there.to);
    for (const edge of edgesOf(terminator)) {
      const edges = passed.get(edge.to) ?? [];
      edges.push(edge);
      passed.set(edge.to, edges);
    }
  }
  const replacements = new Map<Value, Value>();
  const last = (value: Value): Value => {
    let current = value;
    for (let next = replacements.get(current); next !== undefined; next = replacements.get(current))
      current = next;
    return current;
  };
  const scopes = new Scopes(fn);
  /** What a parameter always is; what stands for nothing may be anything. */
  const meant = (values: ReadonlySet<Value>, block: Block): readonly Value[] => {
    if (values.size === 1) return [...values];
    const others = [...values].filter((value) => !editor.isAbsent(value));
    return others.length === 1 && others.every((value) => scopes.has(value, block)) ? others : [];
  };
  const dropped = new Map<Block, Set<number>>();
  for (const block of fn.blocks) {
    if (opened.has(block)) continue;
    for (const [index, parameter] of block.parameters.entries()) {
      const values = new Set((passed.get(block) ?? []).map((edge) => last(edge.with[index] ?? parameter)));
      values.delete(parameter);
      const [only] = meant(values, block);
      if (only === undefined) continue;
      replacements.set(parameter, only);
      dropped.set(block, (dropped.get(block) ?? new Set()).add(index));
    }
  }
  if (dropped.size === 0) return false;
  dropParameters(fn, dropped);
  replaceValues(fn, replacements);
  editor.refresh();
  return true;
}

/** Takes parameters out by their positions, and what edges pass for them. */
export function dropParameters(fn: IrFunction, dropped: ReadonlyMap<Block, ReadonlySet<number>>): void {
  for (const block of fn.blocks) {
    const own = dropped.get(block);
    if (own !== undefined) block.parameters = block.parameters.filter((_, index) => !own.has(index));
    const drop = (edge: Edge): Edge => {
      const gone = dropped.get(edge.to);
      return gone === undefined
        ? edge
        : { to: edge.to, with: edge.with.filter((_, index) => !gone.has(index)) };
    };
    if (edgesOf(block.terminator).some(({ to }) => dropped.has(to))) {
      block.terminator = mapEdges(block.terminator, drop);
    }
  }
}

/** Leads all ways that end alike to one end. Last of all: what is known of each way is lost there. */
export function joinEnds(editor: Editor): void {
  const { function: fn } = editor;
  const ends = new Map<string, Block>();
  const others = new Map<Block, Block>();
  for (const block of fn.blocks) {
    const key = endKey(block);
    if (key === undefined) continue;
    const first = ends.get(key);
    if (first === undefined) ends.set(key, block);
    else others.set(block, first);
  }
  if (others.size === 0) return;
  const lead = (edge: Edge): Edge => ({ to: others.get(edge.to) ?? edge.to, with: edge.with });
  for (const block of fn.blocks) block.terminator = mapEdges(block.terminator, lead);
  dropDeadBlocks(fn);
}

/** The same for blocks that do the same and end; `undefined` for those that go on, or make values of their own. */
function endKey({ parameters, instructions, terminator }: Block): string | undefined {
  if (parameters.length > 0 || terminator.op !== "return") return undefined;
  const parts: string[] = [];
  for (const instruction of instructions) {
    if (instruction.op !== "count") return undefined;
    parts.push(`${instruction.counter} ${instruction.value.id}`);
  }
  return `${parts.join()} return ${terminator.verdict.id}`;
}
