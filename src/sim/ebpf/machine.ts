/**
 * Runs eBPF's instructions (RFC 9669) as the kernel's interpreter does.
 * @module
 */
import { ConfigurationError, LimitExceededError } from "#base/errors.ts";
import {
  AccessMode,
  AccessSize,
  Arithmetic,
  Atomic,
  type EbpfInstruction,
  FRAME_POINTER,
  InstructionClass,
  Jump,
  PseudoCall,
  SOURCE_REGISTER,
  STACK_BYTES_MAX,
} from "#wire/ebpf.ts";
import type { MachineMemory } from "./memory.ts";

/** Instructions after which a run is given up. */
export const STEP_COUNT_MAX = 10_000_000;

const MASK64 = (1n << 64n) - 1n;
const MASK32 = (1n << 32n) - 1n;

/** The five arguments of a call; the answer goes to register 0. */
export type Callee = (parameters: readonly bigint[]) => bigint;

export interface Program {
  readonly instructions: readonly EbpfInstruction[];
  /** What a call means. @throws ConfigurationError for one that is not known */
  callee(instruction: EbpfInstruction, index: number): Callee;
  /** The address that a 64-bit constant stands for. */
  constant(instruction: EbpfInstruction, upper: EbpfInstruction, index: number): bigint;
  /** Reads a context, where some fields are addresses although they have 4 bytes; `undefined` for plain memory. */
  contextField(address: bigint, bytes: number): bigint | undefined;
}

/** One run: the registers, and where it stands. */
export class Machine {
  readonly #program: Program;
  readonly #memory: MachineMemory;
  readonly #registers: bigint[] = new Array<bigint>(11).fill(0n);

  constructor(program: Program, memory: MachineMemory) {
    this.#program = program;
    this.#memory = memory;
  }

  /**
   * Runs from the first instruction to `exit`; answers register 0.
   * @throws WrongAccessError, LimitExceededError, ConfigurationError
   */
  run(context: bigint): bigint {
    const stack = this.#memory.map(new Uint8Array(STACK_BYTES_MAX));
    this.#registers[1] = context;
    this.#registers[FRAME_POINTER] = stack + BigInt(STACK_BYTES_MAX);
    const { instructions } = this.#program;
    let at = 0;
    for (let steps = 0; steps < STEP_COUNT_MAX; steps++) {
      const instruction = instructions[at];
      if (instruction === undefined)
        throw new ConfigurationError(`Cannot run: there is no instruction ${at}`);
      const next = this.#step(instruction, at);
      if (next < 0) return this.#registers[0] as bigint;
      at = next;
    }
    throw new LimitExceededError(
      `Cannot run the program to its end: ${STEP_COUNT_MAX} instructions were run`,
    );
  }

  /** The index of the next instruction; -1 at the end. */
  #step(instruction: EbpfInstruction, at: number): number {
    switch (instruction.code & 7) {
      case InstructionClass.alu:
        this.#calculate(instruction, true);
        return at + 1;
      case InstructionClass.alu64:
        this.#calculate(instruction, false);
        return at + 1;
      case InstructionClass.jump:
        return this.#jump(instruction, at, false);
      case InstructionClass.jump32:
        return this.#jump(instruction, at, true);
      case InstructionClass.load:
        this.#loadConstant(instruction, at);
        return at + 2;
      case InstructionClass.loadX:
        this.#load(instruction);
        return at + 1;
      default:
        this.#store(instruction);
        return at + 1;
    }
  }

  #loadConstant(instruction: EbpfInstruction, at: number): void {
    const upper = this.#program.instructions[at + 1];
    if (upper === undefined || instruction.code !== (InstructionClass.load | AccessSize[8]))
      throw new ConfigurationError(`Cannot run instruction ${at}: a load of code ${instruction.code}`);
    this.#registers[instruction.destination] = this.#program.constant(instruction, upper, at) & MASK64;
  }

  #load({ code, destination, source, offset }: EbpfInstruction): void {
    const address = ((this.#registers[source] as bigint) + BigInt(offset)) & MASK64;
    const bytes = bytesOf(code);
    const value = this.#program.contextField(address, bytes) ?? this.#memory.read(address, bytes);
    const isSigned = (code & 0xe0) === AccessMode.memorySigned;
    this.#registers[destination] = isSigned ? BigInt.asUintN(64, BigInt.asIntN(bytes * 8, value)) : value;
  }

  #store({ code, destination, source, offset, immediate }: EbpfInstruction): void {
    const address = ((this.#registers[destination] as bigint) + BigInt(offset)) & MASK64;
    const bytes = bytesOf(code);
    const isConstant = (code & 7) === InstructionClass.store;
    const value = isConstant ? BigInt(immediate) & MASK64 : (this.#registers[source] as bigint);
    if ((code & 0xe0) !== AccessMode.atomic) this.#memory.write(address, bytes, value);
    else this.#atomic(address, bytes, immediate, source);
  }

  #atomic(address: bigint, bytes: number, operation: number, source: number): void {
    const before = this.#memory.read(address, bytes);
    const value = this.#registers[source] as bigint;
    if (operation === Atomic.compareExchange) {
      const expected = BigInt.asUintN(bytes * 8, this.#registers[0] as bigint);
      if (before === expected) this.#memory.write(address, bytes, value);
      this.#registers[0] = before;
      return;
    }
    const after = operation === Atomic.exchange ? value : combine(operation & ~Atomic.fetch, before, value);
    this.#memory.write(address, bytes, after);
    if ((operation & Atomic.fetch) !== 0) this.#registers[source] = before;
  }

  #calculate(instruction: EbpfInstruction, is32: boolean): void {
    const { code, destination, source, offset, immediate } = instruction;
    const operation = code & 0xf0;
    const isRegister = (code & SOURCE_REGISTER) !== 0;
    const left = this.#registers[destination] as bigint;
    if (operation === Arithmetic.swap) {
      this.#registers[destination] = swap(left, immediate);
      return;
    }
    const right = isRegister ? (this.#registers[source] as bigint) : BigInt(immediate) & MASK64;
    const bits = is32 ? 32 : 64;
    const mask = is32 ? MASK32 : MASK64;
    if (operation === Arithmetic.move) {
      const moved = offset === 0 ? right : BigInt.asIntN(offset, right);
      this.#registers[destination] = moved & mask;
      return;
    }
    this.#registers[destination] = calculate(operation, left & mask, right & mask, bits, offset === 1) & mask;
  }

  #jump(instruction: EbpfInstruction, at: number, is32: boolean): number {
    const { code, destination, source, offset, immediate } = instruction;
    const operation = code & 0xf0;
    switch (operation) {
      case Jump.exit:
        return -1;
      case Jump.call:
        this.#call(instruction, at);
        return at + 1;
      // Programs that run for so long are ended here in another way.
      case Jump.tooOften:
        return at + 1;
      case Jump.always:
        return at + 1 + (is32 ? immediate : offset);
      default: {
        const isRegister = (code & SOURCE_REGISTER) !== 0;
        const bits = is32 ? 32 : 64;
        const left = BigInt.asUintN(bits, this.#registers[destination] as bigint);
        const right = BigInt.asUintN(
          bits,
          isRegister ? (this.#registers[source] as bigint) : BigInt(immediate),
        );
        return at + 1 + (holds(operation, left, right, bits) ? offset : 0);
      }
    }
  }

  #call(instruction: EbpfInstruction, at: number): void {
    if (instruction.source === PseudoCall.local)
      throw new ConfigurationError(`Cannot run instruction ${at}: a call of a function of the program's own`);
    const callee = this.#program.callee(instruction, at);
    this.#registers[0] = callee(this.#registers.slice(1, 6)) & MASK64;
    // What a call leaves in these registers means nothing: a program that reads them is wrong.
    for (let register = 1; register <= 5; register++) this.#registers[register] = 0xdead_dead_dead_deadn;
  }
}

function bytesOf(code: number): number {
  switch (code & 0x18) {
    case AccessSize[1]:
      return 1;
    case AccessSize[2]:
      return 2;
    case AccessSize[4]:
      return 4;
    default:
      return 8;
  }
}

function combine(operation: number, before: bigint, value: bigint): bigint {
  switch (operation) {
    case Atomic.add:
      return before + value;
    case Arithmetic.or:
      return before | value;
    case Arithmetic.and:
      return before & value;
    case Arithmetic.xor:
      return before ^ value;
    default:
      throw new ConfigurationError(`Cannot run an atomic operation of code ${operation}`);
  }
}

/** Division by zero gives 0, and a remainder of it the dividend (RFC 9669 §4.1). */
function calculate(operation: number, left: bigint, right: bigint, bits: number, isSigned: boolean): bigint {
  const [a, b] = isSigned ? [BigInt.asIntN(bits, left), BigInt.asIntN(bits, right)] : [left, right];
  const count = right & BigInt(bits - 1);
  switch (operation) {
    case Arithmetic.add:
      return left + right;
    case Arithmetic.subtract:
      return left - right;
    case Arithmetic.multiply:
      return left * right;
    case Arithmetic.divide:
      return b === 0n ? 0n : a / b;
    case Arithmetic.modulo:
      return b === 0n ? left : a % b;
    case Arithmetic.or:
      return left | right;
    case Arithmetic.and:
      return left & right;
    case Arithmetic.xor:
      return left ^ right;
    case Arithmetic.negate:
      return -left;
    case Arithmetic.shiftLeft:
      return left << count;
    case Arithmetic.shiftRight:
      return left >> count;
    case Arithmetic.shiftRightSigned:
      return BigInt.asIntN(bits, left) >> count;
    default:
      throw new ConfigurationError(`Cannot run an arithmetic operation of code ${operation}`);
  }
}

/** Turns the lowest bytes round and clears the others: both forms of the instruction do, on a little-endian machine. */
function swap(value: bigint, bits: number): bigint {
  let from = BigInt.asUintN(bits, value);
  let to = 0n;
  for (let done = 0; done < bits; done += 8) {
    to = (to << 8n) | (from & 0xffn);
    from >>= 8n;
  }
  return to;
}

function holds(operation: number, left: bigint, right: bigint, bits: number): boolean {
  const [a, b] = [BigInt.asIntN(bits, left), BigInt.asIntN(bits, right)];
  switch (operation) {
    case Jump.equal:
      return left === right;
    case Jump.unequal:
      return left !== right;
    case Jump.anySet:
      return (left & right) !== 0n;
    case Jump.greater:
      return left > right;
    case Jump.greaterOrEqual:
      return left >= right;
    case Jump.less:
      return left < right;
    case Jump.lessOrEqual:
      return left <= right;
    case Jump.greaterSigned:
      return a > b;
    case Jump.greaterOrEqualSigned:
      return a >= b;
    case Jump.lessSigned:
      return a < b;
    case Jump.lessOrEqualSigned:
      return a <= b;
    default:
      throw new ConfigurationError(`Cannot run a jump of code ${operation}`);
  }
}
