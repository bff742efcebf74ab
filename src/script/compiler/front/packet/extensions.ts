/**
 * The chain of IPv6's extension headers, walked as `#packet/ipv6-extensions.ts` does: loops of at most 16 steps.
 * @module
 */
import { EXTENSION_COUNT_MAX } from "#packet/ipv6-extensions.ts";
import type { Block, Value } from "../../ir/ir.ts";
import type { LoweredView } from "../lowered.ts";
import type { Lowering } from "../lowering.ts";
import { assume, isAmong, load } from "./code.ts";

const BASE_BYTES = 40;
const DESTINATION_AT = 24;
const ROUTING = 43;
const FRAGMENT = 44;
const AUTHENTICATION = 51;
/**
 * Numbers of extension headers, as bits by the lowest 6 bits of a number, which differ: those below 64, and those from
 * 128 on (135, 139, 140).
 */
const EARLY = (1n << 0n) | (1n << 43n) | (1n << 44n) | (1n << 51n) | (1n << 60n);
const LATE = (1n << 7n) | (1n << 11n) | (1n << 12n);
/** An extension has up to 256 times 8 bytes. */
const EXTENSION_BYTES_MAX = 2048;
const CHAIN_BYTES_MAX = BASE_BYTES + EXTENSION_COUNT_MAX * EXTENSION_BYTES_MAX;

function baseOf({ pointer }: LoweredView): Value {
  if (pointer === undefined) throw new TypeError("Cannot walk the extensions: the header is not open");
  return pointer;
}

/**
 * Whether a number is among those of a table, as 1 or 0, by its lowest 6 bits. Like all that a step of the walk
 * computes it has no branches: the verifier follows each way through each of the steps.
 */
function bitOf(lowering: Lowering, table: bigint, number: Value): Value {
  const place = lowering.binary("and", number, 63);
  const shifted = lowering.binary("shiftRight", lowering.constant(table), place, "bigint");
  return lowering.binary("and", shifted, 1);
}

/** 1 for a fragment header, among numbers of extension headers. */
function fragmentBit(lowering: Lowering, number: Value): Value {
  return bitOf(lowering, 1n << BigInt(FRAGMENT), number);
}

/** Bytes of an extension header, of whose start there is a pointer. */
function extensionBytes(lowering: Lowering, number: Value, pointer: Value): Value {
  const isOther = lowering.binary("xor", fragmentBit(lowering, number), 1);
  const units = lowering.binary("multiply", load(lowering, pointer, 1, 1), isOther);
  const isAuthentication = bitOf(lowering, 1n << BigInt(AUTHENTICATION), number);
  const count = lowering.binary("add", lowering.binary("add", units, 1), isAuthentication);
  const bits = lowering.binary("subtract", lowering.constant(3), isAuthentication);
  return assume(lowering, lowering.binary("shiftLeft", count, bits), 8, EXTENSION_BYTES_MAX);
}

/** Leads on where a number is that of an extension header. */
function branchOnExtension(lowering: Lowering, number: Value, ifTrue: Block, ifFalse: () => void): void {
  const { builder, place } = lowering;
  const other = builder.block();
  const isNone = lowering.binary("xor", bitOf(lowering, EARLY | LATE, number), 1);
  const high = lowering.binary("shiftRight", number, 6);
  const isHigh = lowering.binary("shiftLeft", bitOf(lowering, LATE, number), 1);
  const strange = lowering.binary("or", isNone, lowering.binary("xor", high, isHigh));
  const isExtension = lowering.compare("equal", strange, 0);
  builder.branch(place, isExtension, { to: ifTrue, with: [] }, { to: other, with: [] });
  builder.begin(other);
  ifFalse();
}

/** Goes to the head of a walk with the fixed header's next header, and begins a round there. */
function beginWalk(
  lowering: Lowering,
  base: ReturnType<typeof baseOf>,
  head: Block,
): { readonly number: Value; readonly at: Value; readonly count: Value } {
  const { builder, place } = lowering;
  const first = load(lowering, base, 6, 1);
  builder.jump(place, head, first, lowering.constant(BASE_BYTES), lowering.constant(0));
  builder.begin(head);
  const [numberIn, atIn, countIn] = head.parameters as [Value, Value, Value];
  const number = assume(lowering, numberIn, 0, 255);
  const at = assume(lowering, lowering.unary("veiled16", atIn), BASE_BYTES, CHAIN_BYTES_MAX);
  const count = assume(lowering, countIn, 0, EXTENSION_COUNT_MAX);
  return { number, at, count };
}

/** Bytes of the header with its extensions, and the protocol behind them, -1 when it is not known. */
export function findUpper(
  lowering: Lowering,
  view: LoweredView,
): { readonly header: Value; readonly note: Value } {
  const { builder, place } = lowering;
  const base = baseOf(view);
  const head = builder.block("integer", "integer", "integer");
  const done = builder.block("integer", "integer");
  const { number, at, count } = beginWalk(lowering, base, head);
  const extension = builder.block();
  // After so many extensions nobody asks what comes next, not even whether it is one more.
  const [within, beyond] = [builder.block(), builder.block()];
  const isWithin = lowering.compare("less", count, EXTENSION_COUNT_MAX);
  builder.branch(place, isWithin, { to: within, with: [] }, { to: beyond, with: [] });
  builder.begin(within);
  branchOnExtension(lowering, number, extension, () => builder.jump(place, done, at, number));
  builder.begin(extension);
  const there = builder.block("pointer");
  const offset = lowering.binary("add", view.start, at);
  builder.end({
    ...{ op: "open", place, offset, bytes: 8, access: "header" },
    ...{ there: { to: there, with: [] }, absent: { to: beyond, with: [] } },
  });
  builder.begin(there);
  const pointer = there.parameters[0] as Value;
  const bytes = extensionBytes(lowering, number, pointer);
  const whole = builder.block();
  const end = lowering.binary("add", offset, bytes);
  const isWhole = lowering.compare("lessOrEqual", end, view.end);
  builder.branch(place, isWhole, { to: whole, with: [] }, { to: beyond, with: [] });
  builder.begin(whole);
  const next = lowering.binary("add", at, bytes);
  // Behind a fragment but the first there is no header.
  const later = lowering.binary("shiftRight", load(lowering, pointer, 2, 2), 3);
  const isEnd = lowering.compare(
    "unequal",
    lowering.binary("multiply", later, fragmentBit(lowering, number)),
    0,
  );
  const unknown = lowering.constant(-1);
  const upper = load(lowering, pointer, 0, 1);
  const step = lowering.binary("add", count, 1);
  builder.branch(place, isEnd, { to: done, with: [next, unknown] }, { to: head, with: [upper, next, step] });
  builder.begin(beyond);
  builder.jump(place, done, at, lowering.constant(-1));
  builder.begin(done);
  const [header, note] = done.parameters as [Value, Value];
  // However many extensions there were: what comes next is verified once.
  const upperNext = lowering.unary("veiled16", lowering.binary("add", note, 1));
  return {
    header: assume(lowering, lowering.unary("veiled16", header), BASE_BYTES, CHAIN_BYTES_MAX),
    note: assume(lowering, lowering.binary("subtract", upperNext, 1), -1, 255),
  };
}

/** What is read of an extension header, by a pointer to its first 8 bytes and its place in the header. */
type Reading = (pointer: Value, at: Value) => Value;

/** Reads the first extension header of a number, which is all there; `otherwise` without one. */
function readExtension(
  lowering: Lowering,
  view: LoweredView,
  wanted: number,
  reading: Reading,
  otherwise: number,
): Value {
  const { builder, place } = lowering;
  const base = baseOf(view);
  const head = builder.block("integer", "integer", "integer");
  const done = builder.block("integer");
  const absent = builder.block();
  const toAbsent = { to: absent, with: [] };
  const { number, at, count } = beginWalk(lowering, base, head);
  const [inside, within, found, other] = [builder.block(), builder.block(), builder.block(), builder.block()];
  const isInside = lowering.compare("less", at, view.header);
  builder.branch(place, isInside, { to: inside, with: [] }, toAbsent);
  builder.begin(inside);
  const isWithin = lowering.compare("less", count, EXTENSION_COUNT_MAX);
  builder.branch(place, isWithin, { to: within, with: [] }, toAbsent);
  builder.begin(within);
  const there = builder.block("pointer");
  const offset = lowering.binary("add", view.start, at);
  builder.end({
    ...{ op: "open", place, offset, bytes: 8, access: "header" },
    ...{ there: { to: there, with: [] }, absent: toAbsent },
  });
  builder.begin(there);
  const pointer = there.parameters[0] as Value;
  const isWanted = lowering.compare("equal", number, wanted);
  builder.branch(place, isWanted, { to: found, with: [] }, { to: other, with: [] });
  builder.begin(found);
  builder.jump(place, done, reading(pointer, at));
  builder.begin(other);
  const next = lowering.binary("add", at, extensionBytes(lowering, number, pointer));
  const step = lowering.binary("add", count, 1);
  builder.jump(place, head, load(lowering, pointer, 0, 1), next, step);
  builder.begin(absent);
  builder.jump(place, done, lowering.constant(otherwise));
  builder.begin(done);
  return done.parameters[0] as Value;
}

/** The word of the fragment header with offset and flag; 0 without one. */
export function fragmentWord(lowering: Lowering, view: LoweredView): Value {
  const word = readExtension(lowering, view, FRAGMENT, (pointer) => load(lowering, pointer, 2, 2), 0);
  return assume(lowering, word, 0, 0xffff);
}

/**
 * Where the address is that the pseudo header has as destination; -1 when it is compressed.
 * @see #packet/ipv6-extensions.ts
 */
export function finalDestinationAt(lowering: Lowering, view: LoweredView): Value {
  const reading = (pointer: Value, at: Value): Value => {
    const units = load(lowering, pointer, 1, 1);
    const type = load(lowering, pointer, 2, 1);
    const left = load(lowering, pointer, 3, 1);
    const behind = lowering.binary("add", at, 8);
    const pairs = lowering.binary("shiftRight", units, 1);
    const last = lowering.binary("multiply", lowering.binary("subtract", pairs, 1), 16);
    const isSourceRoute = lowering.compare("equal", type, 0);
    const isFirst = isAmong(lowering, type, [2, 4]);
    const final = lowering.select(
      isSourceRoute,
      lowering.binary("add", behind, last),
      lowering.select(isFirst, behind, lowering.constant(-1)),
    );
    const isArrived = lowering.compare("equal", left, 0);
    const isShort = lowering.compare("less", units, 2);
    const own = lowering.constant(DESTINATION_AT);
    return lowering.select(isArrived, own, lowering.select(isShort, own, final));
  };
  const at = readExtension(lowering, view, ROUTING, reading, DESTINATION_AT);
  const next = lowering.unary("veiled16", lowering.binary("add", at, 1));
  return lowering.binary("subtract", assume(lowering, next, 0, CHAIN_BYTES_MAX + 4096), 1);
}
