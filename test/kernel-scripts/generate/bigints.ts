/**
 * Random expressions of bigints: of 64 bits, with what they can be, and of up to 128 bits as IPv6 addresses are.
 * @module
 */
import { bigintField, wideField } from "./fields.ts";
import { fit } from "./fit.ts";
import { type BigintPiece, bigintIn, of, type Piece } from "./piece.ts";
import { chance, pick, pickSome, type Scope } from "./scope.ts";

const UINT64_MOST = 2n ** 64n - 1n;
const INT64_LEAST = -(2n ** 63n);
const INT64_MOST = 2n ** 63n - 1n;
const LITERALS: readonly bigint[] = [
  ...[0n, 1n, 2n, 7n, 8n, 31n, 255n, 256n, 0xffffn, 0x7fff_ffffn, 0x8000_0000n, 0xffff_ffffn],
  ...[0x1_0000_0000n, 2n ** 53n, 2n ** 53n + 1n, INT64_MOST, 2n ** 63n, UINT64_MOST],
];

export function bigLiteral(value: bigint): BigintPiece {
  return bigintIn(value, value)`${value < 0n ? `(${value}n)` : `${value}n`}`;
}

/** A bigint that is 0 to 2^64 - 1, or -2^63 to 2^63 - 1. */
export function bigint(scope: Scope, depth: number): BigintPiece {
  if (depth <= 0 || chance(scope, 30)) return leaf(scope, depth);
  return pick(scope, OPERATIONS)(scope, depth - 1) ?? leaf(scope, depth);
}

function leaf(scope: Scope, depth: number): BigintPiece {
  const found = pick(scope, [variable, variable, bigintField, bigintField, element])(scope);
  if (found !== undefined) return found;
  if (depth > -4 && chance(scope, 50)) {
    const plain = scope.make.number(scope, Math.min(depth, 0) - 1);
    return bigintIn(BigInt(plain.least), BigInt(plain.most))`BigInt(${plain})`;
  }
  return bigLiteral(pick(scope, LITERALS));
}

function variable(scope: Scope): BigintPiece | undefined {
  const found = pickSome(scope, scope.bigints);
  return found && bigintIn(found.least, found.most)`${found.name}`;
}

function element(scope: Scope): BigintPiece | undefined {
  const array = pickSome(scope, scope.bigArrays);
  if (array === undefined) return undefined;
  const { name, count, isSigned } = array;
  const index = fit(scope, scope.make.number(scope, 0), 0, count - 1);
  const inBounds = isSigned ? bigintIn(INT64_LEAST, INT64_MOST) : bigintIn(0n, UINT64_MOST);
  return inBounds`(${name}[${index}] as bigint)`;
}

function isIn64(least: bigint, most: bigint): boolean {
  return (least >= 0n && most <= UINT64_MOST) || (least >= INT64_LEAST && most <= INT64_MOST);
}

/** Cut to 64 bits, in one of JavaScript's two ways. */
function wrapped(scope: Scope, left: BigintPiece, operator: string, right: BigintPiece): BigintPiece {
  return chance(scope, 60)
    ? bigintIn(0n, UINT64_MOST)`BigInt.asUintN(64, ${left} ${operator} ${right})`
    : bigintIn(INT64_LEAST, INT64_MOST)`BigInt.asIntN(64, ${left} ${operator} ${right})`;
}

type Operation = (scope: Scope, depth: number) => BigintPiece | undefined;

const OPERATIONS: readonly Operation[] = [
  (scope, depth) => {
    const [left, right] = [bigint(scope, depth), bigint(scope, depth)];
    const operator = pick(scope, ["+", "-", "*"]);
    const sums = [left.least, left.most].flatMap((one) =>
      [right.least, right.most].map((other) =>
        operator === "+" ? one + other : operator === "-" ? one - other : one * other,
      ),
    );
    sums.sort((one, other) => (one < other ? -1 : 1));
    const [least = 0n, most = 0n] = [sums[0], sums.at(-1)];
    if (!isIn64(least, most) || chance(scope, 30)) return wrapped(scope, left, operator, right);
    return bigintIn(least, most)`(${left} ${operator} ${right})`;
  },
  (scope, depth) => {
    const [left, right] = [unsigned(scope, depth), unsigned(scope, depth)];
    return bigintIn(0n, UINT64_MOST)`(${left} ${pick(scope, ["&", "|", "^"])} ${right})`;
  },
  (scope, depth) => {
    const [left, right] = [signed(scope, depth), signed(scope, depth)];
    return bigintIn(INT64_LEAST, INT64_MOST)`(${left} ${pick(scope, ["&", "|", "^"])} ${right})`;
  },
  (scope, depth) => {
    const count = scope.random.below(64);
    return bigintIn(0n, UINT64_MOST >> BigInt(count))`(${unsigned(scope, depth)} >> ${count}n)`;
  },
  (scope, depth) => {
    const count = scope.random.below(64);
    return bigintIn(INT64_LEAST, INT64_MOST)`(${signed(scope, depth)} >> ${count}n)`;
  },
  (scope, depth) => {
    const count = scope.random.below(64);
    return bigintIn(0n, UINT64_MOST)`BigInt.asUintN(64, ${unsigned(scope, depth)} << ${count}n)`;
  },
  (scope, depth) => {
    const by = pick(scope, [1n, 2n, 3n, 7n, 10n, 1000n, 2n ** 32n]);
    return bigintIn(0n, UINT64_MOST / by)`(${unsigned(scope, depth)} / ${by}n)`;
  },
  (scope, depth) => {
    const by = pick(scope, [1n, 2n, 3n, 7n, 10n, 1000n, 2n ** 32n]);
    return bigintIn(0n, by - 1n)`(${unsigned(scope, depth)} % ${by}n)`;
  },
  (scope, depth) => {
    const [left, right] = [unsigned(scope, depth), unsigned(scope, depth)];
    return bigintIn(0n, UINT64_MOST)`(${scope.make.condition(scope, depth)} ? ${left} : ${right})`;
  },
  (scope, depth) => {
    const width = pick(scope, [8, 16, 32, 48, 63]);
    return bigintIn(0n, 2n ** BigInt(width) - 1n)`BigInt.asUintN(${width}, ${bigint(scope, depth)})`;
  },
  (scope, depth) => {
    const plain = fit(scope, scope.make.number(scope, depth), 0, 2 ** 32 - 1);
    return bigintIn(0n, 2n ** 32n - 1n)`BigInt(${plain})`;
  },
];

/** 0 to 2^64 - 1. */
export function unsigned(scope: Scope, depth: number): BigintPiece {
  const made = bigint(scope, depth);
  return made.least >= 0n ? made : bigintIn(0n, UINT64_MOST)`BigInt.asUintN(64, ${made})`;
}

/** -2^63 to 2^63 - 1. */
export function signed(scope: Scope, depth: number): BigintPiece {
  const made = bigint(scope, depth);
  if (made.most <= INT64_MOST) return made;
  return bigintIn(INT64_LEAST, INT64_MOST)`BigInt.asIntN(64, ${made})`;
}

/** Up to 128 bits: an address, one cut by a mask, or one of a few constants; never negative. */
export function wide(scope: Scope): Piece {
  const field = wideField(scope);
  if (field === undefined) return of("wide")`${pick(scope, WIDE_LITERALS)}n`;
  const shift = pick(scope, [1n, 8n, 48n, 63n, 64n, 65n, 80n, 120n]);
  const mask = pick(scope, [0xffffn, UINT64_MOST, (2n ** 64n - 1n) << 64n, (2n ** 48n - 1n) << 80n, 1n]);
  switch (scope.random.below(6)) {
    case 0:
      return of("wide")`(${field} >> ${shift}n)`;
    case 1:
      return of("wide")`(${field} & ${mask}n)`;
    case 2:
      return of("wide")`${pick(scope, WIDE_LITERALS)}n`;
    default:
      return field;
  }
}

/** 2001:db8::1 and ::2, fe80::1, 0 and all ones. */
const WIDE_LITERALS: readonly bigint[] = [
  0x2001_0db8_0000_0000_0000_0000_0000_0001n,
  0x2001_0db8_0000_0000_0000_0000_0000_0002n,
  0xfe80_0000_0000_0000_0000_0000_0000_0001n,
  0n,
  2n ** 128n - 1n,
];
