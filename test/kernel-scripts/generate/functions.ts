/**
 * Random functions of the script's own: at the module's top, and inside of the script, where they see its variables.
 * @module
 */
import { block, type Piece, statement } from "./piece.ts";
import { chance, fresh, inside, type LocalFunction, pick, type Scope } from "./scope.ts";

/** What variables that change, parameters and results are cut to whenever they are set. */
export const RANGES: readonly { readonly least: number; readonly most: number }[] = [
  { least: 0, most: 255 },
  { least: 0, most: 65_535 },
  { least: 0, most: 2 ** 32 - 1 },
  { least: -(2 ** 31), most: 2 ** 31 - 1 },
  { least: 0, most: 1000 },
];

/** A function inside of the script; it can be called from here on. */
export function functionStatement(scope: Scope): Piece | undefined {
  // Their loops and calls multiply when they are put in place.
  if (scope.loopDepth > 0 || scope.functions.length >= 3) return undefined;
  const name = fresh(scope, "f");
  const { then, list, known } = make(scope, name);
  scope.functions.push(known);
  // A declaration is seen from above as well: there a header is not known to be there.
  const mayDeclare = scope.headers.every(({ isOptional }) => isOptional);
  if (!mayDeclare || chance(scope, 50)) return statement`const ${name} = (${list}): number => {\n${then}\n};`;
  return statement`function ${name}(${list}): number {\n${then}\n}`;
}

/** A function at the top of the module; it can be called by all that is behind it. */
export function topFunction(scope: Scope): Piece {
  const name = `${scope.prefix}_${fresh(scope, "t")}`;
  const { then, list, known } = make(scope, name);
  scope.functions.push(known);
  return statement`function ${name}(${list}): number {\n${then}\n}`;
}

function make(
  scope: Scope,
  name: string,
): { readonly then: Piece; readonly list: string; readonly known: LocalFunction } {
  const result = pick(scope, RANGES);
  const parameters = Array.from({ length: scope.random.below(3) }, () => ({
    name: fresh(scope, "p"),
    ...pick(scope, RANGES),
    isAssignable: false,
  }));
  const inner = inside(scope, { result, loopDepth: 0, numbers: [...scope.numbers, ...parameters] });
  const list = parameters.map((one) => `${one.name}: number`).join(", ");
  const then = block([scope.make.body(inner, 1, 3), scope.make.returned(inner)]);
  return { then, list, known: { name, parameters, least: result.least, most: result.most } };
}
