/**
 * Chooses machine instructions for each instruction of the intermediate form.
 * @module
 */
import { Atomic } from "#wire/ebpf.ts";
import { swap } from "../ir/arithmetic.ts";
import type {
  AtomicAddInstruction,
  AtomicExchangeInstruction,
  CompareInstruction,
  Instruction,
  IsFoundInstruction,
  LoadInstruction,
  SelectInstruction,
  SlotInstruction,
  StoreInstruction,
  TableInstruction,
} from "../ir/ir.ts";
import { isPure, resultOf } from "../ir/visit.ts";
import { beyond, isSmall } from "./machine-builder.ts";
import type { Selection } from "./select.ts";
import { selectBinary, selectUnary } from "./select-arithmetic.ts";
import { selectCall } from "./select-call.ts";
import { selectElementLoad, selectElementStore } from "./select-element.ts";
import { loadAligned, storeAligned } from "./stack-access.ts";
import { TABLES_MAP } from "./tables.ts";

/** Appends what an instruction becomes; nothing when nobody needs its result. */
export function selectInstruction(selection: Selection, instruction: Instruction): void {
  const result = resultOf(instruction);
  if (isPure(instruction) && (result === undefined || !selection.facts.needed.has(result))) return;
  switch (instruction.op) {
    case "constant":
      return;
    case "binary":
      selectBinary(selection, instruction);
      return;
    case "unary":
      selectUnary(selection, instruction);
      return;
    case "compare":
    case "isFound":
      selectTruth(selection, instruction);
      return;
    case "select":
      selectSelect(selection, instruction);
      return;
    case "assume":
      selection.copyInto(selection.resultOf(instruction.result), instruction.operand);
      return;
    case "slot":
      selectSlot(selection, instruction);
      return;
    case "table":
      selectTable(selection, instruction);
      return;
    case "load":
      selectLoad(selection, instruction);
      return;
    case "store":
      selectStore(selection, instruction);
      return;
    case "loadElement":
      selectElementLoad(selection, instruction);
      return;
    case "storeElement":
      selectElementStore(selection, instruction);
      return;
    case "atomicAdd":
      selectAtomicAdd(selection, instruction);
      return;
    case "atomicExchange":
      selectAtomicExchange(selection, instruction);
      return;
    case "count":
      selection.statistics.count(instruction);
      return;
    case "fact":
    case "setMark":
    case "patchChecksum":
    case "resize":
    case "sum":
      selection.packet.select(instruction);
      return;
    default:
      selectCall(selection, instruction);
  }
}

/** A comparison whose result is kept as 0 or 1. */
function selectTruth(selection: Selection, instruction: CompareInstruction | IsFoundInstruction): void {
  const { machine } = selection;
  const result = selection.resultOf(instruction.result);
  const otherwise = machine.block();
  const next = machine.block();
  machine.constant(result, 1n);
  selection.branch(selection.facts.conditionOf(instruction.result), next, otherwise);
  machine.begin(otherwise);
  machine.constant(result, 0n);
  machine.jump(next);
  machine.begin(next);
}

function selectSelect(selection: Selection, { result, condition, ifTrue, ifFalse }: SelectInstruction): void {
  const { machine } = selection;
  const register = selection.resultOf(result);
  const otherwise = machine.block();
  const next = machine.block();
  selection.copyInto(register, ifTrue);
  selection.branch(selection.facts.conditionOf(condition), next, otherwise);
  machine.begin(otherwise);
  selection.copyInto(register, ifFalse);
  machine.jump(next);
  machine.begin(next);
}

function selectSlot(selection: Selection, { result, bytes }: SlotInstruction): void {
  selection.bind(result, selection.machine.memory(bytes));
}

function selectTable(selection: Selection, { result, bytes }: TableInstruction): void {
  const offset = selection.tables.add(bytes);
  selection.machine.map(selection.resultOf(result), TABLES_MAP, { offset });
}

function selectLoad(selection: Selection, { result, from, at, bytes, order }: LoadInstruction): void {
  const { machine } = selection;
  const register = selection.resultOf(result);
  const address = selection.addressOf(from);
  loadAligned(machine, register, beyond(address, at), bytes);
  const isTurned = order === "network" && bytes > 1 && !selection.facts.turned.has(result);
  if (isTurned) machine.swap(register, (bytes * 8) as 16 | 32 | 64);
}

function selectStore(selection: Selection, { to, at, bytes, order, value }: StoreInstruction): void {
  const { machine } = selection;
  const address = selection.addressOf(to);
  const place = beyond(address, at);
  const isTurned = order === "network" && bytes > 1 && !selection.facts.turned.has(value);
  const constant = selection.facts.constantOf(value);
  if (constant !== undefined) {
    const bits = bytes * 8;
    const turned = BigInt.asIntN(bits, isTurned ? swap(constant, bytes) : constant);
    if (isSmall(turned)) storeAligned(machine, place, { immediate: Number(turned) }, bytes);
    else {
      const register = machine.register();
      machine.constant(register, turned);
      storeAligned(machine, place, { register }, bytes);
    }
    return;
  }
  let register = selection.registerOf(value);
  if (isTurned) {
    const turned = machine.register();
    machine.move(turned, register);
    machine.swap(turned, (bytes * 8) as 16 | 32 | 64);
    register = turned;
  }
  storeAligned(machine, place, { register }, bytes);
}

function selectAtomicAdd(selection: Selection, { result, to, at, value }: AtomicAddInstruction): void {
  const { machine } = selection;
  const address = selection.addressOf(to);
  const place = beyond(address, at);
  if (result === undefined || (selection.facts.uses.get(result) ?? 0) === 0) {
    machine.atomic(place, selection.registerOf(value), Atomic.add);
    return;
  }
  const register = selection.resultOf(result);
  selection.copyInto(register, value);
  machine.atomic(place, register, Atomic.add | Atomic.fetch);
}

function selectAtomicExchange(selection: Selection, instruction: AtomicExchangeInstruction): void {
  const { machine } = selection;
  const { result, to, at, expected, value } = instruction;
  const address = selection.addressOf(to);
  const source = selection.registerOf(value);
  selection.copyInto(0, expected);
  machine.atomic(beyond(address, at), source, Atomic.compareExchange);
  machine.move(selection.resultOf(result), 0);
}
