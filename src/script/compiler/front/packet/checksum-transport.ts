/**
 * The checksums of transports. At an interface's traffic control only the kernel knows whether one is complete yet:
 * what changes is summed up, and the kernel is told once, before the function returns. At a driver's place they are
 * complete, and changed at once.
 * @module
 */
import type { Value } from "../../ir/ir.ts";
import type { Lowered, LoweredView } from "../lowered.ts";
import type { AtReturn, HiddenVariable, Lowering, PathKey } from "../lowering.ts";
import { patchAt } from "./checksum-difference.ts";
import { both, isAmong } from "./code.ts";
import { finalDestinationAt } from "./extensions.ts";
import { rememberUpper, upperOfIpv4 } from "./upper.ts";

/** A checksum in the frame. */
export interface ChecksumPlace {
  /** From the start of the frame; 0 for none, where that may be. */
  readonly at: Value;
  /** 1 where 0 there means none. */
  readonly isZeroNone: Value;
  readonly mayBeNone: boolean;
}

const NOTHING: Lowered = { kind: "undefined" };

/** Tells a transport's checksum of a difference, of the pseudo header or of other bytes. */
export function tellTransport(
  lowering: Lowering,
  place: ChecksumPlace,
  difference: Value,
  part: "pseudoDifference" | "pseudoDifference6" | "otherDifference",
): void {
  if (lowering.target.attach === "xdp") tellAtOnce(lowering, place, difference);
  else tellLater(lowering, place, difference, part);
}

function tellAtOnce(lowering: Lowering, { at, isZeroNone }: ChecksumPlace, difference: Value): void {
  lowering.note(
    "at XDP, checksums are changed as they stand there: right for packets that came from a wire only",
  );
  lowering.either(
    lowering.compare("unequal", at, 0),
    () =>
      lowering.open(
        at,
        2,
        "header",
        (pointer) => {
          patchAt(lowering, pointer, 0, difference, isZeroNone);
          return NOTHING;
        },
        () => NOTHING,
      ) ?? NOTHING,
    () => NOTHING,
  );
}

/** The checksum that was told last, by function. */
const TOLD_LAST: WeakMap<Lowering, ChecksumPlace> = new WeakMap();

/** Functions in which a checksum may be expected that was told of nothing yet. */
const EXPECTING: WeakSet<Lowering> = new WeakSet();

/** From here on nothing has been told, as far as {@link expectTransport} is concerned. */
export function forgetTold(lowering: Lowering): void {
  TOLD_LAST.delete(lowering);
}

/**
 * Before a loop: the checksum that its rounds tell of changes is expected already, so that its place does not vary from
 * round to round, which would be 2^n ways for the verifier. Whether there is such a one that was not expected before.
 * @param idMin values with lower ids were there before the loop
 */
export function expectTransport(lowering: Lowering, idMin: number): boolean {
  const told = TOLD_LAST.get(lowering);
  if (told === undefined || isWaiting(lowering) || lowering.known(told.at) === 0n) return false;
  if (told.at.id >= idMin || told.isZeroNone.id >= idMin) return false;
  EXPECTING.add(lowering);
  lowering.assignHidden("checksumAt", told.at);
  lowering.assignHidden("isZeroNone", told.isZeroNone);
  return true;
}

function tellLater(
  lowering: Lowering,
  checksum: ChecksumPlace,
  difference: Value,
  part: HiddenVariable,
): void {
  const { at, isZeroNone, mayBeNone } = checksum;
  lowering.atReturn(CHECKSUMS_AT_RETURN);
  TOLD_LAST.set(lowering, checksum);
  const before = lowering.hidden("checksumAt");
  const isThere = mayBeNone ? lowering.compare("unequal", at, 0) : lowering.constant(true);
  if (lowering.known(before) !== 0n && before !== at) {
    const isOther = both(
      lowering,
      lowering.compare("unequal", before, 0),
      lowering.compare("unequal", before, at),
    );
    const isTold = EXPECTING.has(lowering) ? both(lowering, isOther, hasDifference(lowering)) : isOther;
    lowering.either(
      both(lowering, isThere, isTold),
      () => lowering.fault("two checksums of transports would change in one packet"),
      () => NOTHING,
    );
  }
  const none = lowering.constant(0);
  if (before !== at) {
    lowering.assignHidden("checksumAt", lowering.select(isThere, at, before));
    const wasZeroNone = lowering.hidden("isZeroNone");
    lowering.assignHidden("isZeroNone", lowering.select(isThere, isZeroNone, wasZeroNone));
  }
  const own = lowering.select(isThere, difference, none);
  lowering.assignHidden(part, lowering.binary("add", lowering.hidden(part), own, "wrap"));
}

/** Whether there is something that the kernel is to be told. */
function hasDifference(lowering: Lowering): Value {
  const parts = ["pseudoDifference", "pseudoDifference6", "otherDifference"] as const;
  const isNone = parts.map((part) => lowering.compare("equal", lowering.hidden(part), 0));
  return lowering.not(isNone.reduce((one, other) => both(lowering, one, other)));
}

/** Whether a transport's checksum may wait to be told of changes on this way. */
export function isWaiting(lowering: Lowering): boolean {
  return lowering.known(lowering.hidden("checksumAt")) !== 0n;
}

/** Tells the kernel what the transport's checksum has to know. */
export const CHECKSUMS_AT_RETURN: AtReturn = {
  flush(lowering: Lowering): void {
    if (!isWaiting(lowering)) return;
    flushOne(lowering, "pseudoDifference", { isPseudo: true });
    flushOne(lowering, "pseudoDifference6", { isPseudo: true, isIpv6: true });
    flushOne(lowering, "otherDifference", { isPseudo: false });
  },
};

function flushOne(
  lowering: Lowering,
  part: HiddenVariable,
  kind: { readonly isPseudo: boolean; readonly isIpv6?: boolean },
): void {
  const difference = lowering.hidden(part);
  if (lowering.known(difference) === 0n) return;
  const offset = lowering.hidden("checksumAt");
  const flag = lowering.hidden("isZeroNone");
  const known = lowering.known(flag);
  const zeroIsNone = known === undefined ? flag : known !== 0n;
  lowering.either(
    lowering.compare("unequal", difference, 0),
    () => {
      const { builder, place } = lowering;
      builder.append({ op: "patchChecksum", place, offset, difference, zeroIsNone, ...kind });
      return NOTHING;
    },
    () => NOTHING,
  );
  lowering.assignHidden(part, lowering.constant(0));
}

/** Where transports have their checksum, as `#packet/pseudo-header.ts` has it: by protocol number. */
const AT_16: readonly number[] = [6];
const AT_6: readonly number[] = [17, 33, 136];
const UDP = 17;
const ICMPV6 = 58;

/** What has been found out about an IP header on the way here, by the view. */
const FOUND: WeakMap<LoweredView, PathKey> = new WeakMap();

/** The checksum whose pseudo header has this IP header's addresses; there may be none. */
export function pseudoChecksumOf(lowering: Lowering, view: LoweredView, isIpv6: boolean): ChecksumPlace {
  const key = FOUND.get(view) ?? { initial: NOTHING };
  FOUND.set(view, key);
  const found = lowering.recall(key);
  const [at, isZeroNone] = found.kind === "list" ? found.elements : [];
  if (at?.kind === "integer" && isZeroNone?.kind === "integer") {
    return { at: at.value, isZeroNone: isZeroNone.value, mayBeNone: true };
  }
  const place = findPseudoChecksum(lowering, view, isIpv6);
  const elements = [place.at, place.isZeroNone].map(
    (value): Lowered => ({ kind: "integer", value, isBig: false }),
  );
  rememberUpper(lowering, key, { kind: "list", elements });
  return place;
}

function findPseudoChecksum(lowering: Lowering, view: LoweredView, isIpv6: boolean): ChecksumPlace {
  const none = lowering.constant(0);
  const { protocol, isFirst } = isIpv6
    ? { protocol: view.note ?? none, isFirst: lowering.constant(true) }
    : upperOfIpv4(lowering, view);
  const start = lowering.binary("add", view.start, view.header);
  const offsets: readonly [numbers: readonly number[], at: number][] = [
    [AT_16, 16],
    [AT_6, 6],
    [isIpv6 ? [ICMPV6] : [], 2],
  ];
  const at = offsets.reduce((other, [numbers, offset]) => {
    if (numbers.length === 0) return other;
    const own = lowering.binary("add", start, offset);
    return lowering.select(isAmong(lowering, protocol, numbers), own, other);
  }, none);
  const isInside = lowering.compare("lessOrEqual", lowering.binary("add", at, 2), view.end);
  const isUdp = lowering.compare("equal", protocol, UDP);
  const found = lowering.select(both(lowering, isFirst, isInside), at, none);
  // The verifier need not follow each kind of transport by itself.
  return {
    at: lowering.unary("veiled16", found),
    isZeroNone: lowering.unary("veiled16", lowering.select(isUdp, lowering.constant(1), none)),
    mayBeNone: true,
  };
}

/** Whether the pseudo header has the destination that stands in IPv6's own header. */
export function hasOwnDestination(lowering: Lowering, view: LoweredView): Value {
  return lowering.compare("equal", finalDestinationAt(lowering, view), 24);
}
