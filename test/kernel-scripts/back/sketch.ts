/**
 * Functions of the intermediate form, written by hand: for tests of the back end alone.
 * @module
 */
import { FunctionBuilder } from "#script/compiler/ir/builder.ts";
import type {
  AccessBytes,
  BinaryOperator,
  Block,
  ByteOrder,
  Comparison,
  Edge,
  Instruction,
  IrFunction,
  PacketFact,
  UnaryOperator,
  Value,
  ValueType,
} from "#script/compiler/ir/ir.ts";
import type { Place } from "#script/compiler/place.ts";

/** Instructions without their places and results. */
type Bare<Kind extends Instruction["op"]> = Omit<
  Extract<Instruction, { op: Kind }>,
  "op" | "place" | "result"
>;

/** Each instruction stands on a line of its own. */
export class Sketch extends FunctionBuilder {
  #line = 0;
  readonly #late: Block[] = [];

  get place(): Place {
    this.#line++;
    return { file: "sketch.ts", line: this.#line, column: 1 };
  }

  make<Kind extends Extract<Instruction, { result: Value | undefined }>["op"]>(
    op: Kind,
    type: ValueType,
    bare: Bare<Kind>,
  ): Value {
    const result = this.value(type);
    this.append({ op, place: this.place, result, ...bare } as unknown as Instruction);
    return result;
  }

  act<Kind extends Instruction["op"]>(op: Kind, bare: Bare<Kind>): void {
    this.append({ op, place: this.place, result: undefined, ...bare } as unknown as Instruction);
  }

  constant(value: number | bigint): Value {
    return this.make("constant", "integer", { value: BigInt(value) });
  }

  truth(value: boolean): Value {
    return this.make("constant", "boolean", { value: value ? 1n : 0n });
  }

  #value(value: Value | number | bigint): Value {
    return typeof value === "object" ? value : this.constant(value);
  }

  binary(
    operator: BinaryOperator,
    left: Value | number,
    right: Value | number | bigint,
    isSigned = false,
  ): Value {
    const operands = { left: this.#value(left), right: this.#value(right) };
    return this.make("binary", "integer", { operator, domain: "word", ...operands, isSigned });
  }

  unary(operator: UnaryOperator, operand: Value): Value {
    return this.make("unary", "integer", { operator, operand });
  }

  compare(comparison: Comparison, left: Value, right: Value | number | bigint, isSigned = false): Value {
    return this.make("compare", "boolean", { comparison, left, right: this.#value(right), isSigned });
  }

  load(from: Value, at: number, bytes: AccessBytes, order: ByteOrder = "network"): Value {
    return this.make("load", "integer", { from, at, bytes, order });
  }

  store(
    to: Value,
    at: number,
    bytes: AccessBytes,
    value: Value | number | bigint,
    order: ByteOrder = "network",
  ): void {
    this.act("store", { to, at, bytes, order, value: this.#value(value) });
  }

  slot(bytes: number): Value {
    return this.make("slot", "memory", { bytes });
  }

  fact(fact: PacketFact): Value {
    return this.make("fact", "integer", { fact });
  }

  /** Goes on where a condition holds; elsewhere by the edge. */
  when(condition: Value, otherwise: Edge): void {
    const next = this.block();
    this.branch(this.place, condition, { to: next, with: [] }, otherwise);
    this.begin(next);
  }

  /** Goes on with a pointer where the bytes are; elsewhere by the edge. */
  open(offset: Value | number, bytes: number, absent: Edge, access: "header" | "payload" = "header"): Value {
    const there = this.block("pointer");
    const at = this.#value(offset);
    this.end({
      op: "open",
      place: this.place,
      offset: at,
      bytes,
      access,
      there: { to: there, with: [] },
      absent,
    });
    this.begin(there);
    return there.parameters[0] as Value;
  }

  answer(verdict: Value | number): void {
    const value = this.#value(verdict);
    this.end({ op: "return", place: this.place, verdict: value });
  }

  fault(message: string): void {
    this.end({ op: "fault", place: this.place, message });
  }

  /** A block that returns a verdict, and that may be led to from anywhere. */
  answering(verdict: number): Block {
    const block = this.block();
    const value = this.value("integer");
    const { place } = this;
    block.instructions = [{ op: "constant", place, result: value, value: BigInt(verdict) }];
    block.terminator = { op: "return", place, verdict: value };
    this.#late.push(block);
    return block;
  }

  /** The function, whose blocks have all ended. */
  override finish(): IrFunction {
    for (const block of this.#late.splice(0)) {
      const { terminator } = block;
      this.begin(block);
      this.end(terminator);
    }
    return super.finish();
  }
}
