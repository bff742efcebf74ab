/**
 * Blocks of statements, and the variables that they declare.
 * @module
 */
import type TypeScript from "typescript";
import { bindPattern } from "../expressions/bind.ts";
import type { Front } from "../front.ts";
import type { Lowered } from "../lowered.ts";

const NONE: Lowered = { kind: "undefined" };

/** Statements of a block; what they declare ends with it. */
export function block(front: Front, statements: readonly TypeScript.Statement[]): void {
  const before = front.scope;
  const scope = new Set<TypeScript.Symbol>();
  front.scope = scope;
  try {
    for (const one of statements) {
      if (!front.builder.isOpen) break;
      front.statement(one);
    }
  } finally {
    front.scope = before;
    if (front.builder.isOpen) for (const symbol of scope) front.state.variables.delete(symbol);
  }
}

/** Declares the variables of a list. */
export function declareAll(front: Front, list: TypeScript.VariableDeclarationList): void {
  for (const { name, initializer } of list.declarations) {
    const value = initializer === undefined ? NONE : front.expression(initializer);
    bindPattern(front, name, value, (one, bound) => declare(front, one, bound));
  }
}

/** Declares one variable. */
export function declare(front: Front, name: TypeScript.Identifier, value: Lowered): void {
  const symbol = front.checker.getSymbolAtLocation(name);
  if (symbol === undefined) return;
  front.scope?.add(symbol);
  front.state.variables.set(symbol, value);
}
