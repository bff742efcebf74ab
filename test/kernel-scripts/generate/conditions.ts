/**
 * Random conditions.
 * @module
 */
import { signed, unsigned } from "./bigints.ts";
import { booleanField, isThere, optionalComparison } from "./fields.ts";
import { of, type Piece } from "./piece.ts";
import { chance, pick, pickSome, type Scope } from "./scope.ts";
import { mapCondition } from "./state.ts";
import { chanceCondition } from "./surroundings.ts";

const made: ReturnType<typeof of> = of("boolean");
const COMPARISONS = ["===", "!==", "<", "<=", ">", ">="] as const;

export function condition(scope: Scope, depth: number): Piece {
  if (depth <= 0 || chance(scope, 40)) return leaf(scope, depth);
  switch (scope.random.below(5)) {
    case 0:
    case 1:
      return made`(${condition(scope, depth - 1)} && ${condition(scope, depth - 1)})`;
    case 2:
    case 3:
      return made`(${condition(scope, depth - 1)} || ${condition(scope, depth - 1)})`;
    default:
      return made`!${condition(scope, depth - 1)}`;
  }
}

function leaf(scope: Scope, depth: number): Piece {
  const inside = Math.min(depth, 2) - 1;
  for (let tries = 0; tries < 3 && inside > -4; tries++) {
    const found = pick(scope, LEAVES)(scope, inside);
    if (found !== undefined) return found;
  }
  return comparison(scope, inside);
}

const LEAVES: readonly ((scope: Scope, depth: number) => Piece | undefined)[] = [
  comparison,
  comparison,
  comparison,
  booleanField,
  optionalComparison,
  isThere,
  mapCondition,
  chanceCondition,
  (scope) => (scope.hasPacket ? made`packet.isAggregate` : undefined),
  (scope) => {
    const variable = pickSome(scope, scope.booleans);
    return variable && made`${variable.name}`;
  },
  (scope, depth) => {
    // One that may be negative is not compared with one of 2^63 and more.
    const cut = chance(scope, 50) ? unsigned : signed;
    return made`(${cut(scope, depth)} ${pick(scope, COMPARISONS)} ${cut(scope, Math.min(depth, 0))})`;
  },
  (scope) => {
    const hasAddress = scope.headers.some(({ model, isOptional }) => model.name === "ipv6" && !isOptional);
    return hasAddress
      ? made`(${scope.make.wide(scope)} ${pick(scope, ["===", "!=="])} ${scope.make.wide(scope)})`
      : undefined;
  },
  (scope, depth) => {
    const list = pickSome(scope, scope.lists);
    return list && made`${list.name}.includes(${scope.make.number(scope, depth)})`;
  },
];

function comparison(scope: Scope, depth: number): Piece {
  return made`(${scope.make.number(scope, depth)} ${pick(scope, COMPARISONS)} ${scope.make.number(scope, Math.min(depth, 0))})`;
}
