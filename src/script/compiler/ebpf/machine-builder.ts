/**
 * Writes machine code, block by block.
 * @module
 */
import {
  AccessMode,
  AccessSize,
  Arithmetic,
  FRAME_POINTER,
  InstructionClass,
  Jump,
  PseudoCall,
  PseudoConstant,
  SOURCE_REGISTER,
} from "#wire/ebpf.ts";
import type { AccessBytes } from "../ir/ir.ts";
import type { Place } from "../place.ts";
import type {
  MachineBlock,
  MachineFunction,
  MachineInstruction,
  PendingRelocation,
  Register,
} from "./machine.ts";
import { FIRST_VIRTUAL, Frame, type FrameObject } from "./machine.ts";

/** The second operand of an instruction. */
export type Operand = { readonly register: Register } | { readonly immediate: number };

/** Bytes in memory: a register that points to them or before them, and how far. */
export interface Address {
  readonly base: Register;
  readonly at: number;
  /** The memory on the stack that it is in. */
  readonly object?: FrameObject;
}

/** An address some bytes further on. */
export function beyond(address: Address, bytes: number): Address {
  return { ...address, at: address.at + bytes };
}

function tagged(object: FrameObject | undefined): { readonly object?: FrameObject } {
  return object === undefined ? {} : { object };
}

type ArithmeticName = Exclude<keyof typeof Arithmetic, "move" | "negate" | "swap">;
/** Conditional jumps by their names. */
export type JumpName = Exclude<keyof typeof Jump, "always" | "call" | "exit">;

/** What changes nothing with 0. */
const IDLE: ReadonlySet<ArithmeticName> = new Set([
  "add",
  "subtract",
  "or",
  "xor",
  "shiftLeft",
  "shiftRight",
  "shiftRightSigned",
]);

/**
 * How an operation takes its operands: the lower 32 bits only (the result's upper half is 0), or as
 * signed numbers.
 */
export interface Width {
  readonly is32?: boolean;
  readonly isSigned?: boolean;
}

/** Appends to the block that was begun last. */
export class MachineBuilder {
  readonly function: MachineFunction = { blocks: [], registerCount: FIRST_VIRTUAL, frame: new Frame() };
  /** Where what comes next stands in the script. */
  place: Place;
  #current: MachineBlock;
  #idCount = 0;

  constructor(place: Place) {
    this.place = place;
    this.#current = this.block(1);
    this.begin(this.#current);
  }

  get current(): MachineBlock {
    return this.#current;
  }

  /** A fresh virtual register. */
  register(): Register {
    return this.function.registerCount++;
  }

  /** A block to be begun later. */
  block(weight: number = this.#current.weight): MachineBlock {
    return { id: this.#idCount++, instructions: [], end: { kind: "exit", place: this.place }, weight };
  }

  begin(block: MachineBlock): void {
    this.function.blocks.push(block);
    this.#current = block;
  }

  /** Goes on with a block that was begun before. */
  resume(block: MachineBlock): void {
    this.#current = block;
  }

  append(instruction: Omit<MachineInstruction, "place">): void {
    this.#current.instructions.push({ ...instruction, place: this.place });
  }

  jump(to: MachineBlock): void {
    this.#current.end = { kind: "jump", to, place: this.place };
  }

  exit(): void {
    this.#current.end = { kind: "exit", place: this.place };
  }

  branch(
    jump: JumpName,
    left: Register,
    right: Operand,
    targets: { readonly ifTrue: MachineBlock; readonly ifFalse: MachineBlock; readonly is32?: boolean },
  ): void {
    const { ifTrue, ifFalse, is32 = false } = targets;
    const isRegister = "register" in right;
    this.#current.end = {
      kind: "branch",
      code:
        (is32 ? InstructionClass.jump32 : InstructionClass.jump) |
        Jump[jump] |
        (isRegister ? SOURCE_REGISTER : 0),
      left,
      right: isRegister ? right.register : undefined,
      immediate: isRegister ? 0 : right.immediate,
      ifTrue,
      ifFalse,
      place: this.place,
    };
  }

  /** Begins a loop whose rounds the kernel counts. */
  guard(ifTrue: MachineBlock, ifFalse: MachineBlock): void {
    this.#current.end = { kind: "guard", ifTrue, ifFalse, place: this.place };
  }

  /** All 64 bits, or the lower 32 with zeros above. */
  move(destination: Register, source: Register, is32 = false): void {
    const kind = is32 ? InstructionClass.alu : InstructionClass.alu64;
    const code = kind | Arithmetic.move | SOURCE_REGISTER;
    this.append({ code, destination, source, offset: 0, immediate: 0 });
  }

  /** The lowest bits of the source as a signed number. */
  moveSigned(destination: Register, source: Register, bits: 8 | 16 | 32): void {
    const code = InstructionClass.alu64 | Arithmetic.move | SOURCE_REGISTER;
    this.append({ code, destination, source, offset: bits, immediate: 0 });
  }

  /** Any 64 bits: from -2^63 to 2^64 - 1. */
  constant(destination: Register, value: bigint): void {
    const signed = BigInt.asIntN(64, value);
    const lower = Number(BigInt.asIntN(32, signed));
    if (signed === BigInt(lower)) this.#small(destination, lower, false);
    else if (signed >= 0n && signed < 1n << 32n) this.#small(destination, lower, true);
    else this.#wide(destination, lower, { upper: Number(signed >> 32n) });
  }

  #smallCode(is32: boolean): number {
    return (is32 ? InstructionClass.alu : InstructionClass.alu64) | Arithmetic.move;
  }

  #small(destination: Register, immediate: number, is32: boolean): void {
    const code = this.#smallCode(is32);
    this.append({ code, destination, source: 0, offset: 0, immediate, isRepeatable: true });
  }

  #wide(
    destination: Register,
    immediate: number,
    more: { upper: number; source?: number; relocation?: PendingRelocation },
  ): void {
    const code = InstructionClass.load | AccessMode.immediate | AccessSize[8];
    const { upper, source = PseudoConstant.plain, relocation } = more;
    const whole = { code, destination, source, offset: 0, immediate, upper, isRepeatable: true };
    this.append(relocation === undefined ? whole : { ...whole, relocation });
  }

  /** The address of a map, or of its only value. */
  map(destination: Register, map: string, value?: { readonly offset: number }): void {
    const isValue = value !== undefined;
    const relocation = { kind: "map", map, isValue, offset: value?.offset ?? 0 } as const;
    const source = isValue ? PseudoConstant.mapValue : PseudoConstant.map;
    this.#wide(destination, 0, { upper: 0, source, relocation });
  }

  /** How far the wall clock is from the kernel's TAI clock. */
  clock(destination: Register): void {
    this.#wide(destination, 0, { upper: 0, relocation: { kind: "clock" } });
  }

  /** `destination = destination OPERATION right`. */
  arithmetic(operation: ArithmeticName, destination: Register, right: Operand, width: Width = {}): void {
    if (width.is32 !== true && "immediate" in right && right.immediate === 0 && IDLE.has(operation)) return;
    const kind = width.is32 === true ? InstructionClass.alu : InstructionClass.alu64;
    const offset = width.isSigned === true ? 1 : 0;
    const code = kind | Arithmetic[operation];
    if ("register" in right) {
      const { register } = right;
      this.append({ code: code | SOURCE_REGISTER, destination, source: register, offset, immediate: 0 });
    } else {
      this.append({ code, destination, source: 0, offset, immediate: right.immediate });
    }
  }

  negate(destination: Register): void {
    const code = InstructionClass.alu64 | Arithmetic.negate;
    this.append({ code, destination, source: 0, offset: 0, immediate: 0 });
  }

  /**
   * From the machine's order to the network's, or back: turns the lowest bytes round and clears the
   * others.
   */
  swap(destination: Register, bits: 16 | 32 | 64): void {
    const code = InstructionClass.alu | Arithmetic.swap | SOURCE_REGISTER;
    this.append({ code, destination, source: 0, offset: 0, immediate: bits });
  }

  load(destination: Register, { base, at, object }: Address, bytes: AccessBytes, isSigned = false): void {
    const mode = isSigned ? AccessMode.memorySigned : AccessMode.memory;
    const code = InstructionClass.loadX | mode | AccessSize[bytes];
    this.append({ code, destination, source: base, offset: at, immediate: 0, ...tagged(object) });
  }

  /** Reads something that stays as it is, so that it can be read again instead of being kept. */
  loadRepeatable(destination: Register, { base, at }: Address, bytes: AccessBytes): void {
    const code = InstructionClass.loadX | AccessMode.memory | AccessSize[bytes];
    this.append({ code, destination, source: base, offset: at, immediate: 0, isRepeatable: true });
  }

  /** Reads a field of a structure of the kernel, whose offset the loader knows. */
  loadField(
    destination: Register,
    base: Register,
    structure: string,
    field: string,
    bytes: AccessBytes,
  ): void {
    const code = InstructionClass.loadX | AccessMode.memory | AccessSize[bytes];
    const relocation = { kind: "kernel-field", structure, field } as const;
    this.append({ code, destination, source: base, offset: 0, immediate: 0, relocation });
  }

  store({ base, at, object }: Address, value: Operand, bytes: AccessBytes): void {
    const isRegister = "register" in value;
    const kind = isRegister ? InstructionClass.storeX : InstructionClass.store;
    this.append({
      code: kind | AccessMode.memory | AccessSize[bytes],
      destination: base,
      source: isRegister ? value.register : 0,
      offset: at,
      immediate: isRegister ? 0 : value.immediate,
      ...tagged(object),
    });
  }

  /** One of {@link Atomic} on 8 bytes. */
  atomic({ base, at }: Address, source: Register, operation: number): void {
    const code = InstructionClass.storeX | AccessMode.atomic | AccessSize[8];
    this.append({ code, destination: base, source, offset: at, immediate: operation });
  }

  /** Calls a helper by its number, with so many of r1 to r5. */
  call(helper: number, argumentCount: number): void {
    const code = InstructionClass.jump | Jump.call;
    const source = PseudoCall.helper;
    this.append({ code, destination: 0, source, offset: 0, immediate: helper, argumentCount });
  }

  /** Calls a function of the kernel by its name. */
  callKernel(name: string, argumentCount: number): void {
    const code = InstructionClass.jump | Jump.call;
    const relocation = { kind: "kernel-function", name } as const;
    const source = PseudoCall.kernelFunction;
    this.append({ code, destination: 0, source, offset: 0, immediate: 0, argumentCount, relocation });
  }

  /** A constant that the loader puts there. */
  relocated(destination: Register, relocation: PendingRelocation): void {
    const code = this.#smallCode(false);
    this.append({ code, destination, source: 0, offset: 0, immediate: 0, relocation, isRepeatable: true });
  }

  /** A register that holds an address. */
  addressInto(destination: Register, { base, at, object }: Address): void {
    this.move(destination, base);
    if (object === undefined || base !== FRAME_POINTER) {
      if (at !== 0) this.arithmetic("add", destination, { immediate: at });
      return;
    }
    const code = InstructionClass.alu64 | Arithmetic.add;
    this.append({ code, destination, source: 0, offset: 0, immediate: at, object });
    // What the machine's own registers hold is for the next call.
    if (destination >= FIRST_VIRTUAL) object.holders.add(destination);
  }

  /** Memory on the stack. */
  memory(bytes: number): Address {
    return { base: FRAME_POINTER, at: 0, object: this.function.frame.object(bytes) };
  }
}

const SMALL_LEAST = -(2n ** 31n);
const SMALL_MOST = 2n ** 31n - 1n;

/** Whether a constant fits into an instruction. */
export function isSmall(value: bigint): boolean {
  return value >= SMALL_LEAST && value <= SMALL_MOST;
}
