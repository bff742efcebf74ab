/**
 * Calls: functions of the script are inlined, methods and functions that the compiler knows are lowered by what they
 * belong to.
 * @module
 */
import type TypeScript from "typescript";
import type { Front } from "../front.ts";
import type { Lowered } from "../lowered.ts";
import { busCall, contextCall, counterCall } from "../surroundings/context.ts";
import { mapCall } from "../surroundings/map-operations.ts";
import { scriptCall } from "../surroundings/script-calls.ts";
import { builtinCall } from "./builtins.ts";
import { constantIn, describe, lowerConstant } from "./constants.ts";
import { inline } from "./inline.ts";
import { listCall, setCall } from "./lists.ts";
import { tableCall } from "./tables.ts";
import { arrayCall } from "./typed-arrays.ts";

/** Calls something. */
export function callValue(
  front: Front,
  node: TypeScript.Node,
  callee: Lowered,
  parameters: readonly Lowered[],
): Lowered {
  switch (callee.kind) {
    case "choice":
    case "optional":
    case "undefined":
      return front.each(callee, (one) => callValue(front, node, one, parameters));
    case "function":
      return inline(front, node, callee, parameters);
    case "method":
      return callMethod(front, node, callee.receiver, callee.name, parameters);
    case "builtin":
      return callee.name.startsWith("script.")
        ? scriptCall(front, node, callee.name.slice("script.".length), parameters)
        : builtinCall(front, node, callee.name, parameters);
    default:
      return front.refuse(node, {
        code: "kernel-call",
        why: `this calls ${describe(front, callee)}`,
        instead: "call a function of the script or of metanet/script",
      });
  }
}

/** `receiver.name(…)`. */
export function callMethod(
  front: Front,
  node: TypeScript.Node,
  receiver: Lowered,
  name: string,
  parameters: readonly Lowered[],
): Lowered {
  switch (receiver.kind) {
    case "choice":
    case "optional":
    case "undefined":
      return front.each(receiver, (one) => callMethod(front, node, one, name, parameters));
    case "packet":
    case "view":
    case "bytes":
      return front.parts.packet.call(front, node, receiver, name, parameters);
    case "context":
      return contextCall(front, node, name, parameters);
    case "bus":
      return busCall(front, node, name, parameters);
    case "map":
      return mapCall(front, node, receiver.map, name, parameters);
    case "counter":
      return counterCall(front, node, receiver, name, parameters);
    case "list":
      return listCall(front, node, receiver.elements, name, parameters);
    case "set":
      return setCall(front, node, receiver.elements, name, parameters);
    case "table":
      return tableCall(front, node, receiver.entries, name, parameters);
    case "array":
      return arrayCall(front, node, receiver, name, parameters);
    case "record": {
      const field = front.fieldsOf(receiver).get(name);
      if (field !== undefined) return callValue(front, node, field, parameters);
      break;
    }
    case "builtin":
      return callValue(front, node, { kind: "builtin", name: `${receiver.name}.${name}` }, parameters);
    default:
  }
  const folded = foldMethod(front, receiver, name, parameters);
  if (folded !== undefined) return folded;
  if (receiver.kind === "text" || receiver.kind === "fraction") return refuseText(front, node, name);
  if (name === "toString" || name === "toLocaleString") return refuseText(front, node, name);
  return front.refuse(node, {
    code: "kernel-call",
    why: `the kernel has no ${name} of ${describe(front, receiver)}`,
    instead: "use what docs/kernel-scripts.md lists, or run the script in user space",
  });
}

/** Methods of texts that give the same for the same everywhere. */
const TEXT_METHODS: ReadonlySet<string> = new Set([
  ...["at", "charAt", "charCodeAt", "codePointAt", "concat", "endsWith", "includes", "indexOf"],
  ...["lastIndexOf", "padEnd", "padStart", "repeat", "replace", "replaceAll", "slice", "split"],
  ...["startsWith", "substring", "toLowerCase", "toString", "toUpperCase", "trim", "trimEnd", "trimStart"],
]);

/** What a method of a constant text, or toString of another constant, gives. */
function foldMethod(
  front: Front,
  receiver: Lowered,
  name: string,
  parameters: readonly Lowered[],
): Lowered | undefined {
  const on = constantIn(front, receiver)?.value;
  const isKnown = typeof on === "string" ? TEXT_METHODS.has(name) : name === "toString";
  if (!isKnown || on === undefined || typeof on === "object") return undefined;
  const constants = parameters.map((one) => constantIn(front, one));
  if (constants.includes(undefined)) return undefined;
  try {
    const method = (Object(on) as Record<string, unknown>)[name] as (...given: unknown[]) => unknown;
    return lowerConstant(
      front,
      Reflect.apply(
        method,
        on,
        constants.map((one) => one?.value),
      ),
    );
  } catch {
    // A radix of 1, a text repeated -1 times: the refusal that follows says what is not there.
    return undefined;
  }
}

function refuseText(front: Front, node: TypeScript.Node, name: string): never {
  return front.refuse(node, {
    code: "kernel-text",
    why: `${name} works with texts, and the kernel has constant ones only`,
    instead: "use numbers in their place, or post the number to the bus and format it where it is read",
  });
}
