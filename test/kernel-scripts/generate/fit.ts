/**
 * Numbers of which it matters what they can be: literals, and ones that are cut to bounds.
 * @module
 */
import { type NumberPiece, numberIn } from "./piece.ts";
import { chance, type Scope } from "./scope.ts";

export const SAFE: number = Number.MAX_SAFE_INTEGER;
export const INT32_LEAST: number = -(2 ** 31);
export const INT32_MOST: number = 2 ** 31 - 1;
export const UINT32_MOST: number = 2 ** 32 - 1;

export function literal(value: number): NumberPiece {
  return numberIn(value, value)`${value < 0 ? `(${value})` : value}`;
}

/** A number within bounds, which is cut to them where it may be outside. */
export function numberWithin(scope: Scope, least: number, most: number, depth: number): NumberPiece {
  return fit(scope, scope.make.number(scope, depth), least, most);
}

/** Cuts to bounds by one of the ways that scripts have. */
export function fit(scope: Scope, from: NumberPiece, least: number, most: number): NumberPiece {
  if (from.least >= least && from.most <= most) return from;
  const inBounds = numberIn(least, most);
  if (least <= INT32_LEAST && most >= INT32_MOST && chance(scope, 50)) return inBounds`(${from} | 0)`;
  if (least <= 0 && most >= UINT32_MOST) return inBounds`(${from} >>> 0)`;
  const mask = 2 ** Math.floor(Math.log2(most + 1)) - 1;
  if (least > 0 || most < 0) return literal(least);
  if (mask <= INT32_MOST && chance(scope, 60)) return inBounds`(${from} & ${mask})`;
  if (from.least >= 0 && most + 1 <= SAFE && chance(scope, 50)) return inBounds`(${from} % ${most + 1})`;
  if (chance(scope, 50)) return inBounds`Math.min(Math.max(${from}, ${least}), ${most})`;
  return mask <= INT32_MOST ? inBounds`(${from} & ${mask})` : inBounds`(${from} >>> 0)`;
}

/** Any number cut to 32 bits, in one of JavaScript's two ways. */
export function number32(scope: Scope, depth: number): NumberPiece {
  return chance(scope, 50)
    ? numberWithin(scope, INT32_LEAST, INT32_MOST, depth)
    : numberWithin(scope, 0, UINT32_MOST, depth);
}
