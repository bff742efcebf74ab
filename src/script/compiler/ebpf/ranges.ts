/**
 * What the analysis of the intermediate form has proved of its values.
 * @module
 */
import type { Value } from "../ir/ir.ts";

/** Both ends belong to it. */
export interface ValueRange {
  readonly least: bigint;
  readonly most: bigint;
}

/** `undefined` for a value of which nothing is known. */
export type RangeOf = (value: Value) => ValueRange | undefined;
