/**
 * Packets that become longer or shorter, and sums of their bytes. Helpers of the kernel make the packet longer or shorter
 * at one of its ends; the bytes between that end and the place are moved piece by piece, by way of the stack.
 * @module
 */
import { Helper } from "#wire/ebpf.ts";
import type { ResizeInstruction, SumInstruction, Value } from "../ir/ir.ts";
import type { MachineBlock, Register } from "./machine.ts";
import type { Address, JumpName, MachineBuilder, Operand } from "./machine-builder.ts";
import type { Selection } from "./select.ts";

/** Bytes that are moved at once, and that may be in front of a place whose front moves. */
const PIECE_BYTES = 128;
/** More bytes than the kernel makes a packet of in one piece (SKB_MAX_ALLOC): they say that loops over pieces end. */
const BYTES_MAX = 16_384;
/** Where bpf_skb_adjust_room makes room in mode BPF_ADJ_ROOM_MAC: behind Ethernet. */
const BEHIND_ETHERNET = { mode: 1n, offset: 14 } as const;
/** BPF_F_RECOMPUTE_CSUM: what a device has summed up follows. */
const WITH_SUM = 1n;

export class Resizer {
  readonly #selection: Selection;
  readonly #context: Register;
  readonly #lengthInto: (register: Register) => void;
  readonly #isDriver: boolean;

  /** @param lengthInto reads the packet's length */
  constructor(selection: Selection, context: Register, lengthInto: (register: Register) => void) {
    this.#selection = selection;
    this.#context = context;
    this.#lengthInto = lengthInto;
    this.#isDriver = selection.target.attach === "xdp";
  }

  get #machine(): MachineBuilder {
    return this.#selection.machine;
  }

  resize(instruction: ResizeInstruction): void {
    const machine = this.#machine;
    const outcome = this.#selection.resultOf(instruction.result);
    const next = machine.block();
    machine.constant(outcome, -1n);
    if (instruction.keeps === "back") this.#atFront(instruction, outcome, next);
    else this.#atBack(instruction, outcome, next);
    machine.jump(next);
    machine.begin(next);
  }

  /** The front moves: it is kept on the stack meanwhile. */
  #atFront({ offset, length, direction }: ResizeInstruction, outcome: Register, next: MachineBlock): void {
    const machine = this.#machine;
    const first = this.#isDriver ? 0 : BEHIND_ETHERNET.offset;
    const front = this.#copy(offset);
    machine.arithmetic("subtract", front, { immediate: first });
    this.#leaveIf("greater", front, { immediate: PIECE_BYTES }, next);
    const piece = machine.memory(PIECE_BYTES);
    this.#unlessZero(front, () => this.#load(piece, { immediate: first }, { register: front }));
    const isLess = (direction === "shrink") !== this.#isDriver;
    this.#selection.copyInto(2, length);
    if (isLess) machine.negate(2);
    machine.move(1, this.#context);
    if (this.#isDriver) machine.call(Helper.xdpAdjustHead, 2);
    else {
      machine.constant(3, BEHIND_ETHERNET.mode);
      machine.constant(4, 0n);
      machine.call(Helper.skbAdjustRoom, 4);
    }
    machine.move(outcome, 0);
    this.#leaveIf("unequal", outcome, { immediate: 0 }, next);
    this.#unlessZero(front, () => this.#store(piece, { immediate: first }, { register: front }));
  }

  /** What is behind the place moves. */
  #atBack(instruction: ResizeInstruction, outcome: Register, next: MachineBlock): void {
    const machine = this.#machine;
    const { offset, direction } = instruction;
    const total = machine.register();
    this.#lengthInto(total);
    const bytes = this.#copy(instruction.length);
    const source = this.#copy(offset);
    if (direction === "shrink") machine.arithmetic("add", source, { register: bytes });
    const count = machine.register();
    machine.move(count, total);
    machine.arithmetic("subtract", count, { register: source });
    // Below 0 it is more than that as well.
    this.#leaveIf("greater", count, { immediate: BYTES_MAX }, next);
    if (direction === "grow") {
      this.#setLength(total, bytes, outcome, "add");
      this.#leaveIf("unequal", outcome, { immediate: 0 }, next);
      this.#moveBack(source, count, bytes);
      return;
    }
    if (!this.#isDriver) {
      // One more byte first: it tells whether the kernel lets the packet be resized, and has it forget what a device has
      // summed up.
      const one = machine.register();
      machine.constant(one, 1n);
      this.#setLength(total, one, outcome, "add");
      this.#leaveIf("unequal", outcome, { immediate: 0 }, next);
    }
    this.#moveForward(source, count, bytes);
    this.#setLength(total, bytes, outcome, "subtract");
  }

  /** Makes the packet longer or shorter at its end, by so many bytes. */
  #setLength(total: Register, bytes: Register, outcome: Register, operation: "add" | "subtract"): void {
    const machine = this.#machine;
    machine.move(2, this.#isDriver ? bytes : total);
    if (!this.#isDriver) machine.arithmetic(operation, 2, { register: bytes });
    else if (operation === "subtract") machine.negate(2);
    machine.move(1, this.#context);
    machine.constant(3, 0n);
    machine.call(this.#isDriver ? Helper.xdpAdjustTail : Helper.skbChangeTail, this.#isDriver ? 2 : 3);
    machine.move(outcome, 0);
  }

  /** Away from the start, the last piece first. */
  #moveBack(first: Register, count: Register, by: Register): void {
    const machine = this.#machine;
    const piece = machine.memory(PIECE_BYTES);
    const from = machine.register();
    machine.move(from, first);
    machine.arithmetic("add", from, { register: count });
    this.#inPieces(count, () => {
      machine.arithmetic("subtract", from, { immediate: PIECE_BYTES });
      this.#load(piece, { register: from }, { immediate: PIECE_BYTES });
      this.#store(piece, { register: this.#sum(from, by, "add") }, { immediate: PIECE_BYTES });
    });
    this.#unlessZero(count, () => {
      this.#load(piece, { register: first }, { register: count });
      this.#store(piece, { register: this.#sum(first, by, "add") }, { register: count });
    });
  }

  /** Towards the start, the first piece first. */
  #moveForward(from: Register, count: Register, by: Register): void {
    const machine = this.#machine;
    const piece = machine.memory(PIECE_BYTES);
    this.#inPieces(count, () => {
      this.#load(piece, { register: from }, { immediate: PIECE_BYTES });
      this.#store(piece, { register: this.#sum(from, by, "subtract") }, { immediate: PIECE_BYTES });
      machine.arithmetic("add", from, { immediate: PIECE_BYTES });
    });
    this.#unlessZero(count, () => {
      this.#load(piece, { register: from }, { register: count });
      this.#store(piece, { register: this.#sum(from, by, "subtract") }, { register: count });
    });
  }

  sum({ result, offset, length }: SumInstruction): void {
    const machine = this.#machine;
    const sum = this.#selection.resultOf(result);
    const next = machine.block();
    const piece = machine.memory(PIECE_BYTES);
    const from = this.#copy(offset);
    const count = this.#copy(length);
    machine.constant(sum, 0n);
    this.#leaveIf("greater", count, { immediate: BYTES_MAX }, next);
    this.#inPieces(count, () => {
      this.#load(piece, { register: from }, { immediate: PIECE_BYTES });
      this.#addPiece(piece, sum);
      machine.arithmetic("add", from, { immediate: PIECE_BYTES });
    });
    this.#unlessZero(count, () => {
      for (let at = 0; at < PIECE_BYTES; at += 8) {
        machine.store({ ...piece, at: piece.at + at }, { immediate: 0 }, 8);
      }
      this.#load(piece, { register: from }, { register: count });
      this.#addPiece(piece, sum);
    });
    // From 32 bits to 16.
    for (let round = 0; round < 2; round++) {
      const upper = machine.register();
      machine.move(upper, sum);
      machine.arithmetic("shiftRight", upper, { immediate: 16 });
      machine.arithmetic("and", sum, { immediate: 0xffff });
      machine.arithmetic("add", sum, { register: upper });
    }
    machine.jump(next);
    machine.begin(next);
  }

  #addPiece(piece: Address, sum: Register): void {
    const machine = this.#machine;
    machine.constant(1, 0n);
    machine.constant(2, 0n);
    machine.addressInto(3, piece);
    machine.constant(4, BigInt(PIECE_BYTES));
    machine.move(5, sum);
    machine.call(Helper.checksumDifference, 5);
    machine.move(sum, 0, true);
  }

  /** Goes on as long as there is a whole piece; `count` is what is left then. */
  #inPieces(count: Register, action: () => void): void {
    const machine = this.#machine;
    const head = machine.block();
    const [body, rest] = [machine.block(), machine.block()];
    machine.jump(head);
    machine.begin(head);
    machine.branch("less", count, { immediate: PIECE_BYTES }, { ifTrue: rest, ifFalse: body });
    machine.begin(body);
    action();
    machine.arithmetic("subtract", count, { immediate: PIECE_BYTES });
    machine.jump(head);
    machine.begin(rest);
  }

  #unlessZero(count: Register, action: () => void): void {
    const machine = this.#machine;
    const [some, next] = [machine.block(), machine.block()];
    machine.branch("equal", count, { immediate: 0 }, { ifTrue: next, ifFalse: some });
    machine.begin(some);
    action();
    machine.jump(next);
    machine.begin(next);
  }

  #leaveIf(jump: JumpName, left: Register, right: Operand, next: MachineBlock): void {
    const machine = this.#machine;
    const here = machine.block();
    machine.branch(jump, left, right, { ifTrue: next, ifFalse: here });
    machine.begin(here);
  }

  /** Bytes of the packet to the stack. */
  #load(piece: Address, offset: Operand, count: Operand): void {
    const machine = this.#machine;
    machine.move(1, this.#context);
    this.#set(2, offset);
    machine.addressInto(3, piece);
    this.#set(4, count);
    machine.call(this.#isDriver ? Helper.xdpLoadBytes : Helper.skbLoadBytes, 4);
  }

  /** Bytes of the stack to the packet. */
  #store(piece: Address, offset: Operand, count: Operand): void {
    const machine = this.#machine;
    machine.move(1, this.#context);
    this.#set(2, offset);
    machine.addressInto(3, piece);
    this.#set(4, count);
    machine.constant(5, WITH_SUM);
    if (this.#isDriver) machine.call(Helper.xdpStoreBytes, 4);
    else machine.call(Helper.skbStoreBytes, 5);
  }

  #set(register: Register, operand: Operand): void {
    if ("register" in operand) this.#machine.move(register, operand.register);
    else this.#machine.constant(register, BigInt(operand.immediate));
  }

  /** A register of its own, to be written to. */
  #copy(value: Value): Register {
    const register = this.#machine.register();
    this.#selection.copyInto(register, value);
    return register;
  }

  #sum(left: Register, right: Register, operation: "add" | "subtract"): Register {
    const machine = this.#machine;
    const register = machine.register();
    machine.move(register, left);
    machine.arithmetic(operation, register, { register: right });
    return register;
  }
}
