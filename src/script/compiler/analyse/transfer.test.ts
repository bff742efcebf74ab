/**
 * Random ranges and numbers in them; METANET_SEED repeats a run.
 * @module
 */
import assert from "node:assert/strict";
import test from "node:test";
import { SeededRandom } from "#base/seeded-random.ts";
import { evaluateBinary, evaluateUnary } from "../ir/arithmetic.ts";
import type { BinaryOperator, Domain, UnaryOperator } from "../ir/ir.ts";
import { formatNumber, formatRange, type Range, rangeOf } from "./range.ts";
import { transferBinary, transferUnary } from "./transfer.ts";

const seed = Number(process.env.METANET_SEED ?? 20_261_122);

const BINARY: readonly BinaryOperator[] = [
  "add",
  "subtract",
  "multiply",
  "divide",
  "remainder",
  "minimum",
  "maximum",
  "and",
  "or",
  "xor",
  "shiftLeft",
  "shiftRight",
  "shiftRightSigned",
  "and32",
  "or32",
  "xor32",
  "shiftLeft32",
  "shiftRight32",
  "shiftRightUnsigned32",
  "multiply32",
];
const UNARY: readonly UnaryOperator[] = [
  "unsigned8",
  "unsigned16",
  "unsigned32",
  "unsigned64",
  "signed8",
  "signed16",
  "signed32",
  "signed64",
  "swap16",
  "swap32",
  "swap64",
];
const DOMAINS: readonly Domain[] = ["number", "bigint", "wrap", "word"];

/** Small numbers, powers of two and what is next to them. */
function number(random: SeededRandom): bigint {
  const power = 1n << BigInt(random.below(random.below(2) === 0 ? 8 : 64));
  const value = power + BigInt(random.below(5)) - 2n;
  return random.below(3) === 0 && value <= 2n ** 63n ? -value : value & (2n ** 64n - 1n);
}

function range(random: SeededRandom): { readonly range: Range; readonly value: bigint } {
  const [a, b] = [number(random), number(random)];
  const [least, most] = a < b ? [a, b] : [b, a];
  const width = most - least + 1n;
  const value = least + ((BigInt(random.word()) * BigInt(random.word())) % width);
  return { range: rangeOf(least, most), value: [least, most, value][random.below(3)] as bigint };
}

function isIn(value: bigint, { least, most, bits }: Range, isWord: boolean): boolean {
  const readings = isWord ? [value, BigInt.asIntN(64, value), BigInt.asUintN(64, value)] : [value];
  return readings.some((one) => one >= least && one <= most && (one < 0n || (one & ~bits) === 0n));
}

test(`transferBinary() has every result in its range (METANET_SEED=${seed})`, () => {
  const random = new SeededRandom(seed);
  for (let index = 0; index < 40_000; index++) {
    const [left, right] = [range(random), range(random)];
    const operator = BINARY[random.below(BINARY.length)] as BinaryOperator;
    const domain = DOMAINS[random.below(4)] as Domain;
    const isSigned = random.below(2) === 0;
    const result = evaluateBinary(operator, domain, left.value, right.value, isSigned);
    if (result === undefined) continue;
    const found = transferBinary({ operator, domain, isSigned }, left.range, right.range);
    const told = `${operator} ${domain} ${isSigned} ${left.value} ${right.value} is ${result}: ${found.least} to ${found.most}, of ${left.range.least} to ${left.range.most} and ${right.range.least} to ${right.range.most}`;
    assert.ok(isIn(result, found, domain === "word"), told);
  }
});

test(`transferUnary() has every result in its range (METANET_SEED=${seed})`, () => {
  const random = new SeededRandom(seed);
  for (let index = 0; index < 10_000; index++) {
    const operand = range(random);
    const operator = UNARY[random.below(UNARY.length)] as UnaryOperator;
    const result = evaluateUnary(operator, operand.value);
    const found = transferUnary(operator, operand.range);
    assert.ok(
      isIn(result, found, false),
      `${operator} ${operand.value} is ${result}: ${found.least} to ${found.most}`,
    );
  }
});

const EXACT: readonly (readonly [
  BinaryOperator,
  readonly [bigint, bigint],
  readonly [bigint, bigint],
  string,
])[] = [
  ["and32", [0n, 255n], [15n, 15n], "0 to 15"],
  ["and32", [-(2n ** 31n), 2n ** 31n - 1n], [255n, 255n], "0 to 255"],
  ["multiply", [0n, 15n], [4n, 4n], "0 to 60"],
  ["shiftRightUnsigned32", [-5n, 5n], [16n, 16n], "0 to 65535"],
  ["remainder", [-10n, 100n], [8n, 8n], "-7 to 7"],
  ["remainder", [0n, 5n], [8n, 8n], "0 to 5"],
  ["divide", [-7n, 7n], [2n, 3n], "-3 to 3"],
  ["shiftLeft32", [0n, 3n], [30n, 30n], "-(2^31) to 2^31 - 1"],
  ["shiftLeft32", [0n, 3n], [4n, 4n], "0 to 48"],
  ["xor32", [0n, 12n], [3n, 3n], "0 to 15"],
  ["xor", [0n, 12n], [-16n, -16n], "-16 to 15"],
];

for (const [operator, left, right, wanted] of EXACT) {
  test(`transferBinary() of ${operator} of ${left.join(" to ")} and ${right.join(" to ")} is ${wanted}`, () => {
    const found = transferBinary({ operator, domain: "number" }, rangeOf(...left), rangeOf(...right));
    assert.equal(formatRange(found), wanted);
  });
}

test("formatNumber() writes powers of two as such where they are large", () => {
  const numbers = [0n, 65_535n, 2n ** 32n, 2n ** 53n - 1n, -(2n ** 63n), 4_000_000_000n, 2n ** 80n + 5n];
  assert.deepEqual(numbers.map(formatNumber), [
    "0",
    "65535",
    "2^32",
    "2^53 - 1",
    "-(2^63)",
    "4000000000",
    "about 2^80",
  ]);
});
