/**
 * Common loads: what has been read, or written, and not changed since is not read again.
 * @module
 */
import { Graph } from "../ir/graph.ts";
import type { Block, Instruction, Value } from "../ir/ir.ts";
import { mapOperands, mapTerminator, replaceValues } from "../ir/visit.ts";
import type { Editor } from "./editor.ts";

/**
 * Which memory: the packet, map entries (any of them may be the same), one slot of the stack by its number, stack that
 * is not known closer, or tables of constants, which nothing changes.
 */
type Memory = "packet" | "entries" | "stack" | "table" | number;

/** What a block changes. */
type Changes = ReadonlySet<Memory>;

/** What is known to stand somewhere. */
interface Known {
  readonly value: Value;
  readonly memory: Memory;
  readonly from: Value;
  /** Bytes from `from` on; `undefined` where the place varies. */
  readonly span: readonly [begin: number, end: number] | undefined;
}

/** Joins loads; `true` when one went. `bitsOf` tells whether a stored value is what a load of as many bytes gives. */
export function joinLoads(editor: Editor, bitsOf: (value: Value) => bigint | undefined): boolean {
  const joiner = new LoadJoiner(editor, bitsOf);
  joiner.visit(editor.function.entry, new Map());
  replaceValues(editor.function, joiner.replacements);
  if (joiner.replacements.size > 0) editor.refresh();
  return joiner.replacements.size > 0;
}

class LoadJoiner {
  readonly replacements = new Map<Value, Value>();
  readonly #editor: Editor;
  readonly #bitsOf: (value: Value) => bigint | undefined;
  readonly #graph: Graph;
  readonly #changes = new Map<Block, Changes>();

  constructor(editor: Editor, bitsOf: (value: Value) => bigint | undefined) {
    this.#editor = editor;
    this.#bitsOf = bitsOf;
    this.#graph = new Graph(editor.function);
    for (const block of this.#graph.order) {
      const changes = new Set<Memory>();
      for (const instruction of block.instructions) {
        const changed = this.#changedBy(instruction);
        if (changed !== undefined) changes.add(changed);
      }
      this.#changes.set(block, changes);
    }
  }

  visit(block: Block, known: Map<string, Known>): void {
    const kept: Instruction[] = [];
    for (const before of block.instructions) {
      const instruction = mapOperands(before, this.#last);
      if (!this.#isKnown(instruction, known)) kept.push(instruction);
      this.#learn(instruction, known);
    }
    block.instructions = kept;
    block.terminator = mapTerminator(block.terminator, this.#last);
    for (const child of this.#graph.children(block)) this.visit(child, this.#knownIn(child, block, known));
  }

  readonly #last = (value: Value): Value => this.replacements.get(value) ?? value;

  #memoryOf(value: Value): Memory {
    if (value.type === "pointer") return "packet";
    const definition = this.#editor.definitionOf(value);
    if (value.type === "entry") return definition?.op === "table" ? "table" : "entries";
    return definition?.op === "slot" ? value.id : "stack";
  }

  #changedBy(instruction: Instruction): Memory | undefined {
    switch (instruction.op) {
      case "store":
      case "storeElement":
      case "atomicAdd":
      case "atomicExchange":
        return this.#memoryOf(instruction.to);
      case "update":
      case "remove":
        return "entries";
      case "patchChecksum":
      case "trim":
        return "packet";
      default:
        return undefined;
    }
  }

  /** What is still known where a block begins: nothing that may have been changed on a way from its dominator. */
  #knownIn(block: Block, over: Block, known: ReadonlyMap<string, Known>): Map<string, Known> {
    const between = new Set<Block>();
    const waiting = this.#graph.entrances(block).map(({ from }) => from);
    for (let one = waiting.pop(); one !== undefined; one = waiting.pop()) {
      if (one === over || between.has(one)) continue;
      between.add(one);
      for (const { from } of this.#graph.entrances(one)) waiting.push(from);
    }
    const changed = new Set<Memory>();
    for (const one of between) for (const memory of this.#changes.get(one) ?? []) changed.add(memory);
    if (changed.size === 0) return new Map(known);
    return new Map(
      [...known].filter(([, { memory }]) => ![...changed].some((one) => mayBeSame(one, memory))),
    );
  }

  /** Replaces a load of what is known. */
  #isKnown(instruction: Instruction, known: ReadonlyMap<string, Known>): boolean {
    const key = keyOf(instruction);
    if (key === undefined || (instruction.op !== "load" && instruction.op !== "loadElement")) return false;
    const same = known.get(key);
    if (same === undefined || same.value.type !== instruction.result.type) return false;
    this.replacements.set(instruction.result, same.value);
    return true;
  }

  #learn(instruction: Instruction, known: Map<string, Known>): void {
    const changed = this.#changedBy(instruction);
    if (changed !== undefined) {
      const span = spanOf(instruction);
      const to = "to" in instruction ? instruction.to : undefined;
      for (const [key, one] of known) {
        if (mayBeSame(changed, one.memory) && !(one.from === to && isApart(one.span, span)))
          known.delete(key);
      }
    }
    const key = keyOf(instruction);
    if (key === undefined) return;
    switch (instruction.op) {
      case "load":
      case "loadElement": {
        const { from, result } = instruction;
        if (!known.has(key))
          known.set(key, { value: result, memory: this.#memoryOf(from), from, span: spanOf(instruction) });
        return;
      }
      case "store":
      case "storeElement": {
        const { to, value, bytes } = instruction;
        const bits = this.#bitsOf(value) ?? this.#editor.constantOf(value);
        const isWhole = bits !== undefined && bits >= 0n && bits < 1n << BigInt(8 * bytes);
        if (isWhole)
          known.set(key, { value, memory: this.#memoryOf(to), from: to, span: spanOf(instruction) });
      }
    }
  }
}

function mayBeSame(one: Memory, other: Memory): boolean {
  if (one === other) return true;
  const isStack = (memory: Memory): boolean => memory === "stack" || typeof memory === "number";
  return (one === "stack" && isStack(other)) || (other === "stack" && isStack(one));
}

function isApart(one: Known["span"], other: Known["span"]): boolean {
  return one !== undefined && other !== undefined && (one[1] <= other[0] || other[1] <= one[0]);
}

function spanOf(instruction: Instruction): Known["span"] {
  switch (instruction.op) {
    case "load":
    case "store":
      return [instruction.at, instruction.at + instruction.bytes];
    case "atomicAdd":
    case "atomicExchange":
      return [instruction.at, instruction.at + 8];
    default:
      return undefined;
  }
}

/** The same for a load and for a store of the same bytes. */
function keyOf(instruction: Instruction): string | undefined {
  switch (instruction.op) {
    case "load":
      return `${instruction.from.id} ${instruction.at} ${instruction.bytes} ${instruction.order}`;
    case "store":
      return `${instruction.to.id} ${instruction.at} ${instruction.bytes} ${instruction.order}`;
    case "loadElement": {
      const { from, index, bytes, isSigned } = instruction;
      return `${from.id} [${index.id}] ${bytes} ${isSigned ? "signed" : ""}`;
    }
    case "storeElement":
      return `${instruction.to.id} [${instruction.index.id}] ${instruction.bytes} `;
    default:
      return undefined;
  }
}
