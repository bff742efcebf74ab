/**
 * The way from Ethernet to what an interface's frame carries: VLAN tags, MPLS labels where they are looked through,
 * and a PPPoE session.
 * @module
 */
import { NESTING_MAX } from "#packet/view.ts";
import type { Value } from "../../ir/ir.ts";
import type { Lowered, LoweredView } from "../lowered.ts";
import type { Lowering, PathKey } from "../lowering.ts";
import { type AimPlace, aim, packetView } from "./aim.ts";
import { Attempt, anyOf, assume, both, isAmong, load, rawView, uncovered } from "./code.ts";
import type { ProtocolModel } from "./protocol-model.ts";
import { builtinProtocol, numbersIn } from "./protocols.ts";

/** Names of headers that are walked over here. */
export const LINKS: ReadonlySet<string> = new Set(["ethernet", "vlan", "pppoe", "mpls"]);

const ETHERNET_BYTES = 14;
const TAG_BYTES = 4;
/** Numbers of PPP and of MPLS stand above those of Ethernet. */
const PPP = 0x1_0000;
const MPLS = 0x2_0000;
/** More headers than there may be, at 8 bytes at most. */
const LINK_BYTES_MAX = ETHERNET_BYTES + 32 * 8;

export interface LinkOptions {
  /** What is looked for: if it is one of the headers here, the walk ends in front of it. */
  readonly wanted: string;
  /** Whether the walk goes through MPLS labels. */
  readonly throughMpls: boolean;
  /** Headers with Ethernet's. */
  readonly countMax: number;
}

/** What stands behind the link's headers. */
export interface LinkEnd {
  readonly place: AimPlace;
  /** Headers with Ethernet's. */
  readonly count: Value;
  /** Whether the last of them announces a protocol; known to be false where none of them can. */
  announces(model: ProtocolModel): Value;
}

/** Which headers there are in front of the network's makes no difference to those behind. */
const BEHIND_LINK: LoweredView["outers"] = [];

/** What has been walked on the way here, without and with MPLS, and not been written to since. */
const WALKED: readonly [PathKey, PathKey] = [
  { initial: { kind: "undefined" } },
  { initial: { kind: "undefined" } },
];

function walkedKey(throughMpls: boolean): PathKey {
  return WALKED[throughMpls ? 1 : 0];
}

/**
 * Walks where it is known from now on, so that whatever the script looks for later is asked of the same walk: not in
 * the middle of an attempt, whose ways all end in one.
 */
export function shareLinks(lowering: Lowering, wanted: string, throughMpls: boolean): void {
  const key = walkedKey(throughMpls);
  if (LINKS.has(wanted) || lowering.recall(key).kind === "list") return;
  const attempt = new Attempt(lowering);
  const { place, number, count } = walk(lowering, attempt, {
    wanted: "",
    throughMpls,
    countMax: NESTING_MAX,
  });
  const { start, end, covering } = place;
  // Attempts end in views: this one's header and note stand for the walk's count and number.
  attempt.found({ ...rawView(lowering, start, end, covering, []), header: count, note: number });
  const met = attempt.conclude();
  if (met.kind !== "optional" || met.inner.kind !== "view") return;
  const { view } = met.inner;
  const integer = (value: Value): Lowered => ({ kind: "integer", value, isBig: false });
  const numbers = [view.start, view.end, view.header, view.note ?? number].map(integer);
  lowering.remember(key, { kind: "list", elements: [{ kind: "boolean", value: met.isThere }, ...numbers] });
}

/** Something is written to the packet: it may be a type or a tag, at which whoever looks next looks again. */
export function forgetLinks(lowering: Lowering): void {
  for (const key of WALKED) lowering.remember(key, key.initial);
}

/** The walk that has been done already, as far as this attempt may go. */
function walked(lowering: Lowering, attempt: Attempt, options: LinkOptions): Step | undefined {
  const known = LINKS.has(options.wanted) ? undefined : lowering.recall(walkedKey(options.throughMpls));
  const elements = known?.kind === "list" ? known.elements : [];
  const values = elements.map((one) =>
    one.kind === "integer" || one.kind === "boolean" ? one.value : undefined,
  );
  const [isThere, start, end, count, number] = values;
  if (!isThere || !start || !end || !count || !number) return undefined;
  attempt.require(isThere);
  if (options.countMax < NESTING_MAX)
    attempt.require(lowering.compare("lessOrEqual", count, options.countMax));
  return {
    place: {
      start: assume(lowering, start, ETHERNET_BYTES, LINK_BYTES_MAX),
      end,
      covering: uncovered(lowering),
      outer: { kind: "undefined" },
      outers: BEHIND_LINK,
    },
    number: assume(lowering, number, 0, MPLS + 1),
    count: assume(lowering, count, 1, options.countMax),
  };
}

/** Walks from the start of the frame; the attempt fails where a header is cut off, or there are too many. */
export function walkLinks(lowering: Lowering, attempt: Attempt, options: LinkOptions): LinkEnd {
  const reached = walked(lowering, attempt, options) ?? walk(lowering, attempt, options);
  return {
    place: reached.place,
    count: reached.count,
    announces: (model) => announces(lowering, reached, model, options),
  };
}

function walk(lowering: Lowering, attempt: Attempt, options: LinkOptions): Step {
  const { builder, place } = lowering;
  const outer = packetView(lowering);
  const pointer = attempt.open(outer.start, ETHERNET_BYTES, "header");
  const first = load(lowering, pointer, 12, 2);
  const head = builder.block("integer", "integer", "integer");
  const start = lowering.constant(lowering.packetStart + ETHERNET_BYTES);
  builder.jump(place, head, start, first, lowering.constant(1));
  builder.begin(head);
  const [startIn, numberIn, countIn] = head.parameters as [Value, Value, Value];
  // To the verifier tags are at places it does not know: each round leaves it with the same bytes of the frame checked.
  const at = assume(lowering, lowering.unary("veiled16", startIn), ETHERNET_BYTES, LINK_BYTES_MAX);
  const number = assume(lowering, numberIn, 0, MPLS + 1);
  const count = assume(lowering, countIn, 1, options.countMax + 1);
  attempt.require(lowering.compare("lessOrEqual", count, options.countMax));
  const names: string[] = ["vlan", ...(options.throughMpls ? ["mpls"] : [])];
  for (const name of names.filter((one) => one !== options.wanted)) {
    attempt.either((commit) => {
      attempt.require(isAmong(lowering, number, tagNumbers(name)));
      commit();
      const tag = attempt.open(at, TAG_BYTES, "header");
      const behind = lowering.binary("add", at, TAG_BYTES);
      const step = lowering.binary("add", count, 1);
      builder.jump(
        place,
        head,
        behind,
        name === "vlan" ? load(lowering, tag, 2, 2) : labelOf(lowering, tag),
        step,
      );
    });
  }
  const from: AimPlace = {
    start: at,
    end: lowering.packetEnd,
    covering: uncovered(lowering),
    outer: { kind: "undefined" },
    outers: BEHIND_LINK,
  };
  const plain: Step = { place: from, number, count };
  return veiled(
    lowering,
    options.wanted === "pppoe" ? plain : throughSession(lowering, attempt, plain, options),
  );
}

/** However many tags there were: what comes next is verified once. */
function veiled(lowering: Lowering, { place, number, count }: Step): Step {
  const start = assume(lowering, lowering.unary("veiled16", place.start), ETHERNET_BYTES, LINK_BYTES_MAX);
  return { place: { ...place, start }, number, count: lowering.unary("veiled16", count) };
}

/** EtherTypes, and what stands for them, by which tags and labels are announced. */
function tagNumbers(name: string): readonly number[] {
  const model = builtinProtocol(name);
  const numbers = model === undefined ? [] : numbersIn(model, "ethernet");
  const types = numbers === "any" ? [] : numbers;
  return name === "mpls" ? [...types, MPLS] : types;
}

/** What a label announces: another one, or at the bottom of the stack whatever it is. */
function labelOf(lowering: Lowering, tag: Value): Value {
  const bottom = lowering.binary("and", load(lowering, tag, 2, 1), 1);
  return lowering.binary("add", bottom, MPLS);
}

interface Step {
  readonly place: AimPlace;
  readonly number: Value;
  readonly count: Value;
}

/** Goes through a PPPoE session where there is one. */
function throughSession(lowering: Lowering, attempt: Attempt, from: Step, options: LinkOptions): Step {
  const { builder, place } = lowering;
  const model = builtinProtocol("pppoe");
  if (model === undefined) return from;
  const meeting = builder.block("integer", "integer", "integer", "integer");
  attempt.either((commit) => {
    attempt.require(isAmong(lowering, from.number, tagNumbers("pppoe")));
    commit();
    attempt.require(lowering.compare("less", from.count, options.countMax));
    const session = aim(lowering, attempt, model, from.place);
    const next = load(lowering, session.pointer as Value, 6, 2);
    const start = lowering.binary("add", session.start, session.header);
    const number = lowering.binary("add", next, PPP);
    builder.jump(place, meeting, start, session.end, number, lowering.binary("add", from.count, 1));
  });
  builder.jump(place, meeting, from.place.start, from.place.end, from.number, from.count);
  builder.begin(meeting);
  const [start, end, number, count] = meeting.parameters as [Value, Value, Value, Value];
  return { place: { ...from.place, start, end }, number, count };
}

function announces(
  lowering: Lowering,
  { number, count }: Step,
  model: ProtocolModel,
  options: LinkOptions,
): Value {
  const plain = (outer: string, base: number): readonly number[] => {
    const numbers = numbersIn(model, outer);
    // Whoever asks no number is asked behind every header; the compiler has no such protocol here.
    return numbers === "any" ? [] : numbers.map((one) => one + base);
  };
  const [inEthernet, inVlan] = [plain("ethernet", 0), plain("vlan", 0)];
  const further = [...plain("pppoe", PPP), ...(options.throughMpls ? plain("mpls", MPLS) : [])];
  if (inEthernet.join() === inVlan.join()) return isAmong(lowering, number, [...inEthernet, ...further]);
  const isEthernet = lowering.compare("equal", count, 1);
  const first = both(lowering, isEthernet, isAmong(lowering, number, inEthernet));
  const later = both(lowering, lowering.not(isEthernet), isAmong(lowering, number, inVlan));
  return anyOf(lowering, anyOf(lowering, first, later), isAmong(lowering, number, further));
}
