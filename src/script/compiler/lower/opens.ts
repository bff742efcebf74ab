/**
 * Asks for bytes of the packet once: bytes that were found to be there are there, and two questions about adjacent bytes
 * become one where the answers lead to the same.
 * @module
 */
import { Graph } from "../ir/graph.ts";
import type { Block, Edge, Instruction, OpenTerminator, Value } from "../ir/ir.ts";
import { edgesOf, forEachUse, isPure } from "../ir/visit.ts";
import type { Editor } from "./editor.ts";

/** One `open` gets no more bytes than this. */
const OPEN_BYTES_MAX = 256;

/** `true` when an `open` went, or has grown. */
export function joinOpens(editor: Editor): boolean {
  const joiner = new OpenJoiner(editor);
  return joiner.dropKnown() || joiner.widen();
}

interface Open {
  readonly block: Block;
  readonly terminator: OpenTerminator;
  /** What the offset is made of: a value that varies, and a constant. */
  readonly base: Value | undefined;
  readonly offset: bigint;
}

class OpenJoiner {
  readonly #editor: Editor;
  readonly #graph: Graph;
  readonly #opens: readonly Open[];
  readonly #voiders: readonly Block[];

  constructor(editor: Editor) {
    this.#editor = editor;
    this.#graph = new Graph(editor.function);
    this.#opens = this.#graph.order.flatMap((block) => this.#openOf(block));
    const isVoider = ({ op }: Instruction): boolean => op === "patchChecksum" || op === "resize";
    this.#voiders = this.#graph.order.filter(({ instructions }) => instructions.some(isVoider));
  }

  #openOf(block: Block): readonly Open[] {
    const { terminator } = block;
    if (terminator.op !== "open") return [];
    const constant = this.#editor.constantOf(terminator.offset);
    if (constant !== undefined) return [{ block, terminator, base: undefined, offset: constant }];
    const definition = this.#editor.definitionOf(terminator.offset);
    if (definition?.op === "binary" && definition.operator === "add" && definition.domain === "word") {
      const offset = this.#editor.constantOf(definition.right);
      if (offset !== undefined) return [{ block, terminator, base: definition.left, offset }];
    }
    return [{ block, terminator, base: terminator.offset, offset: 0n }];
  }

  /** Goes on without asking where an earlier `open` has answered. */
  dropKnown(): boolean {
    const gone = new Set<Open>();
    const delays = new Map<Value, { readonly to: Value; readonly by: number }>();
    for (const open of this.#opens) {
      const earlier = this.#opens.find((one) => !gone.has(one) && this.#answers(one, open));
      const by = earlier === undefined ? 0 : Number(open.offset - earlier.offset);
      const [pointer] = open.terminator.there.to.parameters;
      const [known] = earlier?.terminator.there.to.parameters ?? [];
      if (pointer === undefined || known === undefined) continue;
      if (by !== 0 && !this.#isReadOnlyThere(pointer)) continue;
      gone.add(open);
      const { place, there } = open.terminator;
      open.block.terminator = { op: "jump", place, edge: { to: there.to, with: [known] } };
      if (by !== 0) delays.set(pointer, { to: known, by });
    }
    for (const block of this.#editor.function.blocks) moveAccesses(block, delays);
    if (gone.size > 0) this.#editor.refresh();
    return gone.size > 0;
  }

  /** Whether what `earlier` has found covers what `open` asks for, on every way, with its pointer still good. */
  #answers(earlier: Open, open: Open): boolean {
    if (earlier === open || earlier.base !== open.base) return false;
    if (earlier.terminator.access === "payload" && open.terminator.access === "header") return false;
    const end = earlier.offset + BigInt(earlier.terminator.bytes);
    if (open.offset < earlier.offset || open.offset + BigInt(open.terminator.bytes) > end) return false;
    const found = earlier.terminator.there.to;
    return this.#graph.dominates(found, open.block) && !this.#isVoidBetween(found, open.block);
  }

  /** Whether a way between two blocks comes by something that makes pointers void. */
  #isVoidBetween(from: Block, to: Block): boolean {
    if (this.#voiders.length === 0) return false;
    const behind = this.#reachable(from);
    return this.#voiders.some((voider) => behind.has(voider) && this.#reachable(voider).has(to));
  }

  #reachable(from: Block): ReadonlySet<Block> {
    const found = new Set<Block>();
    const waiting = [from];
    for (let block = waiting.pop(); block !== undefined; block = waiting.pop()) {
      if (found.has(block)) continue;
      found.add(block);
      for (const { to } of edgesOf(block.terminator)) waiting.push(to);
    }
    return found;
  }

  /** Whether a pointer is only read and written through: then another one will do, some bytes before it. */
  #isReadOnlyThere(pointer: Value): boolean {
    let isThere = true;
    for (const block of this.#editor.function.blocks) {
      let count = 0;
      forEachUse(block, (value) => {
        if (value === pointer) count++;
      });
      for (const instruction of block.instructions) {
        if (instruction.op === "load" && instruction.from === pointer) count--;
        if (instruction.op === "store" && instruction.to === pointer) count--;
      }
      isThere &&= count === 0;
    }
    return isThere;
  }

  /** Lets the first of two neighbours ask for both, where a packet that is too short for the second ends the same. */
  widen(): boolean {
    for (const open of this.#opens) {
      const next = this.#neighbour(open);
      if (next === undefined) continue;
      const bytes = Number(next.offset - open.offset) + next.terminator.bytes;
      open.block.terminator = { ...open.terminator, bytes };
      return true;
    }
    return false;
  }

  /** The next `open` on the only way that does not end as this one does when the bytes are absent. */
  #neighbour(open: Open): Open | undefined {
    const { absent, access } = open.terminator;
    const end = endOf(absent);
    if (end === undefined) return undefined;
    let block = open.terminator.there.to;
    for (;;) {
      if (this.#graph.entrances(block).length !== 1 || !block.instructions.every(isPure)) return undefined;
      const { terminator } = block;
      if (terminator.op === "open") break;
      const [next, ...others] = edgesOf(terminator).filter((edge) => endOf(edge) !== end);
      if (next === undefined || others.length > 0) return undefined;
      block = next.to;
    }
    const next = this.#opens.find((one) => one.block === block);
    if (next === undefined || next.base !== open.base || next.terminator.access !== access) return undefined;
    if (endOf(next.terminator.absent) !== end || next.offset < open.offset) return undefined;
    const bytes = Number(next.offset - open.offset) + next.terminator.bytes;
    return bytes > open.terminator.bytes && bytes <= OPEN_BYTES_MAX ? next : undefined;
  }
}

/** How the way ends when it ends at once, so that two such ends can be compared. */
function endOf({ to, with: passed }: Edge): string | undefined {
  const { terminator, instructions } = to;
  const value = ({ id }: Value): number => {
    const index = to.parameters.findIndex((parameter) => parameter.id === id);
    return passed[index]?.id ?? id;
  };
  const counts: string[] = [];
  for (const instruction of instructions) {
    if (instruction.op !== "count") return undefined;
    counts.push(`${instruction.counter} ${value(instruction.value)}`);
  }
  return terminator.op === "return" ? `${counts.join()} return ${value(terminator.verdict)}` : undefined;
}

function moveAccesses(
  block: Block,
  moved: ReadonlyMap<Value, { readonly to: Value; readonly by: number }>,
): void {
  if (moved.size === 0) return;
  for (const [index, instruction] of block.instructions.entries()) {
    if (instruction.op === "load") {
      const other = moved.get(instruction.from);
      if (other === undefined) continue;
      block.instructions[index] = { ...instruction, from: other.to, at: instruction.at + other.by };
    } else if (instruction.op === "store") {
      const other = moved.get(instruction.to);
      if (other === undefined) continue;
      block.instructions[index] = { ...instruction, to: other.to, at: instruction.at + other.by };
    }
  }
}
