/**
 * What a script is given besides the packet: the clock, chance, counters, maps and the bus.
 * @module
 */
import type TypeScript from "typescript";
import { encodeUtf8 } from "#base/utf8.ts";
import { NAME_BYTES_MAX } from "../../../counters.ts";
import { argumentNode, constantText, integerOf } from "../expressions/arguments.ts";
import { constantIn } from "../expressions/constants.ts";
import type { Front } from "../front.ts";
import type { Lowered } from "../lowered.ts";
import { post } from "./events.ts";
import { openMap } from "./map-open.ts";
import { now } from "./time.ts";

/** `context.name`, where it is not called. */
export function contextProperty(front: Front, node: TypeScript.Node, name: string): Lowered {
  if (name === "now") return { kind: "integer", value: now(front), isBig: false };
  if (name === "bus") return { kind: "bus" };
  if (name === "script") {
    return { kind: "record", fields: new Map([["name", { kind: "text", text: front.scriptName }]]) };
  }
  if (METHODS.has(name)) return { kind: "method", receiver: { kind: "context" }, name };
  return refuseContext(front, node, name);
}

const METHODS: ReadonlySet<string> = new Set(["random", "randomInteger", "counter", "map"]);

const ELSEWHERE: Readonly<Record<string, string>> = {
  log: 'post to the bus (context.bus.post), or count (context.counter("name").add())',
  send: "hand the packet over to user space: return handOver(packet, context, answer)",
  defer: "keep what is to be done later in a map, and look there when a packet comes",
};

function refuseContext(front: Front, node: TypeScript.Node, name: string): never {
  return front.refuse(node, {
    code: "kernel-context",
    why: `context.${name} is there in user space only`,
    instead: ELSEWHERE[name] ?? "run the script in user space",
  });
}

/** `context.name(…)`. */
export function contextCall(
  front: Front,
  node: TypeScript.Node,
  name: string,
  parameters: readonly Lowered[],
): Lowered {
  switch (name) {
    case "random":
      return random(front, node);
    case "randomInteger":
      return randomInteger(front, node, parameters[0] ?? { kind: "undefined" });
    case "counter": {
      const place = argumentNode(front, node, 0);
      return front.each(parameters[0] ?? { kind: "undefined" }, (one) => ({
        kind: "counter",
        name: counterName(front, place, one),
      }));
    }
    case "map":
      return openMap(front, node, parameters);
    default:
      return refuseContext(front, node, name);
  }
}

/** Longer names count together with others in user space: nobody means that. */
function counterName(front: Front, place: TypeScript.Node, given: Lowered): string {
  const name = constantText(front, place, given, "the name of a counter");
  const bytes = encodeUtf8(name).length;
  if (name !== "" && bytes <= NAME_BYTES_MAX) return name;
  return front.refuse(place, {
    code: "kernel-context",
    why: `a counter's name has 1 to ${NAME_BYTES_MAX} bytes, and this one has ${bytes}`,
    instead: "give it another name",
  });
}

const RANDOM_LIMIT = 2 ** 32;

function randomWord(front: Front): Lowered & { kind: "integer" } {
  const value = front.builder.value("integer");
  front.emit.append({ op: "ask", result: value, what: "random" });
  return { kind: "integer", value, isBig: false };
}

function random(front: Front, node: TypeScript.Node): Lowered {
  const divisor = front.constant(RANDOM_LIMIT);
  return { kind: "quotient", dividend: randomWord(front).value, divisor, isRandom: true, node };
}

/** The upper half of chance times the limit: all numbers below it, as evenly as 32 bits can be shared out. */
function randomInteger(front: Front, node: TypeScript.Node, limit: Lowered): Lowered {
  const place = argumentNode(front, node, 0);
  const below = integerOf(front, place, limit);
  const known = constantIn(front, limit)?.value as number | undefined;
  if (known !== undefined && (known < 1 || known > RANDOM_LIMIT)) {
    return front.refuse(place, {
      code: "kernel-limit",
      why: `context.randomInteger takes 1 to 2^32, and this is ${known}`,
      instead: "give a limit from 1 to 2^32",
    });
  }
  if (known === undefined) {
    const isGood = front.emit.both(
      front.compare("greaterOrEqual", below, 1),
      front.compare("lessOrEqual", below, RANDOM_LIMIT),
    );
    front.choose(
      isGood,
      () => ({ kind: "undefined" }),
      () => front.fault("randomInteger() with a limit that is not 1 to 2^32"),
    );
  }
  const product = front.binary("multiply", randomWord(front).value, below, "wrap");
  const upper = front.binary("shiftRight", product, 32, "wrap");
  const value = front.emit.assume(upper, 0, (known ?? RANDOM_LIMIT) - 1);
  return { kind: "integer", value, isBig: false };
}

/** Counters have one method. */
export function counterMethod(front: Front, node: TypeScript.Node, name: string): "add" {
  if (name === "add") return name;
  return front.refuse(node, {
    code: "kernel-context",
    why: "counters are added to in the kernel and read from outside",
    instead: "keep a number that the script reads in a map",
  });
}

/** `counter.add(count)`. */
export function counterCall(
  front: Front,
  node: TypeScript.Node,
  counter: Lowered & { kind: "counter" },
  name: string,
  parameters: readonly Lowered[],
): Lowered {
  counterMethod(front, node, name);
  const [count] = parameters;
  const value =
    count === undefined || count.kind === "undefined"
      ? front.constant(1)
      : integerOf(front, argumentNode(front, node, 0), count);
  front.emit.append({ op: "count", counter: `counter ${counter.name}`, value });
  return { kind: "undefined" };
}

/** `bus.name(…)`. */
export function busCall(
  front: Front,
  node: TypeScript.Node,
  name: string,
  parameters: readonly Lowered[],
): Lowered {
  if (name === "post") return post(front, node, parameters);
  return front.refuse(node, {
    code: "kernel-context",
    why: "the kernel cannot wait for an answer",
    instead:
      "post to the bus (context.bus.post), or hand the packet over: return handOver(packet, context, ask)",
  });
}
