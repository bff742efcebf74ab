/**
 * TCP's options, walked as `#packet/options.ts` does: a loop of at most as many steps as a header has bytes of them.
 * @module
 */

import type TypeScript from "typescript";
import type { AccessBytes, Block, Edge, Value } from "../../ir/ir.ts";
import type { Lowered, LoweredView } from "../lowered.ts";
import type { Lowering } from "../lowering.ts";
import { type Room, writeWhole } from "./bits.ts";
import { differenceOf, turned, wordsAround } from "./checksum-difference.ts";
import { tellTransport } from "./checksum-transport.ts";
import { assume, load } from "./code.ts";
import { wholeNumber } from "./value.ts";

const OPTIONS_AT = 20;
/** Fifteen words, less the fixed part. */
const OPTION_BYTES_MAX = 40;
const END = 0;
const FILL = 1;

/** An option, and what is read of it. */
export interface OptionWanted {
  readonly kind: number;
  /** Bytes of data that it has at least. */
  readonly dataBytes: number;
  /** Where the number is, from the option's kind on; behind kind and length when absent. */
  readonly at?: number;
  /** Bytes of the number; all data when absent. */
  readonly bytes?: AccessBytes;
}

/** The first option of a kind: its offset in the header, -1 without one, and what `reading` reads of it. */
function findOption(
  lowering: Lowering,
  view: LoweredView,
  { kind, dataBytes }: OptionWanted,
  reading: (pointer: Value) => Value,
): { readonly at: Value; readonly value: Value } {
  const { builder, place } = lowering;
  const head = builder.block("integer", "integer");
  const done = builder.block("integer", "integer");
  const absent = builder.block();
  const toAbsent: Edge = { to: absent, with: [] };
  const goOn = (condition: Value): void => {
    const next = builder.block();
    builder.branch(place, condition, { to: next, with: [] }, toAbsent);
    builder.begin(next);
  };
  const open = (offset: Value, bytes: number): Value => {
    const there = builder.block("pointer");
    const way: Edge = { to: there, with: [] };
    builder.end({ op: "open", place, offset, bytes, access: "header", there: way, absent: toAbsent });
    builder.begin(there);
    return there.parameters[0] as Value;
  };
  const fork = (condition: Value): Block => {
    const [ifTrue, ifFalse] = [builder.block(), builder.block()];
    builder.branch(place, condition, { to: ifTrue, with: [] }, { to: ifFalse, with: [] });
    builder.begin(ifTrue);
    return ifFalse;
  };
  builder.jump(place, head, lowering.constant(OPTIONS_AT), lowering.constant(0));
  builder.begin(head);
  const [atIn, countIn] = head.parameters as [Value, Value];
  // The verifier follows each way with the place that it knows on it: forgotten, ways that meet are one.
  const at = assume(lowering, lowering.unary("veiled16", atIn), OPTIONS_AT, 20 + OPTION_BYTES_MAX);
  const count = assume(lowering, countIn, 0, OPTION_BYTES_MAX);
  const step = lowering.binary("add", count, 1);
  goOn(lowering.compare("less", at, view.header));
  goOn(lowering.compare("less", count, OPTION_BYTES_MAX));
  // Where the kind is the packet's last byte there is no length: the walk ends as well.
  const offset = lowering.binary("add", view.start, at);
  const pointer = open(offset, 2);
  const found = load(lowering, pointer, 0, 1);
  const other = fork(lowering.compare("equal", found, FILL));
  builder.jump(place, head, lowering.binary("add", at, 1), step);
  builder.begin(other);
  goOn(lowering.compare("unequal", found, END));
  goOn(lowering.compare("less", lowering.binary("add", at, 1), view.header));
  const bytes = load(lowering, pointer, 1, 1);
  const next = lowering.binary("add", at, bytes);
  goOn(lowering.compare("greaterOrEqual", bytes, 2));
  goOn(lowering.compare("lessOrEqual", next, view.header));
  const further = fork(lowering.compare("equal", found, kind));
  goOn(lowering.compare("greaterOrEqual", bytes, dataBytes + 2));
  builder.jump(
    place,
    done,
    lowering.binary("add", at, 1),
    reading(dataBytes === 0 ? pointer : open(offset, dataBytes + 2)),
  );
  builder.begin(further);
  builder.jump(place, head, next, step);
  builder.begin(absent);
  builder.jump(place, done, lowering.constant(0), lowering.constant(0));
  builder.begin(done);
  const [where, value] = done.parameters as [Value, Value];
  // Places are 1 more here, so that none is 0.
  const found16 = lowering.unary("veiled16", where);
  const place16 = assume(lowering, found16, 0, OPTIONS_AT + OPTION_BYTES_MAX + 1);
  return { at: lowering.binary("subtract", place16, 1), value };
}

/** A number in the first option of a kind. */
export function optionNumber(lowering: Lowering, view: LoweredView, wanted: OptionWanted): Lowered {
  const bytes = wanted.bytes ?? (wanted.dataBytes as AccessBytes);
  const { at, value } = findOption(lowering, view, wanted, (pointer) =>
    load(lowering, pointer, wanted.at ?? 2, bytes),
  );
  const isThere = lowering.compare("greaterOrEqual", at, 0);
  const number = assume(lowering, value, 0, 2 ** (bytes * 8) - 1);
  return { kind: "optional", isThere, inner: { kind: "integer", value: number, isBig: false } };
}

/** Whether there is an option of a kind. */
export function optionThere(lowering: Lowering, view: LoweredView, kind: number): Value {
  const { at } = findOption(lowering, view, { kind, dataBytes: 0 }, () => lowering.constant(0));
  return lowering.compare("greaterOrEqual", at, 0);
}

/** TCP's options that are numbers and can be written to where they stand. */
const WRITABLE: Readonly<Record<string, OptionWanted>> = {
  maximumSegmentSize: { kind: 2, dataBytes: 2 },
  windowScale: { kind: 3, dataBytes: 1 },
  timestamp: { kind: 8, dataBytes: 8, at: 2, bytes: 4 },
  timestampEcho: { kind: 8, dataBytes: 8, at: 6, bytes: 4 },
};

/** `tcp.maximumSegmentSize = value`; `false` where it is no option of TCP. */
export function assignOption(
  lowering: Lowering,
  node: TypeScript.Node,
  view: LoweredView,
  name: string,
  value: Lowered,
): boolean {
  const isOption = view.protocol?.name === "tcp" && Object.hasOwn(WRITABLE, name);
  const wanted = isOption ? WRITABLE[name] : undefined;
  if (wanted === undefined) return false;
  lowering.writes(node);
  if (value.kind === "undefined") {
    lowering.refuse(node, {
      code: "kernel-write-field",
      why: `${name} would have to be taken out of the header`,
      instead: "change it in user space",
    });
  }
  const number = wholeNumber(lowering, node, value, name);
  const { dataBytes } = wanted;
  const { at } = findOption(lowering, view, wanted, () => lowering.constant(0));
  const change = (pointer: Value): Lowered => {
    const isWhole = lowering.compare("equal", load(lowering, pointer, 1, 1), dataBytes + 2);
    const write = (): Lowered => writeOption(lowering, view, { pointer, at, wanted }, number);
    return lowering.either(isWhole, write, () => lowering.fault(LONGER)) ?? { kind: "undefined" };
  };
  lowering.either(
    lowering.compare("greaterOrEqual", at, 0),
    () => {
      const offset = lowering.binary("add", view.start, at);
      const absent = (): never => lowering.fault(LONGER);
      return lowering.open(offset, dataBytes + 2, "header", change, absent) ?? { kind: "undefined" };
    },
    () => lowering.fault(LONGER),
  );
  return true;
}

const LONGER = "an option of TCP that is not there: the header would have to grow";

function writeOption(
  lowering: Lowering,
  view: LoweredView,
  place: { readonly pointer: Value; readonly at: Value; readonly wanted: OptionWanted },
  number: Value,
): Lowered {
  const { pointer, at, wanted } = place;
  const room: Room = { pointer, bytes: wanted.dataBytes + 2 };
  const byte = wanted.at ?? 2;
  const length = wanted.bytes ?? wanted.dataBytes;
  const words = wordsAround(lowering, room, byte, length);
  writeWhole(lowering, room, byte, length, number);
  const difference = turned(lowering, differenceOf(lowering, room, words), lowering.binary("and", at, 1));
  const checksum = { at: lowering.binary("add", view.start, 16), isZeroNone: lowering.constant(0) };
  tellTransport(lowering, { ...checksum, mayBeNone: false }, difference, "otherDifference");
  return { kind: "undefined" };
}
