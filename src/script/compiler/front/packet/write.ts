/**
 * Writing to headers and to what they carry: direct stores, with the checksums around following as `View` has them
 * follow.
 * @module
 */
import type TypeScript from "typescript";
import type { Value } from "../../ir/ir.ts";
import type { Lowered, LoweredView } from "../lowered.ts";
import type { Lowering } from "../lowering.ts";
import { type Room, writeBits, writeWhole } from "./bits.ts";
import { roomOf } from "./builtins.ts";
import { reach } from "./bytes.ts";
import {
  differenceOf,
  patchAt,
  turned,
  type Words,
  wordDifference,
  wordsAround,
} from "./checksum-difference.ts";
import { hasOwnDestination, pseudoChecksumOf, tellTransport } from "./checksum-transport.ts";
import { both, load } from "./code.ts";
import { findUpper } from "./extensions.ts";
import type { FieldModel, ProtocolModel } from "./protocol-model.ts";
import { forgetUpper } from "./upper.ts";
import { type Written, wholeNumber, writtenTo } from "./value.ts";

const NOTHING: Lowered = { kind: "undefined" };

/** `header.field = value`. */
export function assignField(
  lowering: Lowering,
  node: TypeScript.Node,
  view: LoweredView,
  field: FieldModel,
  value: Lowered,
): void {
  const model = view.protocol;
  if (model === undefined) return;
  lowering.writes(node);
  refuseHeader(lowering, node, view, model);
  refuseField(lowering, node, model, field);
  const written = writtenTo(lowering, node, field, value);
  const [byte, length] = bytesOf(field);
  const room = roomOf(view);
  const change = (): void => writeField(lowering, room, field, written);
  const span = { room, byte, length, oddness: undefined, written: constantIn(lowering, field, written) };
  const isProtocol = model.name === "ipv4" && field.name === "protocol";
  const before = isProtocol ? wordsAround(lowering, room, byte, length) : undefined;
  writeAround(lowering, view, span, change);
  if (before !== undefined) tellProtocol(lowering, view, before, room);
  if (model.name === "ipv6" && field.name === "nextHeader") tellNextHeader(lowering, view);
}

/** As IPv4's protocol, where extensions are what they were; what was known of the packet may not be so any more. */
function tellNextHeader(lowering: Lowering, view: LoweredView): void {
  const before = view.note ?? lowering.constant(-1);
  const { header, note } = findUpper(lowering, view);
  const none = lowering.constant(0);
  lowering.either(
    lowering.compare("unequal", header, view.header),
    () => lowering.fault("nextHeader: other bytes would be headers"),
    () => NOTHING,
  );
  const isKnown = [
    lowering.compare("greaterOrEqual", before, 0),
    lowering.compare("greaterOrEqual", note, 0),
  ].reduce((one, other) => both(lowering, one, other));
  const [old, now] = [before, note].map((one) => lowering.unary("swap16", lowering.binary("and", one, 0xff)));
  const place = pseudoChecksumOf(lowering, { ...view, note }, true);
  const difference = wordDifference(lowering, old as Value, now as Value);
  const at = lowering.select(isKnown, place.at, none);
  tellTransport(lowering, { ...place, at }, lowering.select(isKnown, difference, none), "pseudoDifference6");
  lowering.resized();
}

/** The pseudo header of what comes next has the protocol, without the time to live beside it. */
function tellProtocol(lowering: Lowering, view: LoweredView, { places, before }: Words, room: Room): void {
  forgetUpper(lowering);
  const alone = before.map((word) => lowering.binary("and", word, PROTOCOL_MASK));
  const now = lowering.binary(
    "and",
    load(lowering, room.pointer, places[0] ?? 0, 2, "native"),
    PROTOCOL_MASK,
  );
  tellPseudo(lowering, view, "ipv4", wordDifference(lowering, alone[0] as Value, now));
}

/** The second byte of a word in the machine's order. */
const PROTOCOL_MASK = 0xff00;

/** What is written, where it is constant and whole words. */
function constantIn(lowering: Lowering, { at, bits }: FieldModel, written: Written): bigint | undefined {
  if (written.kind === "wide" || at % 16 !== 0 || bits % 16 !== 0) return undefined;
  const known = lowering.known(written.value);
  return known === undefined ? undefined : BigInt.asUintN(bits, known);
}

/** The bytes that a field touches. */
function bytesOf({ at, bits }: FieldModel): readonly [byte: number, length: number] {
  const byte = at >> 3;
  return [byte, Math.ceil((at + bits) / 8) - byte];
}

function refuseHeader(
  lowering: Lowering,
  node: TypeScript.Node,
  { covering }: LoweredView,
  model: ProtocolModel,
): void {
  const isDeep = covering.kind === "deep" || (covering.kind === "some" && model.checksum !== undefined);
  const why =
    model.readOnly ??
    (isDeep ? `${model.name} lies inside of a header with a checksum, and has one itself` : undefined);
  if (why === undefined) return;
  lowering.refuse(node, {
    code: "kernel-write-header",
    why: `${why}, and the kernel's programs keep one checksum of a transport right`,
    instead: "change it in user space",
  });
}

function refuseField(
  lowering: Lowering,
  node: TypeScript.Node,
  model: ProtocolModel,
  field: FieldModel,
): void {
  const [byte, length] = bytesOf(field);
  const { checksum } = model;
  if (checksum?.covers === "all" && byte < checksum.at + 2 && byte + length > checksum.at) {
    lowering.refuse(node, {
      code: "kernel-write-checksum",
      why: "whether the checksum of a transport is complete yet only the kernel knows",
      instead: "leave it out: checksums follow what is written",
    });
  }
  const isShape =
    model.shaping.has(field.name) ||
    [...model.shaping].some((name) => overlaps(model.fields.get(name), field));
  if (!isShape && field.as !== "bytes") return;
  lowering.refuse(node, {
    code: "kernel-write-field",
    why: isShape
      ? `${field.name} decides where headers begin and end, or what they are`
      : `${field.name} is a run of bytes`,
    instead: isShape ? "change it in user space" : "write numbers: view.setUint8(at, value)",
  });
}

function overlaps(one: FieldModel | undefined, other: FieldModel): boolean {
  return one !== undefined && one.at < other.at + other.bits && other.at < one.at + one.bits;
}

function writeField(lowering: Lowering, room: Room, field: FieldModel, written: Written): void {
  const [byte, length] = bytesOf(field);
  if (written.kind === "wide") {
    writeWhole(lowering, room, byte, length - 8, written.high);
    writeWhole(lowering, room, byte + length - 8, 8, written.low);
  } else if (field.at % 8 === 0 && field.bits % 8 === 0) {
    writeWhole(lowering, room, byte, length, written.value);
  } else {
    writeBits(lowering, room, field, written.value);
  }
}

/** Bytes of a view that are about to be written to. */
export interface Span {
  readonly room: Room;
  /** In the room. */
  readonly byte: number;
  readonly length: number;
  /** 1 where the room begins at an odd place of the view; `undefined` where it begins with the view. */
  readonly oddness: Value | undefined;
  /** What will stand there, as one number in network order: where it is constant, and whole words of 16 bits. */
  readonly written?: bigint | undefined;
}

/** Does a change, and brings it to the checksums. */
export function writeAround(lowering: Lowering, view: LoweredView, span: Span, change: () => void): void {
  const { room, byte, length } = span;
  const model = view.protocol;
  const isCounted =
    model?.checksum !== undefined ||
    view.covering.kind === "some" ||
    pseudoPart(model, byte, length) !== "none";
  const words = isCounted ? wordsAround(lowering, room, byte, length) : undefined;
  change();
  if (words !== undefined) tell(lowering, view, span, words);
}

/** Which of its addresses an IP header's bytes belong to. */
function pseudoPart(
  model: ProtocolModel | undefined,
  byte: number,
  length: number,
): "none" | "source" | "destination" | "ipv4" {
  const within = (from: number, to: number): boolean => byte < to && byte + length > from;
  if (model?.name === "ipv4") return within(12, 20) ? "ipv4" : "none";
  if (model?.name !== "ipv6") return "none";
  return within(8, 24) ? "source" : within(24, 40) ? "destination" : "none";
}

function tell(
  lowering: Lowering,
  view: LoweredView,
  { room, byte, length, oddness, written }: Span,
  words: Words,
): void {
  const model = view.protocol;
  const difference = differenceOf(lowering, room, words, written);
  const checksum = oddness === undefined ? model?.checksum : undefined;
  const isChecksum = checksum !== undefined && byte < checksum.at + 2 && byte + length > checksum.at;
  if (checksum?.covers === "header" && !isChecksum) {
    patchAt(lowering, room.pointer, checksum.at, difference, lowering.constant(checksum.zeroIsNone ? 1 : 0));
  }
  const part = pseudoPart(model, byte, length);
  if (part !== "none") tellPseudo(lowering, view, part, difference);
  if (checksum?.covers === "all") {
    const at = lowering.binary("add", view.start, checksum.at);
    const isZeroNone = lowering.constant(checksum.zeroIsNone ? 1 : 0);
    tellTransport(lowering, { at, isZeroNone, mayBeNone: false }, difference, "otherDifference");
  }
  const { covering } = view;
  if (covering.kind !== "some") return;
  const place = { at: covering.checksumAt, isZeroNone: covering.isZeroNone, mayBeNone: true };
  const odd = oddness === undefined ? covering.oddness : lowering.binary("xor", covering.oddness, oddness);
  tellTransport(lowering, place, turned(lowering, difference, odd), "otherDifference");
}

function tellPseudo(
  lowering: Lowering,
  view: LoweredView,
  part: "source" | "destination" | "ipv4",
  difference: Value,
): void {
  // The loop comes first: what is known before it would be followed through all its rounds.
  const isOwn = part === "destination" ? hasOwnDestination(lowering, view) : undefined;
  const place = pseudoChecksumOf(lowering, view, part !== "ipv4");
  const at = isOwn === undefined ? place.at : lowering.select(isOwn, place.at, lowering.constant(0));
  tellTransport(
    lowering,
    { ...place, at },
    difference,
    part === "ipv4" ? "pseudoDifference" : "pseudoDifference6",
  );
}

/** `packet.mark = value`. */
export function assignMark(lowering: Lowering, node: TypeScript.Node, value: Lowered): void {
  lowering.marks(node);
  const { builder, place } = lowering;
  const mark = lowering.unary("unsigned32", wholeNumber(lowering, node, value, "a mark"));
  builder.append({ op: "setMark", place, value: mark });
}

/** `view.setUint16(at, value)`: whether it lies inside of the view. */
export function writeNumber(
  lowering: Lowering,
  node: TypeScript.Node,
  view: LoweredView,
  bytes: 1 | 2 | 4,
  given: readonly Lowered[],
): Lowered {
  lowering.writes(node);
  const at = wholeNumber(lowering, node, given[0] ?? NOTHING, "the offset");
  const value = wholeNumber(lowering, node, given[1] ?? NOTHING, "the value");
  refuseBytes(lowering, node, view, lowering.known(at), bytes);
  const oddness = lowering.binary("and", at, 1);
  const change = (pointer: Value): Lowered => {
    const room: Room = { pointer, bytes };
    const write = (): void => writeWhole(lowering, room, 0, bytes, value);
    writeAround(lowering, view, { room, byte: 0, length: bytes, oddness }, write);
    return { kind: "boolean", value: lowering.constant(true) };
  };
  const no: Lowered = { kind: "boolean", value: lowering.constant(false) };
  return reach(lowering, view, { at, bytes, access: "header" }, change, no);
}

/** Bytes that decide where headers are must stay, as user space has looked at them already. */
function refuseBytes(
  lowering: Lowering,
  node: TypeScript.Node,
  { protocol, covering }: LoweredView,
  at: bigint | undefined,
  bytes: number,
): void {
  const fields = [...(protocol?.shaping ?? [])].map((name) => protocol?.fields.get(name));
  const isShape = fields.some(
    (field) =>
      field !== undefined &&
      (at === undefined || (Number(at) * 8 < field.at + field.bits && field.at < (Number(at) + bytes) * 8)),
  );
  const isHeader = protocol !== undefined && (protocol.checksum !== undefined || protocol.name === "ipv6");
  const isOpen = protocol === undefined && covering.kind === "none";
  if (!isShape && !isHeader && !isOpen && covering.kind !== "deep" && protocol?.readOnly === undefined)
    return;
  lowering.refuse(node, {
    code: "kernel-write-bytes",
    why: isHeader
      ? `these are bytes of ${protocol.name}, whose checksums depend on which they are`
      : "these bytes may decide where headers begin and end, or belong to several checksums",
    instead: isHeader
      ? "assign to its fields, or write to what it carries: header.payload().setUint8(at, value)"
      : "write to the payload of a transport, or do it in user space",
  });
}
