/**
 * Random functions of the compiler's intermediate form, as the front end makes them: optional values with presence
 * flags, nested conditions, counted loops, packet bytes, maps. Most of them pass the compiler's checks.
 * @module
 */
import type { SeededRandom } from "#base/seeded-random.ts";
import { FunctionBuilder } from "#script/compiler/ir/builder.ts";
import type {
  BinaryOperator,
  Block,
  Domain,
  IrFunction,
  UnaryOperator,
  Value,
  ValueType,
} from "#script/compiler/ir/ir.ts";
import type { Place } from "#script/compiler/place.ts";
import { COMPARISONS, CONSTANTS, EXACT, KEEPERS, OPERATORS_32 } from "./random-ir-tables.ts";

/** The map that functions use: keys of 8 bytes, values of 16. */
export const RANDOM_MAP = "states";

/** What can be used where something is made. */
interface Scope {
  readonly integers: Value[];
  readonly booleans: Value[];
  readonly pointers: { readonly pointer: Value; readonly bytes: number }[];
  readonly slots: Value[];
}

/** One function of about so many statements; the same for the same state of the generator. */
export function randomFunction(random: SeededRandom, size: number): IrFunction {
  return new Maker(random, size).make();
}

class Maker {
  readonly #random: SeededRandom;
  readonly #builder = new FunctionBuilder("random");
  #left: number;
  #line = 1;

  constructor(random: SeededRandom, size: number) {
    this.#random = random;
    this.#left = size;
  }

  make(): IrFunction {
    const scope: Scope = { integers: [], booleans: [], pointers: [], slots: [] };
    const slot = this.#builder.value("memory");
    this.#builder.append({ op: "slot", place: this.#place, result: slot, bytes: 32 });
    for (let at = 0; at < 32; at += 8) {
      this.#builder.append({
        op: "store",
        place: this.#place,
        to: slot,
        at,
        bytes: 8,
        order: "native",
        value: this.#constant(BigInt(at)),
      });
    }
    scope.slots.push(slot);
    while (this.#left > 0 && this.#builder.isOpen) this.#statement(scope, 0);
    if (this.#builder.isOpen) this.#return(scope);
    return this.#builder.finish();
  }

  get #place(): Place {
    return { file: "random.ts", line: this.#line, column: 1 };
  }

  #pick<Item>(items: readonly Item[]): Item {
    return items[this.#random.below(items.length)] as Item;
  }

  #constant(value: bigint, type: ValueType = "integer"): Value {
    const result = this.#builder.value(type);
    this.#builder.append({ op: "constant", place: this.#place, result, value });
    return result;
  }

  #integer(scope: Scope): Value {
    if (scope.integers.length === 0 || this.#random.below(4) === 0)
      return this.#constant(this.#pick(CONSTANTS));
    // Newer values are likelier, so that chains come about.
    const back = Math.min(
      this.#random.below(scope.integers.length),
      this.#random.below(scope.integers.length),
    );
    return scope.integers.at(-1 - back) as Value;
  }

  #boolean(scope: Scope): Value {
    if (scope.booleans.length > 0 && this.#random.below(2) === 0) return this.#pick(scope.booleans);
    return this.#compare(scope);
  }

  #binary(operator: BinaryOperator, left: Value, right: Value, domain: Domain = "number"): Value {
    const result = this.#builder.value("integer");
    this.#builder.append({ op: "binary", place: this.#place, result, operator, domain, left, right });
    return result;
  }

  #unary(operator: UnaryOperator, operand: Value): Value {
    const result = this.#builder.value("integer");
    this.#builder.append({ op: "unary", place: this.#place, result, operator, operand });
    return result;
  }

  #compare(scope: Scope): Value {
    const result = this.#builder.value("boolean");
    const comparison = this.#pick(COMPARISONS);
    const [left, right] = [this.#integer(scope), this.#integer(scope)];
    this.#builder.append({ op: "compare", place: this.#place, result, comparison, left, right });
    scope.booleans.push(result);
    return result;
  }

  #statement(scope: Scope, depth: number): void {
    this.#left--;
    this.#line++;
    const kind = this.#random.below(depth > 3 ? 12 : 19);
    if (kind < 6) this.#calculate(scope);
    else if (kind === 6) this.#compare(scope);
    else if (kind === 7) this.#pickOne(scope);
    else if (kind === 8) this.#loadOrStore(scope);
    else if (kind === 9) this.#element(scope);
    else if (kind === 10) this.#tell(scope);
    else if (kind === 11) this.#not(scope);
    else if (kind < 15) this.#condition(scope, depth);
    else if (kind < 17) this.#open(scope, depth);
    else if (kind === 17) this.#loop(scope, depth);
    else this.#map(scope, depth);
  }

  #calculate(scope: Scope): void {
    const kind = this.#random.below(5);
    const [left, right] = [this.#integer(scope), this.#integer(scope)];
    if (kind < 2) scope.integers.push(this.#binary(this.#pick(OPERATORS_32), left, right));
    else if (kind === 2) scope.integers.push(this.#unary(this.#pick(KEEPERS), left));
    else if (kind === 3) scope.integers.push(this.#big(left, right));
    else {
      const operator = this.#pick(EXACT);
      const [a, b] = [
        this.#unary("signed16", left),
        this.#unary(this.#pick(["unsigned16", "signed16"]), right),
      ];
      const divides = operator === "divide" || operator === "remainder";
      const divisor = divides
        ? this.#binary("maximum", this.#unary("unsigned16", right), this.#constant(1n))
        : b;
      scope.integers.push(this.#binary(operator, a, divisor));
    }
  }

  /** On 64 bits, brought back to 32 in the end. */
  #big(left: Value, right: Value): Value {
    const operator = this.#pick(["add", "subtract", "multiply", "xor", "and", "or"] as const);
    const wrapped = this.#unary(
      this.#pick(["unsigned64", "signed64"]),
      this.#binary(operator, left, right, "wrap"),
    );
    const count = this.#constant(BigInt(this.#random.below(64)));
    const unsigned = this.#unary("unsigned64", wrapped);
    const shifted = this.#binary(
      this.#pick(["shiftRight", "shiftLeft", "shiftRightSigned"]),
      unsigned,
      count,
      "wrap",
    );
    return this.#unary(this.#pick(["unsigned32", "signed32", "unsigned16"]), shifted);
  }

  #pickOne(scope: Scope): void {
    const result = this.#builder.value("integer");
    const condition = this.#boolean(scope);
    const [ifTrue, ifFalse] = [this.#integer(scope), this.#integer(scope)];
    this.#builder.append({ op: "select", place: this.#place, result, condition, ifTrue, ifFalse });
    scope.integers.push(result);
  }

  #not(scope: Scope): void {
    const result = this.#builder.value("boolean");
    const left = this.#boolean(scope);
    const right = this.#constant(BigInt(this.#random.below(2)), "boolean");
    this.#builder.append({ op: "compare", place: this.#place, result, comparison: "equal", left, right });
    scope.booleans.push(result);
  }

  #loadOrStore(scope: Scope): void {
    if (scope.pointers.length === 0) return;
    const { pointer, bytes: there } = this.#pick(scope.pointers);
    const bytes = this.#pick([1, 2, 4] as const);
    if (there < bytes) return;
    const at = this.#random.below(there - bytes + 1);
    const order = this.#pick(["network", "native"] as const);
    if (this.#random.below(4) === 0) {
      const value = this.#integer(scope);
      this.#builder.append({ op: "store", place: this.#place, to: pointer, at, bytes, order, value });
      return;
    }
    const result = this.#builder.value("integer");
    this.#builder.append({ op: "load", place: this.#place, result, from: pointer, at, bytes, order });
    scope.integers.push(result);
  }

  #element(scope: Scope): void {
    const memory = this.#pick(scope.slots);
    const bytes = this.#pick([1, 2, 4] as const);
    const count = 32 / bytes;
    const isMasked = this.#random.below(3) > 0;
    const index = isMasked
      ? this.#binary("and32", this.#integer(scope), this.#constant(BigInt(count - 1)))
      : this.#constant(BigInt(this.#random.below(count)));
    if (this.#random.below(2) === 0) {
      const value = this.#integer(scope);
      this.#builder.append({
        op: "storeElement",
        place: this.#place,
        to: memory,
        index,
        count,
        bytes,
        value,
      });
      return;
    }
    const result = this.#builder.value("integer");
    const isSigned = this.#random.below(2) === 0;
    this.#builder.append({
      op: "loadElement",
      place: this.#place,
      result,
      from: memory,
      index,
      count,
      bytes,
      isSigned,
    });
    scope.integers.push(result);
  }

  /** Something that is seen from outside. */
  #tell(scope: Scope): void {
    const kind = this.#random.below(5);
    const value = this.#integer(scope);
    const place = this.#place;
    if (kind === 0) this.#builder.append({ op: "setMark", place, value });
    else if (kind === 1) {
      const result = this.#builder.value("integer");
      this.#builder.append({
        op: "fact",
        place,
        result,
        fact: this.#pick(["mark", "length", "inInterface"]),
      });
      scope.integers.push(result);
    } else if (kind === 2)
      this.#builder.append({ op: "emit", place, from: this.#pick(scope.slots), bytes: 32 });
    else this.#builder.append({ op: "count", place, counter: this.#pick(["one", "two"]), value });
  }

  #inner(scope: Scope): Scope {
    return {
      integers: [...scope.integers],
      booleans: [...scope.booleans],
      pointers: [...scope.pointers],
      slots: scope.slots,
    };
  }

  #body(scope: Scope, depth: number): void {
    const count = 1 + this.#random.below(4);
    for (let index = 0; index < count && this.#builder.isOpen; index++) this.#statement(scope, depth + 1);
    if (this.#builder.isOpen && this.#random.below(8) === 0) this.#return(scope);
  }

  /** Ends with both ways joined by an integer and a flag. */
  #condition(scope: Scope, depth: number): void {
    const [yes, no] = [this.#builder.block(), this.#builder.block()];
    this.#builder.branch(this.#place, this.#boolean(scope), { to: yes, with: [] }, { to: no, with: [] });
    this.#joined(scope, depth, [yes, no], () => []);
  }

  #open(scope: Scope, depth: number): void {
    const there = this.#builder.block("pointer");
    const absent = this.#builder.block();
    const bytes = this.#pick([4, 8, 20]);
    const offset = this.#binary("and32", this.#integer(scope), this.#constant(63n));
    const access = this.#pick(["header", "payload"] as const);
    this.#builder.end({
      op: "open",
      place: this.#place,
      offset,
      bytes,
      access,
      there: { to: there, with: [] },
      absent: { to: absent, with: [] },
    });
    const pointer = there.parameters[0] as Value;
    this.#joined(scope, depth, [there, absent], (block) => [block === there ? pointer : undefined, bytes]);
  }

  /** The ways that go on meet; with a pointer behind them where one of them had one, known by a flag. */
  #joined(
    scope: Scope,
    depth: number,
    ways: readonly [Block, Block],
    pointerOf: (block: Block) => readonly (Value | undefined | number)[],
  ): void {
    const isOptional = pointerOf(ways[0]).length > 0;
    const types: ValueType[] = isOptional ? ["integer", "boolean", "pointer"] : ["integer", "boolean"];
    const join = this.#builder.block(...types);
    let reaches = false;
    for (const way of ways) {
      this.#builder.begin(way);
      const inner = this.#inner(scope);
      const [pointer, bytes] = pointerOf(way);
      if (pointer !== undefined) inner.pointers.push({ pointer: pointer as Value, bytes: bytes as number });
      this.#body(inner, depth);
      if (!this.#builder.isOpen) continue;
      reaches = true;
      const flag = isOptional
        ? this.#constant(pointer === undefined ? 0n : 1n, "boolean")
        : this.#boolean(inner);
      const passed = [this.#integer(inner), flag];
      if (isOptional) passed.push((pointer as Value | undefined) ?? this.#constant(0n, "pointer"));
      this.#builder.jump(this.#place, join, ...passed);
    }
    if (!reaches) return;
    this.#builder.begin(join);
    const [integer, flag, pointer] = join.parameters;
    scope.integers.push(integer as Value);
    scope.booleans.push(flag as Value);
    if (pointer !== undefined)
      this.#useOptional(scope, depth, flag as Value, pointer, pointerOf(ways[0])[1] as number);
  }

  /** As `view?.field` does. */
  #useOptional(scope: Scope, depth: number, flag: Value, pointer: Value, bytes: number): void {
    const [yes, no] = [this.#builder.block(), this.#builder.block()];
    this.#builder.branch(this.#place, flag, { to: yes, with: [] }, { to: no, with: [] });
    const join = this.#builder.block("integer");
    this.#builder.begin(yes);
    const inner = this.#inner(scope);
    inner.pointers.push({ pointer, bytes });
    this.#loadOrStore(inner);
    if (this.#random.below(2) === 0) this.#body(inner, depth);
    let reaches = this.#builder.isOpen;
    if (this.#builder.isOpen) this.#builder.jump(this.#place, join, this.#integer(inner));
    this.#builder.begin(no);
    if (this.#random.below(3) === 0) this.#return(scope);
    else {
      reaches = true;
      this.#builder.jump(this.#place, join, this.#integer(scope));
    }
    if (!reaches) return;
    this.#builder.begin(join);
    scope.integers.push(join.parameters[0] as Value);
  }

  /** `for (let i = a; i < b; i += c)` with a sum. */
  #loop(scope: Scope, depth: number): void {
    const head = this.#builder.block("integer", "integer", "integer");
    const [body, exit] = [this.#builder.block(), this.#builder.block()];
    const [counter, sum, kept] = head.parameters as [Value, Value, Value];
    const end =
      this.#random.below(3) === 0
        ? this.#binary("and32", this.#integer(scope), this.#constant(7n))
        : undefined;
    const begin = this.#random.below(3);
    const limit = this.#constant(BigInt(begin + this.#random.below(12)));
    this.#builder.jump(
      this.#place,
      head,
      this.#constant(BigInt(begin)),
      this.#constant(0n),
      this.#integer(scope),
    );
    this.#builder.begin(head);
    const condition = this.#builder.value("boolean");
    this.#builder.append({
      op: "compare",
      place: this.#place,
      result: condition,
      comparison: "less",
      left: counter,
      right: end ?? limit,
    });
    this.#builder.branch(this.#place, condition, { to: body, with: [] }, { to: exit, with: [] });
    this.#builder.begin(body);
    const inner = this.#inner(scope);
    inner.integers.push(counter, sum, kept);
    this.#body(inner, depth + 1);
    if (this.#builder.isOpen) {
      const step = this.#constant(BigInt(1 + this.#random.below(3)));
      const added = this.#binary("add", sum, this.#unary("signed16", this.#integer(inner)));
      const next = this.#unary("signed32", this.#integer(inner));
      this.#builder.jump(this.#place, head, this.#binary("add", counter, step), added, next);
    }
    this.#builder.begin(exit);
    scope.integers.push(counter, this.#unary("signed32", sum), kept);
  }

  #map(scope: Scope, depth: number): void {
    const key = this.#pick(scope.slots);
    const found = this.#builder.value("entry");
    const place = this.#place;
    this.#builder.append({ op: "lookUp", place, result: found, map: RANDOM_MAP, key });
    const isFound = this.#builder.value("boolean");
    this.#builder.append({ op: "isFound", place, result: isFound, entry: found });
    const [yes, no] = [this.#builder.block(), this.#builder.block()];
    const join = this.#builder.block("integer");
    this.#builder.branch(place, isFound, { to: yes, with: [] }, { to: no, with: [] });
    this.#builder.begin(yes);
    const loaded = this.#builder.value("integer");
    this.#builder.append({
      op: "load",
      place,
      result: loaded,
      from: found,
      at: 8,
      bytes: 4,
      order: "native",
    });
    this.#builder.append({
      op: "atomicAdd",
      place,
      result: undefined,
      to: found,
      at: 0,
      value: this.#integer(scope),
    });
    const inner = this.#inner(scope);
    inner.integers.push(loaded);
    this.#body(inner, depth);
    if (this.#builder.isOpen) this.#builder.jump(place, join, this.#integer(inner));
    this.#builder.begin(no);
    const answer = this.#builder.value("integer");
    this.#builder.append({
      op: "update",
      place,
      result: answer,
      map: RANDOM_MAP,
      key,
      value: key,
      mode: "any",
    });
    this.#builder.jump(place, join, answer);
    this.#builder.begin(join);
    scope.integers.push(join.parameters[0] as Value);
  }

  #return(scope: Scope): void {
    const place = this.#place;
    if (this.#random.below(6) === 0) {
      this.#builder.end({ op: "fault", place, message: `line ${this.#line}` });
      return;
    }
    const verdict =
      this.#random.below(3) === 0
        ? this.#binary("and32", this.#integer(scope), this.#constant(1n))
        : this.#constant(BigInt(this.#random.below(3)));
    this.#builder.end({ op: "return", place, verdict });
  }
}
