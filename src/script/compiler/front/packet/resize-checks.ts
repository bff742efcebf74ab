/**
 * Whether headers can say what their lengths would be: where user space answers `false` for `splice`, so does the kernel.
 * @module
 */
import type { Value } from "../../ir/ir.ts";
import type { Lowered, OuterView } from "../lowered.ts";
import type { Lowering } from "../lowering.ts";
import { readField } from "./bits.ts";
import { Attempt, anyOf, both, isAmong, load } from "./code.ts";
import type { FieldModel, ProtocolModel } from "./protocol-model.ts";
import { builtinProtocol } from "./protocols.ts";
import { isWhole, type ResizeChain } from "./resize-chain.ts";

/** What is to be done. */
export interface Change {
  /** In the view. */
  readonly at: Value;
  /** In the frame. */
  readonly place: Value;
  readonly remove: Value;
  readonly grows: boolean;
  /** Bytes by which the packet becomes longer or shorter, and the same with its sign. */
  readonly length: Value;
  readonly growth: Value;
}

/** A header that says its length, or what it has a checksum over. */
export interface Sized {
  readonly model: ProtocolModel;
  readonly start: Value;
  /** Whether it is there on this way. */
  readonly isThere: Value;
}

const NOTHING: Lowered = { kind: "undefined" };
const WORDS_MAX = 15;

/** The headers of a chain, one for each version of IP. */
export function sizedIn(lowering: Lowering, around: readonly OuterView[]): readonly Sized[] {
  return around.flatMap((one) => {
    if (one.kind === "bytes") return [];
    if (one.kind === "header")
      return [{ model: one.protocol, start: one.start, isThere: lowering.constant(true) }];
    return [
      { name: "ipv4", start: one.start4 },
      { name: "ipv6", start: one.start6 },
    ].flatMap(({ name, start }) => {
      const model = builtinProtocol(name);
      const isThere = lowering.compare("unequal", start, 0);
      return model === undefined || lowering.known(start) === 0n ? [] : [{ model, start, isThere }];
    });
  });
}

/** The field that says the length. */
export function lengthFieldOf(model: ProtocolModel): FieldModel | undefined {
  return model.lengthIn === undefined ? undefined : model.fields.get(model.lengthIn);
}

/** Whether the place is in the view's own header. */
export function isInHeader(lowering: Lowering, { view }: ResizeChain, at: Value): Value {
  return view.protocol === undefined ? lowering.constant(false) : lowering.compare("less", at, view.header);
}

/** Whether all headers can follow. */
export function isPossible(lowering: Lowering, chain: ResizeChain, change: Change): Value {
  failWhereKernelCannot(lowering, chain, change);
  const attempt = new Attempt(lowering);
  requireHeader(lowering, attempt, chain, change);
  for (const sized of sizedIn(lowering, chain.around ?? [])) requireLength(lowering, attempt, sized, change);
  attempt.found(chain.view);
  const concluded = attempt.conclude();
  return concluded.kind === "optional" ? concluded.isThere : lowering.constant(concluded.kind === "view");
}

/** A header itself is resized by whole units, behind its fixed part. */
function requireHeader(lowering: Lowering, attempt: Attempt, chain: ResizeChain, change: Change): void {
  const { protocol, header } = chain.view;
  const isIn = isInHeader(lowering, chain, change.at);
  if (protocol === undefined || lowering.known(isIn) === 0n) return;
  const { headerUnitBytes: unit, minimumBytes } = protocol;
  if (unit === 0) {
    attempt.require(lowering.not(isIn));
    return;
  }
  const end = lowering.binary("add", change.at, change.remove);
  const words = lowering.binary("add", header, change.growth);
  const fits = [
    lowering.compare("greaterOrEqual", change.at, minimumBytes),
    lowering.compare("lessOrEqual", end, header),
    lowering.compare("equal", lowering.binary("and", change.length, unit - 1), 0),
    lowering.compare("lessOrEqual", words, WORDS_MAX * 4),
  ].reduce((one, other) => both(lowering, one, other));
  attempt.require(anyOf(lowering, fits, lowering.not(isIn)));
}

function requireLength(lowering: Lowering, attempt: Attempt, sized: Sized, change: Change): void {
  const { model, start, isThere } = sized;
  const field = lengthFieldOf(model);
  if (field === undefined) return;
  const check = (): void => {
    const pointer = attempt.open(start, model.minimumBytes, "header");
    const read = readField(lowering, { pointer, bytes: model.minimumBytes }, field);
    if (read.kind !== "integer") return;
    const after = lowering.binary("add", read.value, change.growth);
    const isWithin = both(
      lowering,
      lowering.compare("greaterOrEqual", after, 0),
      lowering.compare("less", after, 2 ** field.bits),
    );
    attempt.require(anyOf(lowering, isWithin, lowering.compare("equal", read.value, 0)));
  };
  if (lowering.known(isThere) === 1n) {
    check();
    return;
  }
  const { builder, place } = lowering;
  const [own, next] = [builder.block(), builder.block()];
  builder.branch(place, isThere, { to: own, with: [] }, { to: next, with: [] });
  builder.begin(own);
  check();
  builder.jump(place, next);
  builder.begin(next);
}

/** Numbers that PPP has for IP, in front of which there is a length that a session has. */
const PPP_NUMBERS = [0x21, 0x57];
const IPV4_TYPE = 0x0800;
const IPV6_TYPE = 0x86dd;
const ETHERNET_BYTES = 14;

/** What the kernel does not do, and user space does. */
function failWhereKernelCannot(lowering: Lowering, chain: ResizeChain, change: Change): void {
  const { around = [], transport, view } = chain;
  const fail = (condition: Value, why: string): void => {
    lowering.either(
      condition,
      () => lowering.fault(`splice: ${why}`),
      () => NOTHING,
    );
  };
  const { target, packetStart } = lowering;
  for (const { start, isThere } of packetStart > 0 ? [] : sizedIn(lowering, firstOfIp(around)))
    failInSession(lowering, start, isThere, fail);
  if (target.attach === "xdp" || transport !== undefined) return;
  const { builder, place } = lowering;
  const type = builder.value("integer");
  builder.append({ op: "fact", place, result: type, fact: "etherType" });
  if (target.first === "ethernet")
    fail(lowering.not(isAmong(lowering, type, [IPV4_TYPE, IPV6_TYPE])), "IP is not right behind Ethernet");
  if (isWhole(around)) {
    fail(lowering.compare("unequal", change.place, ETHERNET_BYTES), "not where the IP header begins");
  } else if (view.protocol !== undefined) {
    fail(lowering.compare("greater", change.at, view.header), "behind where a transport may begin");
  }
  if (change.grows) return;
  const isIpv6 = lowering.compare("equal", type, IPV6_TYPE);
  const least = lowering.select(isIpv6, lowering.constant(54), lowering.constant(34));
  const left = lowering.binary("subtract", lowering.packetEnd, change.length);
  fail(lowering.compare("less", left, least), "less than a header of IP would be left");
}

function firstOfIp(around: readonly OuterView[]): readonly OuterView[] {
  const first = around.find(({ kind }) => kind === "ip");
  return first === undefined ? [] : [first];
}

function failInSession(
  lowering: Lowering,
  start: Value,
  isThere: Value,
  fail: (condition: Value, why: string) => void,
): void {
  const isBehind = both(lowering, isThere, lowering.compare("greater", start, ETHERNET_BYTES));
  lowering.either(
    isBehind,
    () =>
      lowering.open(
        lowering.binary("subtract", start, 2),
        2,
        "header",
        (pointer) => {
          fail(isAmong(lowering, load(lowering, pointer, 0, 2), PPP_NUMBERS), "inside of a PPPoE session");
          return NOTHING;
        },
        () => NOTHING,
      ) ?? NOTHING,
    () => NOTHING,
  );
}
