/**
 * `context.bus.post(address, { … })`: an event in the ring, which user space posts to the bus.
 * @module
 */
import type TypeScript from "typescript";
import type { EventField } from "../../compiled.ts";
import type { Value } from "../../ir/ir.ts";
import { argumentNode, constantText } from "../expressions/arguments.ts";
import { constantIn, describe } from "../expressions/constants.ts";
import { refuseQuotient } from "../expressions/operators.ts";
import type { Front } from "../front.ts";
import type { Lowered } from "../lowered.ts";

/** Bytes of one event that the stack has room for. */
const EVENT_BYTES_MAX = 256;

/** A mailbox: `/path`, `process:/path` or `process@machine:/path`. */
const ADDRESS = /^(\w[\w.-]{0,63}(@\w[\w.-]{0,63})?:)?(?=.{1,255}$)(\/[\w.-]+)+$/;

function checkAddress(front: Front, node: TypeScript.Node, address: string): void {
  if (ADDRESS.test(address)) return;
  front.refuse(node, {
    code: "kernel-event",
    why: "no mailbox has this address, and nothing that is posted there would arrive",
    instead: 'give a path, with the process before it where it is another one: "collector:/alerts/scan"',
  });
}

/** A record that is being laid out: its number first, then each field at a multiple of 8. */
interface Layout {
  readonly front: Front;
  readonly memory: Value;
  bytes: number;
}

/** `bus.post(…)`. */
export function post(front: Front, node: TypeScript.Node, parameters: readonly Lowered[]): Lowered {
  const address = constantText(
    front,
    argumentNode(front, node, 0),
    parameters[0],
    "where on the bus an event goes",
  );
  checkAddress(front, argumentNode(front, node, 0), address);
  const place = argumentNode(front, node, 1);
  const given = parameters[1] ?? { kind: "undefined" };
  if (given.kind !== "record" && given.kind !== "undefined") {
    return front.refuse(place, {
      code: "kernel-event",
      why: `the fields of an event are an object whose names are known, and this is ${describe(front, given)}`,
      instead: "write them here: context.bus.post(address, { source: ip.source })",
    });
  }
  const layout: Layout = { front, memory: front.emit.scratch("event", 8), bytes: 8 };
  const fields: EventField[] = [];
  const values = given.kind === "record" ? [...front.fieldsOf(given)] : [];
  for (const [name, value] of values) fields.push(fieldOf(layout, place, name, value));
  front.emit.scratch("event", layout.bytes);
  if (layout.bytes > EVENT_BYTES_MAX) {
    return front.refuse(place, {
      code: "kernel-event",
      why: `an event may have ${EVENT_BYTES_MAX} bytes, and this one has ${layout.bytes}`,
      instead: "post fewer bytes of the packet",
    });
  }
  const number = front.report.events.length;
  front.report.events.push({ number, address, fields, bytes: layout.bytes });
  front.emit.store(layout.memory, 0, 8, front.constant(number));
  front.emit.append({ op: "emit", from: layout.memory, bytes: layout.bytes });
  return { kind: "undefined" };
}

/** A bigint of 64 bits may be negative or 2^63 and more: its sign goes into the upper half. */
function bigField(layout: Layout, name: string, value: Lowered): EventField {
  const { front, memory, bytes: at } = layout;
  layout.bytes += 16;
  front.emit.scratch("event", layout.bytes);
  if (value.kind === "wide") {
    front.emit.store(memory, at, 8, value.low);
    front.emit.store(memory, at + 8, 8, value.high);
  } else if (value.kind === "integer") {
    const isNegative = front.compare("less", value.value, 0);
    front.emit.store(memory, at, 8, value.value);
    front.emit.store(memory, at + 8, 8, front.select(isNegative, front.constant(-1), front.constant(0)));
  }
  return { name, kind: "bigint", at, isUnsigned: value.kind === "wide" };
}

/** What a value is on this way, where that is known by now: `if (x === undefined) return` stands before. */
function narrowed(front: Front, value: Lowered): Lowered {
  if (value.kind === "optional" && front.truth(value.isThere) === true) return narrowed(front, value.inner);
  const truth = value.kind === "choice" ? front.truth(value.condition) : undefined;
  if (value.kind !== "choice" || truth === undefined) return value;
  return narrowed(front, truth ? value.ifTrue : value.ifFalse);
}

function fieldOf(layout: Layout, node: TypeScript.Node, name: string, given: Lowered): EventField {
  const { front, memory } = layout;
  const value = narrowed(front, given);
  const constant = constantIn(front, value)?.value;
  if (typeof constant === "string" || typeof constant === "number" || typeof constant === "boolean") {
    return { name, kind: "constant", value: constant };
  }
  if (value.kind === "quotient") return refuseQuotient(front, value, node);
  const at = layout.bytes;
  if (value.kind === "integer" && !value.isBig) {
    layout.bytes += 8;
    front.emit.store(memory, at, 8, value.value);
    return { name, kind: "integer", at };
  }
  if (value.kind === "integer" || value.kind === "wide") return bigField(layout, name, value);
  if (value.kind === "boolean") {
    layout.bytes += 8;
    const number = front.select(value.value, front.constant(1), front.constant(0));
    front.emit.store(memory, at, 8, number);
    return { name, kind: "boolean", at };
  }
  if (value.kind === "bytes") {
    const length = Number(front.known(value.length) ?? -1n);
    if (length > 0 && length <= EVENT_BYTES_MAX) {
      const lengthAt = at + 8 * Math.ceil(length / 8);
      layout.bytes = lengthAt + 8;
      front.emit.scratch("event", layout.bytes);
      const count = front.parts.packet.copyBytes(front, node, value, { memory, at, length });
      front.emit.store(memory, lengthAt, 8, count);
      return { name, kind: "bytes", at, length, lengthAt };
    }
  }
  return front.refuse(node, {
    code: "kernel-event",
    why: `field ${JSON.stringify(name)} of an event is ${describe(front, value)}, and the ring takes numbers, bigints, booleans, constants, and bytes of the packet of a constant length`,
    instead: "post a number of it; where it may be undefined, say what stands for that (x ?? 0)",
  });
}
