/**
 * Tables of constants that are asked with a key: a `Map` of the module, an object at a name that varies.
 * @module
 */
import type TypeScript from "typescript";
import type { Value } from "../../ir/ir.ts";
import type { Front } from "../front.ts";
import type { Lowered } from "../lowered.ts";
import type { LoweredRecord } from "../shapes.ts";
import { equality } from "./comparisons.ts";
import { constantIn, integer } from "./constants.ts";
import { element, listCall } from "./lists.ts";

type Entries = readonly (readonly [key: Lowered, value: Lowered])[];

const NONE: Lowered = { kind: "undefined" };

/** Entries that are looked for one after the other; more belong into a list or a map of the context. */
const ENTRY_COUNT_MAX = 256;

/** `new Map([[key, value], …])`; `undefined` when its entries are not known one by one. */
export function newTable(front: Front, parameters: readonly Lowered[]): Lowered | undefined {
  const [given] = parameters;
  if (given?.kind === "table") return given;
  if (given?.kind !== "list") return undefined;
  const entries = new Map<unknown, readonly [Lowered, Lowered]>();
  for (const one of given.elements) {
    const [key = NONE, value = NONE] = one.kind === "list" ? one.elements : [];
    const constant = constantIn(front, key);
    if (one.kind !== "list" || constant === undefined || typeof constant.value === "object") return undefined;
    // Of two with one key the last one counts, in the first one's place.
    entries.set(constant.value, [key, value]);
  }
  return { kind: "table", entries: [...entries.values()] };
}

/** `table.name(…)`. */
export function tableCall(
  front: Front,
  node: TypeScript.Node,
  entries: Entries,
  name: string,
  parameters: readonly Lowered[],
): Lowered {
  const [wanted = NONE] = parameters;
  switch (name) {
    case "get":
      return valueAt(front, node, entries, wanted);
    case "has":
      return listCall(
        front,
        node,
        entries.map(([key]) => key),
        "includes",
        [wanted],
      );
    case "keys":
      return { kind: "list", elements: entries.map(([key]) => key) };
    case "values":
      return { kind: "list", elements: entries.map(([, value]) => value) };
    case "entries":
      return entryList(entries);
    case "forEach": {
      const [callee = NONE] = parameters;
      for (const [key, value] of entries) front.call(callee, [value, key]);
      return NONE;
    }
    default:
      return front.refuse(node, {
        code: "kernel-method",
        why: `${name} of a Map is there in user space only: the kernel's are constants`,
        instead: 'use get and has, or a map of the context for what changes: context.map("name", …)',
      });
  }
}

/** What a loop over a table goes over. */
export function entryList(entries: Entries): Lowered & { readonly kind: "list" } {
  return { kind: "list", elements: entries.map((entry) => ({ kind: "list", elements: [...entry] })) };
}

/** What stands at a key, `undefined` where nothing does. */
function valueAt(front: Front, node: TypeScript.Node, entries: Entries, wanted: Lowered): Lowered {
  if (entries.length > ENTRY_COUNT_MAX) {
    return front.refuse(node, {
      code: "kernel-too-large",
      why: `this has ${entries.length} entries, and the kernel looks through ${ENTRY_COUNT_MAX} at most`,
      instead: 'keep them in a map of the context: context.map("name", { countMax: 1000 })',
    });
  }
  const values = entries.map(([, value]) => value);
  const areNumbers = values.every((one) => one.kind === "integer" && front.known(one.value) !== undefined);
  if (!areNumbers || entries.length <= 2) return search(front, node, entries, wanted, 0);
  const index = entries.reduceRight<Value>(
    (rest, [key], at) => front.select(equality(front, node, key, wanted), front.constant(at), rest),
    front.constant(-1),
  );
  const known = front.known(index);
  if (known !== undefined) return values[Number(known)] ?? NONE;
  return element(front, node, values, { kind: "integer", value: index, isBig: false });
}

function search(
  front: Front,
  node: TypeScript.Node,
  entries: Entries,
  wanted: Lowered,
  index: number,
): Lowered {
  const entry = entries[index];
  if (entry === undefined) return NONE;
  return front.choose(
    equality(front, node, entry[0], wanted),
    () => entry[1],
    () => search(front, node, entries, wanted, index + 1),
  );
}

/** `object[number]`: fields are found by the number's text. */
export function fieldAt(front: Front, node: TypeScript.Node, record: LoweredRecord, at: Lowered): Lowered {
  const entries = [...front.fieldsOf(record)].flatMap(([name, value]): [Lowered, Lowered][] => {
    const number = Number(name);
    const isNumber = Number.isSafeInteger(number) && String(number) === name;
    return isNumber ? [[integer(front, number), value]] : [];
  });
  return valueAt(front, node, entries, at);
}

/** Fields in the order in which JavaScript has them: numbers first, by their size. */
export function inOrder(fields: Iterable<[string, Lowered]>): [string, Lowered][] {
  const isIndex = (name: string): boolean => /^(0|[1-9]\d*)$/.test(name) && Number(name) < 2 ** 32 - 1;
  const all = [...fields];
  const indices = all.filter(([name]) => isIndex(name)).sort(([one], [other]) => Number(one) - Number(other));
  return [...indices, ...all.filter(([name]) => !isIndex(name))];
}
