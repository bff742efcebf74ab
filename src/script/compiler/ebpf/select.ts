/**
 * Chooses machine instructions for a function of the intermediate form: blocks, edges and ends; what stands
 * inside of blocks is done by the other `select-…` files.
 * @module
 */
import { InvariantError } from "#base/errors.ts";
import { FRAME_POINTER } from "#wire/ebpf.ts";
import { swap } from "../ir/arithmetic.ts";
import {
  type Block,
  type CompareInstruction,
  type Edge,
  type Instruction,
  type IrFunction,
  type Terminator,
  type Value,
  VerdictCode,
} from "../ir/ir.ts";
import type { CompileTarget } from "../target.ts";
import { type Copy, copyAtOnce } from "./copies.ts";
import { type Condition, FunctionFacts } from "./facts.ts";
import type { MachineBlock, Register } from "./machine.ts";
import { type Address, isSmall, type JumpName, MachineBuilder, type Operand } from "./machine-builder.ts";
import { type PacketAccess, packetAccessFor } from "./packet-access.ts";
import type { RangeOf } from "./ranges.ts";
import { selectInstruction } from "./select-instruction.ts";
import { Statistics } from "./statistics.ts";
import { Tables } from "./tables.ts";
import { NATIVE_VERDICTS, type NativeVerdicts, nativeOf, verdictValues } from "./verdicts.ts";

export interface SelectOptions {
  readonly target: CompileTarget;
  readonly rangeOf: RangeOf;
}

/** The state of one function whose instructions are being chosen. */
export class Selection {
  readonly facts: FunctionFacts;
  readonly target: CompileTarget;
  readonly rangeOf: RangeOf;
  readonly machine: MachineBuilder;
  readonly statistics: Statistics;
  readonly tables: Tables = new Tables();
  readonly natives: NativeVerdicts;
  readonly packet: PacketAccess;
  /** The block of the intermediate form that is being written. */
  block: Block;
  readonly #heads = new Map<Block, MachineBlock>();
  readonly #registers = new Map<Value, Register>();
  readonly #addresses = new Map<Value, Address>();
  readonly #exits = new Map<number, MachineBlock>();
  readonly #counted = new Map<string, MachineBlock>();
  readonly #verdicts: ReadonlySet<Value>;
  #veil: Register | undefined;

  constructor(fn: IrFunction, { target, rangeOf }: SelectOptions) {
    this.facts = new FunctionFacts(fn);
    this.target = target;
    this.rangeOf = rangeOf;
    this.block = fn.entry;
    this.machine = new MachineBuilder(fn.entry.instructions[0]?.place ?? fn.entry.terminator.place);
    this.statistics = new Statistics(this);
    this.natives = NATIVE_VERDICTS[target.attach];
    this.#verdicts = verdictValues(this.facts.graph, this.facts.makers);
    this.packet = packetAccessFor(this);
  }

  run(): void {
    this.packet.begin();
    const { order } = this.facts.graph;
    if (order.some(({ instructions }) => instructions.some(isVeiling))) this.#makeVeil();
    this.machine.jump(this.headOf(this.block));
    for (const block of order) {
      this.block = block;
      this.machine.begin(this.headOf(block));
      if (block.isGuarded === true) this.#guard();
      this.packet.enter(block);
      const shared = this.#countedExit(block);
      for (const instruction of shared === undefined ? block.instructions : block.instructions.slice(0, -1)) {
        this.machine.place = instruction.place;
        selectInstruction(this, instruction);
      }
      this.machine.place = block.terminator.place;
      if (shared === undefined) this.#end(block.terminator);
      else this.machine.jump(shared);
    }
  }

  /**
   * What a block ends with when it counts once more and returns: the same for all that count and return
   * the same.
   */
  #countedExit({ instructions, terminator }: Block): MachineBlock | undefined {
    const last = instructions.at(-1);
    if (terminator.op !== "return" || last?.op !== "count") return undefined;
    const verdict = this.facts.constantOf(terminator.verdict);
    const value = this.facts.constantOf(last.value);
    if (verdict === undefined || value === undefined || !this.statistics.isAtHand) return undefined;
    const key = `${last.counter} ${value} ${verdict}`;
    const known = this.#counted.get(key);
    if (known !== undefined) return known;
    const { machine } = this;
    const here = machine.current;
    const exit = machine.block(1);
    machine.begin(exit);
    machine.place = last.place;
    this.statistics.count(last);
    machine.jump(this.exitWith(nativeOf(this.natives, verdict)));
    machine.resume(here);
    this.#counted.set(key, exit);
    return exit;
  }

  /** A register with 0, of which the verifier knows nothing. */
  get veil(): Register {
    if (this.#veil === undefined) throw new InvariantError("Cannot veil a value: nothing to veil it with");
    return this.#veil;
  }

  /** What nobody has written is anything, and nothing together with its contrary. */
  #makeVeil(): void {
    const { machine } = this;
    const [veil, contrary] = [machine.register(), machine.register()];
    machine.load(veil, machine.memory(8), 8);
    machine.move(contrary, veil);
    machine.arithmetic("xor", contrary, { immediate: -1 });
    machine.arithmetic("and", veil, { register: contrary });
    this.#veil = veil;
  }

  /** The rounds of loops that are guarded are too few for the kernel to end them. */
  #guard(): void {
    const { machine } = this;
    const next = machine.block();
    machine.guard(this.exitWith(this.failed), next);
    machine.begin(next);
  }

  /** The block of machine code with which one of the intermediate form begins. */
  headOf(block: Block): MachineBlock {
    const known = this.#heads.get(block);
    if (known !== undefined) return known;
    const head = this.machine.block(this.facts.weights.get(block) ?? 1);
    this.#heads.set(block, head);
    return head;
  }

  /** Whether a value is the kernel's number of a verdict already. */
  isNativeVerdict(value: Value): boolean {
    return this.#verdicts.has(value);
  }

  /** The register that a value gets; for those that writes it. */
  resultOf(value: Value): Register {
    const known = this.#registers.get(value);
    if (known !== undefined) return known;
    const register = this.machine.register();
    this.#registers.set(value, register);
    return register;
  }

  /** From now on a value is an address, and takes no register of its own. */
  bind(value: Value, address: Address): void {
    this.#addresses.set(value, address);
  }

  /** A register with a value in it, not to be written to. */
  registerOf(value: Value): Register {
    const constant = this.facts.constantOf(value);
    if (constant !== undefined) {
      const register = this.machine.register();
      this.machine.constant(register, constant);
      return register;
    }
    const address = this.#addresses.get(value);
    if (address === undefined) return this.resultOf(value);
    if (address.at === 0 && address.object === undefined && address.base !== FRAME_POINTER)
      return address.base;
    const register = this.machine.register();
    this.machine.addressInto(register, address);
    return register;
  }

  /** The constant when it fits, or a register. */
  operandOf(value: Value): Operand {
    const constant = this.facts.constantOf(value);
    return constant === undefined ? { register: this.registerOf(value) } : this.constantOperand(constant);
  }

  /** The constant itself when it fits into an instruction, or a register with it. */
  constantOperand(constant: bigint): Operand {
    const signed = BigInt.asIntN(64, constant);
    if (isSmall(signed)) return { immediate: Number(signed) };
    const register = this.machine.register();
    this.machine.constant(register, constant);
    return { register };
  }

  /** Copies a value into a register. */
  copyInto(register: Register, value: Value): void {
    const constant = this.facts.constantOf(value);
    if (constant !== undefined) this.machine.constant(register, constant);
    else {
      const address = this.#addresses.get(value);
      if (address === undefined) this.machine.move(register, this.resultOf(value));
      else this.machine.addressInto(register, address);
    }
  }

  /** Where a pointer, an entry or memory points to. */
  addressOf(value: Value): Address {
    return this.#addresses.get(value) ?? { base: this.registerOf(value), at: 0 };
  }

  /** Leaves the program with a number of the kernel; one block for each. */
  exitWith(native: number): MachineBlock {
    const known = this.#exits.get(native);
    if (known !== undefined) return known;
    const { machine } = this;
    const here = machine.current;
    const exit = machine.block(0);
    machine.begin(exit);
    machine.constant(0, BigInt(native));
    machine.exit();
    this.#exits.set(native, exit);
    machine.resume(here);
    return exit;
  }

  /** Where a packet goes that cannot be judged. */
  get failed(): number {
    return this.natives[this.target.onError];
  }

  /** Branches by what a condition compares. */
  branch(condition: Condition, ifTrue: MachineBlock, ifFalse: MachineBlock): void {
    const [yes, no] = condition.isInverted ? [ifFalse, ifTrue] : [ifTrue, ifFalse];
    const targets = { ifTrue: yes, ifFalse: no };
    if ("both" in condition) {
      const [first, second] = condition.both;
      const next = this.machine.block();
      this.branch(first, next, no);
      this.machine.begin(next);
      this.branch(second, yes, no);
    } else if ("value" in condition) {
      this.machine.branch("unequal", this.registerOf(condition.value), { immediate: 0 }, targets);
    } else if (condition.compare.op === "isFound") {
      this.machine.branch("unequal", this.registerOf(condition.compare.entry), { immediate: 0 }, targets);
    } else this.#compare(condition.compare, targets);
  }

  #compare(
    compare: CompareInstruction,
    targets: { readonly ifTrue: MachineBlock; readonly ifFalse: MachineBlock },
  ): void {
    const isSwapped = this.facts.constantOf(compare.left) !== undefined;
    const [left, right] = isSwapped ? [compare.right, compare.left] : [compare.left, compare.right];
    const comparison = isSwapped ? MIRRORED[compare.comparison] : compare.comparison;
    const isSigned = compare.isSigned ?? this.#mayBeNegative(left, right);
    const plain = this.facts.constantOf(right);
    const turned = this.facts.turned.get(left);
    const constant = plain === undefined || turned === undefined ? plain : swap(plain, turned);
    const jump = JUMPS[comparison][isSigned ? 1 : 0];
    const { least, most } = this.facts.seen.of(left);
    const isWord = least >= 0n && most < 1n << 32n && !isSigned;
    const register = this.registerOf(left);
    if (constant === undefined)
      this.machine.branch(jump, register, { register: this.registerOf(right) }, targets);
    else if (isWord && !isSmall(constant) && constant >= 0n && constant < 1n << 32n) {
      const immediate = Number(BigInt.asIntN(32, constant));
      this.machine.branch(jump, register, { immediate }, { ...targets, is32: true });
    } else this.machine.branch(jump, register, this.constantOperand(constant), targets);
  }

  #mayBeNegative(left: Value, right: Value): boolean {
    return [left, right].some((value) => (this.rangeOf(value) ?? this.facts.seen.of(value)).least < 0n);
  }

  /** The block that an edge leads to, by way of the copies that it needs. */
  follow(edge: Edge): MachineBlock {
    return this.#lead(edge.to, this.#copiesOf(edge));
  }

  /** Likewise, with an address behind what the edge names. */
  followWith(edge: Edge, address: Address): MachineBlock {
    const copies = [...this.#copiesOf(edge)];
    const parameter = edge.to.parameters.at(-1);
    if (parameter !== undefined && this.facts.needed.has(parameter)) {
      copies.push({ to: this.resultOf(parameter), from: address });
    }
    return this.#lead(edge.to, copies);
  }

  #lead(to: Block, copies: readonly Copy[]): MachineBlock {
    const head = this.headOf(to);
    if (copies.length === 0) return head;
    const { machine } = this;
    const here = machine.current;
    const between = machine.block(Math.min(here.weight, head.weight) / 2);
    machine.begin(between);
    copyAtOnce(machine, copies);
    machine.jump(head);
    machine.resume(here);
    return between;
  }

  #copiesOf({ to, with: values }: Edge): readonly Copy[] {
    const copies: Copy[] = [];
    for (const [index, value] of values.entries()) {
      const parameter = to.parameters[index];
      if (parameter === undefined || !this.facts.needed.has(parameter)) continue;
      const register = this.resultOf(parameter);
      const constant = this.facts.constantOf(value);
      if (constant === undefined) copies.push({ to: register, from: this.addressOf(value) });
      else if (!this.#verdicts.has(parameter)) copies.push({ to: register, constant });
      else copies.push({ to: register, constant: BigInt(nativeOf(this.natives, constant)) });
    }
    return copies;
  }

  #end(terminator: Terminator): void {
    const { machine } = this;
    switch (terminator.op) {
      case "jump": {
        copyAtOnce(machine, this.#copiesOf(terminator.edge));
        machine.jump(this.headOf(terminator.edge.to));
        return;
      }
      case "branch":
        this.#branchTo(terminator);
        return;
      case "open":
        this.packet.open(terminator);
        return;
      case "return":
        this.#return(terminator.verdict);
        return;
      case "fault":
        this.statistics.fault(terminator);
    }
  }

  #branchTo({ condition, ifTrue, ifFalse }: Terminator & { op: "branch" }): void {
    const constant = this.facts.constantOf(condition);
    if (constant === undefined) {
      this.branch(this.facts.conditionOf(condition), this.follow(ifTrue), this.follow(ifFalse));
    } else this.machine.jump(this.follow(constant === 0n ? ifFalse : ifTrue));
  }

  #return(verdict: Value): void {
    const constant = this.facts.constantOf(verdict);
    if (constant !== undefined) this.machine.jump(this.exitWith(nativeOf(this.natives, constant)));
    else if (this.#verdicts.has(verdict)) {
      this.machine.move(0, this.registerOf(verdict));
      this.machine.exit();
    } else this.#returnByCode(this.registerOf(verdict));
  }

  /** A verdict that is calculated, and the kernel's number only now. */
  #returnByCode(code: Register): void {
    for (const name of ["drop", "accept", "redirect"] as const) {
      const next = this.machine.block();
      const ifTrue = this.exitWith(this.natives[name]);
      this.machine.branch("equal", code, { immediate: VerdictCode[name] }, { ifTrue, ifFalse: next });
      this.machine.begin(next);
    }
    this.machine.jump(this.exitWith(this.natives.continue));
  }
}

function isVeiling(instruction: Instruction): boolean {
  return instruction.op === "unary" && instruction.operator === "veiled64";
}

const MIRRORED = {
  equal: "equal",
  unequal: "unequal",
  less: "greater",
  lessOrEqual: "greaterOrEqual",
  greater: "less",
  greaterOrEqual: "lessOrEqual",
} as const;

/** Unsigned, signed. */
const JUMPS = {
  equal: ["equal", "equal"],
  unequal: ["unequal", "unequal"],
  less: ["less", "lessSigned"],
  lessOrEqual: ["lessOrEqual", "lessOrEqualSigned"],
  greater: ["greater", "greaterSigned"],
  greaterOrEqual: ["greaterOrEqual", "greaterOrEqualSigned"],
} as const satisfies Record<string, readonly [JumpName, JumpName]>;
