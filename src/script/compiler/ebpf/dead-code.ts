/**
 * Takes out instructions whose results nobody reads: what was written for a value that became part of
 * something else.
 * @module
 */
import { InstructionClass } from "#wire/ebpf.ts";
import { livenessOf } from "./liveness.ts";
import { effectsOf, type MachineFunction, type MachineInstruction, usesOfEnd } from "./machine.ts";

/** Changes the function in place, until nothing more is found. */
export function removeDeadCode(machine: MachineFunction): void {
  for (let isChanged = true; isChanged; ) {
    isChanged = false;
    for (const [block, live] of livenessOf(machine)) {
      for (const use of usesOfEnd(block.end)) live.add(use);
      const kept: MachineInstruction[] = [];
      for (const instruction of block.instructions.toReversed()) {
        const { uses, defines } = effectsOf(instruction);
        if (hasNoEffect(instruction) && !defines.some((register) => live.has(register))) continue;
        kept.push(instruction);
        for (const register of defines) live.delete(register);
        for (const register of uses) live.add(register);
      }
      if (kept.length === block.instructions.length) continue;
      block.instructions = kept.toReversed();
      isChanged = true;
    }
  }
}

function hasNoEffect({ code }: MachineInstruction): boolean {
  switch (code & 7) {
    case InstructionClass.store:
    case InstructionClass.storeX:
    case InstructionClass.jump:
    case InstructionClass.jump32:
      return false;
    default:
      return true;
  }
}
