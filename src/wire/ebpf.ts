/**
 * eBPF's instructions (RFC 9669): 8 bytes each, in the byte order of the machine, which is little endian here.
 * @module
 */

/** One instruction of 8 bytes; a 64-bit constant takes two, of which the second has code 0 and the upper half. */
export interface EbpfInstruction {
  readonly code: number;
  /** 0 to 10. */
  readonly destination: number;
  /** 0 to 10, or what a pseudo constant says instead. */
  readonly source: number;
  /** -32768 to 32767. */
  readonly offset: number;
  /** 32 bits, signed. */
  readonly immediate: number;
}

/** The lowest three bits of a code (RFC 9669 §3.1). */
export const InstructionClass = {
  load: 0x00,
  loadX: 0x01,
  store: 0x02,
  storeX: 0x03,
  alu: 0x04,
  jump: 0x05,
  jump32: 0x06,
  alu64: 0x07,
} as const;

/** Added to an arithmetic or jump code: the second operand is a register and not the constant. */
export const SOURCE_REGISTER = 0x08;

/** Upper four bits of arithmetic codes (RFC 9669 §4.1). With `offset` 1 `divide` and `modulo` are signed. */
export const Arithmetic = {
  add: 0x00,
  subtract: 0x10,
  multiply: 0x20,
  divide: 0x30,
  or: 0x40,
  and: 0x50,
  shiftLeft: 0x60,
  shiftRight: 0x70,
  negate: 0x80,
  modulo: 0x90,
  xor: 0xa0,
  /** With `offset` 8, 16 or 32 it keeps the sign of so many bits. */
  move: 0xb0,
  shiftRightSigned: 0xc0,
  /** `alu` with SOURCE_REGISTER: to network order; `alu64`: turns round, whatever the machine. The constant: 16, 32, 64. */
  swap: 0xd0,
} as const;

/** Upper four bits of jump codes (RFC 9669 §4.3). */
export const Jump = {
  always: 0x00,
  equal: 0x10,
  greater: 0x20,
  greaterOrEqual: 0x30,
  anySet: 0x40,
  unequal: 0x50,
  greaterSigned: 0x60,
  greaterOrEqualSigned: 0x70,
  call: 0x80,
  exit: 0x90,
  less: 0xa0,
  lessOrEqual: 0xb0,
  lessSigned: 0xc0,
  lessOrEqualSigned: 0xd0,
  /** Class `jump` only: where the kernel has counted too many of them in one run (BPF_JCOND, may_goto of Linux 6.9). */
  tooOften: 0xe0,
} as const;

/** Bits 3 and 4 of codes that access memory: how many bytes (RFC 9669 §5). */
export const AccessSize = { 4: 0x00, 2: 0x08, 1: 0x10, 8: 0x18 } as const;

/** Bits 5 to 7 of codes that access memory. */
export const AccessMode = { immediate: 0x00, memory: 0x60, memorySigned: 0x80, atomic: 0xc0 } as const;

/** The constant of an atomic instruction (RFC 9669 §5.3). */
export const Atomic = { add: 0x00, fetch: 0x01, exchange: 0xe1, compareExchange: 0xf1 } as const;

/** What `source` says of a 64-bit constant (RFC 9669 §5.4). */
export const PseudoConstant = { plain: 0, map: 1, mapValue: 2 } as const;

/** What `source` says of a call. */
export const PseudoCall = { helper: 0, local: 1, kernelFunction: 2 } as const;

/** The kernel's helpers that are used here, by their numbers (linux/bpf.h). */
export const Helper = {
  mapLookUp: 1,
  mapUpdate: 2,
  mapDelete: 3,
  nanosecondsSinceBoot: 5,
  random: 7,
  skbStoreBytes: 9,
  l3ChecksumReplace: 10,
  l4ChecksumReplace: 11,
  tailCall: 12,
  redirect: 23,
  skbLoadBytes: 26,
  checksumDifference: 28,
  skbChangeTail: 38,
  skbPullData: 39,
  xdpAdjustHead: 44,
  skbAdjustRoom: 50,
  xdpAdjustTail: 65,
  ringOutput: 130,
  xdpLoadBytes: 189,
  xdpStoreBytes: 190,
  dynptrRead: 201,
  nanosecondsTai: 208,
} as const;

/** The frame pointer, which is read only; the stack of 512 bytes lies below it. */
export const FRAME_POINTER = 10;

export const INSTRUCTION_BYTES = 8;
/** Bytes of stack that a program may use (MAX_BPF_STACK). */
export const STACK_BYTES_MAX = 512;

export function encodeEbpf(instructions: readonly EbpfInstruction[]): Uint8Array {
  const bytes = new Uint8Array(instructions.length * INSTRUCTION_BYTES);
  const data = new DataView(bytes.buffer);
  for (const [index, { code, destination, source, offset, immediate }] of instructions.entries()) {
    const at = index * INSTRUCTION_BYTES;
    data.setUint8(at, code);
    data.setUint8(at + 1, destination | (source << 4));
    data.setInt16(at + 2, offset, true);
    data.setInt32(at + 4, immediate, true);
  }
  return bytes;
}

/** Reads as many whole instructions as there are. */
export function decodeEbpf(bytes: Uint8Array): EbpfInstruction[] {
  const data = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: Math.floor(bytes.length / INSTRUCTION_BYTES) }, (_, index) => {
    const at = index * INSTRUCTION_BYTES;
    const registers = data.getUint8(at + 1);
    return {
      code: data.getUint8(at),
      destination: registers & 15,
      source: registers >> 4,
      offset: data.getInt16(at + 2, true),
      immediate: data.getInt32(at + 4, true),
    };
  });
}
