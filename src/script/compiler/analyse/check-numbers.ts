/**
 * Proves by the ranges that the kernel calculates what JavaScript does, and says where that cannot be: results that
 * would be rounded, divisions by 0, indices beyond the end, loops without an end.
 * @module
 */
import { DOMAIN_LIMITS } from "../ir/arithmetic.ts";
import type { Loop } from "../ir/graph.ts";
import type { BinaryInstruction, Block, Instruction, IrFunction, Value } from "../ir/ir.ts";
import { formatPlace, type Place } from "../place.ts";
import type { CompileProblem } from "../problem.ts";
import { type Construct, nameOperation, SYMBOLS } from "./constructs.ts";
import { constantIn, formatNumber, formatRange, isWithin, type Range, SIGNED_MOST } from "./range.ts";
import type { Ranges } from "./ranges.ts";
import { exactRange } from "./transfer.ts";

/** Instructions of all rounds of a nest of loops; the kernel's verifier walks through every one of them. */
export const LOOP_STEPS_MAX = 100_000;
/** Offsets into a packet (`OpenTerminator`). */
const OFFSET_MAX = 65_535n;
const NUMBER_MOST = 2n ** 53n - 1n;

/** Every reason why the function would not be exact, in the order of its blocks; one for each place and kind. */
export function checkNumbers(
  fn: IrFunction,
  ranges: Ranges,
  constructAt: (place: Place) => Construct | undefined = () => undefined,
): readonly CompileProblem[] {
  const checker = new Checker(ranges, constructAt);
  for (const loop of ranges.loops) if (ranges.isReached(loop.head)) checker.checkLoop(loop);
  for (const block of fn.blocks) if (ranges.isReached(block)) checker.checkBlock(block);
  return checker.problems;
}

interface Finding {
  readonly code: string;
  readonly why: string;
  readonly instead: string;
}

class Checker {
  readonly problems: CompileProblem[] = [];
  readonly #ranges: Ranges;
  readonly #constructAt: (place: Place) => Construct | undefined;
  readonly #told = new Set<string>();
  /** Results that have been told of: what is calculated with them is no reason of its own. */
  readonly #refused = new Set<Value>();
  /** Blocks of loops that may not end, in which sums have no bounds for that reason. */
  readonly #endless = new Set<Block>();

  constructor(ranges: Ranges, constructAt: (place: Place) => Construct | undefined) {
    this.#ranges = ranges;
    this.#constructAt = constructAt;
  }

  checkBlock(block: Block): void {
    for (const instruction of block.instructions) {
      const finding = this.#findingOf(instruction, block);
      if (finding === undefined) continue;
      if (this.#isConsequence(instruction, block, finding)) continue;
      this.#tell(instruction.place, nameOperation(instruction), finding);
    }
    const { terminator } = block;
    if (terminator.op !== "open") return;
    const offset = this.#ranges.at(terminator.offset, block);
    if (offset === undefined || isWithin(offset, 0n, OFFSET_MAX)) return;
    this.#tell(terminator.place, "the offset", {
      code: "kernel-number-range",
      why: `the place in the packet may be at ${formatRange(offset)}, and offsets are 0 to 65535`,
      instead: "check the offset before",
    });
  }

  #isConsequence(instruction: Instruction, block: Block, { code }: Finding): boolean {
    if (code !== "kernel-number-range" || instruction.op !== "binary") return false;
    const { left, right, result } = instruction;
    const isKnown = this.#refused.has(left) || this.#refused.has(right) || this.#endless.has(block);
    this.#refused.add(result);
    return isKnown;
  }

  checkLoop(loop: Loop): void {
    const place = loop.head.terminator.place;
    const steps = this.#stepsOf(loop);
    if (steps === undefined) {
      for (const block of loop.blocks) this.#endless.add(block);
      this.#tell(place, "the loop", {
        code: "kernel-loop",
        why: "it cannot be proved that the loop ends",
        instead:
          "count it: `for (let i = 0; i < n; i++)` with an `n` that has a limit, and `break` where it ends earlier",
      });
    } else if (steps > LOOP_STEPS_MAX) {
      this.#tell(place, "the loop", {
        code: "kernel-loop-steps",
        why: `with all its rounds the loop takes up to ${steps} steps, and the kernel's verifier walks through no more than about ${LOOP_STEPS_MAX}`,
        instead: "give it a lower limit: `i < n && i < 64`",
      });
    }
  }

  /** Steps of all rounds, each time that the loop is entered. */
  #stepsOf(loop: Loop): number | undefined {
    const rounds = this.#ranges.roundsMax(loop);
    if (rounds === undefined) return undefined;
    const inner = this.#ranges.loops.filter(({ outer }) => outer === loop);
    let steps = 0;
    for (const block of loop.blocks) {
      if (!inner.some(({ blocks }) => blocks.has(block))) steps += block.instructions.length + 1;
    }
    for (const one of inner) {
      if (!this.#ranges.isReached(one.head)) continue;
      const innerSteps = this.#stepsOf(one);
      // The inner loop is told of by itself.
      if (innerSteps !== undefined) steps += innerSteps;
    }
    return steps * (rounds + 1);
  }

  #tell(place: Place, name: string, { code, why, instead }: Finding): void {
    const key = `${formatPlace(place)} ${code}`;
    if (this.#told.has(key)) return;
    this.#told.add(key);
    const { construct, length } = this.#constructAt(place) ?? { construct: name, length: 1 };
    this.problems.push({ code, place, length, construct, why, instead });
  }

  #findingOf(instruction: Instruction, block: Block): Finding | undefined {
    const at = (value: Value): Range | undefined => this.#ranges.at(value, block);
    switch (instruction.op) {
      case "binary": {
        const [left, right] = [at(instruction.left), at(instruction.right)];
        return left === undefined || right === undefined ? undefined : checkBinary(instruction, left, right);
      }
      case "compare": {
        const [left, right] = [at(instruction.left), at(instruction.right)];
        return left === undefined || right === undefined ? undefined : checkSigns(left, right);
      }
      case "loadElement":
      case "storeElement": {
        const index = at(instruction.index);
        return index === undefined ? undefined : checkIndex(index, instruction.count);
      }
      default:
        return undefined;
    }
  }
}

function checkBinary(instruction: BinaryInstruction, left: Range, right: Range): Finding | undefined {
  const { operator, domain } = instruction;
  if (domain === "word" || operator.endsWith("32")) return undefined;
  switch (operator) {
    case "divide":
    case "remainder":
      return checkDivisor(right) ?? checkSigns(left, right) ?? checkResult(instruction, left, right);
    case "minimum":
    case "maximum":
      return checkSigns(left, right) ?? checkResult(instruction, left, right);
    case "shiftLeft":
    case "shiftRight":
    case "shiftRightSigned":
      return checkShift(instruction, left, right) ?? checkResult(instruction, left, right);
    default:
      return checkResult(instruction, left, right);
  }
}

function checkDivisor(divisor: Range): Finding | undefined {
  if (divisor.least > 0n || divisor.most < 0n) return undefined;
  const isZero = divisor.most === 0n && divisor.least === 0n;
  return {
    code: "kernel-division",
    why: isZero ? "the divisor is 0" : `the divisor may be 0: it is ${formatRange(divisor)}`,
    instead: "check it before: `if (n > 0)`, or `Math.max(n, 1)`",
  };
}

function checkShift({ operator, domain }: BinaryInstruction, left: Range, count: Range): Finding | undefined {
  if (!isWithin(count, 0n, 63n)) {
    return {
      code: "kernel-shift",
      why: `the shift count may be ${formatRange(count)}, and 64 bits can be shifted by 0 to 63`,
      instead: "limit it: `n & 63n`",
    };
  }
  if (operator === "shiftRight" && domain !== "wrap" && left.least < 0n) {
    return {
      code: "kernel-shift",
      why: `what is shifted may be negative: it is ${formatRange(left)}`,
      instead: "keep the bits that are meant: `x >>> 0`, `BigInt.asUintN(64, x)`",
    };
  }
  return operator === "shiftRightSigned" ? checkSigns(left, left) : undefined;
}

/** Words are compared as signed or as unsigned, and not as both. */
function checkSigns(left: Range, right: Range): Finding | undefined {
  const isNegative = left.least < 0n || right.least < 0n;
  const isLarge = left.most > SIGNED_MOST || right.most > SIGNED_MOST;
  if (!isNegative || !isLarge) return undefined;
  const both = left === right ? formatRange(left) : `${formatRange(left)}, and ${formatRange(right)}`;
  return {
    code: "kernel-mixed-signs",
    why: `one may be negative and one 2^63 or more, which 64 bits cannot tell apart: ${both}`,
    instead: "bring both to one kind: `BigInt.asUintN(64, x)` or `BigInt.asIntN(64, x)`",
  };
}

function checkIndex(index: Range, count: number): Finding | undefined {
  if (isWithin(index, 0n, BigInt(count) - 1n)) return undefined;
  return {
    code: "kernel-element-index",
    why: `the index may be ${formatRange(index)}, and there are elements 0 to ${count - 1}`,
    instead: isPower(count)
      ? `keep it inside: \`index & ${count - 1}\`, or check \`if (index >= 0 && index < ${count})\` before`
      : `check \`if (index >= 0 && index < ${count})\` before`,
  };
}

function isPower(count: number): boolean {
  return (count & (count - 1)) === 0;
}

function checkResult(instruction: BinaryInstruction, left: Range, right: Range): Finding | undefined {
  const { domain, operator } = instruction;
  if (domain === "wrap") return undefined;
  const result = exactRange(instruction, left, right);
  const [least, most] = DOMAIN_LIMITS[domain];
  if (isWithin(result, least, most)) return undefined;
  const symbol = SYMBOLS[operator] ?? operator;
  const shown = `${formatRange(left)} \`${symbol}\` ${formatRange(right)} may be ${formatRange(result)}`;
  if (domain === "bigint") {
    return {
      code: "kernel-number-range",
      why: `${shown}, and the kernel has 64 bits: ${formatNumber(least)} to ${formatNumber(most)}`,
      instead: "let it wrap as JavaScript can, `BigInt.asUintN(64, …)`, or check the operands before",
    };
  }
  return {
    code: "kernel-number-range",
    why: `${shown}, and numbers are exact only up to ${formatNumber(most)}`,
    instead: adviceFor(result, instruction, left, right),
  };
}

function adviceFor(result: Range, { operator }: BinaryInstruction, left: Range, right: Range): string {
  const limit = operator === "multiply" ? factorMax(left, right) : undefined;
  if (limit !== undefined)
    return `limit what varies before, as in \`Math.min(n, ${limit})\`${least(left, right)}, or calculate with bigints`;
  const keeps = result.least < 0n ? "`| 0` keeps 32 bits with their sign" : "`>>> 0` keeps 32 bits";
  return `limit the operands before, with \`Math.min\` and \`Math.max\`, \`& 0xffff\` or a comparison (${keeps}), or calculate with bigints`;
}

/** Behind a proposal for the upper bound: what may be negative needs a lower one as well. */
function least(left: Range, right: Range): string {
  return left.least < 0n || right.least < 0n ? " and `Math.max(n, 0)`" : "";
}

/** Of a product with one known factor: a round number that the other one may be. */
function factorMax(left: Range, right: Range): string | undefined {
  const factors = [constantIn(left), constantIn(right)].filter((one) => one !== undefined && one > 1n);
  const [factor] = factors;
  if (factors.length !== 1 || factor === undefined) return undefined;
  const digits = String(NUMBER_MOST / factor).length - 1;
  if (digits < 1) return undefined;
  return digits > 6 ? `1e${digits}` : String(10 ** digits);
}
