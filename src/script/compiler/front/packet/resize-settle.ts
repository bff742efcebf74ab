/**
 * What headers say behind a change of the packet's length: their lengths and checksums, as `#packet/resize.ts` settles
 * them. A sum that changes by a multiple of 0xffff still makes a checksum the other zero there, so no difference is 0.
 * @module
 */
import type { Value } from "../../ir/ir.ts";
import type { Lowered } from "../lowered.ts";
import type { Lowering } from "../lowering.ts";
import { readField, writeBits, writeWhole } from "./bits.ts";
import { differenceOf, patchAt, turned, wordsAround } from "./checksum-difference.ts";
import { tellTransport } from "./checksum-transport.ts";
import { assume, both, load } from "./code.ts";
import type { FieldModel } from "./protocol-model.ts";
import type { ResizeChain, ResizeTransport } from "./resize-chain.ts";
import { type Change, isInHeader, lengthFieldOf, type Sized, sizedIn } from "./resize-checks.ts";
import { insertSum, type ReadyInsert } from "./resize-insert.ts";

const NOTHING: Lowered = { kind: "undefined" };
/** 0 in ones' complement, and no zero. */
const NO_ZERO = 0xffff;
const IPV4_CHECKSUM_AT = 10;
/** Where IPv4 and TCP say how long their headers are, in words. */
const HEADER_WORDS: Readonly<Record<string, FieldModel>> = {
  ipv4: { name: "headerWords", at: 4, bits: 4, as: "number" },
  tcp: { name: "dataOffset", at: 96, bits: 4, as: "number" },
};

function sumOf({ builder, place }: Lowering, offset: Value, length: Value): Value {
  const result = builder.value("integer");
  builder.append({ op: "sum", place, result, offset, length });
  return result;
}

/** The same with the other sign, of up to 24 bits. */
function negative(lowering: Lowering, sum: Value): Value {
  return lowering.binary("subtract", lowering.constant(0xffff * 0x200), sum);
}

function numberOf(lowered: Lowered | undefined, otherwise: Value): Value {
  return lowered?.kind === "integer" ? lowered.value : otherwise;
}

function integer(value: Value): Lowered {
  return { kind: "integer", value, isBig: false };
}

/** What bytes that go and come do to the checksum over them, below 2^34; nothing where there is none. */
export function byteDifference(
  lowering: Lowering,
  { view, transport }: ResizeChain,
  change: Change,
  insert: ReadyInsert,
): Value {
  const none = lowering.constant(0);
  const isOwn = view.protocol?.name === "ipv4";
  if (transport === undefined && !isOwn) return none;
  const { at, place, remove } = change;
  const isNone = lowering.known(remove) === 0n;
  const gone = isNone ? none : negative(lowering, sumOf(lowering, place, remove));
  const difference = lowering.binary("add", gone, insertSum(lowering, insert));
  const own = lowering.binary("and", at, 1);
  const parity = transport === undefined ? own : odd(lowering, transport.oddness, own);
  const here = turned(lowering, difference, parity);
  if (transport === undefined) return here;
  return lowering.binary("add", here, restDifference(lowering, transport, change, parity));
}

function odd(lowering: Lowering, one: Value, other: Value): Value {
  return lowering.known(one) === 0n ? other : lowering.binary("xor", one, other);
}

/** What is behind changes places with its neighbours where an odd number of bytes goes or comes. */
function restDifference(
  lowering: Lowering,
  transport: ResizeTransport,
  { place, remove, length }: Change,
  parity: Value,
): Value {
  const none = lowering.constant(0);
  const isOdd = lowering.compare("unequal", lowering.binary("and", length, 1), 0);
  const rest = lowering.either(
    isOdd,
    () => {
      const start = lowering.binary("add", place, remove);
      const left = assume(lowering, lowering.binary("subtract", transport.end, start), 0, 0xffff);
      const sum = sumOf(lowering, assume(lowering, start, 0, 0xffff), left);
      const before = odd(lowering, parity, lowering.binary("and", remove, 1));
      const after = lowering.binary("xor", before, 1);
      return integer(
        lowering.binary(
          "add",
          turned(lowering, sum, after),
          turned(lowering, negative(lowering, sum), before),
        ),
      );
    },
    () => integer(none),
  );
  return numberOf(rest, none);
}

/** Brings lengths and checksums of all headers around up to date. */
export function settle(lowering: Lowering, chain: ResizeChain, change: Change, bytes: Value): void {
  const { around = [], transport } = chain;
  let difference = lowering.binary("add", bytes, NO_ZERO);
  for (const [index, outer] of around.entries()) {
    const isView = index === around.length - 1;
    for (const sized of sizedIn(lowering, [outer])) {
      const own = settleOne(lowering, chain, change, { sized, isView, bytes });
      if (transport === undefined || sized.model.checksum?.covers === "header") continue;
      if (index < around.findIndex((one) => one.kind === "header" && one.protocol === transport.model))
        continue;
      const away = lowering.binary("and", lowering.binary("subtract", sized.start, transport.start), 1);
      difference = lowering.binary("add", difference, turned(lowering, own, away));
    }
  }
  if (transport !== undefined) tellChecksum(lowering, transport, change, difference);
}

interface Own {
  readonly sized: Sized;
  /** Whether it is the view that was spliced. */
  readonly isView: boolean;
  /** See {@link byteDifference}. */
  readonly bytes: Value;
}

/** The length, and the checksum of IPv4: what that does to the checksum of a transport. */
function settleOne(lowering: Lowering, chain: ResizeChain, change: Change, own: Own): Value {
  const none = lowering.constant(0);
  const { model, start, isThere } = own.sized;
  const words = own.isView ? HEADER_WORDS[model.name] : undefined;
  const field = lengthFieldOf(model);
  if (field === undefined && words === undefined && model.checksum?.covers !== "header") return none;
  const there = (pointer: Value): Lowered => {
    const room = { pointer, bytes: model.minimumBytes };
    const isIn = isInHeader(lowering, chain, change.at);
    let difference = none;
    if (field !== undefined) difference = addTo(lowering, room, field, change.growth, undefined);
    if (words !== undefined && lowering.known(isIn) !== 0n) {
      const units = lowering.binary("divide", change.length, 4);
      const by = change.grows ? units : lowering.binary("subtract", none, units);
      const kept = lowering.select(isIn, by, none);
      difference = lowering.binary("add", difference, addTo(lowering, room, words, kept, isIn));
    }
    if (model.checksum?.covers === "header") {
      const options =
        own.isView && lowering.known(isIn) !== 0n ? lowering.select(isIn, own.bytes, none) : none;
      const all = lowering.binary("add", lowering.binary("add", difference, options), NO_ZERO);
      patchAt(lowering, pointer, IPV4_CHECKSUM_AT, folded(lowering, all), none);
    }
    return integer(difference);
  };
  const done = lowering.either(
    isThere,
    () =>
      lowering.open(start, model.minimumBytes, "header", there, () =>
        lowering.fault("splice: a header that cannot be reached"),
      ) ?? NOTHING,
    () => integer(none),
  );
  return numberOf(done, none);
}

/** To less than 2^30, of less than 2^36. */
function folded(lowering: Lowering, sum: Value): Value {
  const high = lowering.binary("shiftRight", sum, 16);
  return lowering.binary("add", lowering.binary("and", sum, 0xffff), high);
}

/** Adds to a field, of which 0 stays; with `always` also that. The difference that it makes. */
function addTo(
  lowering: Lowering,
  room: { readonly pointer: Value; readonly bytes: number },
  field: FieldModel,
  by: Value,
  always: Value | undefined,
): Value {
  const byte = field.at >> 3;
  const length = Math.ceil((field.at + field.bits) / 8) - byte;
  const read = readField(lowering, room, field);
  const none = lowering.constant(0);
  if (read.kind !== "integer") return none;
  const words = wordsAround(lowering, room, byte, length);
  const isNone = lowering.compare("equal", read.value, 0);
  const own = always === undefined ? lowering.select(isNone, none, by) : by;
  const after = assume(lowering, lowering.binary("add", read.value, own), 0, 2 ** field.bits - 1);
  if (field.at % 8 === 0 && field.bits % 8 === 0) writeWhole(lowering, room, byte, length, after);
  else writeBits(lowering, room, field, after);
  return differenceOf(lowering, room, words);
}

/** The transport's own checksum, and the length in its pseudo header. */
function tellChecksum(
  lowering: Lowering,
  transport: ResizeTransport,
  change: Change,
  difference: Value,
): void {
  const { model, checksumAt: at, isZeroNone, ip } = transport;
  const place = { at, isZeroNone, mayBeNone: false };
  tellTransport(lowering, place, folded(lowering, difference), "otherDifference");
  const pseudo = model.checksum?.pseudoHeader;
  if (ip === undefined || pseudo === undefined) return;
  const length = lowering.unary("swap16", change.length);
  const by = change.grows ? length : lowering.binary("subtract", lowering.constant(0xffff), length);
  const isTold = toldLength(lowering, transport);
  for (const [start, has, part] of [
    [ip.start4, pseudo[4], "pseudoDifference"],
    [ip.start6, pseudo[6], "pseudoDifference6"],
  ] as const) {
    if (!has || lowering.known(start) === 0n) continue;
    const isOwn = both(lowering, lowering.compare("unequal", start, 0), isTold);
    // At XDP a checksum of which nothing changes is not touched either.
    lowering.either(
      isOwn,
      () => {
        tellTransport(lowering, place, by, part);
        return NOTHING;
      },
      () => NOTHING,
    );
  }
}

/** Whether the header says a length, which is that of the pseudo header then (RFC 2675 §4). */
function toldLength(lowering: Lowering, { model, start }: ResizeTransport): Value {
  const field = lengthFieldOf(model);
  const yes = lowering.constant(true);
  if (model.checksum?.twiceAt === undefined || field === undefined) return yes;
  const told = lowering.open(
    start,
    model.minimumBytes,
    "header",
    (pointer) => integer(load(lowering, pointer, field.at >> 3, 2)),
    () => integer(lowering.constant(0)),
  );
  return lowering.compare("unequal", numberOf(told, lowering.constant(0)), 0);
}
