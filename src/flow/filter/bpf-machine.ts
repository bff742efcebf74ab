/**
 * Runs classic BPF as libpcap does without a kernel: the yardstick for programs and for compiled filters.
 * @module
 */
import { ConfigurationError } from "#base/errors.ts";
import { BPF_INSTRUCTIONS_MAX, BPF_MEMORY_WORDS, Bpf, type BpfInstruction } from "./bpf.ts";
import type { FilterOperator } from "./expression.ts";
import { compute } from "./value.ts";

/** From here on a place of a load is a word of the kernel's (SKF_AD_OFF). */
const ANCILLARY = 0xfffff000;

const OPERATIONS: ReadonlyMap<number, FilterOperator> = new Map([
  [Bpf.add, "+"],
  [Bpf.subtract, "-"],
  [Bpf.multiply, "*"],
  [Bpf.divide, "/"],
  [Bpf.or, "|"],
  [Bpf.and, "&"],
  [Bpf.shiftLeft, "<<"],
  [Bpf.shiftRight, ">>"],
  [Bpf.modulo, "%"],
  [Bpf.xor, "^"],
]);

/** One program, ready to run. */
export class BpfMachine {
  readonly #program: readonly BpfInstruction[];
  readonly #memory = new Uint32Array(BPF_MEMORY_WORDS);
  /** What the kernel knows of the packet beside its bytes, by place (0xfffff02c is the VLAN tag); else 0. */
  readonly ancillary: Map<number, number> = new Map<number, number>();

  /** @throws ConfigurationError when the kernel would refuse the program */
  constructor(program: readonly BpfInstruction[]) {
    const problem = bpfProblem(program);
    if (problem !== undefined) throw new ConfigurationError(`Cannot run the program: ${problem}`);
    this.#program = program;
  }

  /** How many bytes of the packet to take; 0 when it does not match. The packet begins at `offset`. */
  run(bytes: Uint8Array, offset: number, capturedBytes: number, originalBytes: number): number {
    const available = Math.min(capturedBytes, bytes.length - offset);
    const memory = this.#memory;
    let a = 0;
    let x = 0;
    for (let at = 0; ; at++) {
      const { code, jumpTrue, jumpFalse, constant } = this.#program[at] as BpfInstruction;
      switch (code & 0x07) {
        case 0: {
          const value = this.#load(code, constant, x, bytes, offset, available, originalBytes);
          if (value === undefined) return 0;
          a = value;
          break;
        }
        case 1: {
          const value = this.#load(code, constant, x, bytes, offset, available, originalBytes);
          if (value === undefined) return 0;
          x = value;
          break;
        }
        case 2:
          memory[constant] = a;
          break;
        case 3:
          memory[constant] = x;
          break;
        case 4: {
          if (code === Bpf.negate) {
            a = -a >>> 0;
            break;
          }
          const operator = OPERATIONS.get(code & ~Bpf.withX) as FilterOperator;
          const result = compute(operator, a, (code & Bpf.withX) !== 0 ? x : constant);
          if (result === undefined) return 0;
          a = result;
          break;
        }
        case 5: {
          const right = (code & Bpf.withX) !== 0 ? x : constant;
          if (code === Bpf.jump) at += constant;
          else at += compares(code & ~Bpf.withX, a, right) ? jumpTrue : jumpFalse;
          break;
        }
        case 6:
          return code === Bpf.returnA ? a : constant;
        default:
          if (code === Bpf.moveToX) x = a;
          else a = x;
      }
    }
  }

  #load(
    code: number,
    constant: number,
    x: number,
    bytes: Uint8Array,
    offset: number,
    available: number,
    originalBytes: number,
  ): number | undefined {
    switch (code) {
      case Bpf.loadImmediate:
      case Bpf.loadXImmediate:
        return constant;
      case Bpf.loadMemory:
      case Bpf.loadXMemory:
        return this.#memory[constant];
      case Bpf.loadLength:
      case Bpf.loadXLength:
        return originalBytes >>> 0;
      case Bpf.loadXHeaderLength:
        return constant < available ? 4 * ((bytes[offset + constant] as number) & 15) : undefined;
      default:
        break;
    }
    const isIndirect = (code & 0xe0) === 0x40;
    if (!isIndirect && constant >= ANCILLARY) return this.ancillary.get(constant) ?? 0;
    const at = isIndirect ? (x + constant) >>> 0 : constant;
    const sizeBytes = (code & 0x18) === 0x00 ? 4 : (code & 0x18) === 0x08 ? 2 : 1;
    if (at + sizeBytes > available) return undefined;
    let value = 0;
    for (let index = 0; index < sizeBytes; index++) {
      value = value * 256 + (bytes[offset + at + index] as number);
    }
    return value;
  }
}

function compares(code: number, left: number, right: number): boolean {
  switch (code) {
    case Bpf.jumpEqual:
      return left === right;
    case Bpf.jumpGreater:
      return left > right;
    case Bpf.jumpGreaterEqual:
      return left >= right;
    default:
      return (left & right) !== 0;
  }
}

const CODES: ReadonlySet<number> = new Set([
  ...Object.values(Bpf).filter((code) => code !== Bpf.withX),
  ...[...OPERATIONS.keys()].map((code) => code | Bpf.withX),
  ...[Bpf.jumpEqual, Bpf.jumpGreater, Bpf.jumpGreaterEqual, Bpf.jumpSet].map((code) => code | Bpf.withX),
]);

/** Why the kernel would refuse the program (bpf_check_classic); `undefined` when it would not. */
export function bpfProblem(program: readonly BpfInstruction[]): string | undefined {
  const count = program.length;
  if (count === 0 || count > BPF_INSTRUCTIONS_MAX) {
    return `${count} instructions, at least 1 and at most ${BPF_INSTRUCTIONS_MAX}`;
  }
  // Words of memory that every way to an instruction has written.
  const written = new Array<number>(count).fill(0xffff);
  let now = 0;
  for (const [at, { code, jumpTrue, jumpFalse, constant }] of program.entries()) {
    const problem = (text: string): string => `instruction ${at}: ${text}`;
    now &= written[at] as number;
    if (!CODES.has(code)) return problem(`unknown code ${code}`);
    const kind = code & 0x07;
    if ((code === Bpf.divide || code === Bpf.modulo) && constant === 0) return problem("division by zero");
    if ((code === Bpf.shiftLeft || code === Bpf.shiftRight) && constant > 31) return problem("a long shift");
    const isMemory = code === Bpf.loadMemory || code === Bpf.loadXMemory;
    if ((isMemory || kind === 2 || kind === 3) && constant >= BPF_MEMORY_WORDS)
      return problem("no such word");
    if (isMemory && (now & (1 << constant)) === 0) return problem("reads a word that was not written");
    if (kind === 2 || kind === 3) now |= 1 << constant;
    if (kind === 5) {
      const jumps = code === Bpf.jump ? [constant] : [jumpTrue, jumpFalse];
      for (const jump of jumps) {
        const target = at + 1 + jump;
        if (target >= count || jump > (code === Bpf.jump ? count : 255)) return problem("jumps out");
        written[target] = (written[target] as number) & now;
      }
      now = 0xffff;
    }
  }
  const last = program[count - 1]?.code;
  return last === Bpf.returnConstant || last === Bpf.returnA ? undefined : "it does not end with a return";
}
