/**
 * Functions of the script, put where they are called.
 * @module
 */
import type TypeScript from "typescript";
import type { Frame } from "../frame.ts";
import type { Front } from "../front.ts";
import type { Lowered } from "../lowered.ts";
import { type Arrival, WayEnded } from "../path.ts";
import { type FunctionNode, isFunctionNode } from "../syntax.ts";
import { bindPattern, orInitializer } from "./bind.ts";
import { detach, enterClosure, isOfCall } from "./closures.ts";

const NONE: Lowered = { kind: "undefined" };

/** Functions in functions in functions; more is an accident. */
const DEPTH_MAX = 64;

/** Puts a function's body here. */
export function inline(
  front: Front,
  node: TypeScript.Node,
  { declaration, environment }: Extract<Lowered, { readonly kind: "function" }>,
  parameters: readonly Lowered[],
): Lowered {
  const { ts } = front;
  if (!isFunctionNode(ts, declaration) || declaration.body === undefined) {
    return front.refuse(node, {
      code: "kernel-call",
      why: "this function has no body that could be compiled",
      instead: "write it as a function or an arrow function",
    });
  }
  checkCallable(front, node, declaration);
  const returns: Arrival[] = [];
  const frame: Frame = { declaration, returns, targets: [] };
  const domain = front.bigDomain;
  front.frames.push(frame);
  front.bigDomain = "bigint";
  const names: TypeScript.Symbol[] = [];
  const leaveClosure = enterClosure(front, environment);
  try {
    bindParameters(front, declaration, parameters, names);
    const value = runBody(front, declaration);
    if (value !== undefined) returns.push({ way: front.leave(), value });
  } catch (error) {
    if (!(error instanceof WayEnded)) throw error;
  } finally {
    front.frames.pop();
    front.bigDomain = domain;
  }
  const result = front.meet(returns);
  if (result === undefined) throw new WayEnded();
  const answer = detach(front, node, result, isOfCall(declaration, environment));
  for (const name of names) front.state.variables.delete(name);
  leaveClosure();
  return answer;
}

/** Refuses a function that cannot be inlined here. */
export function checkCallable(front: Front, node: TypeScript.Node, declaration: FunctionNode): void {
  const { ts } = front;
  if (declaration.asteriskToken !== undefined) {
    front.refuse(node, {
      code: "kernel-generator",
      why: "this is a generator, which goes on where it has stopped, and the kernel has nothing to keep that in",
      instead: "write a loop",
    });
  }
  if (ts.getModifiers(declaration)?.some(({ kind }) => kind === ts.SyntaxKind.AsyncKeyword)) {
    front.refuse(node, {
      code: "kernel-async",
      why: "the kernel decides about a packet at once, and this function is asynchronous",
      instead: "hand the packet over to user space: return handOver(packet, context, inspect)",
    });
  }
  const isRecursive = front.frames.some((frame) => frame.declaration === declaration);
  if (isRecursive || front.frames.length >= DEPTH_MAX) {
    front.refuse(node, {
      code: "kernel-recursion",
      why: isRecursive
        ? "functions are put where they are called, and this one is being called already (recursion)"
        : `functions call each other more than ${DEPTH_MAX} deep here`,
      instead: "write a loop with a constant number of rounds",
    });
  }
}

/** Binds parameters; the names go to `names`. */
export function bindParameters(
  front: Front,
  declaration: FunctionNode,
  parameters: readonly Lowered[],
  names: TypeScript.Symbol[],
): void {
  for (const [index, parameter] of declaration.parameters.entries()) {
    const value: Lowered =
      parameter.dotDotDotToken === undefined
        ? (parameters[index] ?? NONE)
        : { kind: "list", elements: parameters.slice(index) };
    const given = front.at(parameter, () => orInitializer(front, value, parameter.initializer));
    bindPattern(front, parameter.name, given, (name, one) => {
      const symbol = front.checker.getSymbolAtLocation(name);
      if (symbol === undefined) return;
      front.state.variables.set(symbol, one);
      names.push(symbol);
    });
  }
}

/** What the body's end gives; `undefined` when it is not reached. */
function runBody(front: Front, { body }: FunctionNode): Lowered | undefined {
  if (body === undefined) return NONE;
  if (!front.ts.isBlock(body)) return front.expression(body);
  front.statement(body);
  return front.builder.isOpen ? NONE : undefined;
}
