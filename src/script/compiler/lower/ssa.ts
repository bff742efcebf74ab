/**
 * Puts values right that are made in more than one place since blocks were copied: whoever uses one gets that of the
 * way it was reached by, through new parameters where ways meet (Braun and others: Simple and Efficient Construction
 * of Static Single Assignment Form, 2013).
 * @module
 */
import { reversePostOrder } from "../ir/graph.ts";
import type { Block, Edge, Value } from "../ir/ir.ts";
import { edgesOf, forEachUse, mapEdges, mapOperands, mapTerminator } from "../ir/visit.ts";
import type { Editor } from "./editor.ts";

/** Each copy of a value by the block that has it at its end; the first is the value as it was. */
export type Copies = ReadonlyMap<Block, Value>;

/** Repairs every use of each value outside of the blocks that make it or a copy. */
export function repairValues(editor: Editor, values: ReadonlyMap<Value, Copies>): void {
  if (values.size === 0) return;
  const blocks = reversePostOrder(editor.function.entry);
  const users = usersOf(blocks, values);
  if (users.size === 0) return;
  const entrances = entrancesOf(blocks);
  const repairs = [...values]
    .filter(([value]) => users.has(value))
    .map(([value, copies]) => new Repair(editor, entrances, value, copies));
  for (const repair of repairs) repair.find(users.get(repair.value) ?? []);
  // Edges change only when all is found: until then they say who passes what to whom.
  for (const repair of repairs) repair.rewrite(users.get(repair.value) ?? []);
}

function usersOf(all: readonly Block[], values: ReadonlyMap<Value, Copies>): Map<Value, Set<Block>> {
  const users = new Map<Value, Set<Block>>();
  for (const block of all) {
    forEachUse(block, (value) => {
      const copies = values.get(value);
      if (copies === undefined || copies.get(block) === value) return;
      const blocks = users.get(value) ?? new Set();
      users.set(value, blocks.add(block));
    });
  }
  return users;
}

function entrancesOf(all: readonly Block[]): ReadonlyMap<Block, readonly Block[]> {
  const entrances = new Map<Block, Block[]>();
  for (const block of all) {
    for (const { to } of edgesOf(block.terminator)) {
      const list = entrances.get(to) ?? [];
      list.push(block);
      entrances.set(to, list);
    }
  }
  return entrances;
}

class Repair {
  readonly value: Value;
  readonly #editor: Editor;
  readonly #entrances: ReadonlyMap<Block, readonly Block[]>;
  readonly #copies: Copies;
  readonly #atStart = new Map<Block, Value>();
  readonly #added = new Map<Block, Value>();

  constructor(editor: Editor, entrances: ReadonlyMap<Block, readonly Block[]>, value: Value, copies: Copies) {
    this.value = value;
    this.#editor = editor;
    this.#entrances = entrances;
    this.#copies = copies;
  }

  /** Finds what arrives at the start of each user, and of each block that passes it on. */
  find(users: Iterable<Block>): void {
    const waiting = [...users];
    for (let block = waiting.pop(); block !== undefined; block = waiting.pop())
      this.#findAtStart(block, waiting);
  }

  rewrite(users: Iterable<Block>): void {
    for (const block of users) {
      const arrived = this.#atStart.get(block) ?? this.value;
      const map = (value: Value): Value => (value === this.value ? arrived : value);
      for (const [index, instruction] of block.instructions.entries()) {
        const mapped = mapOperands(instruction, map);
        block.instructions[index] = mapped;
        if (mapped !== instruction) this.#editor.define(mapped);
      }
      block.terminator = mapTerminator(block.terminator, map);
    }
    for (const [to, parameter] of this.#added) {
      to.parameters.push(parameter);
      for (const from of new Set(this.#entrances.get(to))) {
        const passed = this.#atEnd(from) ?? this.value;
        const map = (edge: Edge): Edge => (edge.to === to ? { to, with: [...edge.with, passed] } : edge);
        from.terminator = mapEdges(from.terminator, map);
      }
    }
  }

  #atEnd(block: Block): Value | undefined {
    return this.#copies.get(block) ?? this.#atStart.get(block);
  }

  #findAtStart(start: Block, waiting: Block[]): Value {
    const chain: Block[] = [];
    let found: Value | undefined;
    for (let block = start; found === undefined; ) {
      found = this.#atStart.get(block);
      if (found !== undefined) break;
      chain.push(block);
      const entrances = this.#entrances.get(block) ?? [];
      const [only] = entrances;
      if (only !== undefined && entrances.length === 1) {
        found = this.#copies.get(only);
        block = only;
      } else if (only === undefined) {
        // Nobody comes here any more.
        found = this.value;
      } else {
        found = this.#editor.value(this.value.type);
        this.#added.set(block, found);
        for (const from of entrances) if (!this.#copies.has(from)) waiting.push(from);
      }
    }
    for (const block of chain) this.#atStart.set(block, found);
    return found;
  }
}
