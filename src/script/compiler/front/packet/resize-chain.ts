/**
 * The headers around a place whose bytes are to become more or fewer, and why some of them keep their length in the kernel.
 * @module
 */
import type TypeScript from "typescript";
import type { Value } from "../../ir/ir.ts";
import type { LoweredView, OuterView } from "../lowered.ts";
import type { Lowering } from "../lowering.ts";
import { asOuter } from "./code.ts";
import type { ProtocolModel } from "./protocol-model.ts";

/** The transport whose checksum is over the place. */
export interface ResizeTransport {
  readonly model: ProtocolModel;
  readonly start: Value;
  readonly end: Value;
  readonly checksumAt: Value;
  readonly isZeroNone: Value;
  /** 1 where the view begins at an odd place of it. */
  readonly oddness: Value;
  /** The header of IP that it was found by; `undefined` without one. */
  readonly ip: Extract<OuterView, { readonly kind: "ip" }> | undefined;
}

/** A view and what it lies in. */
export interface ResizeChain {
  readonly view: LoweredView;
  /** The outermost first, the view itself the last; `undefined` where that differs from way to way. */
  readonly around: readonly OuterView[] | undefined;
  readonly transport: ResizeTransport | undefined;
}

export function chainOf(lowering: Lowering, view: LoweredView): ResizeChain {
  const around = view.outers && [...view.outers, asOuter(lowering, view)];
  return { view, around, transport: around && transportIn(lowering, view, around) };
}

function transportIn(
  lowering: Lowering,
  view: LoweredView,
  around: readonly OuterView[],
): ResizeTransport | undefined {
  const index = around.findIndex((one) => one.kind === "header" && one.protocol.checksum?.covers === "all");
  const header = around[index];
  if (header?.kind !== "header" || header.protocol.checksum === undefined) return undefined;
  const outer = around[index - 1];
  const isOwn = index === around.length - 1;
  const { at, zeroIsNone } = header.protocol.checksum;
  return {
    model: header.protocol,
    start: header.start,
    end: header.end,
    checksumAt: lowering.binary("add", header.start, at),
    isZeroNone: lowering.constant(zeroIsNone ? 1 : 0),
    oddness: isOwn ? lowering.constant(0) : view.covering.oddness,
    ip: outer?.kind === "ip" ? outer : undefined,
  };
}

/** Refuses what cannot be done right. */
export function refuseChain(
  lowering: Lowering,
  node: TypeScript.Node,
  chain: ResizeChain,
  at: bigint | undefined,
): void {
  const problem = problemOf(lowering, chain, at);
  if (problem === undefined) return;
  const [why, instead] = problem;
  lowering.refuse(node, { code: "kernel-resize", why, instead });
}

const BY_NAME = "name the headers one by one: packet.payload(ipv4)?.payload(udp)?.payload()";

type Problem = readonly [why: string, instead: string];

function problemOf(lowering: Lowering, chain: ResizeChain, at: bigint | undefined): Problem | undefined {
  const { view, around, transport } = chain;
  if (around === undefined) return ["which headers are around this place differs from way to way", BY_NAME];
  const fixed = around.map((one) =>
    one.kind === "header" ? (one.protocol.fixed ?? one.protocol.readOnly) : undefined,
  );
  const why = fixed.find((one) => one !== undefined);
  if (why !== undefined) return [why, "do it in user space"];
  const checked = around.filter((one) => one.kind === "header" && one.protocol.checksum !== undefined);
  const count = around.filter((one) => one.kind === "ip").length;
  if (checked.length > 1 || view.covering.kind === "deep")
    return ["several headers have a checksum over this place", "do it in user space"];
  if (count > 1 && transport !== undefined)
    return [
      "a header of IP lies in another one here",
      "take the outer one out first, or do it in user space",
    ];
  if (lowering.target.attach === "xdp" || transport !== undefined) return undefined;
  return placeProblem(lowering, chain, at);
}

/** Whether it is the packet itself, or a part of it that was taken by its place. */
export function isWhole(around: readonly OuterView[] | undefined): boolean {
  return around?.every(({ kind }) => kind === "bytes") === true;
}

/**
 * In front of a transport the front moves, as a checksum that is not complete yet is known by where in memory the
 * transport begins. So the place must be in front of it for certain.
 */
function placeProblem(
  lowering: Lowering,
  { view, around }: ResizeChain,
  at: bigint | undefined,
): Problem | undefined {
  if (isWhole(around)) {
    const start = 14 - lowering.packetStart;
    if (at === undefined || Number(at) === start) return undefined;
    return [
      `bytes of the whole packet are taken out and put in where its IP header begins, at ${start}`,
      BY_NAME,
    ];
  }
  if (view.protocol !== undefined || at === 0n) return undefined;
  return [
    "a transport may begin in front of this place or behind it, and only the kernel knows where",
    BY_NAME,
  ];
}
