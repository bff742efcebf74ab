/**
 * The compiler's intermediate form: a function as a graph of blocks of typed instructions, each value made once (SSA).
 * Where other compilers have phi instructions, a block has parameters, and whoever goes there says what they are.
 *
 * The front end writes JavaScript's own operations (`integer` with exact results, 32-bit bit operations); the passes of
 * `analyse/` prove that nothing is rounded, those of `lower/` turn them into the machine's.
 * @module
 */
import type { Place } from "../place.ts";

/**
 * What a value is:
 * `integer`: a JavaScript number or bigint that is whole. It stands in 64 bits: unsigned when its range has values of
 *   2^63 and above, two's complement otherwise.
 * `boolean`: 0 or 1.
 * `pointer`: where some bytes of the packet are that a check has found to be there, as many as the check said.
 * `entry`: where the value of a map's entry is, or null.
 * `memory`: where some bytes of the function's stack are.
 */
export type ValueType = "integer" | "boolean" | "pointer" | "entry" | "memory";

/** One result; compared by identity. */
export interface Value {
  readonly type: ValueType;
  /** Small and unique in its function; for printing and for tables. */
  readonly id: number;
}

/**
 * What the result of an operation may be:
 * `number`: exact in a double, that is within ±(2^53 - 1); the compiler refuses what could be more.
 * `bigint`: 0 to 2^64 - 1 or -2^63 to 2^63 - 1; the compiler refuses what could be more.
 * `wrap`: modulo 2^64, as inside of BigInt.asUintN(64, …), or where the compiler knows better; taken as 0 to 2^64 - 1.
 * `word`: what the machine does, after legalisation: 64 bits, signed or not as whoever uses them says; nothing is
 *   refused any more (x / 0 is 0, x % 0 is x, shift counts are taken modulo 64).
 */
export type Domain = "number" | "bigint" | "wrap" | "word";

/**
 * Operations on two integers.
 * Exact in their domain: `add subtract multiply`; `divide` (towards zero; the divisor must not be able to be 0),
 * `remainder` (with the dividend's sign; likewise), `minimum maximum`.
 * On all 64 bits: `and or xor shiftLeft shiftRight` (logical) `shiftRightSigned`; the shift counts 0 to 63.
 * JavaScript's on 32 bits (operands taken modulo 2^32, counts modulo 32): `and32 or32 xor32 shiftLeft32 shiftRight32`
 * (keeping the sign) give -2^31 to 2^31 - 1, `shiftRightUnsigned32` 0 to 2^32 - 1, `multiply32` is Math.imul.
 */
export type BinaryOperator =
  | "add"
  | "subtract"
  | "multiply"
  | "divide"
  | "remainder"
  | "minimum"
  | "maximum"
  | "and"
  | "or"
  | "xor"
  | "shiftLeft"
  | "shiftRight"
  | "shiftRightSigned"
  | "and32"
  | "or32"
  | "xor32"
  | "shiftLeft32"
  | "shiftRight32"
  | "shiftRightUnsigned32"
  | "multiply32";

/**
 * Operations on one integer: `signed32` (`x | 0`), `unsigned32` (`x >>> 0`), the lower bits of two's complement taken
 * as `unsigned8`, `unsigned16`, `signed8`, `signed16`, `signed64`, `unsigned64`; `swap16`, `swap32`, `swap64` turn the
 * lowest bytes round and clear the others. `veiled16` is `unsigned16` of which the kernel's verifier knows no more than that:
 * where ways meet with different values, it walks on once and not once for each. `veiled64` is the same value, of which it
 * knows nothing.
 */
export type UnaryOperator =
  | "unsigned8"
  | "unsigned16"
  | "veiled16"
  | "veiled64"
  | "unsigned32"
  | "unsigned64"
  | "signed8"
  | "signed16"
  | "signed32"
  | "signed64"
  | "swap16"
  | "swap32"
  | "swap64";

/** Comparisons of integers by their values (signed or not: the ranges tell), of booleans with `equal` and `unequal`. */
export type Comparison = "equal" | "unequal" | "less" | "lessOrEqual" | "greater" | "greaterOrEqual";

/** Bytes of one access to memory. */
export type AccessBytes = 1 | 2 | 4 | 8;

/** `network`: the first byte is the highest (RFC 1700); `native`: as the machine has it. */
export type ByteOrder = "network" | "native";

/** What is known of the packet as a whole, beside its bytes. */
export type PacketFact =
  /** Bytes of the whole frame or IP packet from offset 0. */
  | "length"
  /** The netfilter mark, 0 to 2^32 - 1. */
  | "mark"
  /** The EtherType that the kernel has found, 0 to 65535. */
  | "etherType"
  /** Not 0 for an aggregate of segments. */
  | "segmentBytes"
  /** Not 0 where the kernel has taken a VLAN tag out of the frame; at traffic control only. */
  | "tag"
  /** Indices of interfaces; 0 for none. */
  | "inInterface"
  | "outInterface";

interface Base {
  readonly place: Place;
}

export interface ConstantInstruction extends Base {
  readonly op: "constant";
  readonly result: Value;
  /** 0 or 1 for a boolean. */
  readonly value: bigint;
  /** Stands for a part of something that is not there: nobody uses it, so that it may as well be any other value. */
  readonly isAbsent?: boolean;
}

export interface BinaryInstruction extends Base {
  readonly op: "binary";
  readonly result: Value;
  readonly operator: BinaryOperator;
  readonly domain: Domain;
  readonly left: Value;
  readonly right: Value;
  /** Of `divide` and `remainder` in the domain `word`: both operands are two's complement. */
  readonly isSigned?: boolean;
}

export interface UnaryInstruction extends Base {
  readonly op: "unary";
  readonly result: Value;
  readonly operator: UnaryOperator;
  readonly operand: Value;
}

export interface CompareInstruction extends Base {
  readonly op: "compare";
  readonly result: Value;
  readonly comparison: Comparison;
  readonly left: Value;
  readonly right: Value;
  /** After legalisation: both operands are two's complement, or (`false`, also of `equal`) both are words. */
  readonly isSigned?: boolean;
}

/** Whether an entry was found; its pointer may be used where this is known to be true. */
export interface IsFoundInstruction extends Base {
  readonly op: "isFound";
  readonly result: Value;
  readonly entry: Value;
}

/** One of two values; both are computed. */
export interface SelectInstruction extends Base {
  readonly op: "select";
  readonly result: Value;
  readonly condition: Value;
  readonly ifTrue: Value;
  readonly ifFalse: Value;
}

/** Tells the analysis what no instruction says: the same value, within the range. */
export interface AssumeInstruction extends Base {
  readonly op: "assume";
  readonly result: Value;
  readonly operand: Value;
  readonly least: bigint;
  readonly most: bigint;
}

/** Something of the packet as a whole. */
export interface FactInstruction extends Base {
  readonly op: "fact";
  readonly result: Value;
  readonly fact: PacketFact;
}

/** Sets the packet's mark. */
export interface SetMarkInstruction extends Base {
  readonly op: "setMark";
  readonly value: Value;
}

/** Reads from a pointer, an entry that is known to be found, or memory. */
export interface LoadInstruction extends Base {
  readonly op: "load";
  readonly result: Value;
  readonly from: Value;
  /** Bytes behind the pointer, within what was checked. */
  readonly at: number;
  readonly bytes: AccessBytes;
  readonly order: ByteOrder;
}

/** Reads the element of a stack array, or of an entry's, at an index that may vary. */
export interface LoadElementInstruction extends Base {
  readonly op: "loadElement";
  readonly result: Value;
  readonly from: Value;
  /** Below `count`: the analysis proves it, or the front end has checked. */
  readonly index: Value;
  readonly count: number;
  readonly bytes: AccessBytes;
  readonly isSigned: boolean;
}

export interface StoreElementInstruction extends Base {
  readonly op: "storeElement";
  readonly to: Value;
  readonly index: Value;
  readonly count: number;
  readonly bytes: AccessBytes;
  readonly value: Value;
}

/** Writes the lowest bytes of a value. To a pointer where the attach point lets packets be written only. */
export interface StoreInstruction extends Base {
  readonly op: "store";
  readonly to: Value;
  readonly at: number;
  readonly bytes: AccessBytes;
  readonly order: ByteOrder;
  readonly value: Value;
}

/** Adds to 8 bytes of an entry in one step that no other processor can come between. */
export interface AtomicAddInstruction extends Base {
  readonly op: "atomicAdd";
  /** What stood there before, when somebody wants to know. */
  readonly result: Value | undefined;
  readonly to: Value;
  readonly at: number;
  readonly value: Value;
}

/** Writes `value` where `expected` stands; the result is what stood there. 8 bytes, in one step. */
export interface AtomicExchangeInstruction extends Base {
  readonly op: "atomicExchange";
  readonly result: Value;
  readonly to: Value;
  readonly at: number;
  readonly expected: Value;
  readonly value: Value;
}

/** Memory on the stack, 8-byte aligned, for the whole function; its content is undefined. */
export interface SlotInstruction extends Base {
  readonly op: "slot";
  readonly result: Value;
  readonly bytes: number;
}

/** Where a table of constants is (an array map that nobody can write). */
export interface TableInstruction extends Base {
  readonly op: "table";
  /** An entry that is always found. */
  readonly result: Value;
  readonly bytes: Uint8Array;
}

/** The entry of a map at the key that stands in memory. */
export interface LookUpInstruction extends Base {
  readonly op: "lookUp";
  readonly result: Value;
  readonly map: string;
  readonly key: Value;
}

/** Puts a value there. The result is 0, or less when it was refused. */
export interface UpdateInstruction extends Base {
  readonly op: "update";
  readonly result: Value;
  readonly map: string;
  readonly key: Value;
  readonly value: Value;
  /** `any`, `new` (refused when there is one), `existing` (refused when there is none). */
  readonly mode: "any" | "new" | "existing";
}

/** Removes the entry. The result is 0, or less when there was none. */
export interface RemoveInstruction extends Base {
  readonly op: "remove";
  readonly result: Value;
  readonly map: string;
  readonly key: Value;
}

/** `nanoseconds`: of the wall clock, since 1970; `random`: 0 to 2^32 - 1. */
export interface AskInstruction extends Base {
  readonly op: "ask";
  readonly result: Value;
  readonly what: "nanoseconds" | "random";
}

/** Adds to a counter of the program: one of the script's own names, or one of the statistics. */
export interface CountInstruction extends Base {
  readonly op: "count";
  readonly counter: string;
  readonly value: Value;
}

/** Puts the bytes of memory into the ring buffer; lost, and counted, when it is full. */
export interface EmitInstruction extends Base {
  readonly op: "emit";
  readonly from: Value;
  readonly bytes: number;
}

/**
 * Brings a change of covered bytes to the checksum of a transport. Pointers into the packet are void afterwards.
 * @see kernel.md: only the kernel knows whether a checksum is complete yet
 */
export interface PatchChecksumInstruction extends Base {
  readonly op: "patchChecksum";
  /** Bytes from the start of the frame to the checksum. */
  readonly offset: Value;
  /** The sum of the changes in native order, 0 to 2^64 - 1 (each: the complement of the old word, plus the new word). */
  readonly difference: Value;
  /** The changed bytes belong to the pseudo header. */
  readonly isPseudo: boolean;
  /** That pseudo header is IPv6's, which has no checksum of its own that would hide the change from the whole frame's. */
  readonly isIpv6?: boolean;
  /** 0 means no checksum, and stays (RFC 768); a value, 0 or 1, where that varies and the kernel does the work. */
  readonly zeroIsNone: boolean | Value;
}

/** Sends the packet out of an interface in place of its way; what it results in is the verdict to be returned. */
export interface RedirectInstruction extends Base {
  readonly op: "redirect";
  readonly result: Value;
  /** The index, which the loader puts in place of the name. */
  readonly interface: string;
}

/**
 * Takes bytes out of the packet, or makes room in it: what is behind a place moves. Pointers are void afterwards. The
 * result is 0, or less when the kernel refuses; then the packet may not be any more what it was.
 */
export interface ResizeInstruction extends Base {
  readonly op: "resize";
  readonly result: Value;
  /** Bytes from the start of the frame to the place. */
  readonly offset: Value;
  /** `shrink`: so many bytes from the place on are gone; `grow`: so many stand there, whatever they are. */
  readonly length: Value;
  readonly direction: "shrink" | "grow";
  /**
   * What stays where it is in memory: the bytes in front of the place, or those behind it. A checksum that is not
   * complete yet is known by where in memory its transport begins: that side has to stay.
   */
  readonly keeps: "front" | "back";
}

/**
 * The sum in ones' complement of bytes of the packet, 0 to 0xffff: words of 16 bits in the machine's order from the
 * first byte on, the last one of an odd number with a zero behind it. It is 0 when all bytes are.
 */
export interface SumInstruction extends Base {
  readonly op: "sum";
  readonly result: Value;
  /** From the start of the frame. */
  readonly offset: Value;
  readonly length: Value;
}

export type Instruction =
  | ConstantInstruction
  | BinaryInstruction
  | UnaryInstruction
  | CompareInstruction
  | IsFoundInstruction
  | SelectInstruction
  | AssumeInstruction
  | FactInstruction
  | SetMarkInstruction
  | LoadInstruction
  | LoadElementInstruction
  | StoreElementInstruction
  | StoreInstruction
  | AtomicAddInstruction
  | AtomicExchangeInstruction
  | SlotInstruction
  | TableInstruction
  | LookUpInstruction
  | UpdateInstruction
  | RemoveInstruction
  | AskInstruction
  | CountInstruction
  | EmitInstruction
  | PatchChecksumInstruction
  | RedirectInstruction
  | ResizeInstruction
  | SumInstruction;

/** Where to go, and what that block's parameters are then. */
export interface Edge {
  readonly to: Block;
  readonly with: readonly Value[];
}

export interface JumpTerminator extends Base {
  readonly op: "jump";
  readonly edge: Edge;
}

export interface BranchTerminator extends Base {
  readonly op: "branch";
  readonly condition: Value;
  readonly ifTrue: Edge;
  readonly ifFalse: Edge;
}

/**
 * Asks for bytes of the packet. Where they are there, a pointer to them is the last argument of `there`, behind those
 * that the edge names.
 */
export interface OpenTerminator extends Base {
  readonly op: "open";
  /** Bytes from the start of the frame; 0 to 2^16 - 1, also when it varies. */
  readonly offset: Value;
  /** 1 to 256. */
  readonly bytes: number;
  /**
   * `header`: among the first bytes, which are there in one piece. `payload`: anywhere, perhaps by a copy, which cannot
   * be written to.
   */
  readonly access: "header" | "payload";
  /** The pointer, a parameter of `there.to` (its last one). */
  readonly there: Edge;
  readonly absent: Edge;
}

export interface ReturnTerminator extends Base {
  readonly op: "return";
  /** One of {@link VerdictCode}, or what `redirect` resulted in. */
  readonly verdict: Value;
}

/** The script fails here: counted with its place, and the packet goes by `onError`. */
export interface FaultTerminator extends Base {
  readonly op: "fault";
  readonly message: string;
  /** The packet may have been written to: it cannot go as it came, and is dropped, whatever `onError` says. */
  readonly isChanged?: boolean;
}

export type Terminator =
  | JumpTerminator
  | BranchTerminator
  | OpenTerminator
  | ReturnTerminator
  | FaultTerminator;

/** Verdicts as numbers: those of `#script/verdict.ts`, and what the kernel alone can do. */
export const VerdictCode = { drop: 0, accept: 1, continue: 2, redirect: 7 } as const;

/** A block is built up and rewritten in place by the passes. */
export interface Block {
  /** Small and unique in its function. */
  readonly id: number;
  parameters: Value[];
  instructions: Instruction[];
  terminator: Terminator;
  /** Of a loop that begins here: how often it comes back at most, each time that it is entered, as was found out early. */
  roundsMax?: number;
  /** A loop begins here whose rounds the kernel counts, so that its verifier need not follow each of them. */
  isGuarded?: boolean;
}

/** A function: its blocks in an order in which each but a loop's head comes behind what leads to it; the entry first. */
export interface IrFunction {
  readonly name: string;
  readonly entry: Block;
  blocks: Block[];
  /** Ids below this are taken, by values and by blocks. */
  idCount: number;
}
