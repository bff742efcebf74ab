/**
 * What the parts of the front end offer each other: the state of one function that is being lowered.
 * @module
 */
import type TypeScript from "typescript";
import type { FunctionBuilder } from "../ir/builder.ts";
import type { BinaryOperator, Comparison, Domain, UnaryOperator, Value } from "../ir/ir.ts";
import type { Place } from "../place.ts";
import type { CompileTarget } from "../target.ts";
import type { Lowered } from "./lowered.ts";

/**
 * What the checksum of the transport has to be told at the end, all of them integers: where it is in the frame, whether
 * 0 there means none, and the differences of the pseudo headers of IPv4 and of IPv6 and of other bytes.
 */
export type HiddenVariable =
  | "checksumAt"
  | "isZeroNone"
  | "pseudoDifference"
  | "pseudoDifference6"
  | "otherDifference";

/** All of them. */
export const HIDDEN_VARIABLES: readonly HiddenVariable[] = [
  "checksumAt",
  "isZeroNone",
  "pseudoDifference",
  "pseudoDifference6",
  "otherDifference",
];

/** The function that is being lowered. What it appends has the place of the node that is being lowered. */
export interface Lowering {
  readonly ts: typeof TypeScript;
  readonly checker: TypeScript.TypeChecker;
  readonly target: CompileTarget;
  readonly builder: FunctionBuilder;
  /** Of the node that is being lowered. */
  readonly place: Place;
  /** What packets begin with: bytes in front of the packet in its frame (14 behind Ethernet where `first` is network). */
  readonly packetStart: number;
  /** Whether the script promises that `find` does not look into tunnels. */
  readonly hasNoTunnels: boolean;
  /** Bytes of the frame: where packets end. Made once where the function begins, and again when that changes. */
  readonly packetEnd: Value;
  /** Stands for how often the packet's length has changed on this way: the same where it has not. */
  readonly age: Value;

  constant(value: bigint | number | boolean): Value;
  binary(operator: BinaryOperator, left: Value, right: Value | number, domain?: Domain): Value;
  unary(operator: UnaryOperator, operand: Value): Value;
  compare(comparison: Comparison, left: Value, right: Value | number): Value;
  not(condition: Value): Value;
  /** What a value is, when a constant instruction made it (0 and 1 for booleans); `undefined` when it varies. */
  known(value: Value): bigint | undefined;

  /**
   * Two ways and one result: each way may append, and end (return). The results are joined value by value; a way that
   * has ended does not count, and `undefined` comes back when both have. Something and `undefined`, or an optional of
   * it, become an optional; views are joined with the views that they were made from.
   */
  either(condition: Value, ifTrue: () => Lowered, ifFalse: () => Lowered): Lowered | undefined;
  /**
   * The bytes at an offset of the frame: `there` gets the pointer. Joined as {@link either}.
   * @param bytes 1 to 256
   */
  open(
    offset: Value,
    bytes: number,
    access: "header" | "payload",
    there: (pointer: Value) => Lowered,
    absent: () => Lowered,
  ): Lowered | undefined;
  /**
   * A variable of the compiler's own: {@link known} to be 0 until it is assigned, and joined wherever ways join, at the
   * heads of loops as well, as those of the script are.
   */
  hidden(name: HiddenVariable): Value;
  assignHidden(name: HiddenVariable, value: Value): void;
  /** One of two values of one type, both of them known. */
  select(condition: Value, ifTrue: Value, ifFalse: Value): Value;
  /** The script fails here, on this way; nothing comes behind. */
  fault(message: string): never;
  /**
   * The value itself where there is one; where there is none the script fails (an optional of which TypeScript was
   * told that it is there). A choice is not resolved.
   */
  present(lowered: Lowered): Lowered;
  /** What `state` has on the way that is being lowered. Joins of ways join it; where it was not set it is `initial`. */
  recall(state: PathKey): Lowered;
  remember(state: PathKey, lowered: Lowered): void;
  /** From now on, before the function returns on whatever way. Once for each action. */
  atReturn(action: AtReturn): void;
  /** Calls a function of the script, or an expression of a protocol's declaration, with these arguments: inlined. */
  call(callee: Lowered, parameters: readonly Lowered[]): Lowered;
  /** What a constant expression is, at compile time: a number, a text, an object; `undefined` when it is not one. */
  constantOf(node: TypeScript.Expression): unknown;
  /** Reports what does not fit, and gives up this function. */
  refuse(
    node: TypeScript.Node,
    problem: { readonly code: string; readonly why: string; readonly instead: string },
  ): never;
  /** One sentence for `script check` about where the kernel cannot be exactly as user space. */
  note(text: string): void;
  /** Remembers that the function writes to the packet; refuses it where the attach point forbids it. */
  writes(node: TypeScript.Node): void;
  /** The packet has become longer or shorter, or says that it carries something else: all views of it are void. */
  resized(): void;
  /** Memory on the stack for the function, of any content. */
  memory(bytes: number): Value;
  /** The same of the packet's mark. */
  marks(node: TypeScript.Node): void;
}

/**
 * Something that is known differently on different ways through the function. One that is undefined initially is a
 * memory of what has been found out: it may be forgotten from round to round of a loop.
 */
export interface PathKey {
  readonly initial: Lowered;
}

/** What the files for packets do for the packet, its views and their bytes; `packet-parts.ts` has them all. */
export interface PacketParts {
  /** The protocol of metanet/script of this name; `undefined` when there is none, or none that the kernel can have. */
  protocol(name: string): Lowered | undefined;
  /** `defineProtocol(…)`. */
  define(lowering: Lowering, node: TypeScript.Node, declaration: Lowered): Lowered;
  /** A property of a packet, view, bytes or connection, which is no method. */
  property(lowering: Lowering, node: TypeScript.Node, receiver: Lowered, name: string): Lowered;
  /** A method of them. */
  call(
    lowering: Lowering,
    node: TypeScript.Node,
    receiver: Lowered,
    method: string,
    parameters: readonly Lowered[],
  ): Lowered;
  /** An assignment to a property of them. */
  assign(lowering: Lowering, node: TypeScript.Node, receiver: Lowered, name: string, value: Lowered): void;
  /** Writes `length` bytes of the packet to the stack, zeros behind where there are fewer; how many there are. */
  copyBytes(
    lowering: Lowering,
    node: TypeScript.Node,
    bytes: Lowered,
    to: { readonly memory: Value; readonly at: number; readonly length: number },
  ): Value;
}

/** What is done right before the function returns, on every way: the checksums of transports. */
export interface AtReturn {
  flush(lowering: Lowering): void;
}
