/**
 * The order of blocks: the way that is usually taken runs straight on, what is rarely taken stands behind.
 * @module
 */
import { type MachineBlock, type MachineInstruction, successorsOf } from "./machine.ts";

/**
 * Blocks that nothing but a jump is in are left out, equal blocks become one, and the rest is put into a
 * row.
 */
export function orderBlocks(entry: MachineBlock): readonly MachineBlock[] {
  let blocks = reachableFrom(entry);
  for (let count = Number.POSITIVE_INFINITY; blocks.length < count; ) {
    count = blocks.length;
    for (const block of blocks) skipEmpty(block);
    blocks = reachableFrom(entry);
    uniteEqual(blocks);
    uniteChains(blocks, entry);
    blocks = reachableFrom(entry);
  }
  return trace(blocks, entry);
}

function reachableFrom(entry: MachineBlock): MachineBlock[] {
  const found = new Set([entry]);
  for (const block of found) for (const next of successorsOf(block.end)) found.add(next);
  return [...found];
}

function redirect(block: MachineBlock, change: (to: MachineBlock) => MachineBlock): void {
  const { end } = block;
  if (end.kind === "jump") end.to = change(end.to);
  else if (end.kind !== "exit") {
    end.ifTrue = change(end.ifTrue);
    end.ifFalse = change(end.ifFalse);
    if (end.ifTrue === end.ifFalse) block.end = { kind: "jump", to: end.ifTrue, place: end.place };
  }
}

function skipEmpty(block: MachineBlock): void {
  redirect(block, (to) => {
    const seen = new Set<MachineBlock>();
    let at = to;
    while (at.instructions.length === 0 && at.end.kind === "jump" && !seen.has(at)) {
      seen.add(at);
      at = at.end.to;
    }
    return at;
  });
}

function uniteEqual(blocks: readonly MachineBlock[]): void {
  const byText = new Map<string, MachineBlock>();
  const same = new Map<MachineBlock, MachineBlock>();
  for (const block of blocks) {
    const text = textOf(block);
    const other = byText.get(text);
    if (other === undefined) byText.set(text, block);
    else {
      same.set(block, other);
      other.weight += block.weight;
    }
  }
  for (const block of blocks) redirect(block, (to) => same.get(to) ?? to);
}

function textOf({ instructions, end }: MachineBlock): string {
  const rows = instructions.map(textOfInstruction);
  if (end.kind === "exit") rows.push("exit");
  else if (end.kind === "jump") rows.push(`jump ${end.to.id}`);
  else if (end.kind === "guard") rows.push(`guard ${end.ifTrue.id} ${end.ifFalse.id}`);
  else {
    const { code, left, right, immediate, ifTrue, ifFalse } = end;
    rows.push(`branch ${code} ${left} ${right} ${immediate} ${ifTrue.id} ${ifFalse.id}`);
  }
  return rows.join("\n");
}

function textOfInstruction(instruction: MachineInstruction): string {
  const { code, destination, source, offset, immediate, upper, relocation } = instruction;
  return `${code} ${destination} ${source} ${offset} ${immediate} ${upper} ${JSON.stringify(relocation)}`;
}

function predecessorsOf(blocks: readonly MachineBlock[]): Map<MachineBlock, MachineBlock[]> {
  const predecessors = new Map<MachineBlock, MachineBlock[]>(blocks.map((block) => [block, []]));
  for (const block of blocks) for (const next of successorsOf(block.end)) predecessors.get(next)?.push(block);
  return predecessors;
}

/** A block that only one other leads to, by a jump, is its continuation. */
function uniteChains(blocks: readonly MachineBlock[], entry: MachineBlock): void {
  const predecessors = predecessorsOf(blocks);
  for (const block of blocks) {
    let { end } = block;
    while (end.kind === "jump" && end.to !== block && end.to !== entry) {
      const next: MachineBlock = end.to;
      if (predecessors.get(next)?.length !== 1) break;
      block.instructions = [...block.instructions, ...next.instructions];
      block.end = next.end;
      next.instructions = [];
      next.end = { kind: "jump", to: next, place: end.place };
      for (const after of successorsOf(block.end)) {
        predecessors.set(after, predecessors.get(after)?.map((one) => (one === next ? block : one)) ?? []);
      }
      end = block.end;
    }
  }
}

/**
 * Follows from each block the successor that all others have led to already, and of two the one that is
 * run more.
 */
function trace(blocks: readonly MachineBlock[], entry: MachineBlock): readonly MachineBlock[] {
  const waits = waitsOf(blocks, entry);
  const row: MachineBlock[] = [];
  const placed = new Set<MachineBlock>();
  const pending: MachineBlock[] = [];
  let at: MachineBlock | undefined = entry;
  while (at !== undefined) {
    row.push(at);
    placed.add(at);
    const nexts = successorsOf(at.end).filter((next) => !placed.has(next));
    for (const next of nexts) waits.set(next, (waits.get(next) ?? 0) - 1);
    const best = bestOf(nexts, waits);
    for (const next of nexts) if (next !== best && !pending.includes(next)) pending.push(next);
    at = best ?? takePending(pending, placed, waits);
  }
  return row;
}

/** How many blocks lead to each, without the ways back in loops. */
function waitsOf(blocks: readonly MachineBlock[], entry: MachineBlock): Map<MachineBlock, number> {
  const waits = new Map<MachineBlock, number>(blocks.map((block) => [block, 0]));
  const open = new Set<MachineBlock>();
  const done = new Set<MachineBlock>();
  const stack: { block: MachineBlock; nexts: MachineBlock[] }[] = [];
  const enter = (block: MachineBlock): void => {
    open.add(block);
    stack.push({ block, nexts: [...successorsOf(block.end)] });
  };
  enter(entry);
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    const next = top.nexts.pop();
    if (next === undefined) {
      stack.pop();
      open.delete(top.block);
      done.add(top.block);
    } else if (!open.has(next)) {
      waits.set(next, (waits.get(next) ?? 0) + 1);
      if (!done.has(next)) enter(next);
    }
  }
  return waits;
}

function bestOf(
  nexts: readonly MachineBlock[],
  waits: ReadonlyMap<MachineBlock, number>,
): MachineBlock | undefined {
  const ready = nexts.filter((next) => (waits.get(next) ?? 0) <= 0);
  const from = ready.length > 0 ? ready : nexts;
  return from.reduce<MachineBlock | undefined>(
    (best, next) => (best === undefined || next.weight > best.weight ? next : best),
    undefined,
  );
}

function takePending(
  pending: MachineBlock[],
  placed: ReadonlySet<MachineBlock>,
  waits: ReadonlyMap<MachineBlock, number>,
): MachineBlock | undefined {
  const left = pending.filter((block) => !placed.has(block));
  pending.splice(0, pending.length, ...left);
  const ready = left.findLastIndex((block) => (waits.get(block) ?? 0) <= 0);
  return pending.splice(ready >= 0 ? ready : left.length - 1, 1)[0];
}
