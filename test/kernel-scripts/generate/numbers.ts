/**
 * Random expressions whose value is a whole number, with what it can be: by the same sums that the compiler does, but
 * kept apart from it.
 * @module
 */
import { numberField } from "./fields.ts";
import { fit, INT32_LEAST, INT32_MOST, literal, number32, numberWithin, SAFE, UINT32_MOST } from "./fit.ts";
import { type NumberPiece, numberIn } from "./piece.ts";
import { chance, pick, pickSome, type Scope } from "./scope.ts";
import { mapNumber } from "./state.ts";
import { chanceNumber, timeNumber } from "./surroundings.ts";

/** Where machines and JavaScript part ways. */
const LITERALS: readonly number[] = [
  ...[0, 1, 2, 3, 5, 7, 8, 15, 16, 17, 31, 32, 33, 53, 63, 64, 80, 127, 128, 255, 256, 443, 5000, 5001],
  ...[0x7fff, 0x8000, 0xffff, 0x1_0000, 0x0a00_0001, 0x0a00_0002, 0x7fff_ffff, 0x8000_0000, UINT32_MOST],
  ...[-1, -2, -3, -7, -8, -128, -129, -256, -32_768, INT32_LEAST, 0x1_0000_0000, 0x1_0000_0001],
  ...[2 ** 40 + 3, -(2 ** 40) - 5, 2 ** 48 - 1, SAFE, -SAFE],
];

/** A number; `depth` operations in each other at most. */
export function number(scope: Scope, depth: number): NumberPiece {
  const most = Math.min(depth, scope.size.operations);
  if (most <= 0 || chance(scope, 20)) return leaf(scope, most);
  const make = pick(scope, OPERATIONS);
  return make(scope, most - 1) ?? leaf(scope, most);
}

/** What stands inside of a leaf has leaves that are nearer to the ground. */
function leaf(scope: Scope, depth: number): NumberPiece {
  const inside = Math.min(depth, 1) - 1;
  for (let tries = 0; tries < 3 && inside > -4; tries++) {
    const found = pick(scope, LEAVES)(scope, inside);
    if (found !== undefined) return found;
  }
  return literal(pick(scope, LITERALS));
}

const LEAVES: readonly Operation[] = [
  (scope) => literal(pick(scope, LITERALS)),
  (scope) => literal(scope.random.below(256)),
  variable,
  variable,
  variable,
  numberField,
  numberField,
  numberField,
  mapNumber,
  (scope) => (scope.hasPacket ? numberIn(0, 1_048_575)`packet.lengthBytes` : undefined),
  (scope) => (scope.hasPacket && scope.abilities.marks ? numberIn(0, UINT32_MOST)`packet.mark` : undefined),
  element,
  listElement,
  timeNumber,
  chanceNumber,
  call,
];

function variable(scope: Scope): NumberPiece | undefined {
  const found = pickSome(scope, scope.numbers);
  return found && numberIn(found.least, found.most)`${found.name}`;
}

/** An element of a typed array on the stack, at an index inside or, with `??`, perhaps outside. */
function element(scope: Scope, depth: number): NumberPiece | undefined {
  const array = pickSome(scope, scope.arrays);
  if (array === undefined) return undefined;
  if (chance(scope, 60)) {
    const index = numberWithin(scope, 0, array.count - 1, depth);
    return numberIn(array.least, array.most)`(${array.name}[${index}] as number)`;
  }
  const other = numberWithin(scope, array.least, array.most, depth);
  return numberIn(array.least, array.most)`(${array.name}[${number32(scope, depth)}] ?? ${other})`;
}

function listElement(scope: Scope, depth: number): NumberPiece | undefined {
  const list = pickSome(scope, scope.lists);
  if (list === undefined) return undefined;
  const [least, most] = [Math.min(...list.elements), Math.max(...list.elements)];
  const index = numberWithin(scope, 0, list.elements.length - 1, depth);
  if (chance(scope, 60)) return numberIn(least, most)`(${list.name}[${index}] as number)`;
  return numberIn(
    Math.min(least, 0),
    Math.max(most, 0),
  )`(${list.name}[${numberWithin(scope, 0, 255, depth)}] ?? 0)`;
}

function call(scope: Scope, depth: number): NumberPiece | undefined {
  const callee = pickSome(scope, scope.functions);
  if (callee === undefined) return undefined;
  const given = callee.parameters.map(({ least, most }) => numberWithin(scope, least, most, depth));
  const holes = given.flatMap((one, index) => (index === 0 ? [one] : [", ", one]));
  const made = numberIn(callee.least, callee.most)`${callee.name}()`;
  return { ...made, parts: [`${callee.name}(`, ...holes, ")"] };
}

function within(least: number, most: number): boolean {
  return least >= -SAFE && most <= SAFE;
}

type Operation = (scope: Scope, depth: number) => NumberPiece | undefined;

const OPERATIONS: readonly Operation[] = [
  (scope, depth) => {
    const [left, right] = [number(scope, depth), number(scope, depth)];
    const [least, most] = [left.least + right.least, left.most + right.most];
    return within(least, most) ? numberIn(least, most)`(${left} + ${right})` : undefined;
  },
  (scope, depth) => {
    const [left, right] = [number(scope, depth), number(scope, depth)];
    const [least, most] = [left.least - right.most, left.most - right.least];
    return within(least, most) ? numberIn(least, most)`(${left} - ${right})` : undefined;
  },
  (scope, depth) => {
    const [left, right] = [number(scope, depth), number(scope, depth)];
    const corners = [left.least, left.most].flatMap((one) => [one * right.least, one * right.most]);
    const [least, most] = [Math.min(...corners), Math.max(...corners)];
    return within(least, most) ? numberIn(least, most)`(${left} * ${right})` : undefined;
  },
  division,
  division,
  remainder,
  bits,
  bits,
  shift,
  shift,
  (scope, depth) => {
    const operand = number(scope, depth);
    const isSmall = operand.least >= INT32_LEAST && operand.most <= INT32_MOST;
    if (!isSmall) return numberIn(INT32_LEAST, INT32_MOST)`(~${operand})`;
    return numberIn(-operand.most - 1, -operand.least - 1)`(~${operand})`;
  },
  (scope, depth) => {
    const operand = number(scope, depth);
    return numberIn(-operand.most, -operand.least)`(-${operand})`;
  },
  (scope, depth) => {
    const [left, right] = [number(scope, depth), number(scope, depth)];
    if (chance(scope, 50))
      return numberIn(
        Math.min(left.least, right.least),
        Math.min(left.most, right.most),
      )`Math.min(${left}, ${right})`;
    return numberIn(
      Math.max(left.least, right.least),
      Math.max(left.most, right.most),
    )`Math.max(${left}, ${right})`;
  },
  (scope, depth) => {
    const operand = number(scope, depth);
    const most = Math.max(Math.abs(operand.least), Math.abs(operand.most));
    return numberIn(0, most)`Math.abs(${operand})`;
  },
  (scope, depth) => {
    const [left, right] = [number(scope, depth), number(scope, depth)];
    const [least, most] = [Math.min(left.least, right.least), Math.max(left.most, right.most)];
    return numberIn(least, most)`(${scope.make.condition(scope, depth)} ? ${left} : ${right})`;
  },
  (scope, depth) => {
    const [left, right] = [number(scope, depth), number(scope, depth)];
    return numberIn(INT32_LEAST, INT32_MOST)`Math.imul(${left}, ${right})`;
  },
  (scope, depth) => fit(scope, number(scope, depth), 0, UINT32_MOST),
  (scope, depth) => fit(scope, number(scope, depth), INT32_LEAST, INT32_MOST),
  (scope, depth) => {
    const big = scope.make.bigint(scope, depth);
    if (big.least >= -BigInt(SAFE) && big.most <= BigInt(SAFE) && chance(scope, 50))
      return numberIn(Number(big.least), Number(big.most))`Number(${big})`;
    return numberIn(0, UINT32_MOST)`Number(${big} & 0xffffffffn)`;
  },
];

/** By a divisor that cannot be 0. */
function divisor(scope: Scope, depth: number): NumberPiece {
  if (chance(scope, 70)) return literal(pick(scope, [1, 2, 3, 5, 7, 8, 10, 60, 255, 1000, 65_536, -3, -8]));
  return numberIn(1, 256)`(${numberWithin(scope, 0, 255, depth)} + 1)`;
}

function division(scope: Scope, depth: number): NumberPiece | undefined {
  const [left, right] = [number(scope, depth), divisor(scope, depth)];
  const corners = [left.least, left.most].flatMap((one) => [one / right.least, one / right.most]);
  // A divisor that varies may be far from both its ends: then the quotient lies between 0 and them.
  const [low, high] = [Math.min(0, ...corners), Math.max(0, ...corners)];
  // The compiler calculates one less than the quotient, too, which has to be exact.
  const isDown = chance(scope, 50) && left.least > -SAFE;
  const [least, most] = isDown ? [Math.floor(low), Math.floor(high)] : [Math.trunc(low), Math.trunc(high)];
  return isDown
    ? numberIn(least, most)`Math.floor(${left} / ${right})`
    : numberIn(least, most)`Math.trunc(${left} / ${right})`;
}

function remainder(scope: Scope, depth: number): NumberPiece | undefined {
  const [left, right] = [number(scope, depth), divisor(scope, depth)];
  const limit = Math.max(Math.abs(right.least), Math.abs(right.most)) - 1;
  const least = left.least >= 0 ? 0 : Math.max(-limit, left.least);
  const most = left.most <= 0 ? 0 : Math.min(limit, left.most);
  return numberIn(least, most)`(${left} % ${right})`;
}

function bits(scope: Scope, depth: number): NumberPiece | undefined {
  const [left, right] = [number(scope, depth), number(scope, depth)];
  const operator = pick(scope, ["&", "|", "^"]);
  const isPlain = (one: NumberPiece): boolean => one.least >= 0 && one.most <= INT32_MOST;
  if (operator === "&") {
    const masks = [left, right].filter(isPlain);
    if (masks.length > 0) {
      const most = Math.min(...masks.map((one) => one.most));
      return numberIn(0, most)`(${left} & ${right})`;
    }
  } else if (isPlain(left) && isPlain(right)) {
    const most = 2 ** Math.ceil(Math.log2(Math.max(left.most, right.most) + 1)) - 1;
    return numberIn(0, most)`(${left} ${operator} ${right})`;
  }
  return numberIn(INT32_LEAST, INT32_MOST)`(${left} ${operator} ${right})`;
}

function shift(scope: Scope, depth: number): NumberPiece | undefined {
  const left = number(scope, depth);
  const count = chance(scope, 70)
    ? literal(pick(scope, [0, 1, 3, 8, 16, 24, 31, 32, 33, -1]))
    : // TypeScript's parser takes `x << (` for the start of type arguments now and then.
      numberIn(-SAFE, SAFE)`0 + ${number(scope, depth)}`;
  switch (pick(scope, ["<<", ">>", ">>>"])) {
    case "<<":
      return numberIn(INT32_LEAST, INT32_MOST)`(${left} << ${count})`;
    case ">>":
      return numberIn(INT32_LEAST, INT32_MOST)`(${left} >> ${count})`;
    default:
      return numberIn(0, UINT32_MOST)`(${left} >>> ${count})`;
  }
}
