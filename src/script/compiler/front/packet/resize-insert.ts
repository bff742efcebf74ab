/**
 * What `splice` puts in: constant bytes, a typed array, or bytes of the packet.
 * @module
 */
import type TypeScript from "typescript";
import type { AccessBytes, Value } from "../../ir/ir.ts";
import type { Lowered } from "../lowered.ts";
import type { Lowering } from "../lowering.ts";
import { OFFSET_MAX } from "./aim.ts";
import { lengthOf } from "./bytes.ts";
import { assume, load, store } from "./code.ts";

const NOTHING: Lowered = { kind: "undefined" };
/** Bytes that one `splice` puts in. */
const INSERT_BYTES_MAX = 256;

type LoweredBytes = Extract<Lowered, { readonly kind: "bytes" }>;

/** What is to be put in. */
export type Insert =
  | { readonly kind: "constant"; readonly count: number; readonly bytes: Uint8Array }
  | { readonly kind: "memory"; readonly count: number; readonly memory: Value }
  | { readonly kind: "packet"; readonly count: number; readonly bytes: LoweredBytes };

/** The same, once the packet may change: bytes of it have been copied. */
export type ReadyInsert = Exclude<Insert, { readonly kind: "packet" }>;

/** What a script gives; refused when it has no constant length. */
export function insertOf(lowering: Lowering, node: TypeScript.Node, given: Lowered): Insert {
  const insert = readInsert(lowering, given);
  if (insert !== undefined && insert.count <= INSERT_BYTES_MAX) return insert;
  return lowering.refuse(node, {
    code: "kernel-resize",
    why:
      insert === undefined
        ? "what is put in has to be bytes of a constant number"
        : `${insert.count} bytes are more than the ${INSERT_BYTES_MAX} that the kernel's stack has room for`,
    instead:
      "give it a constant (new Uint8Array([1, 2])), an array of the function (new Uint8Array(4)), or bytes of the packet: view.copy(0, 20)",
  });
}

function readInsert(lowering: Lowering, given: Lowered): Insert | undefined {
  switch (given.kind) {
    case "undefined":
      return { kind: "constant", count: 0, bytes: new Uint8Array(0) };
    case "list": {
      const numbers = given.elements.map((one) =>
        one.kind === "integer" ? lowering.known(one.value) : undefined,
      );
      if (numbers.includes(undefined)) return undefined;
      return { kind: "constant", count: numbers.length, bytes: Uint8Array.from(numbers.map(Number)) };
    }
    case "array":
      return given.bytes === 1 ? { kind: "memory", count: given.count, memory: given.memory } : undefined;
    case "bytes": {
      const count = lowering.known(given.length);
      return count === undefined ? undefined : { kind: "packet", count: Number(count), bytes: given };
    }
    default:
      return undefined;
  }
}

/** Copies what is in the packet, before anything moves. */
export function prepare(lowering: Lowering, insert: Insert): ReadyInsert {
  if (insert.kind !== "packet") return insert;
  const { count, bytes } = insert;
  const memory = lowering.memory(8 * Math.ceil(count / 8));
  const fail = (): never => lowering.fault("splice: fewer bytes of the packet than were to be put in");
  const { builder, place } = lowering;
  const copy = (pointer: Value): Lowered => {
    for (const [at, wide] of pieces(count)) {
      const value = load(lowering, pointer, at, wide, "native");
      builder.append({ op: "store", place, to: memory, at, bytes: wide, order: "native", value });
    }
    return NOTHING;
  };
  lowering.either(lowering.compare("less", lengthOf(lowering, bytes), count), fail, () => {
    const start = assume(lowering, bytes.start, 0, OFFSET_MAX);
    return count === 0 ? NOTHING : (lowering.open(start, count, "payload", copy, fail) ?? NOTHING);
  });
  return { kind: "memory", count, memory };
}

/** Pieces in which bytes are read and written. */
function pieces(count: number): (readonly [at: number, bytes: AccessBytes])[] {
  const found: [number, AccessBytes][] = [];
  for (let at = 0; at < count; ) {
    const left = count - at;
    const bytes: AccessBytes = left >= 8 ? 8 : left >= 4 ? 4 : left >= 2 ? 2 : 1;
    found.push([at, bytes]);
    at += bytes;
  }
  return found;
}

/** Writes it to where there is room for it now. */
export function writeInsert(lowering: Lowering, place: Value, insert: ReadyInsert): void {
  const { count } = insert;
  if (count === 0) return;
  lowering.open(
    place,
    count,
    "header",
    (pointer) => {
      for (const [at, bytes] of pieces(count)) {
        const value =
          insert.kind === "memory"
            ? load(lowering, insert.memory, at, bytes, "native")
            : lowering.constant(wordOf(insert.bytes, at, bytes));
        store(lowering, pointer, at, bytes, value, "native");
      }
      return NOTHING;
    },
    () => lowering.fault("splice: bytes that cannot be reached"),
  );
}

/** Bytes as the machine has them. */
function wordOf(from: Uint8Array, at: number, count: number): bigint {
  let word = 0n;
  for (let index = count - 1; index >= 0; index--) word = (word << 8n) | BigInt(from[at + index] ?? 0);
  return word;
}

/** The sum of its words in the machine's order, below 2^24. */
export function insertSum(lowering: Lowering, insert: ReadyInsert): Value {
  if (insert.kind === "constant") {
    let sum = 0;
    for (let at = 0; at < insert.count; at += 2) sum += Number(wordOf(insert.bytes, at, 2));
    return lowering.constant(sum);
  }
  let sum = lowering.constant(0);
  for (let at = 0; at < insert.count; at += 2) {
    const bytes = at + 2 <= insert.count ? 2 : 1;
    sum = lowering.binary("add", sum, load(lowering, insert.memory, at, bytes, "native"), "wrap");
  }
  return lowering.binary("and", sum, 0xff_ffff, "wrap");
}
