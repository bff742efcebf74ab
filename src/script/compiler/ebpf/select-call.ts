/**
 * Chooses machine instructions for what helpers of the kernel do.
 * @module
 */
import { InvariantError } from "#base/errors.ts";
import { Helper } from "#wire/ebpf.ts";
import { EVENTS_MAP } from "../compiled.ts";
import type {
  AskInstruction,
  EmitInstruction,
  Instruction,
  LookUpInstruction,
  RedirectInstruction,
  RemoveInstruction,
  UpdateInstruction,
} from "../ir/ir.ts";
import { VerdictCode } from "../ir/ir.ts";
import type { Selection } from "./select.ts";

const UPDATE_MODES = { any: 0n, new: 1n, existing: 2n } as const;

export function selectCall(selection: Selection, instruction: Instruction): void {
  switch (instruction.op) {
    case "lookUp":
    case "remove":
    case "update":
      selectMapCall(selection, instruction);
      return;
    case "ask":
      selectAsk(selection, instruction);
      return;
    case "emit":
      selectEmit(selection, instruction);
      return;
    case "redirect":
      selectRedirect(selection, instruction);
      return;
    default:
      throw new InvariantError(`Cannot make instructions for ${instruction.op}: it is not known`);
  }
}

function selectMapCall(
  selection: Selection,
  instruction: LookUpInstruction | RemoveInstruction | UpdateInstruction,
): void {
  const { machine, facts } = selection;
  const { map, key, result } = instruction;
  machine.map(1, map);
  machine.addressInto(2, selection.addressOf(key));
  if (instruction.op === "update") {
    machine.addressInto(3, selection.addressOf(instruction.value));
    machine.constant(4, UPDATE_MODES[instruction.mode]);
    machine.call(Helper.mapUpdate, 4);
  } else machine.call(instruction.op === "lookUp" ? Helper.mapLookUp : Helper.mapDelete, 2);
  if (facts.needed.has(result)) machine.move(selection.resultOf(result), 0);
}

function selectAsk(selection: Selection, { what, result }: AskInstruction): void {
  const { machine } = selection;
  machine.call(what === "random" ? Helper.random : Helper.nanosecondsTai, 0);
  const register = selection.resultOf(result);
  machine.move(register, 0, what === "random");
  if (what === "random") return;
  const difference = machine.register();
  machine.clock(difference);
  machine.arithmetic("add", register, { register: difference });
}

function selectEmit(selection: Selection, { from, bytes }: EmitInstruction): void {
  const { machine } = selection;
  machine.map(1, EVENTS_MAP);
  machine.addressInto(2, selection.addressOf(from));
  machine.constant(3, BigInt(bytes));
  machine.constant(4, 0n);
  machine.call(Helper.ringOutput, 4);
  if (!selection.target.statistics) return;
  const lost = machine.block(machine.current.weight / 1000);
  const next = machine.block();
  machine.branch("equal", 0, { immediate: 0 }, { ifTrue: next, ifFalse: lost });
  machine.begin(lost);
  selection.statistics.addAside("lost", { immediate: 1 });
  machine.jump(next);
  machine.begin(next);
}

function selectRedirect(selection: Selection, instruction: RedirectInstruction): void {
  const { machine, natives } = selection;
  machine.relocated(1, { kind: "interface", name: instruction.interface });
  machine.constant(2, 0n);
  machine.call(Helper.redirect, 2);
  const result = selection.resultOf(instruction.result);
  if (selection.isNativeVerdict(instruction.result)) {
    machine.move(result, 0);
    return;
  }
  const otherwise = machine.block();
  const next = machine.block();
  machine.constant(result, BigInt(VerdictCode.redirect));
  machine.branch("equal", 0, { immediate: natives.redirect }, { ifTrue: next, ifFalse: otherwise });
  machine.begin(otherwise);
  machine.constant(result, BigInt(VerdictCode.drop));
  machine.jump(next);
  machine.begin(next);
}
