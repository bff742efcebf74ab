/**
 * Short ways to append what packet views are compiled to, and attempts: code that looks for something in the packet
 * and may find at several places that it is not there.
 * @module
 */
import type { AccessBytes, Block, ByteOrder, Edge, Value } from "../../ir/ir.ts";
import type { Covering, Lowered, LoweredView, OuterView } from "../lowered.ts";
import type { Lowering } from "../lowering.ts";
import { commonOuters, outersWith, outerValues } from "../outer-views.ts";

/** Reads bytes behind a pointer, which a check has found to be there. */
export function load(
  { builder, place }: Lowering,
  from: Value,
  at: number,
  bytes: AccessBytes,
  order: ByteOrder = "network",
): Value {
  const result = builder.value("integer");
  builder.append({ op: "load", place, result, from, at, bytes, order });
  return result;
}

/** Writes the lowest bytes of a value behind a pointer. */
export function store(
  { builder, place }: Lowering,
  to: Value,
  at: number,
  bytes: AccessBytes,
  value: Value,
  order: ByteOrder = "network",
): void {
  builder.append({ op: "store", place, to, at, bytes, order, value });
}

/** Both conditions: the second one is computed in any case. */
export function both(lowering: Lowering, one: Value, other: Value): Value {
  if (lowering.known(other) === 1n) return one;
  return lowering.select(one, other, lowering.constant(false));
}

/** One of two conditions: the second one is computed in any case. */
export function anyOf(lowering: Lowering, one: Value, other: Value): Value {
  if (lowering.known(other) === 0n) return one;
  return lowering.select(one, lowering.constant(true), other);
}

/** The same value, of which no instruction tells that it is within the range. */
export function assume(
  { builder, place }: Lowering,
  operand: Value,
  least: number | bigint,
  most: number | bigint,
): Value {
  const result = builder.value("integer");
  builder.append({ op: "assume", place, result, operand, least: BigInt(least), most: BigInt(most) });
  return result;
}

/** Whether a number is one of some constants. */
export function isAmong(lowering: Lowering, value: Value, numbers: readonly number[]): Value {
  const none = lowering.constant(false);
  return numbers.reduce(
    (some, number) => anyOf(lowering, some, lowering.compare("equal", value, number)),
    none,
  );
}

/** No header outside has a checksum over this, or several have. */
export function uncovered(lowering: Lowering, kind: "none" | "deep" = "none"): Covering {
  const zero = lowering.constant(0);
  return { kind, checksumAt: zero, isZeroNone: zero, oddness: zero };
}

/** Bytes without a protocol. */
export function rawView(
  lowering: Lowering,
  start: Value,
  end: Value,
  covering: Covering,
  outers: readonly OuterView[] | undefined,
): LoweredView {
  return {
    protocol: undefined,
    pointer: undefined,
    checkedBytes: 0,
    start,
    end,
    header: lowering.constant(0),
    note: undefined,
    covering,
    outers,
    age: lowering.age,
  };
}

/** What a view is to those that are made from it. */
export function asOuter(lowering: Lowering, { protocol, start, end }: LoweredView): OuterView {
  const none = lowering.constant(0);
  if (protocol?.name === "ipv4") return { kind: "ip", start4: start, start6: none };
  if (protocol?.name === "ipv6") return { kind: "ip", start4: none, start6: start };
  return protocol === undefined ? { kind: "bytes" } : { kind: "header", protocol, start, end };
}

/** Where an attempt has found what it looked for. */
interface Success {
  readonly view: LoweredView;
  /** What the way there brings along; the first says that it is there, the others follow when all ways are known. */
  readonly values: Value[];
}

/**
 * Looks for a header: each requirement that is not met leads to where it is not there. All ways on which it is found
 * end in {@link found}, and {@link conclude} joins them with the others.
 */
export class Attempt {
  readonly #lowering: Lowering;
  readonly #meeting: Block;
  readonly #absent: Block;
  readonly #successes: Success[] = [];
  #isAbsentReached = false;
  #fail: Block | undefined;

  constructor(lowering: Lowering) {
    this.#lowering = lowering;
    this.#meeting = lowering.builder.block();
    this.#absent = lowering.builder.block();
  }

  /** Goes on only where the condition holds. */
  require(condition: Value): void {
    if (this.#lowering.known(condition) === 1n) return;
    const { builder, place } = this.#lowering;
    const next = builder.block();
    builder.branch(place, condition, { to: next, with: [] }, this.#failing());
    builder.begin(next);
  }

  /** Goes on only where so many bytes are there; the result points to them. */
  open(offset: Value, bytes: number, access: "header" | "payload"): Value {
    const { builder, place } = this.#lowering;
    const there = builder.block("pointer");
    const absent = this.#failing();
    builder.end({ op: "open", place, offset, bytes, access, there: { to: there, with: [] }, absent });
    builder.begin(there);
    return there.parameters[0] as Value;
  }

  /**
   * Tries one way; where it does not lead to the goal, what is appended next is tried. Once the way has called
   * `commit` it is the only one: there is no next.
   */
  either(way: (commit: () => void) => void): void {
    const { builder, place } = this.#lowering;
    const outside = this.#fail;
    const next = builder.block();
    this.#fail = next;
    way(() => {
      this.#fail = outside;
    });
    this.#fail = outside;
    if (builder.isOpen) builder.jump(place, next);
    builder.begin(next);
  }

  /** Not on this way. */
  fail(): void {
    const { builder, place } = this.#lowering;
    builder.end({ op: "jump", place, edge: this.#failing() });
  }

  /** This way ends here: the view is what was looked for. */
  found(view: LoweredView): void {
    const { builder, place } = this.#lowering;
    const values = [this.#lowering.constant(true)];
    this.#successes.push({ view, values });
    builder.end({ op: "jump", place, edge: { to: this.#meeting, with: values } });
  }

  /** Joins all ways: the view, an optional of it, or `undefined` when no way leads to it. */
  conclude(): Lowered {
    const { builder } = this.#lowering;
    const [first, ...others] = this.#successes;
    if (first === undefined) {
      builder.begin(this.#absent);
      return { kind: "undefined" };
    }
    const shape = others.reduce((common, { view }) => commonForm(common, view), first.view);
    const rows = this.#successes.map(({ view }) => partsOf(view, shape));
    const isThere = builder.value("boolean");
    const parameters = [isThere];
    const parts = partsOf(shape, shape).map((part, index) => {
      const ways = rows.map((row) => row[index] ?? part);
      const kept = this.#kept(ways);
      if (kept !== undefined) return kept;
      const parameter = builder.value(part.type);
      parameters.push(parameter);
      for (const [at, { values }] of this.#successes.entries()) values.push(ways[at] ?? part);
      return parameter;
    });
    this.#meeting.parameters = parameters;
    if (this.#isAbsentReached) this.#endAbsent(parameters);
    builder.begin(this.#meeting);
    const settled = parts.map((part) => (typeof part === "bigint" ? this.#lowering.constant(part) : part));
    const inner: Lowered = { kind: "view", view: withParts(shape, settled) };
    return this.#isAbsentReached ? { kind: "optional", isThere, inner } : inner;
  }

  /** What is the same on all ways, and known where they meet: a value, or a number for a constant. */
  #kept(ways: readonly Value[]): Value | bigint | undefined {
    const [first] = ways;
    if (first === undefined || first.type === "pointer") return undefined;
    const known = this.#lowering.known(first);
    if (known !== undefined && ways.every((way) => this.#lowering.known(way) === known)) return known;
    return first.id < this.#meeting.id && ways.every((way) => way === first) ? first : undefined;
  }

  #endAbsent(parameters: readonly Value[]): void {
    const { builder, place } = this.#lowering;
    builder.begin(this.#absent);
    const [, ...parts] = parameters;
    const nothing = parts.map(({ type }) => {
      const result = builder.value(type);
      builder.append({ op: "constant", place, result, value: 0n, isAbsent: true });
      return result;
    });
    builder.jump(place, this.#meeting, this.#lowering.constant(false), ...nothing);
  }

  #failing(): Edge {
    if (this.#fail === undefined) this.#isAbsentReached = true;
    return { to: this.#fail ?? this.#absent, with: [] };
  }
}

/** What two views of one protocol have in common. */
function commonForm(one: LoweredView, other: LoweredView): LoweredView {
  const kinds = [one.covering.kind, other.covering.kind];
  const kind = kinds.includes("deep") ? "deep" : kinds.includes("some") ? "some" : "none";
  const { covering } = one.covering.kind === "some" ? one : other;
  return {
    ...one,
    pointer: other.pointer && one.pointer,
    checkedBytes: Math.min(one.checkedBytes, other.checkedBytes),
    note: other.note && one.note,
    covering: { ...covering, kind },
    outers: commonOuters(one.outers, other.outers),
  };
}

/** The values that a view is made of, in the form of another one. */
function partsOf(view: LoweredView, { pointer, note, covering, outers }: LoweredView): Value[] {
  const parts = [view.start, view.end, view.header, ...outerValues(view.outers, outers)];
  if (pointer !== undefined) parts.push(view.pointer ?? pointer);
  if (note !== undefined) parts.push(view.note ?? note);
  if (covering.kind === "some") {
    const { checksumAt, isZeroNone, oddness } = view.covering;
    parts.push(checksumAt, isZeroNone, oddness);
  }
  return parts;
}

function withParts(shape: LoweredView, parts: readonly Value[]): LoweredView {
  const [start = shape.start, end = shape.end, header = shape.header, ...rest] = parts;
  const outers = outersWith(shape.outers, (old) => rest.shift() ?? old);
  const pointer = shape.pointer && rest.shift();
  const note = shape.note && rest.shift();
  const [checksumAt, isZeroNone, oddness] = rest;
  const covering =
    checksumAt === undefined || isZeroNone === undefined || oddness === undefined
      ? shape.covering
      : { kind: "some" as const, checksumAt, isZeroNone, oddness };
  return { ...shape, start, end, header, pointer, note, covering, outers };
}
