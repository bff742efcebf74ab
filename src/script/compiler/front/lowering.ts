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
 * 0 there means none, and the differences of the pseudo header and of other bytes.
 */
export type HiddenVariable = "checksumAt" | "isZeroNone" | "pseudoDifference" | "otherDifference";

/** All of them. */
export const HIDDEN_VARIABLES: readonly HiddenVariable[] = [
  "checksumAt",
  "isZeroNone",
  "pseudoDifference",
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
  /** Bytes of the frame: where packets end. Made once, where the function begins. */
  readonly packetEnd: Value;

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
}

/** What is done right before the function returns, on every way: the checksums of transports. */
export interface AtReturn {
  flush(lowering: Lowering): void;
}
