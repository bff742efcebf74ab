/**
 * Appends instructions to the function that is being lowered, and folds those whose result is known.
 * @module
 */
import type { FunctionBuilder } from "../ir/builder.ts";
import type {
  AccessBytes,
  BinaryOperator,
  ByteOrder,
  Comparison,
  ConstantInstruction,
  Domain,
  FactInstruction,
  Instruction,
  UnaryOperator,
  Value,
  ValueType,
} from "../ir/ir.ts";
import type { Place } from "../place.ts";
import { foldBinary, foldCompare, foldUnary } from "./fold.ts";
import { Implications } from "./path.ts";

const OPPOSITE: Readonly<Record<Comparison, Comparison>> = {
  equal: "unequal",
  unequal: "equal",
  less: "greaterOrEqual",
  lessOrEqual: "greater",
  greater: "lessOrEqual",
  greaterOrEqual: "less",
};

const UNCHANGED_BY_ZERO: ReadonlySet<BinaryOperator> = new Set([
  "add",
  "subtract",
  "or",
  "xor",
  "shiftLeft",
  "shiftRight",
  "shiftRightSigned",
]);
const CLEARED_BY_ZERO: ReadonlySet<BinaryOperator> = new Set(["multiply", "and", "and32", "multiply32"]);

/** An instruction without its place. */
export type Bare<I extends Instruction = Instruction> = I extends Instruction ? Omit<I, "place"> : never;

/** Where instructions come from and go to. */
export class Emitter {
  readonly builder: FunctionBuilder;
  readonly implications: Implications = new Implications((value) => this.known(value));
  readonly #place: () => Place;
  readonly #guard: () => void;
  readonly #slots = new Map<string, { readonly result: Value; readonly place: Place; bytes: number }>();
  readonly #constants = new Map<string, ConstantInstruction>();
  #packetEnd: FactInstruction | undefined = undefined;
  readonly #known = new Map<Value, bigint>();
  readonly #comparisons = new Map<Value, readonly [Comparison, Value, Value]>();

  /** @param guard throws where nothing may be appended */
  constructor(builder: FunctionBuilder, place: () => Place, guard: () => void) {
    this.builder = builder;
    this.#place = place;
    this.#guard = guard;
  }

  append(instruction: Bare): void {
    this.#guard();
    this.builder.append({ ...instruction, place: this.#place() } as Instruction);
  }

  /** A constant, which stands at the start of the function so that it is known everywhere. */
  constant(value: bigint | number | boolean, type?: ValueType): Value {
    const kind = type ?? (typeof value === "boolean" ? "boolean" : "integer");
    const key = `${kind} ${BigInt(value)}`;
    const made = this.#constants.get(key);
    if (made !== undefined) return made.result;
    const result = this.builder.value(kind);
    this.#constants.set(key, { op: "constant", place: this.#place(), result, value: BigInt(value) });
    this.#known.set(result, BigInt(value));
    return result;
  }

  /** Bytes of the frame, asked once at the start of the function. */
  get packetEnd(): Value {
    if (this.#packetEnd === undefined) {
      const result = this.builder.value("integer");
      this.#packetEnd = { op: "fact", place: this.#place(), result, fact: "length" };
    }
    return this.#packetEnd.result;
  }

  /**
   * What stands at the start of the function: constants, in the order of their first use, the frame's length, and
   * where memory is.
   */
  get prologue(): readonly Instruction[] {
    const slots = [...this.#slots.values()].map((slot): Instruction => ({ op: "slot", ...slot }));
    const length = this.#packetEnd === undefined ? [] : [this.#packetEnd];
    return [...this.#constants.values(), ...length, ...slots];
  }

  known(value: Value): bigint | undefined {
    return this.#known.get(value);
  }

  #integer(value: Value | number | bigint): Value {
    return typeof value === "object" ? value : this.constant(value);
  }

  binary(operator: BinaryOperator, left: Value, second: Value | number, domain: Domain = "number"): Value {
    const right = this.#integer(second);
    const [known, knownRight] = [this.known(left), this.known(right)];
    if (known !== undefined && knownRight !== undefined) {
      const folded = foldBinary(operator, known, knownRight, domain);
      if (folded !== undefined) return this.constant(folded);
    }
    if (knownRight === 0n && UNCHANGED_BY_ZERO.has(operator)) return left;
    if (known === 0n && (operator === "add" || operator === "or" || operator === "xor")) return right;
    if ((known === 0n || knownRight === 0n) && CLEARED_BY_ZERO.has(operator)) return this.constant(0);
    if (knownRight === 1n && (operator === "multiply" || operator === "divide")) return left;
    const result = this.builder.value("integer");
    this.append({ op: "binary", result, operator, domain, left, right });
    return result;
  }

  /** The same value, refused by the analysis where the domain does not have it. */
  within(value: Value, domain: "number" | "bigint"): Value {
    const known = this.known(value);
    if (known !== undefined && foldBinary("add", known, 0n, domain) !== undefined) return value;
    const result = this.builder.value("integer");
    this.append({ op: "binary", result, operator: "add", domain, left: value, right: this.constant(0) });
    return result;
  }

  unary(operator: UnaryOperator, operand: Value): Value {
    const known = this.known(operand);
    if (known !== undefined) return this.constant(foldUnary(operator, known));
    const result = this.builder.value("integer");
    this.append({ op: "unary", result, operator, operand });
    return result;
  }

  compare(comparison: Comparison, left: Value, second: Value | number): Value {
    const right =
      typeof second === "number" && left.type === "boolean"
        ? this.constant(second !== 0)
        : this.#integer(second);
    const [known, knownRight] = [this.known(left), this.known(right)];
    if (known !== undefined && knownRight !== undefined) {
      return this.constant(foldCompare(comparison, known, knownRight));
    }
    if (left === right) return this.constant(foldCompare(comparison, 0n, 0n));
    if (left.type === "boolean" && knownRight !== undefined) {
      return (comparison === "equal") === (knownRight !== 0n) ? left : this.not(left);
    }
    const result = this.builder.value("boolean");
    this.append({ op: "compare", result, comparison, left, right });
    this.#comparisons.set(result, [comparison, left, right]);
    return result;
  }

  not(condition: Value): Value {
    const known = this.known(condition);
    if (known !== undefined) return this.constant(known === 0n);
    const there = this.implications.negationOf(condition);
    if (there !== undefined) return there;
    const compared = this.#comparisons.get(condition);
    const result = this.builder.value("boolean");
    if (compared !== undefined) {
      const [comparison, left, right] = compared;
      this.append({ op: "compare", result, comparison: OPPOSITE[comparison], left, right });
    } else {
      const right = this.constant(false);
      this.append({ op: "compare", result, comparison: "equal", left: condition, right });
    }
    this.implications.negate(condition, result);
    return result;
  }

  /** Whether both are true; both are computed. */
  both(one: Value, other: Value): Value {
    if (one === other) return one;
    for (const [first, second] of [
      [one, other],
      [other, one],
    ] as const) {
      const known = this.known(first);
      if (known !== undefined) return known === 0n ? first : second;
    }
    const result = this.select(one, other, this.constant(false));
    this.implications.both(result, one, other);
    return result;
  }

  select(condition: Value, ifTrue: Value, ifFalse: Value): Value {
    const known = this.known(condition);
    if (known !== undefined) return known === 0n ? ifFalse : ifTrue;
    if (ifTrue === ifFalse) return ifTrue;
    if (this.known(ifTrue) === 1n && this.known(ifFalse) === 0n && ifTrue.type === "boolean")
      return condition;
    const result = this.builder.value(ifTrue.type);
    this.append({ op: "select", result, condition, ifTrue, ifFalse });
    return result;
  }

  assume(operand: Value, least: bigint | number, most: bigint | number): Value {
    const known = this.known(operand);
    if (known !== undefined && known >= BigInt(least) && known <= BigInt(most)) return operand;
    const result = this.builder.value("integer");
    this.append({ op: "assume", result, operand, least: BigInt(least), most: BigInt(most) });
    return result;
  }

  load(from: Value, at: number, bytes: AccessBytes, order: ByteOrder = "native"): Value {
    const result = this.builder.value("integer");
    this.append({ op: "load", result, from, at, bytes, order });
    return result;
  }

  store(to: Value, at: number, bytes: AccessBytes, value: Value, order: ByteOrder = "native"): void {
    this.append({ op: "store", to, at, bytes, order, value });
  }

  /** How much memory there is, for {@link forgetSlots}. */
  get slotCount(): number {
    return this.#slots.size;
  }

  /** Gives back memory that was taken since. */
  forgetSlots(count: number): void {
    for (const name of [...this.#slots.keys()].slice(count)) this.#slots.delete(name);
  }

  /** Memory of its own for an array of the script. */
  slot(bytes: number): Value {
    return this.scratch(`slot ${this.#slots.size}`, bytes);
  }

  /** Memory for something that is over when the next one of this name begins: the same again each time. */
  scratch(name: string, bytes: number): Value {
    this.#guard();
    const there = this.#slots.get(name);
    if (there !== undefined) {
      there.bytes = Math.max(there.bytes, bytes);
      return there.result;
    }
    const result = this.builder.value("memory");
    this.#slots.set(name, { result, place: this.#place(), bytes });
    return result;
  }
}
