/**
 * eBPF as readable assembly, close to what the kernel's tools write: `r1 = *(u32 *)(r1 + 76)`, `if r2 > r3 goto +5`.
 * The format is stable, so that tests can compare it; registers of 32 bits are `w0` to `w10`.
 * @module
 */
import {
  AccessMode,
  Arithmetic,
  Atomic,
  type EbpfInstruction,
  Helper,
  InstructionClass,
  Jump,
  PseudoCall,
  PseudoConstant,
  SOURCE_REGISTER,
} from "./ebpf.ts";

const OPERATORS: Readonly<Record<number, string>> = {
  [Arithmetic.add]: "+=",
  [Arithmetic.subtract]: "-=",
  [Arithmetic.multiply]: "*=",
  [Arithmetic.divide]: "/=",
  [Arithmetic.or]: "|=",
  [Arithmetic.and]: "&=",
  [Arithmetic.shiftLeft]: "<<=",
  [Arithmetic.shiftRight]: ">>=",
  [Arithmetic.modulo]: "%=",
  [Arithmetic.xor]: "^=",
  [Arithmetic.move]: "=",
  [Arithmetic.shiftRightSigned]: "s>>=",
};

const CONDITIONS: Readonly<Record<number, string>> = {
  [Jump.equal]: "==",
  [Jump.greater]: ">",
  [Jump.greaterOrEqual]: ">=",
  [Jump.anySet]: "&",
  [Jump.unequal]: "!=",
  [Jump.greaterSigned]: "s>",
  [Jump.greaterOrEqualSigned]: "s>=",
  [Jump.less]: "<",
  [Jump.lessOrEqual]: "<=",
  [Jump.lessSigned]: "s<",
  [Jump.lessOrEqualSigned]: "s<=",
};

/** Bits of an access by bits 3 and 4 of its code. */
const WIDTHS: Readonly<Record<number, number>> = { 0: 32, 8: 16, 16: 8, 24: 64 };

const ATOMICS: Readonly<Record<number, string>> = {
  [Atomic.add]: "+=",
  [Arithmetic.or]: "|=",
  [Arithmetic.and]: "&=",
  [Arithmetic.xor]: "^=",
};

const HELPER_NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(Helper).map(([name, number]) => [number, name]),
);

/** What stands in place of numbers that only a loaded program has, by index of the instruction. */
export type InstructionNames = ReadonlyMap<number, string>;

/** One line for each instruction, with its index; the second half of a 64-bit constant has none. */
export function formatEbpf(
  instructions: readonly EbpfInstruction[],
  names: InstructionNames = new Map(),
): string {
  const lines: string[] = [];
  for (let at = 0; at < instructions.length; at++) {
    const instruction = instructions[at];
    if (!instruction) break;
    const next = isWide(instruction) ? instructions[at + 1] : undefined;
    lines.push(`${String(at).padStart(4)}: ${formatInstruction(instruction, next, names.get(at))}`);
    if (next) at++;
  }
  return lines.join("\n");
}

/** Whether it is the first half of a 64-bit constant. */
export function isWide({ code }: EbpfInstruction): boolean {
  return code === 0x18;
}

/** `next` is the second half of a 64-bit constant; `name` stands for a map, a function, a field or an interface. */
export function formatInstruction(
  instruction: EbpfInstruction,
  next?: EbpfInstruction,
  name?: string,
): string {
  switch (instruction.code & 7) {
    case InstructionClass.load:
      return formatConstant(instruction, next, name);
    case InstructionClass.loadX:
      return formatLoad(instruction, name);
    case InstructionClass.store:
    case InstructionClass.storeX:
      return formatStore(instruction, name);
    case InstructionClass.jump:
    case InstructionClass.jump32:
      return formatJump(instruction, name);
    default:
      return formatArithmetic(instruction, name);
  }
}

function unknown({ code }: EbpfInstruction): string {
  return `unknown instruction 0x${code.toString(16).padStart(2, "0")}`;
}

function formatConstant(
  instruction: EbpfInstruction,
  next: EbpfInstruction | undefined,
  name?: string,
): string {
  if (!isWide(instruction) || !next) return unknown(instruction);
  const { destination, source, immediate } = instruction;
  const register = `r${destination}`;
  switch (source) {
    case PseudoConstant.map:
      return `${register} = map ${name ?? immediate}`;
    case PseudoConstant.mapValue:
      return `${register} = value of map ${name ?? immediate}${signed(next.immediate)}`;
    default: {
      if (name !== undefined) return `${register} = map ${name}`;
      const value = (BigInt(next.immediate) << 32n) | BigInt(immediate >>> 0);
      return `${register} = ${constant64(value)} ll`;
    }
  }
}

/** Small ones in decimal, others as hexadecimal of 64 bits. */
function constant64(value: bigint): string {
  const isSmall = value > -65_536n && value < 65_536n;
  return isSmall ? value.toString() : `0x${BigInt.asUintN(64, value).toString(16)}`;
}

function signed(offset: number): string {
  return offset < 0 ? ` - ${-offset}` : ` + ${offset}`;
}

function place(type: string, register: number, offset: number, name?: string): string {
  return `*(${type} *)(r${register}${name === undefined ? signed(offset) : ` + ${name}`})`;
}

function formatLoad(instruction: EbpfInstruction, name?: string): string {
  const { code, destination, source, offset } = instruction;
  const mode = code & 0xe0;
  const width = WIDTHS[code & 0x18];
  if (mode !== AccessMode.memory && mode !== AccessMode.memorySigned) return unknown(instruction);
  const type = `${mode === AccessMode.memorySigned ? "s" : "u"}${width}`;
  return `r${destination} = ${place(type, source, offset, name)}`;
}

function formatStore(instruction: EbpfInstruction, name?: string): string {
  const { code, destination, source, offset, immediate } = instruction;
  const mode = code & 0xe0;
  const width = WIDTHS[code & 0x18];
  const isRegister = (code & 7) === InstructionClass.storeX;
  if (mode === AccessMode.atomic && isRegister) return formatAtomic(instruction);
  if (mode !== AccessMode.memory) return unknown(instruction);
  const value = isRegister ? `r${source}` : `${immediate}`;
  return `${place(`u${width}`, destination, offset, name)} = ${value}`;
}

function formatAtomic(instruction: EbpfInstruction): string {
  const { code, destination, source, offset, immediate } = instruction;
  const width = WIDTHS[code & 0x18] ?? 0;
  const at = place(`u${width}`, destination, offset);
  const register = (number: number): string => `${width === 64 ? "r" : "w"}${number}`;
  if (immediate === Atomic.exchange) return `${register(source)} = exchange(${at}, ${register(source)})`;
  if (immediate === Atomic.compareExchange) {
    return `${register(0)} = compare_exchange(${at}, ${register(0)}, ${register(source)})`;
  }
  const operator = ATOMICS[immediate & ~Atomic.fetch];
  if (operator === undefined) return unknown(instruction);
  const fetched = immediate & Atomic.fetch ? `${register(source)} = fetch ` : "";
  return `${fetched}lock ${at} ${operator} ${register(source)}`;
}

function formatJump(instruction: EbpfInstruction, name?: string): string {
  const { code, destination, source, offset, immediate } = instruction;
  const isNarrow = (code & 7) === InstructionClass.jump32;
  const register = isNarrow ? "w" : "r";
  switch (code & 0xf0) {
    case Jump.always:
      return `goto ${target(isNarrow ? immediate : offset)}`;
    case Jump.exit:
      return isNarrow ? unknown(instruction) : "exit";
    case Jump.call:
      return isNarrow ? unknown(instruction) : formatCall(instruction, name);
    default: {
      const condition = CONDITIONS[code & 0xf0];
      if (condition === undefined) return unknown(instruction);
      const other = code & SOURCE_REGISTER ? `${register}${source}` : constant32(immediate);
      return `if ${register}${destination} ${condition} ${other} goto ${target(offset)}`;
    }
  }
}

function target(offset: number): string {
  return offset < 0 ? `${offset}` : `+${offset}`;
}

function formatCall({ source, immediate }: EbpfInstruction, name?: string): string {
  if (source === PseudoCall.local) return `call ${target(immediate)}`;
  if (source === PseudoCall.kernelFunction) return `call kernel ${name ?? immediate}`;
  return `call ${name === undefined ? (HELPER_NAMES.get(immediate) ?? `helper ${immediate}`) : `kernel ${name}`}`;
}

/** Small ones in decimal, others as hexadecimal of 32 bits. */
function constant32(value: number): string {
  return value > -65_536 && value < 65_536 ? `${value}` : `0x${(value >>> 0).toString(16)}`;
}

function formatArithmetic(instruction: EbpfInstruction, name?: string): string {
  const { code, destination, source, offset, immediate } = instruction;
  const isWideOperation = (code & 7) === InstructionClass.alu64;
  const register = (number: number): string => `${isWideOperation ? "r" : "w"}${number}`;
  const left = register(destination);
  const isRegister = (code & SOURCE_REGISTER) !== 0;
  const operation = code & 0xf0;
  if (operation === Arithmetic.negate) return `${left} = -${left}`;
  if (operation === Arithmetic.swap) {
    const how = isWideOperation ? "swap" : isRegister ? "be" : "le";
    return `r${destination} = ${how}${immediate} r${destination}`;
  }
  const right = isRegister ? register(source) : (name ?? constant32(immediate));
  if (operation === Arithmetic.move && isRegister && offset !== 0) return `${left} = (s${offset})${right}`;
  const operator = OPERATORS[operation];
  if (operator === undefined) return unknown(instruction);
  const isSigned = offset === 1 && (operation === Arithmetic.divide || operation === Arithmetic.modulo);
  return `${left} ${isSigned ? "s" : ""}${operator} ${right}`;
}
