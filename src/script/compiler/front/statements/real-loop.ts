/**
 * Loops that stay loops: what their rounds change becomes parameters of the head. Which variables these are, and of what
 * form, is found out by lowering the loop until nothing new turns up.
 * @module
 */
import type TypeScript from "typescript";
import type { Value } from "../../ir/ir.ts";
import { type Branches, goOn } from "../expressions/conditions.ts";
import type { Target } from "../frame.ts";
import type { Front } from "../front.ts";
import type { Lowered } from "../lowered.ts";
import type { PathKey } from "../lowering.ts";
import { expectTransport, forgetTold } from "../packet/checksum-transport.ts";
import { type Arrival, PathState } from "../path.ts";
import { flattenAs, rebuild, unify } from "../shapes.ts";
import type { Induction } from "./induction.ts";
import { takeBack, trialPoint } from "./trial.ts";

const NONE: Lowered = { kind: "undefined" };

/** Each attempt finds at least one variable more, or a wider form of one. */
const ATTEMPT_COUNT_MAX = 40;

/** A loop, taken apart. */
export interface LoopParts {
  readonly node: TypeScript.Node;
  readonly label: string | undefined;
  readonly induction: Induction | undefined;
  readonly condition: () => Branches;
  readonly body: () => void;
  /** What stands behind a round; whether another one may follow. Ways that leave the loop there are added. */
  readonly update: (exits: Arrival[]) => boolean;
}

/** Variables that change from round to round, with their forms. */
type Carried = ReadonlyMap<object, Lowered>;

/** Lowers a loop as one. */
export function realLoop(front: Front, parts: LoopParts): void {
  let carried: Carried = new Map();
  for (let attempt = 0; attempt < ATTEMPT_COUNT_MAX; attempt++) {
    const point = trialPoint(front);
    const idMin = front.builder.value("integer").id;
    forgetTold(front);
    const wider = new LoopAttempt(front, parts, carried).run();
    if (wider === undefined) return;
    takeBack(front, point);
    carried = expectTransport(front, idMin) ? new Map() : wider;
  }
  front.refuse(parts.node, {
    code: "kernel-loop",
    why: "what the variables of this loop are differs from round to round",
    instead: "keep numbers in them, and other things outside of the loop",
  });
}

class LoopAttempt {
  readonly #front: Front;
  readonly #parts: LoopParts;
  readonly #carried: Carried;
  readonly #head;
  #headState = new PathState();

  constructor(front: Front, parts: LoopParts, carried: Carried) {
    this.#front = front;
    this.#parts = parts;
    this.#carried = carried;
    this.#head = front.builder.block();
  }

  /** What changes as well, when that has turned up; `undefined` when the loop is done. */
  run(): Carried | undefined {
    const front = this.#front;
    const parts = this.#parts;
    this.#enter();
    const exits: Arrival[] = [];
    const { ifTrue, ifFalse } = parts.condition();
    exits.push(...ifFalse.map((way): Arrival => ({ way, value: NONE })));
    if (goOn(front, ifTrue)) {
      const target: Target = { label: parts.label, breaks: exits, continues: [] };
      const targets = front.frames.at(-1)?.targets;
      targets?.push(target);
      parts.body();
      targets?.pop();
      if (front.builder.isOpen) target.continues?.push({ way: front.leave(), value: NONE });
      if (front.meet(target.continues ?? []) !== undefined && parts.update(exits)) {
        const wider = this.#wider();
        if (wider !== undefined) return wider;
        this.#goBack();
      }
    }
    front.meet(exits);
    return undefined;
  }

  #enter(): void {
    const front = this.#front;
    const before = front.state;
    const values: Value[] = [];
    const seeded = new Map(before.variables);
    for (const value of before.variables.values()) seedRecords(front, value, seeded);
    const variables = new Map(seeded);
    for (const [key, shape] of this.#carried) {
      values.push(...flattenAs(shape, seeded.get(key) ?? initialOf(key) ?? NONE, front.shapeTools));
      const lowered = rebuild(shape, (old) => {
        const parameter = front.builder.value(old.type);
        this.#head.parameters.push(parameter);
        return parameter;
      });
      variables.set(key, lowered);
    }
    front.builder.jump(front.place, this.#head, ...values);
    front.builder.begin(this.#head);
    front.state = new PathState(variables, front.state.facts);
    this.#assume();
    this.#headState = front.state.clone();
  }

  /** The counter's range is known from the loop's head. */
  #assume(): void {
    const front = this.#front;
    const { induction } = this.#parts;
    const counter = induction && front.state.variables.get(induction.symbol);
    if (induction?.start === undefined || induction.roundsMax === undefined) return;
    if (counter?.kind !== "integer" || front.known(counter.value) !== undefined) return;
    const { start, step, roundsMax } = induction;
    const ends = [start, start + step * roundsMax];
    const value = front.emit.assume(counter.value, Math.min(...ends), Math.max(...ends));
    front.state.variables.set(induction.symbol, { ...counter, value });
  }

  /** Variables that the round has changed and that are no parameters yet, or not of a form that takes them. */
  #wider(): Carried | undefined {
    const front = this.#front;
    const found = new Map(this.#carried);
    let isWider = false;
    for (const [key, before] of [...this.#headState.variables, ...this.#firstAssigned()]) {
      const after = front.state.variables.get(key);
      if (after === undefined || after === before) continue;
      const known = this.#carried.get(key);
      const shape = unify(known ?? before, after, front.shapeTools);
      if (known !== undefined && sameForm(known, shape)) continue;
      found.set(key, shape);
      isWider = true;
    }
    return isWider ? found : undefined;
  }

  /**
   * Variables of the compiler's own that this round was the first to assign, as they were before. Those that begin
   * undefined say what has been found out already, which each round may find out again.
   */
  #firstAssigned(): [object, Lowered][] {
    const keys = [...this.#front.state.variables.keys()].filter((key) => !this.#headState.variables.has(key));
    return keys.flatMap((key) => {
      const initial = initialOf(key);
      return initial === undefined || initial.kind === "undefined" ? [] : [[key, initial]];
    });
  }

  #goBack(): void {
    const front = this.#front;
    const values = [...this.#carried].flatMap(([key, shape]) =>
      flattenAs(shape, front.state.variables.get(key) ?? NONE, front.shapeTools),
    );
    front.builder.jump(front.place, this.#head, ...values);
  }
}

/** What a variable of the compiler's own is before it is assigned. */
function initialOf(key: object): Lowered | undefined {
  return "initial" in key ? (key as PathKey).initial : undefined;
}

/** Objects that the loop may write to stand among the variables from its head on, so that it is seen that they change. */
function seedRecords(front: Front, value: Lowered, variables: Map<object, Lowered>): void {
  if (value.kind === "optional") seedRecords(front, value.inner, variables);
  if (value.kind === "list") for (const one of value.elements) seedRecords(front, one, variables);
  if (value.kind !== "record" || front.moduleRecords.has(value)) return;
  const fields = front.fieldsOf(value);
  if (!variables.has(value)) variables.set(value, { kind: "record", fields });
  for (const one of fields.values()) seedRecords(front, one, variables);
}

/** Whether two forms take the same values. */
function sameForm(one: Lowered, other: Lowered): boolean {
  return describeForm(one) === describeForm(other);
}

function describeForm(lowered: Lowered): string {
  const kinds: string[] = [];
  rebuild(lowered, (value) => {
    kinds.push(value.type);
    return value;
  });
  return `${lowered.kind} ${JSON.stringify(lowered, (_, value) => formPart(value))} ${kinds.join(" ")}`;
}

/** Of a form's parts what tells it from others. */
function formPart(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return typeof value === "bigint" ? String(value) : value;
  if (value instanceof Map) return [...value];
  // First, as a node may have a type and an id as well.
  if ("pos" in value && "end" in value) return `node ${String(value.pos)} ${String(value.end)}`;
  if ("type" in value && "id" in value) return value.type;
  if ("minimumBytes" in value && "name" in value) return value.name;
  return value;
}
