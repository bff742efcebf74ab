/**
 * Changes of maps in the kernel that must be one step for programs as well, which system calls on maps are not: small
 * programs do them, and are run over a packet that holds the key and the operands, without any network.
 * @module
 */
import type { ProgramImage, TestRun } from "#io/kernel-programs.ts";
import {
  AccessMode,
  AccessSize,
  Arithmetic,
  Atomic,
  type EbpfInstruction,
  encodeEbpf,
  FRAME_POINTER,
  Helper,
  InstructionClass,
  Jump,
  PseudoConstant,
  SOURCE_REGISTER,
} from "#wire/ebpf.ts";
import type { KernelMapLayout } from "./kernel-map-layout.ts";

/** Where the key stands in the packet: behind what the kernel wants for an Ethernet header, and aligned. */
const KEY_AT = 16;
/** `struct xdp_md`: where the packet begins, and ends. */
const DATA_AT = 0;
const DATA_END_AT = 4;
const DONE = 0;
const NO_ENTRY = 1;

/** The operands behind the key, 64 bits each. */
const OPERAND = { first: 0, value: 8, now: 16, expires: 24, result: 32, bytes: 40 } as const;

export type MapOperation = "add" | "exchange";

/** Runs the program of an operation. */
export type RunOperation = (operation: MapOperation, packet: Uint8Array) => TestRun;

/** The programs over a map, which has this name there. */
export function operationImage(operation: MapOperation, map: string, layout: KernelMapLayout): ProgramImage {
  const code = new Code();
  const operands = operandsAt(layout);
  const keySpace = operands - KEY_AT;
  const stay = 6;
  const entry = 7;
  code.load(4, stay, 1, DATA_AT);
  code.load(4, 3, 1, DATA_END_AT);
  code.move(4, stay);
  code.add(4, operands + OPERAND.bytes);
  code.leaveUnless(Jump.lessOrEqual, 4, 3);
  for (let at = 0; at < keySpace; at += 8) {
    code.load(8, 4, stay, KEY_AT + at);
    code.store(FRAME_POINTER, at - keySpace, 4);
  }
  const mapAt = code.map(1);
  code.move(2, FRAME_POINTER);
  code.add(2, -keySpace);
  code.call(Helper.mapLookUp);
  code.move(entry, 0);
  code.leaveIfZero(entry);
  if (layout.expiresAt !== undefined) {
    code.load(8, 4, entry, layout.expiresAt);
    code.load(8, 5, stay, operands + OPERAND.now);
    code.leaveUnless(Jump.greaterSigned, 4, 5);
  }
  if (operation === "add") {
    code.load(8, 0, stay, operands + OPERAND.first);
    code.atomic(entry, layout.numberAt, 0, Atomic.add | Atomic.fetch);
  } else {
    code.load(8, 0, stay, operands + OPERAND.first);
    code.load(8, 1, stay, operands + OPERAND.value);
    code.atomic(entry, layout.numberAt, 1, Atomic.compareExchange);
    if (layout.expiresAt !== undefined) {
      code.load(8, 4, stay, operands + OPERAND.first);
      code.load(8, 5, stay, operands + OPERAND.expires);
      code.skipUnlessEqual(0, 4, 1);
      code.store(entry, layout.expiresAt, 5);
    }
  }
  code.store(stay, operands + OPERAND.result, 0);
  code.answer(DONE);
  return {
    name: `map_${operation}`,
    type: "xdp",
    instructions: encodeEbpf(code.instructions),
    relocations: [{ kind: "map", at: mapAt, map, isValue: false, offset: 0 }],
    maps: [],
    lines: [],
  };
}

export class KernelMapOperations {
  readonly #layout: KernelMapLayout;
  readonly #run: RunOperation;

  constructor(layout: KernelMapLayout, run: RunOperation) {
    this.#layout = layout;
    this.#run = run;
  }

  /** Adds to the number of a live entry; what stood there before, `undefined` when there is none. */
  add(key: Uint8Array, delta: number, now: number): number | undefined {
    return this.#do("add", key, { first: delta, now });
  }

  /** Puts `value` where `expected` stands, and lets the entry expire then; what stood there. */
  exchange(
    key: Uint8Array,
    expected: number,
    value: number,
    { now, expires }: { readonly now: number; readonly expires: number },
  ): number | undefined {
    return this.#do("exchange", key, { first: expected, value, now, expires });
  }

  #do(
    operation: MapOperation,
    key: Uint8Array,
    operands: Readonly<Partial<Record<keyof typeof OPERAND, number>>>,
  ): number | undefined {
    const at = operandsAt(this.#layout);
    const packet = new Uint8Array(at + OPERAND.bytes);
    const data = new DataView(packet.buffer);
    packet.set(key, KEY_AT);
    for (const [name, value] of Object.entries(operands)) {
      data.setBigInt64(at + OPERAND[name as keyof typeof OPERAND], BigInt(Math.floor(value)), true);
    }
    const { verdict, bytes } = this.#run(operation, packet);
    if (verdict !== DONE) return undefined;
    return Number(new DataView(bytes.buffer, bytes.byteOffset).getBigInt64(at + OPERAND.result, true));
  }
}

function operandsAt({ keyBytes }: KernelMapLayout): number {
  return KEY_AT + 8 * Math.ceil(keyBytes / 8);
}

/** Instructions one after the other; whoever leaves early answers that there is no entry. */
class Code {
  readonly instructions: EbpfInstruction[] = [];

  load(bytes: 4 | 8, destination: number, source: number, offset: number): void {
    const code = InstructionClass.loadX | AccessMode.memory | AccessSize[bytes];
    this.#push({ code, destination, source, offset });
  }

  store(destination: number, offset: number, source: number): void {
    const code = InstructionClass.storeX | AccessMode.memory | AccessSize[8];
    this.#push({ code, destination, source, offset });
  }

  atomic(destination: number, offset: number, source: number, immediate: number): void {
    const code = InstructionClass.storeX | AccessMode.atomic | AccessSize[8];
    this.#push({ code, destination, source, offset, immediate });
  }

  move(destination: number, source: number): void {
    this.#push({ code: InstructionClass.alu64 | Arithmetic.move | SOURCE_REGISTER, destination, source });
  }

  add(destination: number, immediate: number): void {
    this.#push({ code: InstructionClass.alu64 | Arithmetic.add, destination, immediate });
  }

  /** The place of the relocation. */
  map(destination: number): number {
    this.#push({ code: 0x18, destination, source: PseudoConstant.map });
    this.#push({ code: 0 });
    return this.instructions.length - 2;
  }

  call(helper: number): void {
    this.#push({ code: InstructionClass.jump | Jump.call, immediate: helper });
  }

  answer(immediate: number): void {
    this.#push({ code: InstructionClass.alu64 | Arithmetic.move, destination: 0, immediate });
    this.#push({ code: InstructionClass.jump | Jump.exit });
  }

  leaveUnless(jump: number, destination: number, source: number): void {
    this.#push({ code: InstructionClass.jump | jump | SOURCE_REGISTER, destination, source, offset: 2 });
    this.answer(NO_ENTRY);
  }

  leaveIfZero(destination: number): void {
    this.#push({ code: InstructionClass.jump | Jump.unequal, destination, offset: 2, immediate: 0 });
    this.answer(NO_ENTRY);
  }

  skipUnlessEqual(destination: number, source: number, count: number): void {
    const code = InstructionClass.jump | Jump.unequal | SOURCE_REGISTER;
    this.#push({ code, destination, source, offset: count });
  }

  #push(instruction: Partial<EbpfInstruction> & Pick<EbpfInstruction, "code">): void {
    this.instructions.push({ destination: 0, source: 0, offset: 0, immediate: 0, ...instruction });
  }
}
