/**
 * What the kernel's verifier sees of a value: less than our analysis, because it forgets all about bytes
 * that have been turned round, and what it knows of two values it does not bring together.
 * @module
 */
import type { Graph } from "../ir/graph.ts";
import type { BinaryInstruction, Block, Instruction, UnaryOperator, Value } from "../ir/ir.ts";

export interface Interval {
  readonly least: bigint;
  readonly most: bigint;
}

/** All that 64 bits can hold, signed or not. */
export const ANYTHING: Interval = { least: -(2n ** 63n), most: 2n ** 64n - 1n };
const SIGNED_MOST = 2n ** 63n - 1n;

/** Where values come from. */
export interface Origins {
  readonly graph: Graph;
  readonly makers: ReadonlyMap<Value, Instruction>;
  readonly owners: ReadonlyMap<Value, Block>;
  /** Values that are not turned round. */
  readonly turned: ReadonlyMap<Value, number>;
}

/** What is seen of each value of a function, as numbers from 0 on where nothing is below. */
export class SeenIntervals {
  readonly #origins: Origins;
  readonly #known = new Map<Value, Interval>();

  constructor(origins: Origins) {
    this.#origins = origins;
  }

  of(value: Value): Interval {
    const known = this.#known.get(value);
    if (known !== undefined) return known;
    // While a loop is being looked at, its values are anything.
    this.#known.set(value, ANYTHING);
    const interval = this.#find(value);
    this.#known.set(value, interval);
    return interval;
  }

  #find(value: Value): Interval {
    if (value.type === "boolean") return { least: 0n, most: 1n };
    const maker = this.#origins.makers.get(value);
    if (maker !== undefined) return this.#made(maker);
    const owner = this.#origins.owners.get(value);
    if (owner === undefined) return ANYTHING;
    const index = owner.parameters.indexOf(value);
    const given = this.#origins.graph.entrances(owner).map(({ edge }) => edge.with[index]);
    const intervals = given.map((one) => (one === undefined ? ANYTHING : this.of(one)));
    return intervals.length === 0 ? ANYTHING : intervals.reduce(either);
  }

  #made(maker: Instruction): Interval {
    switch (maker.op) {
      case "constant":
        return { least: maker.value, most: maker.value };
      case "assume":
        return this.of(maker.operand);
      case "select":
        return either(this.of(maker.ifTrue), this.of(maker.ifFalse));
      case "load":
        return maker.order === "native" || maker.bytes === 1 || this.#origins.turned.has(maker.result)
          ? ofBytes(maker.bytes)
          : ANYTHING;
      case "loadElement":
        return maker.isSigned ? ANYTHING : ofBytes(maker.bytes);
      case "ask":
        return maker.what === "random" ? { least: 0n, most: ANYTHING.most } : ANYTHING;
      case "unary":
        return unary(maker.operator, this.of(maker.operand));
      case "binary":
        return binary(maker, this.of(maker.left), this.of(maker.right));
      default:
        return ANYTHING;
    }
  }
}

function ofBytes(bytes: number): Interval {
  return bytes === 8 ? ANYTHING : { least: 0n, most: 2n ** BigInt(8 * bytes) - 1n };
}

/** Math.min takes no bigints. */
function smaller(one: bigint, other: bigint): bigint {
  return [one, other].reduce((least, next) => {
    if (next < least) return next;
    return least;
  });
}

/** The smallest interval around two. */
export function either(one: Interval, other: Interval): Interval {
  return {
    least: smaller(one.least, other.least),
    most: one.most + other.most - smaller(one.most, other.most),
  };
}

function isIn(inner: Interval, least: bigint, most: bigint): boolean {
  return inner.least >= least && inner.most <= most;
}

const UNARY: Partial<Record<UnaryOperator, bigint>> = {
  unsigned8: 0xffn,
  unsigned16: 0xffffn,
  veiled16: 0xffffn,
  unsigned32: 0xffff_ffffn,
};

function unary(operator: UnaryOperator, operand: Interval): Interval {
  const most = UNARY[operator];
  if (most === undefined) return ANYTHING;
  if (operator === "veiled16") return { least: 0n, most };
  return isIn(operand, 0n, most) ? operand : { least: 0n, most };
}

function binary({ operator }: BinaryInstruction, left: Interval, right: Interval): Interval {
  const count = right.least === right.most ? right.least : undefined;
  const isPlain = isIn(left, 0n, SIGNED_MOST) && isIn(right, 0n, SIGNED_MOST);
  switch (operator) {
    case "add":
      return isPlain ? within(left.least + right.least, left.most + right.most) : ANYTHING;
    case "subtract":
      return isPlain ? within(left.least - right.most, left.most - right.least) : ANYTHING;
    case "multiply":
      return isIn(left, 0n, 0xffff_ffffn) && isIn(right, 0n, 0xffff_ffffn)
        ? within(left.least * right.least, left.most * right.most)
        : ANYTHING;
    case "and": {
      const mosts = [left, right].filter(({ least }) => least >= 0n).map(({ most }) => most);
      return mosts.length === 0 ? ANYTHING : { least: 0n, most: mosts.reduce(smaller) };
    }
    case "or":
    case "xor": {
      const bits = (left.most | right.most).toString(2).length;
      return isPlain ? { least: 0n, most: (1n << BigInt(bits)) - 1n } : ANYTHING;
    }
    case "shiftLeft":
      return isPlain && count !== undefined ? within(left.least << count, left.most << count) : ANYTHING;
    case "shiftRight":
      if (count === undefined || count === 0n) return ANYTHING;
      return left.least >= 0n
        ? { least: left.least >> count, most: left.most >> count }
        : { least: 0n, most: (2n ** 64n - 1n) >> count };
    default:
      return ANYTHING;
  }
}

function within(least: bigint, most: bigint): Interval {
  return most <= SIGNED_MOST ? { least, most } : ANYTHING;
}
