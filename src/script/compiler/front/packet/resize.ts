/**
 * `view.splice(at, remove, insert)`: bytes go and others come, what is behind moves, and lengths and checksums of all
 * headers around follow, as `#packet/resize.ts` has it.
 * @module
 */
import type TypeScript from "typescript";
import type { Value } from "../../ir/ir.ts";
import { ABILITIES } from "../../target.ts";
import type { Lowered, LoweredView } from "../lowered.ts";
import type { Lowering } from "../lowering.ts";
import { outersWith } from "../outer-views.ts";
import { OFFSET_MAX } from "./aim.ts";
import { CHECKSUMS_AT_RETURN, forgetTold } from "./checksum-transport.ts";
import { assume, both } from "./code.ts";
import { chainOf, type ResizeChain, refuseChain } from "./resize-chain.ts";
import { type Change, isPossible } from "./resize-checks.ts";
import { type Insert, insertOf, prepare, writeInsert } from "./resize-insert.ts";
import { byteDifference, settle } from "./resize-settle.ts";
import { wholeNumber } from "./value.ts";

const NOTHING: Lowered = { kind: "undefined" };

function truth(lowering: Lowering, value: boolean): Lowered {
  return { kind: "boolean", value: lowering.constant(value) };
}

/** The call; whether it was done. */
export function splice(
  lowering: Lowering,
  node: TypeScript.Node,
  view: LoweredView,
  given: readonly Lowered[],
): Lowered {
  // What fails in front of the change leaves the packet as it came.
  if (!ABILITIES[lowering.target.attach].resizes) lowering.writes(node);
  const at = wholeNumber(lowering, node, given[0] ?? NOTHING, "the offset");
  const remove = wholeNumber(lowering, node, given[1] ?? NOTHING, "the number of bytes to take out");
  const insert = insertOf(lowering, node, given[2] ?? NOTHING);
  refuseLengths(lowering, node, lowering.known(remove), insert);
  const chain = chainOf(lowering, view);
  refuseChain(lowering, node, chain, lowering.known(at));
  tellWaiting(lowering);
  // An offset is any number, also one whose sum with the start is none.
  const place = lowering.binary("add", view.start, at, "wrap");
  const end = lowering.binary("add", place, remove, "wrap");
  const isBehind = both(
    lowering,
    lowering.compare("greaterOrEqual", at, 0),
    lowering.compare("greaterOrEqual", remove, 0),
  );
  const isNear = both(
    lowering,
    lowering.compare("lessOrEqual", at, OFFSET_MAX),
    lowering.compare("lessOrEqual", remove, OFFSET_MAX),
  );
  const isInside = both(
    lowering,
    both(lowering, isBehind, isNear),
    lowering.compare("lessOrEqual", end, view.end),
  );
  const done = lowering.either(
    isInside,
    () => {
      const values = new Map<Value, Value>();
      const near = (value: Value): Value => {
        const known = values.get(value) ?? veiled(lowering, value);
        values.set(value, known);
        return known;
      };
      const where = { at: near(at), place: near(place), remove: near(remove) };
      return inside(lowering, node, { chain: veiledChain(chain, near), insert, where });
    },
    () => truth(lowering, false),
  );
  if (done === undefined) return NOTHING;
  lowering.resized();
  forgetTold(lowering);
  return done;
}

/** The verifier goes through the loops that move and sum up bytes once, and not for each way that leads here. */
function veiled(lowering: Lowering, value: Value): Value {
  if (lowering.known(value) !== undefined) return value;
  return lowering.unary("veiled16", assume(lowering, value, 0, OFFSET_MAX));
}

function veiledChain({ view, around, transport }: ResizeChain, once: (value: Value) => Value): ResizeChain {
  return {
    view: { ...view, header: once(view.header) },
    around: outersWith(around, once),
    transport: transport && {
      ...transport,
      ...{ start: once(transport.start), end: once(transport.end), checksumAt: once(transport.checksumAt) },
      ...{ isZeroNone: once(transport.isZeroNone), oddness: once(transport.oddness) },
      ip: transport.ip && {
        kind: "ip",
        start4: once(transport.ip.start4),
        start6: once(transport.ip.start6),
      },
    },
  };
}

/** What is put in has a constant length, and what goes as well where something comes. */
function refuseLengths(
  lowering: Lowering,
  node: TypeScript.Node,
  remove: bigint | undefined,
  { count }: Insert,
): void {
  if (count === 0 || (remove !== undefined && Number(remove) !== count)) return;
  lowering.refuse(node, {
    code: "kernel-resize",
    why:
      remove === undefined
        ? "how many bytes go has to be constant where others come, so that it is known which way the rest moves"
        : "as many bytes come as go, which keeps the packet's length",
    instead:
      remove === undefined
        ? "take bytes out and put others in with two calls"
        : "write over them: view.setUint8(at, value), setUint16 and setUint32",
  });
}

/** Changes so far go to the checksum where it stands now. */
function tellWaiting(lowering: Lowering): void {
  CHECKSUMS_AT_RETURN.flush(lowering);
  lowering.assignHidden("checksumAt", lowering.constant(0));
  lowering.assignHidden("isZeroNone", lowering.constant(0));
}

type Place = Omit<Change, "grows" | "length" | "growth">;

/** Where the bytes that go are inside of the view. */
function inside(
  lowering: Lowering,
  node: TypeScript.Node,
  { chain, insert, where }: { readonly chain: ResizeChain; readonly insert: Insert; readonly where: Place },
): Lowered {
  refuseAggregate(lowering);
  const change = changeOf(lowering, insert, where);
  const isIdle = lowering.compare("equal", change.length, 0);
  return (
    lowering.either(
      isIdle,
      () => truth(lowering, true),
      () =>
        lowering.either(
          isPossible(lowering, chain, change),
          () => resize(lowering, node, { chain, insert, change }),
          () => truth(lowering, false),
        ) ?? NOTHING,
    ) ?? NOTHING
  );
}

/** As in user space the script fails there. */
function refuseAggregate(lowering: Lowering): void {
  if (lowering.target.attach === "xdp") return;
  const { builder, place } = lowering;
  const segment = builder.value("integer");
  builder.append({ op: "fact", place, result: segment, fact: "segmentBytes" });
  lowering.either(
    lowering.compare("unequal", segment, 0),
    () => lowering.fault("splice: the packet is several segments in one"),
    () => NOTHING,
  );
}

function changeOf(lowering: Lowering, { count }: Insert, where: Place): Change {
  const { remove } = where;
  const known = lowering.known(remove);
  const grows = known !== undefined && count > Number(known);
  const length = grows
    ? lowering.constant(count - Number(known))
    : lowering.binary("subtract", remove, count);
  const growth = grows ? length : lowering.binary("subtract", lowering.constant(0), length);
  return { ...where, grows, length, growth };
}

function resize(
  lowering: Lowering,
  node: TypeScript.Node,
  {
    chain,
    insert,
    change,
  }: { readonly chain: ResizeChain; readonly insert: Insert; readonly change: Change },
): Lowered {
  const ready = prepare(lowering, insert);
  const difference = byteDifference(lowering, chain, change, ready);
  lowering.writes(node);
  const { builder, place } = lowering;
  const result = builder.value("integer");
  builder.append({
    ...{ op: "resize", place, result, offset: change.place, length: change.length },
    ...{
      direction: change.grows ? "grow" : "shrink",
      keeps: chain.transport === undefined ? "back" : "front",
    },
  });
  lowering.either(
    lowering.compare("less", result, 0),
    () => lowering.fault("splice: the kernel does not resize this packet"),
    () => NOTHING,
  );
  writeInsert(lowering, change.place, ready);
  settle(lowering, chain, change, difference);
  return truth(lowering, true);
}
