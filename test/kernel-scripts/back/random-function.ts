/**
 * Random functions of the intermediate form, of machine words, that end for sure: for comparing the back
 * end with the interpreter.
 * @module
 */
import type { SeededRandom } from "#base/seeded-random.ts";
import {
  type AccessBytes,
  type BinaryOperator,
  type Comparison,
  type IrFunction,
  type UnaryOperator,
  type Value,
  VerdictCode,
} from "#script/compiler/ir/ir.ts";
import { Sketch } from "./sketch.ts";

/** Bytes of the only entry of the map `out`, where the function leaves what it has calculated. */
export const OUT_BYTES = 64;
/** Bytes of the keys and values of the map `state`. */
export const STATE_BYTES = { key: 8, value: 16 } as const;
/** Bytes at the start of each packet that functions may ask for. */
const PACKET_BYTES = 40;
/** Elements of 4 bytes of the array on the stack; no power of two. */
const ARRAY_COUNT = 6;

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
  "and32",
  "or32",
  "xor32",
  "shiftLeft32",
  "shiftRight32",
  "shiftRightUnsigned32",
  "multiply32",
];
const SHIFTS: readonly BinaryOperator[] = ["shiftLeft", "shiftRight", "shiftRightSigned"];
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
const COMPARISONS: readonly Comparison[] = [
  "equal",
  "unequal",
  "less",
  "lessOrEqual",
  "greater",
  "greaterOrEqual",
];
const CONSTANTS: readonly bigint[] = [
  0n,
  1n,
  2n,
  7n,
  0x80n,
  0xffffn,
  0x7fff_ffffn,
  0x8000_0000n,
  0xffff_ffffn,
  0x1_0000_0000n,
  2n ** 53n - 1n,
  2n ** 63n,
  2n ** 64n - 1n,
  -1n,
  -(2n ** 31n),
];

/** What may be used where something is being written. */
interface Scope {
  readonly values: readonly Value[];
  readonly truths: readonly Value[];
  /** The packet's first bytes, where they have been found. */
  readonly pointer: Value;
  readonly depth: number;
}

/** A function of about `size` statements. */
export function randomFunction(random: SeededRandom, size: number): IrFunction {
  return new Generator(random).function(size);
}

class Generator {
  readonly #random: SeededRandom;
  readonly #sketch = new Sketch("random");
  #left = 0;
  #array: Value | undefined;
  #key: Value | undefined;
  #entry: Value | undefined;

  constructor(random: SeededRandom) {
    this.#random = random;
  }

  #below(count: number): number {
    return this.#random.word() % count;
  }

  #pick<Kind>(list: readonly Kind[]): Kind {
    return list[this.#below(list.length)] as Kind;
  }

  function(size: number): IrFunction {
    const sketch = this.#sketch;
    this.#left = size;
    this.#array = sketch.slot(4 * ARRAY_COUNT);
    this.#key = sketch.slot(STATE_BYTES.key);
    this.#entry = sketch.slot(STATE_BYTES.value);
    for (let index = 0; index < ARRAY_COUNT; index++)
      sketch.store(this.#array, 4 * index, 4, index * 5, "native");
    const absent = { to: sketch.answering(VerdictCode.accept), with: [] };
    const pointer = sketch.open(0, PACKET_BYTES, absent);
    const first = sketch.load(pointer, 0, 4);
    const start = { values: [first], truths: [], pointer, depth: 0 };
    const scope = this.#statements(start, size);
    this.#finish(scope);
    return sketch.finish();
  }

  #finish(scope: Scope): void {
    const sketch = this.#sketch;
    const out = sketch.slot(OUT_BYTES);
    const key = sketch.slot(4);
    sketch.store(key, 0, 4, 0, "native");
    for (let at = 0; at < OUT_BYTES; at += 8) sketch.store(out, at, 8, this.#value(scope), "native");
    sketch.make("update", "integer", { map: "out", key, value: out, mode: "any" });
    const end = sketch.block("integer");
    const dropped = sketch.constant(VerdictCode.drop);
    const passed = sketch.constant(VerdictCode.accept);
    const truth = sketch.compare(this.#pick(COMPARISONS), this.#value(scope), this.#value(scope));
    sketch.branch(sketch.place, truth, { to: end, with: [dropped] }, { to: end, with: [passed] });
    sketch.begin(end);
    sketch.answer(end.parameters[0] as Value);
  }

  #value(scope: Scope): Value {
    if (scope.values.length === 0 || this.#below(5) === 0)
      return this.#sketch.constant(this.#pick(CONSTANTS));
    // What is new is used more often than what is old.
    const back = Math.min(this.#below(scope.values.length), this.#below(scope.values.length));
    return scope.values.at(-1 - back) as Value;
  }

  #truth(scope: Scope): Value {
    if (scope.truths.length > 0 && this.#below(3) === 0) return this.#pick(scope.truths);
    const [left, right] = [this.#value(scope), this.#value(scope)];
    return this.#sketch.compare(this.#pick(COMPARISONS), left, right, this.#below(2) === 0);
  }

  #statements(scope: Scope, count: number): Scope {
    let at = scope;
    for (let index = 0; index < count && this.#left > 0; index++) {
      this.#left--;
      at = this.#statement(at);
    }
    return at;
  }

  #statement(scope: Scope): Scope {
    const kind = this.#below(20);
    if (kind < 3 && scope.depth < 4) return this.#if(scope);
    if (kind === 3 && scope.depth < 2) return this.#loop(scope);
    if (kind === 4) return this.#map(scope);
    if (kind === 5) return this.#open(scope);
    if (kind === 6) {
      this.#write(scope);
      return scope;
    }
    if (kind === 7) return { ...scope, truths: [...scope.truths, this.#truth(scope)] };
    return { ...scope, values: [...scope.values, this.#calculate(scope, kind)] };
  }

  #calculate(scope: Scope, kind: number): Value {
    const sketch = this.#sketch;
    if (kind === 8) return sketch.unary(this.#pick(UNARY), this.#value(scope));
    if (kind === 9) return this.#load(scope);
    if (kind === 10) {
      const index = sketch.binary("remainder", this.#value(scope), ARRAY_COUNT);
      const from = this.#array as Value;
      const isSigned = this.#below(2) === 0;
      return sketch.make("loadElement", "integer", { from, index, count: ARRAY_COUNT, bytes: 4, isSigned });
    }
    if (kind === 11) {
      const condition = this.#truth(scope);
      const [ifTrue, ifFalse] = [this.#value(scope), this.#value(scope)];
      return sketch.make("select", "integer", { condition, ifTrue, ifFalse });
    }
    if (kind === 12) {
      const count = this.#below(2) === 0 ? this.#below(64) : sketch.binary("and", this.#value(scope), 63);
      return sketch.binary(this.#pick(SHIFTS), this.#value(scope), count);
    }
    return sketch.binary(this.#pick(BINARY), this.#value(scope), this.#value(scope));
  }

  #load({ pointer }: Scope): Value {
    const bytes = this.#pick<AccessBytes>([1, 2, 4, 8]);
    const at = this.#below(PACKET_BYTES - bytes + 1);
    return this.#sketch.load(pointer, at, bytes, this.#pick(["network", "native"] as const));
  }

  #write(scope: Scope): void {
    const sketch = this.#sketch;
    const kind = this.#below(3);
    const value = this.#value(scope);
    const bytes = this.#pick<AccessBytes>([1, 2, 4, 8]);
    if (kind === 0) {
      const index = sketch.binary("remainder", this.#value(scope), ARRAY_COUNT);
      sketch.act("storeElement", { to: this.#array as Value, index, count: ARRAY_COUNT, bytes: 4, value });
    } else if (kind === 1) sketch.act("count", { counter: this.#pick(["one", "two"]), value });
    else
      sketch.store(
        scope.pointer,
        this.#below(PACKET_BYTES - bytes + 1),
        bytes,
        value,
        this.#pick(["network", "native"]),
      );
  }

  /** Two ways that are joined again, with some of what they have made. */
  #if(scope: Scope): Scope {
    const sketch = this.#sketch;
    const condition = this.#truth(scope);
    const count = this.#below(3);
    const types = Array.from({ length: count }, () => "integer" as const);
    const next = sketch.block(...types);
    const [yes, no] = [sketch.block(), sketch.block()];
    sketch.branch(sketch.place, condition, { to: yes, with: [] }, { to: no, with: [] });
    for (const way of [yes, no]) {
      sketch.begin(way);
      const inner = this.#statements({ ...scope, depth: scope.depth + 1 }, this.#below(6));
      sketch.jump(sketch.place, next, ...types.map(() => this.#value(inner)));
    }
    sketch.begin(next);
    return { ...scope, values: [...scope.values, ...next.parameters] };
  }

  /** Up to seven rounds that change two values. */
  #loop(scope: Scope): Scope {
    const sketch = this.#sketch;
    const head = sketch.block("integer", "integer", "integer");
    const [body, next] = [sketch.block(), sketch.block()];
    sketch.jump(sketch.place, head, sketch.constant(0), this.#value(scope), this.#value(scope));
    sketch.begin(head);
    const [index, one, other] = head.parameters as [Value, Value, Value];
    const isMore = sketch.compare("less", index, this.#below(8));
    sketch.branch(sketch.place, isMore, { to: body, with: [] }, { to: next, with: [] });
    sketch.begin(body);
    const values = [...scope.values, index, one, other];
    const inner = this.#statements({ ...scope, values, depth: scope.depth + 2 }, this.#below(6));
    const following = sketch.binary("add", index, 1);
    const isSwapped = this.#below(3) === 0;
    sketch.jump(
      sketch.place,
      head,
      following,
      isSwapped ? other : this.#value(inner),
      isSwapped ? one : other,
    );
    sketch.begin(next);
    return { ...scope, values };
  }

  #map(scope: Scope): Scope {
    const sketch = this.#sketch;
    const [key, entry] = [this.#key as Value, this.#entry as Value];
    sketch.store(key, 0, 8, sketch.binary("and", this.#value(scope), 3), "native");
    const kind = this.#below(4);
    if (kind === 0) {
      sketch.store(entry, 0, 8, this.#value(scope), "native");
      sketch.store(entry, 8, 8, this.#value(scope), "native");
      const mode = this.#pick(["any", "new", "existing"] as const);
      const result = sketch.make("update", "integer", { map: "state", key, value: entry, mode });
      return { ...scope, truths: [...scope.truths, sketch.compare("less", result, 0, true)] };
    }
    if (kind === 1) {
      const result = sketch.make("remove", "integer", { map: "state", key });
      return { ...scope, truths: [...scope.truths, sketch.compare("less", result, 0, true)] };
    }
    return this.#reach(scope, key);
  }

  #reach(scope: Scope, key: Value): Scope {
    const sketch = this.#sketch;
    const found = sketch.make("lookUp", "entry", { map: "state", key });
    const next = sketch.block("integer");
    const there = sketch.block();
    const isFound = sketch.make("isFound", "boolean", { entry: found });
    const none = this.#value(scope);
    sketch.branch(sketch.place, isFound, { to: there, with: [] }, { to: next, with: [none] });
    sketch.begin(there);
    const value = this.#touch(scope, found);
    sketch.jump(sketch.place, next, value);
    sketch.begin(next);
    return { ...scope, values: [...scope.values, next.parameters[0] as Value] };
  }

  #touch(scope: Scope, to: Value): Value {
    const sketch = this.#sketch;
    const at = 8 * this.#below(2);
    const value = this.#value(scope);
    const kind = this.#below(4);
    if (kind === 0) return sketch.make("atomicAdd", "integer", { to, at, value });
    if (kind === 1)
      return sketch.make("atomicExchange", "integer", { to, at, expected: this.#value(scope), value });
    if (kind === 2) sketch.act("atomicAdd", { to, at, value });
    else sketch.store(to, at, 8, value, "native");
    return sketch.load(to, 0, 8, "native");
  }

  /** Bytes at an offset that varies, beyond the packet's end at times. */
  #open(scope: Scope): Scope {
    const sketch = this.#sketch;
    const next = sketch.block("integer");
    const absent = { to: next, with: [this.#value(scope)] };
    const masked = sketch.binary("and", this.#value(scope), this.#pick([15, 63, 0xffff]));
    const offset = sketch.binary("add", masked, this.#below(20));
    const pointer = sketch.open(this.#below(3) === 0 ? this.#below(80) : offset, 8, absent);
    const value = sketch.load(pointer, this.#below(4), 4);
    sketch.jump(sketch.place, next, value);
    sketch.begin(next);
    return { ...scope, values: [...scope.values, next.parameters[0] as Value] };
  }
}
