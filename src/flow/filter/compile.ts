/**
 * Makes a function of a filter, with code of its own for each: a few comparisons of bytes at constant offsets. It
 * allocates nothing, throws nothing and reads nothing outside of the packet, where the filter does not match, as in
 * classic BPF.
 * @module
 */
import type { FilterExpression } from "./expression.ts";
import { functionBody } from "./function-body.ts";
import { graphOf } from "./graph.ts";
import { lower } from "./lower.ts";
import { parseFilter } from "./parse.ts";

/**
 * Whether a packet matches, which begins at `offset` and of which `capturedBytes` are there of the `originalBytes` that
 * were on the wire. The numbers are integers from 0 up to 2^31 - 1.
 */
export type PacketFilter = (
  bytes: Uint8Array,
  offset: number,
  capturedBytes: number,
  originalBytes: number,
) => boolean;

export interface CompileOptions {
  /** A number of `LinkType`. */
  readonly linkType: number;
}

/**
 * The function of a filter, given as text or as tree.
 * @throws FilterError when the text cannot be read, or makes no sense on the link type
 */
export function compileFilter(filter: string | FilterExpression, { linkType }: CompileOptions): PacketFilter {
  const expression = typeof filter === "string" ? parseFilter(filter) : filter;
  const { condition } = lower(expression, { linkType });
  const body = functionBody(graphOf(condition));
  // The text is made of numbers and of words of ours; nothing of the filter's own text is in it.
  return new Function("bytes", "offset", "capturedBytes", "originalBytes", body) as PacketFilter;
}
