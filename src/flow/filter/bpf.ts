/**
 * Instructions of classic BPF (linux/filter.h, McCanne and Jacobson 1993), as numbers, bytes and text.
 * @module
 */

/** One instruction: `struct sock_filter`. */
export interface BpfInstruction {
  /** 16 bits: class, size, mode, operation. */
  readonly code: number;
  /** Instructions to skip, 0 to 255, when the comparison holds. */
  readonly jumpTrue: number;
  /** The same when it does not. */
  readonly jumpFalse: number;
  /** 32 bits, unsigned. */
  readonly constant: number;
}

/** BPF_MAXINSNS: the kernel takes no more. */
export const BPF_INSTRUCTIONS_MAX = 4096;
/** BPF_MEMWORDS: words of scratch memory. */
export const BPF_MEMORY_WORDS = 16;

/** Operation codes, by the mnemonics of the BPF paper. */
export const Bpf = {
  loadImmediate: 0x00,
  loadWord: 0x20,
  loadHalf: 0x28,
  loadByte: 0x30,
  loadWordIndirect: 0x40,
  loadHalfIndirect: 0x48,
  loadByteIndirect: 0x50,
  loadMemory: 0x60,
  loadLength: 0x80,
  loadXImmediate: 0x01,
  loadXMemory: 0x61,
  loadXLength: 0x81,
  /** Four times the low half of a byte. */
  loadXHeaderLength: 0xb1,
  store: 0x02,
  storeX: 0x03,
  add: 0x04,
  subtract: 0x14,
  multiply: 0x24,
  divide: 0x34,
  or: 0x44,
  and: 0x54,
  shiftLeft: 0x64,
  shiftRight: 0x74,
  negate: 0x84,
  modulo: 0x94,
  xor: 0xa4,
  /** Comes to the code of an operation or of a jump whose right side is X. */
  withX: 0x08,
  jump: 0x05,
  jumpEqual: 0x15,
  jumpGreater: 0x25,
  jumpGreaterEqual: 0x35,
  jumpSet: 0x45,
  returnConstant: 0x06,
  returnA: 0x16,
  moveToX: 0x07,
  moveToA: 0x87,
} as const;

const INSTRUCTION_BYTES = 8;

/** An array of `struct sock_filter` as a little-endian machine has it. */
export function encodeBpf(program: readonly BpfInstruction[]): Uint8Array {
  const bytes = new Uint8Array(program.length * INSTRUCTION_BYTES);
  const view = new DataView(bytes.buffer);
  for (const [index, { code, jumpTrue, jumpFalse, constant }] of program.entries()) {
    const at = index * INSTRUCTION_BYTES;
    view.setUint16(at, code, true);
    view.setUint8(at + 2, jumpTrue);
    view.setUint8(at + 3, jumpFalse);
    view.setUint32(at + 4, constant, true);
  }
  return bytes;
}

const LOADS: ReadonlyMap<number, string> = new Map([
  [Bpf.loadWord, "ld"],
  [Bpf.loadHalf, "ldh"],
  [Bpf.loadByte, "ldb"],
]);
const INDIRECT = 0x20;
const OPERATIONS: ReadonlyMap<number, string> = new Map([
  [Bpf.add, "add"],
  [Bpf.subtract, "sub"],
  [Bpf.multiply, "mul"],
  [Bpf.divide, "div"],
  [Bpf.or, "or"],
  [Bpf.and, "and"],
  [Bpf.shiftLeft, "lsh"],
  [Bpf.shiftRight, "rsh"],
  [Bpf.modulo, "mod"],
  [Bpf.xor, "xor"],
]);
const JUMPS: ReadonlyMap<number, string> = new Map([
  [Bpf.jumpEqual, "jeq"],
  [Bpf.jumpGreater, "jgt"],
  [Bpf.jumpGreaterEqual, "jge"],
  [Bpf.jumpSet, "jset"],
]);

/** One line for each instruction, in the words of `tcpdump -d`. */
export function formatBpf(program: readonly BpfInstruction[]): string {
  return program
    .map((instruction, index) => `(${String(index).padStart(3, "0")}) ${formatOne(instruction, index)}`)
    .join("\n");
}

function formatOne({ code, jumpTrue, jumpFalse, constant }: BpfInstruction, index: number): string {
  const line = (name: string, operand: string): string => `${name.padEnd(8)} ${operand}`;
  const hex = `#0x${constant.toString(16)}`;
  const jump = JUMPS.get(code & ~Bpf.withX);
  if (jump !== undefined) {
    const operand = (code & Bpf.withX) !== 0 ? "x" : hex;
    return `${line(jump, operand).padEnd(25)} jt ${index + 1 + jumpTrue}\tjf ${index + 1 + jumpFalse}`;
  }
  const load = LOADS.get(code);
  if (load !== undefined) return line(load, `[${constant}]`);
  const indirect = LOADS.get(code - INDIRECT);
  if (indirect !== undefined) return line(indirect, `[x + ${constant}]`);
  const operation = OPERATIONS.get(code & ~Bpf.withX);
  if (operation !== undefined)
    return line(operation, (code & Bpf.withX) !== 0 ? "x" : `#0x${constant.toString(16)}`);
  switch (code) {
    case Bpf.loadImmediate:
      return line("ld", hex);
    case Bpf.loadMemory:
      return line("ld", `M[${constant}]`);
    case Bpf.loadLength:
      return line("ld", "#pktlen");
    case Bpf.loadXImmediate:
      return line("ldx", hex);
    case Bpf.loadXMemory:
      return line("ldx", `M[${constant}]`);
    case Bpf.loadXLength:
      return line("ldx", "#pktlen");
    case Bpf.loadXHeaderLength:
      return line("ldxb", `4*([${constant}]&0xf)`);
    case Bpf.store:
      return line("st", `M[${constant}]`);
    case Bpf.storeX:
      return line("stx", `M[${constant}]`);
    case Bpf.negate:
      return "neg";
    case Bpf.jump:
      return line("ja", String(index + 1 + constant));
    case Bpf.returnConstant:
      return line("ret", `#${constant}`);
    case Bpf.returnA:
      return "ret a";
    case Bpf.moveToX:
      return "tax";
    case Bpf.moveToA:
      return "txa";
    default:
      return `unknown 0x${code.toString(16)}`;
  }
}
