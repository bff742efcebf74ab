/**
 * What a place of a generated script can use: variables, headers, maps, and what it may do to the packet.
 * @module
 */
import type { SeededRandom } from "#base/seeded-random.ts";
import type { HeaderModel } from "./headers.ts";
import type { BigintPiece, NumberPiece, Piece } from "./piece.ts";

/** What the script may do, by the places it is to run at. */
export interface Abilities {
  readonly writes: boolean;
  readonly marks: boolean;
  /** It sends packets out of another interface. */
  readonly redirects: boolean;
  /** It lets user space decide about some packets. */
  readonly handsOver: boolean;
}

export const JUDGES: Abilities = { writes: false, marks: false, redirects: false, handsOver: false };

export interface NumberVariable {
  readonly name: string;
  readonly least: number;
  readonly most: number;
  readonly isAssignable: boolean;
}

export interface BigintVariable {
  readonly name: string;
  readonly least: bigint;
  readonly most: bigint;
  readonly isAssignable: boolean;
}

export interface HeaderVariable {
  readonly name: string;
  readonly model: HeaderModel;
  /** It may be `undefined` here. */
  readonly isOptional: boolean;
}

/** Bytes behind a header. */
export interface RawVariable {
  readonly name: string;
  /** They belong to a transport, and to no checksum but its own: they may be written. */
  readonly isPlain: boolean;
}

export interface MapVariable {
  readonly name: string;
  readonly kind: "hash" | "lru" | "array" | "prefix";
  readonly key: "number" | "bigint";
  readonly countMax: number;
  /** It has a number for each processor, to which is added and nothing else. */
  readonly isForAdding: boolean;
}

/** A typed array on the stack, whose length is a power of two. */
export interface ArrayVariable {
  readonly name: string;
  readonly count: number;
  readonly least: number;
  readonly most: number;
}

/** Likewise, of bigints of 64 bits. */
export interface BigArrayVariable {
  readonly name: string;
  readonly count: number;
  readonly isSigned: boolean;
}

export interface LocalFunction {
  readonly name: string;
  /** Each parameter is a number of this range. */
  readonly parameters: readonly { readonly least: number; readonly most: number }[];
  readonly least: number;
  readonly most: number;
}

export interface Scope {
  readonly random: SeededRandom;
  readonly abilities: Abilities;
  readonly numbers: NumberVariable[];
  readonly booleans: { readonly name: string; readonly isAssignable: boolean }[];
  readonly bigints: BigintVariable[];
  readonly headers: HeaderVariable[];
  readonly raws: RawVariable[];
  readonly maps: MapVariable[];
  readonly arrays: ArrayVariable[];
  readonly bigArrays: BigArrayVariable[];
  readonly functions: LocalFunction[];
  /** Names of the constant lists of numbers at the module's top, with their elements. */
  readonly lists: readonly { readonly name: string; readonly elements: readonly number[] }[];
  /** Headers a packet may have, those defined by the script too. */
  readonly models: readonly HeaderModel[];
  /** Whether the packet can be looked at here: not in a helper function without parameters for it. */
  readonly hasPacket: boolean;
  /** Prefix of names that the whole module sees. */
  readonly prefix: string;
  readonly names: { count: number };
  /**
   * Whether the packet was written to: from there on a transport's checksum is not to be read. And whether bytes of it
   * went into an event: each length that they may have is a way of its own for the verifier.
   */
  readonly packet: { isWritten: boolean; isCopied: boolean };
  /** Loops around this place. */
  readonly loopDepth: number;
  /** Operations in each other, statements in each other, statements in a row: how large the script becomes. */
  readonly size: Size;
  /** Whether headers are found by walking through the packet as well, which takes the verifier far longer. */
  readonly finds: boolean;
  readonly make: Makers;
  /** What the function around this place answers. */
  readonly result: "verdict" | { readonly least: number; readonly most: number };
}

export interface Size {
  readonly operations: number;
  readonly depth: number;
  readonly statements: number;
}

/** A scope inside: what is declared there ends with it. */
export function inside(scope: Scope, change: Partial<Scope> = {}): Scope {
  return {
    ...scope,
    numbers: [...scope.numbers],
    booleans: [...scope.booleans],
    bigints: [...scope.bigints],
    headers: [...scope.headers],
    raws: [...scope.raws],
    maps: [...scope.maps],
    arrays: [...scope.arrays],
    bigArrays: [...scope.bigArrays],
    functions: [...scope.functions],
    ...change,
  };
}

/** A name that nothing else has. */
export function fresh(scope: Scope, word: string): string {
  return `${word}${scope.names.count++}`;
}

export function chance(scope: Scope, percent: number): boolean {
  return scope.random.below(100) < percent;
}

export function pick<T>(scope: Scope, from: readonly T[]): T {
  return from[scope.random.below(from.length)] as T;
}

/** One of those that there are; `undefined` without any. */
export function pickSome<T>(scope: Scope, from: readonly T[]): T | undefined {
  return from[scope.random.below(from.length)];
}

/** What makes the parts of which all others are made; in the scope, as each of them needs the others. */
export interface Makers {
  /** A number; `depth` operations in each other at most. */
  readonly number: (scope: Scope, depth: number) => NumberPiece;
  /** A bigint that is 0 to 2^64 - 1, or -2^63 to 2^63 - 1. */
  readonly bigint: (scope: Scope, depth: number) => BigintPiece;
  /** A bigint of up to 128 bits, never negative. */
  readonly wide: (scope: Scope) => Piece;
  readonly condition: (scope: Scope, depth: number) => Piece;
  /** Some statements in a scope of their own. */
  readonly body: (scope: Scope, depth: number, countMax: number) => Piece;
  /** The end of a function's way. */
  readonly returned: (scope: Scope) => Piece;
}
