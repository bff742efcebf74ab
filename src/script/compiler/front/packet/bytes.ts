/**
 * Numbers and runs of bytes at offsets that a script names: `view.uint16(at)`, `view.bytes(at, length)`.
 * @module
 */
import type TypeScript from "typescript";
import type { AccessBytes, Value } from "../../ir/ir.ts";
import type { Lowered, LoweredView } from "../lowered.ts";
import type { Lowering } from "../lowering.ts";
import { OFFSET_MAX } from "./aim.ts";
import { isWaiting } from "./checksum-transport.ts";
import { assume, both, load } from "./code.ts";
import { observe } from "./shape.ts";

const NOTHING: Lowered = { kind: "undefined" };

type LoweredBytes = Extract<Lowered, { readonly kind: "bytes" }>;

/** Bytes that one check can ask for. */
const OPEN_BYTES_MAX = 256;

/** The number at an offset, in network order; `undefined` outside of the view. */
export function numberAt(
  lowering: Lowering,
  node: TypeScript.Node,
  view: LoweredView,
  at: Value,
  bytes: 1 | 2 | 4,
): Lowered {
  const known = lowering.known(at);
  const within = known === undefined ? undefined : Number(known);
  observe(view, within === undefined ? undefined : within * 8, bytes * 8);
  refuseChecksum(lowering, node, view, within, bytes);
  if (
    view.pointer !== undefined &&
    within !== undefined &&
    within >= 0 &&
    within + bytes <= view.checkedBytes
  ) {
    return integer(load(lowering, view.pointer, within, bytes));
  }
  return reach(lowering, view, { at, bytes, access: "payload" }, (pointer) =>
    integer(load(lowering, pointer, 0, bytes)),
  );
}

function integer(value: Value): Lowered {
  return { kind: "integer", value, isBig: false };
}

/** Bytes at an offset of a view. */
export interface Reach {
  readonly at: Value;
  readonly bytes: number;
  readonly access: "header" | "payload";
}

/** Does something with bytes at an offset of a view; `absent` where they do not lie inside. */
export function reach(
  lowering: Lowering,
  view: LoweredView,
  { at, bytes, access }: Reach,
  there: (pointer: Value) => Lowered,
  absent: Lowered = NOTHING,
): Lowered {
  // An offset is any number, also one whose sum with the start is none: what is that far away is outside.
  const offset = lowering.binary("add", view.start, at, "wrap");
  const isAfter = lowering.compare("greaterOrEqual", at, 0);
  const isNear = lowering.compare("lessOrEqual", offset, OFFSET_MAX);
  let isInside = both(lowering, isAfter, isNear);
  if (view.end !== lowering.packetEnd) {
    const end = lowering.binary("add", offset, bytes, "wrap");
    isInside = both(lowering, isInside, lowering.compare("lessOrEqual", end, view.end));
  }
  const open = (): Lowered => {
    const near = assume(lowering, offset, 0, OFFSET_MAX);
    return lowering.open(near, bytes, access, there, () => absent) ?? NOTHING;
  };
  return lowering.either(isInside, open, () => absent) ?? NOTHING;
}

/** A checksum that has not been told of changes yet must not be seen. */
export function refuseChecksum(
  lowering: Lowering,
  node: TypeScript.Node,
  { protocol, covering, checkedBytes }: LoweredView,
  at: number | undefined,
  bytes: number,
): void {
  if (lowering.target.attach === "xdp" || !isWaiting(lowering)) return;
  const checksum = protocol?.checksum;
  if (checksum?.covers === "all") {
    if (at !== undefined && (at >= checksum.at + 2 || at + bytes <= checksum.at)) return;
  } else if (covering.kind !== "none" || (at !== undefined && at >= 0 && at + bytes <= checkedBytes)) return;
  lowering.refuse(node, {
    code: "kernel-read-checksum",
    why: "this may read the checksum of a transport, which is brought up to date when the function returns",
    instead: "read it before anything is written",
  });
}

/** `view.bytes(at, length)`; `length` is what was asked for, and there may be fewer. */
export function bytesOf(
  lowering: Lowering,
  node: TypeScript.Node,
  view: LoweredView,
  at: Value,
  length: Value | undefined,
): Lowered {
  const [known, asked] = [lowering.known(at), length && lowering.known(length)];
  const within = known === undefined ? undefined : Number(known);
  refuseChecksum(lowering, node, view, within, asked === undefined ? OFFSET_MAX : Number(asked));
  const whole = lowering.binary("subtract", view.end, view.start);
  const none = lowering.constant(0);
  const least = known !== undefined && known >= 0n ? at : lowering.binary("maximum", at, none);
  const isThere = known !== undefined && Number(known) <= view.checkedBytes;
  const first = isThere ? least : lowering.binary("minimum", least, whole);
  const start = lowering.binary("add", view.start, first);
  const rest = lowering.binary("subtract", whole, first);
  if (length === undefined) return { kind: "bytes", start, length: rest, view };
  const wanted =
    asked === undefined ? lowering.binary("minimum", lowering.binary("maximum", length, none), rest) : length;
  return { kind: "bytes", start, length: asked !== undefined && asked < 0n ? none : wanted, view };
}

/** How many bytes there are: fewer than were asked for where the view ends. */
export function lengthOf(lowering: Lowering, { start, length, view }: LoweredBytes): Value {
  const rest = lowering.binary("subtract", view.end, start);
  return lowering.binary("minimum", length, rest);
}

/** `bytes[index]`. */
export function byteAt(lowering: Lowering, bytes: LoweredBytes, index: Value): Lowered {
  const { start, view } = bytes;
  const end = lowering.binary("add", start, lengthOf(lowering, bytes));
  const part: LoweredView = { ...view, pointer: undefined, checkedBytes: 0, start, end };
  return reach(lowering, part, { at: index, bytes: 1, access: "payload" }, (pointer) =>
    integer(load(lowering, pointer, 0, 1)),
  );
}

/** Where bytes are copied to. */
export interface CopyTarget {
  readonly memory: Value;
  readonly at: number;
  readonly length: number;
}

/** Copies bytes to the stack, with zeros behind where there are fewer; how many there are. */
export function copyBytes(lowering: Lowering, bytes: LoweredBytes, target: CopyTarget): Value {
  const { length } = target;
  const there = lowering.binary("minimum", lengthOf(lowering, bytes), lowering.constant(length));
  const copied = lowering.either(
    lowering.compare("equal", there, length),
    () => copyWhole(lowering, bytes, target, 0),
    () => {
      copyPart(lowering, bytes, there, target);
      return integer(there);
    },
  );
  return copied?.kind === "integer" ? copied.value : there;
}

/** Piece by piece, as many at once as can be asked for. */
function copyWhole(lowering: Lowering, bytes: LoweredBytes, target: CopyTarget, done: number): Lowered {
  const piece = Math.min(OPEN_BYTES_MAX, target.length - done);
  const all = integer(lowering.constant(target.length));
  if (piece <= 0) return all;
  const offset = assume(lowering, lowering.binary("add", bytes.start, done), 0, OFFSET_MAX);
  const copied = lowering.open(
    offset,
    piece,
    "payload",
    (pointer) => {
      copyPiece(lowering, pointer, target, done, piece);
      return copyWhole(lowering, bytes, target, done + piece);
    },
    () => lowering.fault("bytes of the packet that cannot be reached"),
  );
  return copied ?? all;
}

function copyPiece(
  lowering: Lowering,
  pointer: Value,
  target: CopyTarget,
  done: number,
  piece: number,
): void {
  const { builder, place } = lowering;
  for (let at = 0; at < piece; ) {
    const left = piece - at;
    const take: AccessBytes = left >= 8 ? 8 : left >= 4 ? 4 : left >= 2 ? 2 : 1;
    const value = load(lowering, pointer, at, take, "native");
    const to = target.at + done + at;
    builder.append({ op: "store", place, to: target.memory, at: to, bytes: take, order: "native", value });
    at += take;
  }
}

/** Byte by byte, as only some of them are there. */
function copyPart(lowering: Lowering, bytes: LoweredBytes, there: Value, target: CopyTarget): void {
  const { builder, place } = lowering;
  const { memory, at, length } = target;
  const head = builder.block("integer");
  const [body, inside, next, done] = [
    builder.block(),
    builder.block(),
    builder.block("integer"),
    builder.block(),
  ];
  builder.jump(place, head, lowering.constant(0));
  builder.begin(head);
  const index = assume(lowering, head.parameters[0] as Value, 0, length);
  const isIn = lowering.compare("less", index, length);
  builder.branch(place, isIn, { to: body, with: [] }, { to: done, with: [] });
  builder.begin(body);
  const zero = lowering.constant(0);
  const isThere = lowering.compare("less", index, there);
  builder.branch(place, isThere, { to: inside, with: [] }, { to: next, with: [zero] });
  builder.begin(inside);
  const found = builder.block("pointer");
  const offset = assume(lowering, lowering.binary("add", bytes.start, index), 0, OFFSET_MAX);
  const [way, absent] = [
    { to: found, with: [] },
    { to: next, with: [zero] },
  ];
  builder.end({ op: "open", place, offset, bytes: 1, access: "payload", there: way, absent });
  builder.begin(found);
  builder.jump(place, next, load(lowering, found.parameters[0] as Value, 0, 1));
  builder.begin(next);
  const value = next.parameters[0] as Value;
  const element = lowering.binary("add", index, at);
  builder.append({
    ...{ op: "storeElement", place, to: memory, index: element, count: at + length },
    ...{ bytes: 1, value },
  });
  builder.jump(place, head, lowering.binary("add", index, 1));
  builder.begin(done);
}
