/**
 * What a filter computes with: numbers of 32 bits read from a packet or made of others. Equal values are one object,
 * so that whoever makes code knows what is there already; what is constant is computed here.
 * @module
 */
import type { FilterOperator } from "./expression.ts";

/** What every value has. */
interface Common {
  /** Counts from 0 in each pool. */
  readonly id: number;
  /** No value is above, as an unsigned number. */
  readonly limit: number;
}

/**
 * - `load`: bytes in network order at `base` (0 without one) plus `offset`, modulo 2^32; outside of the packet the
 *   whole filter does not match
 * - `header-length`: four times the low half of the byte at `offset`
 * - `ancillary`: what the kernel knows of a packet beside its bytes
 * - `binary`: what is divided by 0 does not match either; a shift by more than 31 gives 0
 */
export type Value = Common &
  (
    | { readonly kind: "constant"; readonly value: number }
    | { readonly kind: "length" }
    | {
        readonly kind: "load";
        readonly sizeBytes: 1 | 2 | 4;
        readonly offset: number;
        readonly base: Value | undefined;
      }
    | { readonly kind: "header-length"; readonly offset: number }
    | { readonly kind: "ancillary"; readonly offset: number }
    | { readonly kind: "negate"; readonly operand: Value }
    | {
        readonly kind: "binary";
        readonly operator: FilterOperator;
        readonly left: Value;
        readonly right: Value;
      }
  );

const ALL_BITS = 0xffffffff;

/** Makes values, each once. */
export class ValuePool {
  readonly #values = new Map<string, Value>();

  constant(value: number): Value {
    const word = value >>> 0;
    return this.#make(`c${word}`, (id) => ({ kind: "constant", value: word, limit: word, id }));
  }

  /** Of the packet as it was on the wire. */
  length(): Value {
    return this.#make("length", (id) => ({ kind: "length", limit: ALL_BITS, id }));
  }

  load(sizeBytes: 1 | 2 | 4, offset: number, base?: Value): Value {
    if (base?.kind === "constant") return this.load(sizeBytes, offset + base.value);
    const at = offset >>> 0;
    const limit = sizeBytes === 4 ? ALL_BITS : 2 ** (8 * sizeBytes) - 1;
    return this.#make(`l${sizeBytes}:${at}:${base?.id}`, (id) => ({
      kind: "load",
      sizeBytes,
      offset: at,
      base,
      limit,
      id,
    }));
  }

  /** Of IPv4, in bytes; `offset` is that of its first byte. */
  headerLength(offset: number, base?: Value): Value {
    if (base !== undefined) {
      const words = this.binary("&", this.load(1, offset, base), this.constant(15));
      return this.binary("<<", words, this.constant(2));
    }
    return this.#make(`h${offset}`, (id) => ({ kind: "header-length", offset, limit: 60, id }));
  }

  ancillary(offset: number): Value {
    return this.#make(`a${offset}`, (id) => ({ kind: "ancillary", offset, limit: ALL_BITS, id }));
  }

  negate(operand: Value): Value {
    if (operand.kind === "constant") return this.constant(-operand.value);
    return this.#make(`-${operand.id}`, (id) => ({ kind: "negate", operand, limit: ALL_BITS, id }));
  }

  /** A constant divisor is not 0, and a constant shift at most 31. */
  binary(operator: FilterOperator, left: Value, right: Value): Value {
    if (left.kind === "constant" && right.kind === "constant") {
      return this.constant(compute(operator, left.value, right.value) ?? 0);
    }
    if (operator === "+" && isConstant(right, 0)) return left;
    if (operator === "+" && isConstant(left, 0)) return right;
    if (operator === "&" && right.kind === "constant" && isMask(right.value) && left.limit <= right.value) {
      return left;
    }
    const limit = limitOf(operator, left, right);
    return this.#make(`${operator}${left.id}:${right.id}`, (id) => ({
      kind: "binary",
      operator,
      left,
      right,
      limit,
      id,
    }));
  }

  #make(key: string, make: (id: number) => Value): Value {
    let value = this.#values.get(key);
    if (value === undefined) {
      value = make(this.#values.size);
      this.#values.set(key, value);
    }
    return value;
  }
}

/** Whether it is this very number. */
export function isConstant(value: Value, number: number): boolean {
  return value.kind === "constant" && value.value === number;
}

/** On unsigned numbers of 32 bits; `undefined` for a division by 0. */
export function compute(operator: FilterOperator, left: number, right: number): number | undefined {
  switch (operator) {
    case "+":
      return (left + right) >>> 0;
    case "-":
      return (left - right) >>> 0;
    case "*":
      return Math.imul(left, right) >>> 0;
    case "/":
      return right === 0 ? undefined : Math.floor(left / right);
    case "%":
      return right === 0 ? undefined : left % right;
    case "&":
      return (left & right) >>> 0;
    case "|":
      return (left | right) >>> 0;
    case "^":
      return (left ^ right) >>> 0;
    case "<<":
      return right > 31 ? 0 : (left << right) >>> 0;
    case ">>":
      return right > 31 ? 0 : left >>> right;
  }
}

/** All bits below one are set. */
function isMask(value: number): boolean {
  return ((value + 1) & value) === 0;
}

function limitOf(operator: FilterOperator, left: Value, right: Value): number {
  switch (operator) {
    case "+":
      return Math.min(left.limit + right.limit, ALL_BITS);
    case "*":
      return Math.min(left.limit * right.limit, ALL_BITS);
    case "/":
    case ">>":
      return left.limit;
    case "&":
      return Math.min(left.limit, right.limit);
    case "%":
      return Math.min(left.limit, right.limit);
    case "<<":
      return right.kind === "constant" && left.limit * 2 ** right.value <= ALL_BITS
        ? left.limit * 2 ** right.value
        : ALL_BITS;
    case "|":
    case "^":
      return left.limit < 2 ** 31 && right.limit < 2 ** 31 ? 2 ** 31 - 1 : ALL_BITS;
    case "-":
      return ALL_BITS;
  }
}
