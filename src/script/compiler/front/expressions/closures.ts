/**
 * Functions that outlive the variables they see: those that a function answers, and those that a loop leaves behind.
 * They take along what is known at compile time; what is known only when a packet comes would be another one by then.
 * @module
 */
import type TypeScript from "typescript";
import type { Front } from "../front.ts";
import type { Lowered } from "../lowered.ts";
import { assigns, isWithin } from "../syntax.ts";
import { constantIn, lowerConstant } from "./constants.ts";

type LoweredFunction = Extract<Lowered, { readonly kind: "function" }>;

/** What a function has taken along: variables of functions and loops that are over. */
export class Closure {
  readonly values: ReadonlyMap<TypeScript.Symbol, Lowered>;

  constructor(values: ReadonlyMap<TypeScript.Symbol, Lowered>) {
    this.values = values;
  }

  /** In descriptions of forms, where symbols would go round in circles. */
  toJSON(): string {
    return "closure";
  }
}

/** Whether what is declared here is over when a function has returned: its own, and what it had taken along. */
export function isOfCall(
  declaration: TypeScript.Node,
  environment: unknown,
): (one: TypeScript.Node) => boolean {
  const symbols = environment instanceof Closure ? [...environment.values.keys()] : [];
  const taken = new Set<TypeScript.Node | undefined>(symbols.map(({ valueDeclaration }) => valueDeclaration));
  return (one) => taken.has(one) || isWithin(one, declaration);
}

/** Binds what a function has taken along; what is to be done when it has been called. */
export function enterClosure(front: Front, environment: unknown): () => void {
  if (!(environment instanceof Closure)) return () => undefined;
  const before = [...environment.values.keys()].map(
    (symbol) => [symbol, front.state.variables.get(symbol)] as const,
  );
  for (const [symbol, value] of environment.values) front.state.variables.set(symbol, value);
  return () => {
    for (const [symbol, value] of before) {
      if (value === undefined) front.state.variables.delete(symbol);
      else front.state.variables.set(symbol, value);
    }
  };
}

/** A value whose functions have taken along what they see of the variables that are lost. */
export function detach(
  front: Front,
  node: TypeScript.Node,
  value: Lowered,
  isLost: (declaration: TypeScript.Node) => boolean,
): Lowered {
  const one = (part: Lowered): Lowered => detach(front, node, part, isLost);
  switch (value.kind) {
    case "function":
      return detachFunction(front, node, value, isLost);
    case "list": {
      const elements = value.elements.map(one);
      return elements.every((part, index) => part === value.elements[index]) ? value : { ...value, elements };
    }
    case "record": {
      const fields = [...front.fieldsOf(value)];
      const taken = fields.map(([name, part]) => [name, one(part)] as const);
      const isSame = taken.every(([, part], index) => part === fields[index]?.[1]);
      return isSame ? value : { kind: "record", fields: new Map(taken) };
    }
    case "optional": {
      const inner = one(value.inner);
      return inner === value.inner ? value : { ...value, inner };
    }
    case "choice": {
      const [ifTrue, ifFalse] = [one(value.ifTrue), one(value.ifFalse)];
      const isSame = ifTrue === value.ifTrue && ifFalse === value.ifFalse;
      return isSame ? value : { ...value, ifTrue, ifFalse };
    }
    default:
      return value;
  }
}

function detachFunction(
  front: Front,
  node: TypeScript.Node,
  value: LoweredFunction,
  isLost: (declaration: TypeScript.Node) => boolean,
): Lowered {
  const before = value.environment instanceof Closure ? value.environment.values : new Map();
  const values = new Map<TypeScript.Symbol, Lowered>(before);
  for (const [symbol, declaration] of freeVariables(front, value.declaration)) {
    if (values.has(symbol) || !isLost(declaration)) continue;
    const now = front.state.variables.get(symbol);
    const isAssigned = assigns(front, functionAround(front, declaration), symbol);
    const fixed = now === undefined || isAssigned ? undefined : fix(front, node, now, isLost);
    if (fixed === undefined) {
      front.refuse(node, {
        code: "kernel-closure",
        why: `this function is there longer than the variable ${symbol.name} that it sees, which is known only when a packet comes`,
        instead: "pass what the function needs as arguments",
      });
    } else values.set(symbol, fixed);
  }
  return values.size === before.size ? value : { ...value, environment: new Closure(values) };
}

function functionAround({ ts }: Front, declaration: TypeScript.Node): TypeScript.Node {
  let one = declaration.parent;
  while (!ts.isFunctionLike(one) && !ts.isSourceFile(one)) one = one.parent;
  return one;
}

/** A value that is the same wherever it is used, without anything of the way here; `undefined` for others. */
function fix(
  front: Front,
  node: TypeScript.Node,
  value: Lowered,
  isLost: (declaration: TypeScript.Node) => boolean,
): Lowered | undefined {
  switch (value.kind) {
    case "function":
      return detachFunction(front, node, value, isLost);
    case "list": {
      const elements = value.elements.map((one) => fix(front, node, one, isLost));
      return elements.includes(undefined) ? undefined : { kind: "list", elements: elements as Lowered[] };
    }
    case "record":
      return front.moduleRecords.has(value) ? value : undefined;
    case "builtin":
    case "protocol":
    case "packet":
    case "context":
    case "bus":
    case "map":
    case "counter":
      return value;
    default: {
      const constant = constantIn(front, value);
      return constant && lowerConstant(front, constant.value);
    }
  }
}

/** Variables and parameters outside of a function that it sees, also through functions it calls by their names. */
function freeVariables(
  front: Front,
  outermost: TypeScript.Node,
): ReadonlyMap<TypeScript.Symbol, TypeScript.Declaration> {
  const { ts, checker } = front;
  const found = new Map<TypeScript.Symbol, TypeScript.Declaration>();
  const seen = new Set<TypeScript.Node>();
  const visit = (node: TypeScript.Node): void => {
    if (ts.isIdentifier(node)) look(node);
    ts.forEachChild(node, visit);
  };
  const look = (node: TypeScript.Identifier): void => {
    const symbol = ts.isShorthandPropertyAssignment(node.parent)
      ? checker.getShorthandAssignmentValueSymbol(node.parent)
      : checker.getSymbolAtLocation(node);
    const declaration = symbol?.valueDeclaration;
    if (symbol === undefined || declaration === undefined || isWithin(declaration, outermost)) return;
    if (ts.isFunctionDeclaration(declaration)) enter(declaration);
    const isVariable =
      ts.isVariableDeclaration(declaration) ||
      ts.isParameter(declaration) ||
      ts.isBindingElement(declaration);
    if (isVariable && ![...seen].some((one) => isWithin(declaration, one))) found.set(symbol, declaration);
  };
  const enter = (node: TypeScript.Node): void => {
    if (seen.has(node)) return;
    seen.add(node);
    visit(node);
  };
  enter(outermost);
  return found;
}

/** Whether what a variable declared here holds is lost before the one that keeps a function: it is inside of a loop. */
export function isOfLoopWithin(
  front: Front,
  keeper: TypeScript.Node | undefined,
): (declaration: TypeScript.Node) => boolean {
  return (declaration) => {
    for (let one: TypeScript.Node | undefined = declaration.parent; one !== undefined; one = one.parent) {
      if (front.ts.isFunctionLike(one) && keeper !== undefined && isWithin(keeper, one)) return false;
      if (!front.ts.isIterationStatement(one, false)) continue;
      if (keeper === undefined || !isWithin(keeper, one)) return true;
    }
    return false;
  };
}
