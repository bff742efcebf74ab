/**
 * Random uses of what outlives a packet: maps and counters.
 * @module
 */
import { unsigned } from "./bigints.ts";
import { numberWithin } from "./fit.ts";
import { type NumberPiece, numberIn, of, type Piece, statement } from "./piece.ts";
import { chance, type MapVariable, pick, pickSome, type Scope } from "./scope.ts";

const made: ReturnType<typeof of> = of("boolean");
/** Numbers in maps are cut to this after every use, so that sums stay small. */
const VALUE_MOST = 2 ** 24 - 1;

/** Few keys, so that packets meet each other's entries; some that the map cannot have. */
function key(scope: Scope, depth: number, { key: kind, kind: mapKind, countMax }: MapVariable): Piece {
  if (kind === "bigint") return chance(scope, 50) ? scope.make.wide(scope) : unsigned(scope, depth);
  if (mapKind === "array") {
    return chance(scope, 80) ? numberWithin(scope, 0, countMax - 1, depth) : scope.make.number(scope, depth);
  }
  return chance(scope, 85) ? numberWithin(scope, 0, 7, depth) : scope.make.number(scope, depth);
}

/** A map that can be asked. */
function someMap(scope: Scope): MapVariable | undefined {
  return pickSome(
    scope,
    scope.maps.filter(({ isForAdding }) => !isForAdding),
  );
}

/** A number out of a map. */
export function mapNumber(scope: Scope, depth: number): NumberPiece | undefined {
  const map = someMap(scope);
  if (map === undefined) return undefined;
  const cut = numberIn(0, VALUE_MOST);
  if (chance(scope, 70)) return cut`((${map.name}.get(${key(scope, depth, map)}) ?? 0) & ${VALUE_MOST})`;
  const delta = numberWithin(scope, -256, 255, depth);
  return cut`((${map.name}.add(${key(scope, depth, map)}, ${delta}) ?? 7) & ${VALUE_MOST})`;
}

/** Whether there is an entry, or something was done to it. */
export function mapCondition(scope: Scope, depth: number): Piece | undefined {
  const map = someMap(scope);
  if (map === undefined) return undefined;
  const value = (): NumberPiece => numberWithin(scope, 0, VALUE_MOST, depth);
  const here = key(scope, depth, map);
  switch (scope.random.below(7)) {
    case 0:
    case 1:
      return made`${map.name}.has(${here})`;
    case 2:
      return made`(${map.name}.get(${here}) === undefined)`;
    case 3:
      return made`${map.name}.set(${here}, ${value()})`;
    case 4:
      return made`${map.name}.delete(${here})`;
    case 5:
      return made`((${map.name}.get(${here}) ?? -1) ${pick(scope, ["<", ">", "==="])} ${value()})`;
    default: {
      // Of prefixes there is none in the kernel.
      if (map.kind === "prefix") return made`${map.name}.has(${here})`;
      const expected = chance(scope, 40) ? "undefined" : value();
      return made`${map.name}.compareAndSet(${here}, ${expected}, ${value()})`;
    }
  }
}

/** Changes a map. */
export function mapStatement(scope: Scope): Piece | undefined {
  const map = pickSome(scope, scope.maps);
  if (map === undefined) return undefined;
  const here = key(scope, 1, map);
  if (map.isForAdding) return statement`${map.name}.add(${here}, ${numberWithin(scope, -1000, 1000, 2)});`;
  switch (scope.random.below(6)) {
    case 0:
    case 1:
      return statement`${map.name}.set(${here}, ${numberWithin(scope, -VALUE_MOST, VALUE_MOST, 2)});`;
    case 2:
      return statement`${map.name}.add(${here});`;
    case 3:
      return statement`${map.name}.add(${here}, ${numberWithin(scope, -1000, 1000, 2)});`;
    case 4:
      return statement`${map.name}.touch(${here});`;
    default:
      return statement`${map.name}.delete(${here});`;
  }
}

export function counterStatement(scope: Scope): Piece | undefined {
  if (!scope.hasPacket) return undefined;
  const name = `c${scope.random.below(3)}`;
  if (chance(scope, 50)) return statement`context.counter("${name}").add();`;
  return statement`context.counter("${name}").add(${numberWithin(scope, 0, 65_535, 2)});`;
}

/** Counts what a variable is, so that a wrong value is seen whatever the script does with it. */
export function observe(scope: Scope): Piece | undefined {
  if (!scope.hasPacket) return undefined;
  const seen: NumberPiece[] = [];
  const cut = numberIn(0, 65_535);
  const variable = pickSome(scope, scope.numbers);
  const array = pickSome(scope, scope.arrays);
  const big = pickSome(scope, scope.bigints);
  const boolean = pickSome(scope, scope.booleans);
  const header = pickSome(scope, scope.headers);
  if (variable !== undefined)
    seen.push(
      cut`(${variable.name} & 65535)`,
      cut`((${variable.name} >>> 16) & 65535)`,
      cut`(${variable.name} < 0 ? 1 : 2)`,
    );
  if (array !== undefined)
    seen.push(cut`((${array.name}[${scope.random.below(array.count)}] as number) & 65535)`);
  if (big !== undefined)
    seen.push(cut`Number(${big.name} & 65535n)`, cut`Number((${big.name} >> 32n) & 65535n)`);
  if (boolean !== undefined) seen.push(cut`(${boolean.name} ? 3 : 5)`);
  if (header?.isOptional) seen.push(cut`(${header.name} === undefined ? 3 : 5)`);
  const one = pickSome(scope, seen);
  return one && statement`context.counter("o${scope.random.below(3)}").add(${one});`;
}
