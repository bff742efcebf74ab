/**
 * Common loads: what has been read, or written, and not changed since is not read again; nor is the stack written with
 * what stands there, or an entry of a map looked up again that has been found or missed under the same key.
 * @module
 */
import type { Range } from "../analyse/range.ts";
import type { Ranges } from "../analyse/ranges.ts";
import { Graph } from "../ir/graph.ts";
import type { Block, Instruction, Value } from "../ir/ir.ts";
import { mapOperands, mapTerminator, replaceValues } from "../ir/visit.ts";
import type { Editor } from "./editor.ts";

/**
 * Which memory: the packet, map entries (any of them may be the same), one slot of the stack by its number, stack that
 * is not known closer, or tables of constants, which nothing changes.
 */
type Memory = "packet" | "entries" | "stack" | "table" | number;

/** Loads that are remembered from block to block; the newest are asked for most. */
const KNOWN_MAX = 128;

/** What an instruction changes. */
interface Change {
  readonly memory: Memory;
  /** `undefined` for all of it. */
  readonly to: Value | undefined;
  readonly span: Known["span"];
}

/** What is known to stand somewhere. */
interface Known {
  readonly value: Value;
  readonly memory: Memory;
  readonly from: Value;
  /** Bytes from `from` on; `undefined` where the place varies. */
  readonly span: readonly [begin: number, end: number] | undefined;
  /** The entry under the key that stands there: it is void when any map gets or loses one. */
  readonly isEntry?: boolean;
}

/**
 * Joins loads; `true` when one went. The ranges tell whether a stored value is what a load of as many bytes gives, and
 * which headers cannot be at the same place of the packet.
 */
export function joinLoads(editor: Editor, ranges: Ranges): boolean {
  const joiner = new LoadJoiner(editor, ranges);
  joiner.visit(editor.function.entry, new Map());
  replaceValues(editor.function, joiner.replacements);
  if (joiner.replacements.size > 0) editor.refresh();
  return joiner.replacements.size > 0 || joiner.isChanged;
}

class LoadJoiner {
  readonly replacements = new Map<Value, Value>();
  /** Whether stores went. */
  isChanged = false;
  readonly #editor: Editor;
  readonly #ranges: Ranges;
  readonly #graph: Graph;
  readonly #changes = new Map<Block, readonly Change[]>();
  /** Where in the packet pointers are. */
  readonly #offsets = new Map<Value, Range>();

  constructor(editor: Editor, ranges: Ranges) {
    this.#editor = editor;
    this.#ranges = ranges;
    this.#graph = new Graph(editor.function);
    for (const block of this.#graph.order) {
      const { terminator, instructions } = block;
      if (terminator.op === "open") {
        const [pointer] = terminator.there.to.parameters;
        const offset = ranges.at(terminator.offset, block);
        if (pointer !== undefined && offset !== undefined) this.#offsets.set(pointer, offset);
      }
      this.#changes.set(
        block,
        instructions.flatMap((instruction) => this.#changeBy(instruction) ?? []),
      );
    }
  }

  visit(block: Block, known: Map<string, Known>): void {
    const kept: Instruction[] = [];
    for (const before of block.instructions) {
      const instruction = mapOperands(before, this.#last);
      if (this.#isThere(instruction, known)) {
        this.isChanged = true;
        continue;
      }
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

  #changeBy(instruction: Instruction): Change | undefined {
    const memory = this.#changedBy(instruction);
    if (memory === undefined) return undefined;
    return { memory, to: "to" in instruction ? instruction.to : undefined, span: spanOf(instruction) };
  }

  /** Whether what is known may not be so any more after a change. */
  #spoils(change: Change, known: Known): boolean {
    const { to } = change;
    if (known.isEntry === true && change.memory === "entries" && to === undefined) return true;
    if (!mayBeSame(change.memory, known.memory)) return false;
    if (to === undefined) return true;
    if (to === known.from) return !isApart(change.span, known.span);
    return !isApart(this.#placesOf(to, change.span), this.#placesOf(known.from, known.span));
  }

  /** The bytes of the packet that an access may touch. */
  #placesOf(pointer: Value, span: Known["span"]): readonly [begin: number, end: number] | undefined {
    const offset = this.#offsets.get(pointer);
    if (offset === undefined || span === undefined || offset.least < 0n) return undefined;
    return [Number(offset.least) + span[0], Number(offset.most) + span[1]];
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
      case "resize":
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
    const changes = [...between].flatMap((one) => this.#changes.get(one) ?? []);
    const recent = [...known].slice(-KNOWN_MAX);
    if (changes.length === 0) return new Map(recent);
    return new Map(recent.filter(([, one]) => !changes.some((change) => this.#spoils(change, one))));
  }

  /** Whether an instruction writes to the stack what stands there. */
  #isThere(instruction: Instruction, known: ReadonlyMap<string, Known>): boolean {
    if (instruction.op !== "store" || typeof this.#memoryOf(instruction.to) !== "number") return false;
    return known.get(keyOf(instruction) ?? "")?.value === instruction.value;
  }

  /** Replaces a load of what is known. */
  #isKnown(instruction: Instruction, known: ReadonlyMap<string, Known>): boolean {
    const key = keyOf(instruction);
    if (key === undefined || !("result" in instruction) || instruction.result === undefined) return false;
    const same = known.get(key);
    if (same === undefined || same.value.type !== instruction.result.type) return false;
    this.replacements.set(instruction.result, same.value);
    return true;
  }

  #learn(instruction: Instruction, known: Map<string, Known>): void {
    const change = this.#changeBy(instruction);
    if (change !== undefined) {
      for (const [key, one] of known) if (this.#spoils(change, one)) known.delete(key);
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
      case "lookUp": {
        const { key: from, result: value } = instruction;
        const memory = this.#memoryOf(from);
        if (!known.has(key)) known.set(key, { value, memory, from, span: undefined, isEntry: true });
        return;
      }
      case "store":
      case "storeElement": {
        const { to, value, bytes } = instruction;
        const bits = this.#ranges.of(value)?.bits ?? this.#editor.constantOf(value);
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
    case "lookUp":
      return `${instruction.map} at ${instruction.key.id}`;
    default:
      return undefined;
  }
}
