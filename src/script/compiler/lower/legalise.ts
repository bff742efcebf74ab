/**
 * Makes JavaScript's operations the machine's: operations on 32 bits become those on 64 with signs kept only where the
 * ranges need it, comparisons and divisions are told whether they are signed, and assumptions have done their work.
 * Afterwards every value is a word of 64 bits, and every calculation is of the domain `word`.
 * @module
 */
import { ANY_RANGE, constantIn, isWithin, type Range, SIGNED_MOST, UNSIGNED_MOST } from "../analyse/range.ts";
import type { Ranges } from "../analyse/ranges.ts";
import type {
  BinaryInstruction,
  BinaryOperator,
  Block,
  CompareInstruction,
  Comparison,
  Instruction,
  UnaryInstruction,
  UnaryOperator,
  Value,
} from "../ir/ir.ts";
import { mapOperands, replaceValues } from "../ir/visit.ts";
import type { Place } from "../place.ts";
import type { Editor } from "./editor.ts";

/** Rewrites the whole function by the ranges that were found of it. */
export function legalise(editor: Editor, ranges: Ranges): void {
  const copies = new Map<Value, Value>();
  for (const block of editor.function.blocks) {
    const before = block.instructions;
    block.instructions = [];
    const legaliser = new Legaliser(editor, ranges, block, copies);
    for (const instruction of before) legaliser.add(instruction);
    block.instructions.push(...legaliser.instructions);
  }
  replaceValues(editor.function, copies);
  editor.refresh();
}

const SIMPLE: Partial<Readonly<Record<BinaryOperator, BinaryOperator>>> = {
  and32: "and",
  or32: "or",
  xor32: "xor",
  multiply32: "multiply",
};

const ORDERS: Readonly<Partial<Record<BinaryOperator, Comparison>>> = { minimum: "less", maximum: "greater" };

class Legaliser {
  readonly instructions: Instruction[] = [];
  readonly #editor: Editor;
  readonly #ranges: Ranges;
  readonly #block: Block;
  readonly #copies: Map<Value, Value>;

  constructor(editor: Editor, ranges: Ranges, block: Block, copies: Map<Value, Value>) {
    this.#editor = editor;
    this.#ranges = ranges;
    this.#block = block;
    this.#copies = copies;
  }

  add(instruction: Instruction): void {
    switch (instruction.op) {
      case "binary":
        this.#addBinary(instruction);
        break;
      case "unary":
        this.#addUnary(instruction);
        break;
      case "compare":
        this.instructions.push({ ...instruction, isSigned: this.#isSigned(instruction) });
        break;
      case "assume":
        this.#copies.set(instruction.result, instruction.operand);
        break;
      default:
        this.instructions.push(mapOperands(instruction, (value) => value));
    }
  }

  #range(value: Value): Range {
    return this.#ranges.at(value, this.#block) ?? ANY_RANGE;
  }

  /** Both sides have been found to be words of the same kind, or the checks have refused the function. */
  #isSigned({ left, right, comparison }: Pick<CompareInstruction, "left" | "right" | "comparison">): boolean {
    if (comparison === "equal" || comparison === "unequal") return false;
    return this.#range(left).least < 0n || this.#range(right).least < 0n;
  }

  #append(
    place: Place,
    operator: BinaryOperator,
    left: Value,
    right: Value,
    result = this.#editor.value("integer"),
  ): Value {
    const instruction: Instruction = { op: "binary", place, result, operator, domain: "word", left, right };
    this.instructions.push(instruction);
    return result;
  }

  #appendUnary(
    place: Place,
    operator: UnaryOperator,
    operand: Value,
    result = this.#editor.value("integer"),
  ): Value {
    this.instructions.push({ op: "unary", place, result, operator, operand });
    return result;
  }

  #addBinary(instruction: BinaryInstruction): void {
    const { operator, left, right, result, place } = instruction;
    const comparison = ORDERS[operator];
    if (comparison !== undefined) {
      const condition = this.#editor.value("boolean");
      const isSigned = this.#isSigned({ left, right, comparison });
      this.instructions.push({ op: "compare", place, result: condition, comparison, left, right, isSigned });
      this.instructions.push({ op: "select", place, result, condition, ifTrue: left, ifFalse: right });
      return;
    }
    if (operator === "divide" || operator === "remainder") {
      const isSigned = this.#range(left).least < 0n || this.#range(right).least < 0n;
      this.instructions.push({ ...instruction, domain: "word", isSigned });
      return;
    }
    // In `wrap` what is 2^63 and more is taken as negative; elsewhere only what is negative.
    const most = instruction.domain === "wrap" ? SIGNED_MOST : UNSIGNED_MOST;
    if (operator === "shiftRightSigned" && isWithin(this.#range(left), 0n, most)) {
      this.#append(place, "shiftRight", left, right, result);
      return;
    }
    if (operator.endsWith("32")) this.#add32(instruction);
    else this.instructions.push({ ...instruction, domain: "word" });
  }

  #add32(instruction: BinaryInstruction): void {
    const { operator, left, right, result, place } = instruction;
    const simple = SIMPLE[operator];
    if (simple !== undefined) {
      if (this.#isExact32(instruction)) this.#append(place, simple, left, right, result);
      else this.#appendUnary(place, "signed32", this.#append(place, simple, left, right), result);
      return;
    }
    const count = this.#count(right, place);
    const range = this.#range(left);
    if (operator === "shiftLeft32") {
      const shifts = constantIn(this.#range(count)) ?? 31n;
      const fits = isWithin(range, -(1n << 31n) >> shifts, ((1n << 31n) - 1n) >> shifts);
      if (fits) this.#append(place, "shiftLeft", left, count, result);
      else this.#appendUnary(place, "signed32", this.#append(place, "shiftLeft", left, count), result);
      return;
    }
    const isSigned = operator === "shiftRight32";
    const [least, most] = isSigned ? [-(1n << 31n), (1n << 31n) - 1n] : [0n, (1n << 32n) - 1n];
    const whole = isWithin(range, least, most)
      ? left
      : this.#appendUnary(place, isSigned ? "signed32" : "unsigned32", left);
    const isNegative = isSigned && !isWithin(range, 0n, most);
    this.#append(place, isNegative ? "shiftRightSigned" : "shiftRight", whole, count, result);
  }

  /** Whether the operation on words has the result that the one on 32 bits has, without its sign being kept. */
  #isExact32({ operator, left, right }: BinaryInstruction): boolean {
    const [a, b] = [this.#range(left), this.#range(right)];
    const isSigned = (range: Range): boolean => isWithin(range, -(1n << 31n), (1n << 31n) - 1n);
    const isShort = (range: Range): boolean => isWithin(range, 0n, (1n << 31n) - 1n);
    if (operator === "and32" && (isShort(a) || isShort(b))) return true;
    if (!isSigned(a) || !isSigned(b)) return false;
    if (operator !== "multiply32") return true;
    const corners = [a.least * b.least, a.least * b.most, a.most * b.least, a.most * b.most];
    return corners.every((corner) => corner >= -(1n << 31n) && corner < 1n << 31n);
  }

  /** A shift count modulo 32. */
  #count(value: Value, place: Place): Value {
    const range = this.#range(value);
    if (isWithin(range, 0n, 31n)) return value;
    const constant = constantIn(range);
    if (constant !== undefined) return this.#editor.constant(constant & 31n, place);
    return this.#append(place, "and", value, this.#editor.constant(31n, place));
  }

  #addUnary(instruction: UnaryInstruction): void {
    const { operator, operand, result, place } = instruction;
    const range = this.#range(operand);
    if (operator.startsWith("swap") || operator.startsWith("veiled")) {
      this.instructions.push(instruction);
      return;
    }
    const bits = Number(operator.replace(/\D+/, ""));
    const [least, most] = limitsOf(bits, operator.startsWith("signed"));
    if (bits === 64 || isWithin(range, least, most)) {
      this.#copies.set(result, operand);
    } else if (bits < 32 && least === 0n) {
      this.#append(place, "and", operand, this.#editor.constant(most, place), result);
    } else {
      this.instructions.push(instruction);
    }
  }
}

function limitsOf(bits: number, isSigned: boolean): readonly [bigint, bigint] {
  const count = 1n << BigInt(bits);
  return isSigned ? [-(count >> 1n), (count >> 1n) - 1n] : [0n, count - 1n];
}
