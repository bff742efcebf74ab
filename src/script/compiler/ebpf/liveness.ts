/**
 * Which registers hold something that is still needed, block by block.
 * @module
 */
import { effectsOf, type MachineBlock, type MachineFunction, successorsOf, usesOfEnd } from "./machine.ts";

/** A set of registers, one bit each. */
export class RegisterSet {
  readonly words: Uint32Array;

  constructor(count: number) {
    this.words = new Uint32Array((count + 31) >>> 5);
  }

  has(register: number): boolean {
    return (((this.words[register >>> 5] as number) >>> (register & 31)) & 1) === 1;
  }

  add(register: number): void {
    const at = register >>> 5;
    this.words[at] = (this.words[at] as number) | (1 << (register & 31));
  }

  delete(register: number): void {
    const at = register >>> 5;
    this.words[at] = (this.words[at] as number) & ~(1 << (register & 31));
  }

  /** Adds all of another set; whether that changed something. */
  addAll(other: RegisterSet): boolean {
    let isChanged = false;
    for (const [at, word] of other.words.entries()) {
      const old = this.words[at] as number;
      const next = (old | word) >>> 0;
      if (next !== old >>> 0) {
        this.words[at] = next;
        isChanged = true;
      }
    }
    return isChanged;
  }

  copy(): RegisterSet {
    const copy = new RegisterSet(this.words.length * 32);
    copy.words.set(this.words);
    return copy;
  }

  *[Symbol.iterator](): Generator<number> {
    for (const [at, word] of this.words.entries()) {
      for (let rest = word; rest !== 0; rest &= rest - 1) yield at * 32 + 31 - Math.clz32(rest & -rest);
    }
  }
}

/** The registers that are live where each block ends. */
export function livenessOf({
  blocks,
  registerCount,
}: MachineFunction): ReadonlyMap<MachineBlock, RegisterSet> {
  const atStart = new Map<MachineBlock, RegisterSet>();
  const atEnd = new Map<MachineBlock, RegisterSet>();
  for (const block of blocks) {
    atStart.set(block, new RegisterSet(registerCount));
    atEnd.set(block, new RegisterSet(registerCount));
  }
  const backwards = blocks.toReversed();
  for (let isChanged = true; isChanged; ) {
    isChanged = false;
    for (const block of backwards) {
      const end = atEnd.get(block) as RegisterSet;
      for (const next of successorsOf(block.end)) end.addAll(atStart.get(next) as RegisterSet);
      if ((atStart.get(block) as RegisterSet).addAll(startOf(block, end))) isChanged = true;
    }
  }
  return atEnd;
}

function startOf(block: MachineBlock, end: RegisterSet): RegisterSet {
  const live = end.copy();
  for (const use of usesOfEnd(block.end)) live.add(use);
  for (let index = block.instructions.length - 1; index >= 0; index--) {
    const { uses, defines } = effectsOf(block.instructions[index] as never);
    for (const register of defines) live.delete(register);
    for (const register of uses) live.add(register);
  }
  return live;
}
