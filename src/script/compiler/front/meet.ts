/**
 * Where ways meet: one block goes on, its parameters are what differs between them.
 * @module
 */
import type { Block, Value } from "../ir/ir.ts";
import type { Front } from "./front.ts";
import type { Lowered } from "./lowered.ts";
import { type Arrival, PathState, type Way } from "./path.ts";
import { flattenAs, type LoweredRecord, rebuild, unify } from "./shapes.ts";

/** Goes on behind all arrivals; what they bring, joined. `undefined` when nothing arrives. */
export function meet(front: Front, arrivals: readonly Arrival[]): Lowered | undefined {
  const [first] = arrivals;
  if (first === undefined) return undefined;
  if (arrivals.length === 1) {
    front.go(first.way);
    return first.value;
  }
  return new Meeting(front, arrivals).join();
}

class Meeting {
  readonly #front: Front;
  readonly #ways: Way[];
  readonly #brought: readonly Lowered[];
  readonly #block: Block;
  /** For each parameter, what each way brings. */
  readonly #columns: Value[][] = [];

  constructor(front: Front, arrivals: readonly Arrival[]) {
    this.#front = front;
    this.#ways = arrivals.map(({ way }) => way);
    this.#brought = arrivals.map(({ value }) => value);
    this.#block = front.builder.block();
  }

  join(): Lowered {
    const front = this.#front;
    const result = this.#joinValues(this.#brought);
    const variables = this.#joinVariables();
    const facts = this.#commonFacts();
    for (const [index, way] of this.#ways.entries()) {
      front.go(way);
      front.builder.jump(front.place, this.#block, ...this.#columns.map((column) => column[index] as Value));
    }
    this.#block.parameters = [...this.#parameters];
    front.builder.begin(this.#block);
    front.state = new PathState(variables, facts);
    return result;
  }

  readonly #parameters: Value[] = [];

  #joinVariables(): Map<object, Lowered> {
    const keys = new Set(this.#ways.flatMap(({ state }) => [...state.variables.keys()]));
    const joined = new Map<object, Lowered>();
    for (const key of keys) {
      const values = this.#ways.map(({ state }) => state.variables.get(key) ?? initialOf(key));
      if (values.includes(undefined)) continue;
      joined.set(key, this.#joinValues(values as Lowered[]));
    }
    return joined;
  }

  #commonFacts(): Map<Value, boolean> {
    const [first, ...others] = this.#ways.map(({ state }) => state.facts);
    const common = [...(first ?? [])].filter(([value, truth]) =>
      others.every((facts) => facts.get(value) === truth),
    );
    return new Map(common);
  }

  #joinValues(values: readonly Lowered[]): Lowered {
    const [first] = values as [Lowered];
    if (values.every((value) => value === first)) return first;
    const narrowed = values.map((value, index) => narrow(this.#front, value, this.#ways[index] as Way));
    const shape = narrowed.reduce((shape, value) => {
      if (shape.kind === "record" && value.kind === "record") this.#joinRecords(shape, value);
      return unify(shape, value, this.#front.shapeTools);
    });
    const rows = narrowed.map((value, index) => this.#flatten(shape, value, index));
    let at = 0;
    return rebuild(shape, () => {
      const column = rows.map((row) => row[at] as Value);
      at++;
      return this.#parameter(column);
    });
  }

  #joinRecords(...records: readonly LoweredRecord[]): void {
    for (const record of records) this.#front.joinedRecords.add(record);
  }

  /** What a way brings, as values; whatever that takes is done on the way. */
  #flatten(shape: Lowered, value: Lowered, index: number): Value[] {
    const front = this.#front;
    front.go(this.#ways[index] as Way);
    const { facts } = front.state;
    const values = flattenAs(shape, value, front.shapeTools).map((one) => {
      const truth = one.type === "boolean" ? facts.get(one) : undefined;
      return truth === undefined ? one : front.constant(truth);
    });
    this.#ways[index] = front.leave();
    return values;
  }

  #parameter(column: Value[]): Value {
    const [first] = column as [Value];
    if (column.every((value) => value === first)) return first;
    const known = this.#columns.findIndex((other) => other.every((value, index) => value === column[index]));
    if (known >= 0) return this.#parameters[known] as Value;
    const parameter = this.#front.builder.value(first.type);
    this.#columns.push(column);
    this.#parameters.push(parameter);
    if (first.type === "boolean") {
      const origin = column.map((value, index) => ({ value, facts: (this.#ways[index] as Way).state.facts }));
      this.#front.emit.implications.joined(parameter, origin);
    }
    return parameter;
  }
}

function initialOf(key: object): Lowered | undefined {
  if ("initial" in key) return key.initial as Lowered;
  // A copy: the object itself becomes part of nothing.
  if ("kind" in key && key.kind === "record") return { ...(key as LoweredRecord) };
  return undefined;
}

/** A value by what is known on its way: what is there for certain is no optional any more. */
function narrow(front: Front, value: Lowered, { state }: Way): Lowered {
  const truthOf = (condition: Value): boolean | undefined => {
    const known = front.known(condition);
    return known === undefined ? state.facts.get(condition) : known !== 0n;
  };
  if (value.kind === "optional") {
    const isThere = truthOf(value.isThere);
    if (isThere === true) return narrow(front, value.inner, { state } as Way);
    return isThere === false ? { kind: "undefined" } : value;
  }
  if (value.kind !== "choice") return value;
  const truth = truthOf(value.condition);
  if (truth === undefined) return value;
  return narrow(front, truth ? value.ifTrue : value.ifFalse, { state } as Way);
}
