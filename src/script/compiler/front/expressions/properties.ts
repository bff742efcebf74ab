/**
 * Properties of lowered values: of objects and lists of the script, of the context, of the packet and its headers.
 * @module
 */
import type TypeScript from "typescript";
import type { Front } from "../front.ts";
import type { Lowered } from "../lowered.ts";
import { contextProperty, counterMethod } from "../surroundings/context.ts";
import { mapMethod } from "../surroundings/map-methods.ts";
import { scriptExport } from "../surroundings/script-exports.ts";
import { integer } from "./constants.ts";

/** `receiver.name`, where it is not called. */
export function property(front: Front, node: TypeScript.Node, receiver: Lowered, name: string): Lowered {
  switch (receiver.kind) {
    case "choice":
    case "optional":
    case "undefined":
      return front.each(receiver, (one) => property(front, node, one, name));
    case "record":
      return front.fieldsOf(receiver).get(name) ?? { kind: "undefined" };
    case "list":
      return lengthOr(front, receiver, name, receiver.elements.length);
    case "text":
      return lengthOr(front, receiver, name, receiver.text.length);
    case "array":
      if (name === "byteLength") return integer(front, receiver.count * receiver.bytes);
      return lengthOr(front, receiver, name, receiver.count);
    case "set":
      return name === "size" ? integer(front, receiver.elements.length) : { kind: "method", receiver, name };
    case "table":
      return name === "size" ? integer(front, receiver.entries.length) : { kind: "method", receiver, name };
    case "context":
      return contextProperty(front, node, name);
    case "packet":
    case "view":
    case "bytes":
      return front.parts.packet.property(front, node, receiver, name);
    case "builtin":
      return member(front, node, receiver.name, name);
    case "map":
      return { kind: "method", receiver, name: mapMethod(front, node, name) };
    case "counter":
      return { kind: "method", receiver, name: counterMethod(front, node, name) };
    default:
      return { kind: "method", receiver, name };
  }
}

function lengthOr(front: Front, receiver: Lowered, name: string, length: number): Lowered {
  return name === "length" ? integer(front, length) : { kind: "method", receiver, name };
}

/** A member of something of the language, or of the namespace of metanet/script. */
function member(front: Front, node: TypeScript.Node, object: string, name: string): Lowered {
  if (object === "script") return scriptExport(front, node, name);
  const constant = CONSTANTS[`${object}.${name}`];
  if (constant === undefined) return { kind: "builtin", name: `${object}.${name}` };
  return Number.isSafeInteger(constant) ? integer(front, constant) : { kind: "fraction", value: constant };
}

const CONSTANTS: Readonly<Record<string, number | undefined>> = {
  "Number.MAX_SAFE_INTEGER": Number.MAX_SAFE_INTEGER,
  "Number.MIN_SAFE_INTEGER": Number.MIN_SAFE_INTEGER,
  "Number.POSITIVE_INFINITY": Number.POSITIVE_INFINITY,
  "Number.NEGATIVE_INFINITY": Number.NEGATIVE_INFINITY,
  "Number.EPSILON": Number.EPSILON,
  "Number.NaN": Number.NaN,
  "Math.PI": Math.PI,
  "Math.E": Math.E,
  "Math.SQRT2": Math.SQRT2,
  "Uint8Array.BYTES_PER_ELEMENT": 1,
  "Uint16Array.BYTES_PER_ELEMENT": 2,
  "Uint32Array.BYTES_PER_ELEMENT": 4,
};
