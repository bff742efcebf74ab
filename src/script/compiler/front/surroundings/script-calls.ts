/**
 * Calls of what metanet/script exports: verdicts, and functions of constants.
 * @module
 */
import type TypeScript from "typescript";
import { MetanetError } from "#base/errors.ts";
import type { Value } from "../../ir/ir.ts";
import { VerdictCode } from "../../ir/ir.ts";
import { ABILITIES } from "../../target.ts";
import { argumentNode, constantText, integerOf } from "../expressions/arguments.ts";
import { constantIn, describe, integer, lowerConstant } from "../expressions/constants.ts";
import { arithmetic } from "../expressions/operators.ts";
import type { Front } from "../front.ts";
import { type Lowered, MARK_CODE } from "../lowered.ts";
import { CONSTANT_FUNCTIONS, verdict } from "./script-exports.ts";

const NONE: Lowered = { kind: "undefined" };

/** Milliseconds of the lengths of time that are made of a count. */
const UNITS: Readonly<Record<string, number>> = {
  hours: 3_600_000,
  instant: 1,
  milliseconds: 1,
  minutes: 60_000,
  seconds: 1000,
};

/** A call of an export by its name. */
export function scriptCall(
  front: Front,
  node: TypeScript.Node,
  name: string,
  parameters: readonly Lowered[],
): Lowered {
  const [first = NONE, second = NONE] = parameters;
  switch (name) {
    case "mark":
      return mark(front, node, first);
    case "redirect":
      return redirect(front, node, parameters);
    case "handOver":
      return handOver(front, node, parameters);
    case "defineProtocol":
      return front.parts.packet.define(front, node, first);
    case "after":
      return arithmetic(front, node, "+", first, second);
    case "between":
      return arithmetic(front, node, "-", second, first);
    case "later":
    case "delayed":
      return refuseVerdict(front, node, "the kernel cannot hold a packet");
    case "queue":
      return refuseVerdict(front, node, "the kernel's programs cannot give packets to a queue");
    default:
      return constantCall(front, node, name, first);
  }
}

/** Refuses a verdict that only user space has. */
export function refuseVerdict(front: Front, node: TypeScript.Node, why: string): never {
  return front.refuse(node, {
    code: "kernel-verdict",
    why,
    instead:
      "return accept, drop or verdict.continue, or hand the packet over to user space: return handOver(packet, context, inspect)",
  });
}

/** A function of constants; some are arithmetic on what varies as well. */
function constantCall(front: Front, node: TypeScript.Node, name: string, argument: Lowered): Lowered {
  const callee = Object.hasOwn(CONSTANT_FUNCTIONS, name) ? CONSTANT_FUNCTIONS[name] : undefined;
  if (callee === undefined) return refuseVerdict(front, node, `${name} cannot be called in the kernel`);
  const constant = constantIn(front, argument);
  const place = argumentNode(front, node, 0);
  if (constant !== undefined) {
    try {
      return lowerConstant(front, callee(constant.value as never)) ?? NONE;
    } catch (error) {
      if (!(error instanceof MetanetError)) throw error;
      return front.refuse(place, {
        code: "kernel-constant",
        why: `${name} does not take this: ${error.message}`,
        instead: "correct it",
      });
    }
  }
  const unit = UNITS[name];
  if (unit !== undefined) return arithmetic(front, node, "*", argument, integer(front, unit));
  if (name === "ipv4Address" && argument.kind === "integer") {
    return { ...argument, value: front.unary("unsigned32", argument.value) };
  }
  if (name === "macAddress" && argument.kind === "integer") return argument;
  if (name === "ipv6Address" && (argument.kind === "wide" || argument.kind === "integer")) return argument;
  return front.refuse(place, {
    code: "kernel-text",
    why: name.startsWith("format")
      ? "this makes a text of what is known only when a packet comes, and the kernel has no texts"
      : `${name} wants a constant here, and this is ${describe(front, argument)}`,
    instead: name.startsWith("format")
      ? "post the number to the bus, and format it where it is read"
      : "write the text here, or name a constant of the module",
  });
}

function mark(front: Front, node: TypeScript.Node, value: Lowered): Lowered {
  front.marks(node);
  const number = front.unary("unsigned32", integerOf(front, argumentNode(front, node, 0), value));
  return { kind: "verdict", code: front.constant(MARK_CODE), mark: number };
}

/** `redirect(packet, context, "eth1")`: the verdict is what the kernel's helper answers. */
function redirect(front: Front, node: TypeScript.Node, parameters: readonly Lowered[]): Lowered {
  const name = constantText(front, argumentNode(front, node, 2), parameters[2], "the name of an interface");
  front.report.redirects = true;
  if (!ABILITIES[front.target.attach].redirects) {
    return front.refuse(node, {
      code: "kernel-no-redirect",
      why: "a program at a netfilter hook can only judge packets, and this sends one elsewhere",
      instead: "load it at an interface's ingress or egress, or in user space",
    });
  }
  const code = front.builder.value("integer");
  front.emit.append({ op: "redirect", result: code, interface: name });
  front.redirectCodes.add(code);
  return { kind: "verdict", code, mark: undefined };
}

/** `handOver(packet, context, inspect)`: marked, and on to where user space takes it. */
function handOver(front: Front, node: TypeScript.Node, parameters: readonly Lowered[]): Lowered {
  const place = argumentNode(front, node, 2);
  const name = exportedName(front, place, parameters[2] ?? NONE);
  const { handsOverTo } = front.report;
  if (handsOverTo !== undefined && handsOverTo !== name) {
    return front.refuse(place, {
      code: "kernel-hand-over",
      why: `this function hands packets over to ${handsOverTo} already, and there is one mark for it`,
      instead: "hand all of them over to one function, and distinguish there",
    });
  }
  front.report.handsOverTo = name;
  const bit = front.target.handOverMark;
  if (bit === undefined) {
    return front.refuse(node, {
      code: "kernel-no-hand-over",
      why: "packets are handed over by a mark, and here none can be set",
      instead: "load it at an interface's ingress, or in user space",
    });
  }
  const before = front.builder.value("integer");
  front.emit.append({ op: "fact", result: before, fact: "mark" });
  const value = front.binary("or", before, front.constant(bit), "bigint");
  const handed: Value = front.constant(1);
  front.emit.append({ op: "setMark", value });
  if (front.target.statistics) front.emit.append({ op: "count", counter: "handed", value: handed });
  return verdict(front, VerdictCode.continue);
}

/** The name by which the script's module exports a function. */
function exportedName(front: Front, node: TypeScript.Node, callee: Lowered): string {
  const { ts, checker } = front;
  const symbol = ts.isIdentifier(node) ? checker.getSymbolAtLocation(node) : undefined;
  const found = symbol === undefined ? undefined : front.exportNames.get(front.symbolBehind(symbol));
  if (found !== undefined) return found;
  return front.refuse(node, {
    code: "kernel-hand-over",
    why: `user space has to find the function by its name, and this is ${callee.kind === "function" ? "a function that the script does not export" : describe(front, callee)}`,
    instead: "export the function from the script's module, and name it here",
  });
}
