/**
 * Aims views at headers as the code of `#packet/compile-view.ts` does: the same bytes are a header, and the same are
 * none.
 * @module
 */
import type { Value } from "../../ir/ir.ts";
import type { Covering, Lowered, LoweredView } from "../lowered.ts";
import type { Lowering } from "../lowering.ts";
import { type Attempt, anyOf, asOuter, isAmong, rawView, uncovered } from "./code.ts";
import type { ModelFunction, ProtocolModel } from "./protocol-model.ts";
import { numbersIn } from "./protocols.ts";
import { watch } from "./shape.ts";

/** Bytes from the start of a frame that code can reach. */
export const OFFSET_MAX = 65_535;

/** Where a header is looked for. */
export interface AimPlace {
  readonly start: Value;
  readonly end: Value;
  readonly covering: Covering;
  /** The view that it is made from, for `accepts`. */
  readonly outer: Lowered;
  /** See `LoweredView.outers`. */
  readonly outers: LoweredView["outers"];
}

/** The packet as a view: it begins where the script sees it begin. */
export function packetView(lowering: Lowering): LoweredView {
  const start = lowering.constant(lowering.packetStart);
  return rawView(lowering, start, lowering.packetEnd, uncovered(lowering), []);
}

/** What a function of the declaration gives, as a number or a boolean. */
export function callModel(
  lowering: Lowering,
  callee: ModelFunction,
  view: LoweredView,
  outer?: Lowered,
): Value {
  if (callee.kind === "constant") return lowering.constant(callee.value);
  if (callee.kind === "built") return callee.lower(lowering, view);
  const parameters: Lowered[] = [{ kind: "view", view }];
  if (outer !== undefined) parameters.push(outer);
  const result = lowering.present(lowering.call(callee.lowered, parameters));
  if (result.kind === "integer" || result.kind === "boolean") return result.value;
  throw new TypeError(`Cannot use what a function of protocol ${view.protocol?.name} gives: no number`);
}

function isTrue(lowering: Lowering, value: Value): Value {
  return value.type === "boolean" ? value : lowering.compare("unequal", value, 0);
}

/** The header at a place; where it is not one, the attempt fails. */
export function aim(
  lowering: Lowering,
  attempt: Attempt,
  model: ProtocolModel,
  { start, end, covering, outer, outers }: AimPlace,
): LoweredView {
  const { minimumBytes, headerBytes, contentBytes, accepts } = model;
  const constant = headerBytes.kind === "constant" ? headerBytes.value : 0;
  const checkedBytes = Math.max(minimumBytes, constant);
  if (end !== lowering.packetEnd) {
    attempt.require(lowering.compare("lessOrEqual", lowering.binary("add", start, checkedBytes), end));
  }
  const pointer = checkedBytes === 0 ? undefined : attempt.open(start, checkedBytes, "header");
  const zero = lowering.constant(0);
  let view: LoweredView = {
    ...{ protocol: model, pointer, checkedBytes, start, end, header: zero, note: undefined, covering },
    ...{ outers, age: lowering.age },
  };
  watch(view, model.shaping);
  if (contentBytes !== undefined) {
    const content = callModel(lowering, contentBytes, view);
    attempt.require(lowering.compare("greaterOrEqual", content, minimumBytes));
    view = { ...view, end: lowering.binary("minimum", lowering.binary("add", start, content), end) };
    watch(view, model.shaping);
  }
  if (headerBytes.kind === "constant") {
    const { value } = headerBytes;
    if (contentBytes !== undefined && value > minimumBytes) requireHeader(lowering, attempt, view, value);
    view = { ...view, header: lowering.constant(value) };
  } else if (headerBytes.kind === "noted") {
    view = { ...view, ...headerBytes.lower(lowering, view) };
    requireHeader(lowering, attempt, view, view.header);
  } else {
    const header = callModel(lowering, headerBytes, view);
    attempt.require(lowering.compare("greaterOrEqual", header, minimumBytes));
    requireHeader(lowering, attempt, view, header);
    view = { ...view, header };
    watch(view, model.shaping);
  }
  if (accepts !== undefined) attempt.require(isTrue(lowering, callModel(lowering, accepts, view, outer)));
  // From here on others read from it.
  return { ...view };
}

/** The header does not reach beyond the view. */
function requireHeader(
  lowering: Lowering,
  attempt: Attempt,
  { start, end }: LoweredView,
  header: Value | number,
): void {
  attempt.require(lowering.compare("lessOrEqual", lowering.binary("add", start, header), end));
}

/** The numbers by which a header announces what it carries. */
export function announcedBy(lowering: Lowering, view: LoweredView): readonly Value[] {
  const ways = [view.protocol?.announces, view.protocol?.announcesToo];
  return ways.filter((way) => way !== undefined).map((way) => callModel(lowering, way, view));
}

/** Whether a header that announces these numbers says that a protocol comes next. */
export function isAnnounced(
  lowering: Lowering,
  numbers: readonly number[] | "any",
  announced: readonly Value[],
): Value {
  if (numbers === "any") return lowering.constant(true);
  const none = lowering.constant(false);
  return announced.reduce((some, one) => anyOf(lowering, some, isAmong(lowering, one, numbers)), none);
}

/** Where what a header carries begins and ends. */
export function placeBehind(lowering: Lowering, view: LoweredView): AimPlace {
  return {
    start: lowering.binary("add", view.start, view.header),
    end: view.end,
    covering: coveringBehind(lowering, view),
    outer: { kind: "view", view },
    outers: view.outers && [...view.outers, asOuter(lowering, view)],
  };
}

/** What covers the bytes behind a header. */
export function coveringBehind(lowering: Lowering, view: LoweredView): Covering {
  const { protocol, covering, start, header } = view;
  const parity = parityOf(lowering, view);
  if (protocol?.checksum?.covers === "all") {
    if (covering.kind !== "none" || protocol.readOnly !== undefined) return uncovered(lowering, "deep");
    const { at, zeroIsNone } = protocol.checksum;
    const checksumAt = lowering.binary("add", start, at);
    const isZeroNone = lowering.constant(zeroIsNone ? 1 : 0);
    return { kind: "some", checksumAt, isZeroNone, oddness: parity };
  }
  if (covering.kind !== "some" || lowering.known(header) === 0n) return covering;
  const { oddness } = covering;
  return { ...covering, oddness: oddWith(lowering, oddness, parity) };
}

/** 1 where exactly one of two numbers is odd. */
export function oddWith(lowering: Lowering, one: Value, other: Value): Value {
  const [left, right] = [lowering.known(one), lowering.known(other)];
  if (left !== undefined && right !== undefined) return lowering.constant((left ^ right) & 1n);
  return lowering.binary("xor", one, other);
}

/** 1 for a header of an odd number of bytes; those of the packet layer that vary never are. */
function parityOf(lowering: Lowering, { protocol, header }: LoweredView): Value {
  const known = lowering.known(header);
  if (known !== undefined) return lowering.constant(known & 1n);
  if (protocol?.headerBytes.kind !== "script") return lowering.constant(0);
  return lowering.binary("and", header, 1);
}

/** The view of what a header carries, when it says that it carries this protocol. */
export function payload(
  lowering: Lowering,
  attempt: Attempt,
  view: LoweredView,
  model: ProtocolModel,
): LoweredView {
  const numbers = numbersIn(model, view.protocol?.name ?? "bytes");
  if (numbers !== "any") attempt.require(isAnnounced(lowering, numbers, announcedBy(lowering, view)));
  return behind(lowering, attempt, view, model);
}

/** The same without asking the header. */
export function behind(
  lowering: Lowering,
  attempt: Attempt,
  view: LoweredView,
  model: ProtocolModel,
): LoweredView {
  const place = placeBehind(lowering, view);
  if (view.protocol?.headerBytes.kind === "script" || lowering.known(view.header) === 0n)
    attempt.require(lowering.compare("lessOrEqual", place.start, OFFSET_MAX));
  return aim(lowering, attempt, model, place);
}
