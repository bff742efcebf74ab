/**
 * Methods of packets and views.
 * @module
 */
import type TypeScript from "typescript";
import type { Value } from "../../ir/ir.ts";
import type { Covering, Lowered, LoweredView, OuterView } from "../lowered.ts";
import type { Lowering } from "../lowering.ts";
import { behind, coveringBehind, oddWith, packetView, payload, placeBehind } from "./aim.ts";
import { bytesOf, numberAt } from "./bytes.ts";
import { Attempt, both, rawView, uncovered } from "./code.ts";
import { findInPacket, payloadOfPacket } from "./find.ts";
import { refuseViewMember } from "./property.ts";
import { builtinProtocol } from "./protocols.ts";
import { splice } from "./resize.ts";
import { readUpper } from "./upper.ts";
import { protocolOf, wholeNumber } from "./value.ts";
import { writeNumber } from "./write.ts";

type Given = readonly Lowered[];

const ZERO_DEFAULT: Lowered = { kind: "undefined" };
const BYTES: OuterView = { kind: "bytes" };

/** `packet.method(…)`. */
export function packetCall(lowering: Lowering, node: TypeScript.Node, method: string, given: Given): Lowered {
  if (method === "payload" && isGiven(given[0])) {
    return payloadOfPacket(lowering, protocolOf(lowering, node, given[0]));
  }
  if (method === "find") return find(lowering, node, given);
  if (method === "headers" || method === "keep") {
    return lowering.refuse(node, {
      code: "kernel-packet",
      why: `${method} makes something that is kept, and the kernel's programs keep nothing of a packet`,
      instead: "ask for the headers one by one, with payload(protocol)",
    });
  }
  return viewCall(lowering, node, packetView(lowering), method, given);
}

function isGiven(value: Lowered | undefined): boolean {
  return value !== undefined && value.kind !== "undefined";
}

function find(lowering: Lowering, node: TypeScript.Node, given: Given): Lowered {
  const model = protocolOf(lowering, node, given[0]);
  if (!lowering.hasNoTunnels) {
    return lowering.refuse(node, {
      code: "kernel-find",
      why: "find looks into tunnels and tunnels in them, however deep, and the kernel's programs cannot go on and on",
      instead:
        "export const options = { tunnels: false }, or name the headers: packet.payload(ipv4)?.payload(udp)",
    });
  }
  const strange = Object.keys(model.carriedBy).find(
    (name) => name !== "packet" && builtinProtocol(name) === undefined,
  );
  if (strange === undefined) return findInPacket(lowering, model);
  return lowering.refuse(node, {
    code: "kernel-find",
    why: `${model.name} is carried by ${strange}, which is no protocol of metanet/script`,
    instead: `find ${strange}, and ask it for its payload`,
  });
}

/** `view.method(…)`. */
export function viewCall(
  lowering: Lowering,
  node: TypeScript.Node,
  view: LoweredView,
  method: string,
  given: Given,
): Lowered {
  switch (method) {
    case "payload":
      if (!isGiven(given[0])) return { kind: "view", view: rawBehind(lowering, view) };
      readUpper(lowering, view);
      return attempt(lowering, (one) => payload(lowering, one, view, protocolOf(lowering, node, given[0])));
    case "as":
      return attempt(lowering, (one) => behind(lowering, one, view, protocolOf(lowering, node, given[0])));
    case "is": {
      const value = lowering.constant(view.protocol === protocolOf(lowering, node, given[0]));
      return { kind: "boolean", value };
    }
    case "slice":
      return slice(lowering, node, view, given);
    case "uint8":
    case "uint16":
    case "uint32": {
      const at = wholeNumber(lowering, node, given[0] ?? ZERO_DEFAULT, "the offset");
      return numberAt(lowering, node, view, at, method === "uint8" ? 1 : method === "uint16" ? 2 : 4);
    }
    case "bytes":
    case "copy": {
      const at = isGiven(given[0])
        ? wholeNumber(lowering, node, given[0] as Lowered, "the offset")
        : lowering.constant(0);
      const length = isGiven(given[1])
        ? wholeNumber(lowering, node, given[1] as Lowered, "the length")
        : undefined;
      return bytesOf(lowering, node, view, at, length);
    }
    case "setUint8":
      return writeNumber(lowering, node, view, 1, given);
    case "setUint16":
      return writeNumber(lowering, node, view, 2, given);
    case "setUint32":
      return writeNumber(lowering, node, view, 4, given);
    case "splice":
      return splice(lowering, node, view, given);
    default:
      return refuseCall(lowering, node, view, method);
  }
}

function attempt(lowering: Lowering, aim: (attempt: Attempt) => LoweredView): Lowered {
  const one = new Attempt(lowering);
  one.found(aim(one));
  return one.conclude();
}

function rawBehind(lowering: Lowering, view: LoweredView): LoweredView {
  const { start, end, covering, outers } = placeBehind(lowering, view);
  const last = view.protocol === undefined ? end : lowering.binary("maximum", start, end);
  return rawView(lowering, start, end === lowering.packetEnd ? end : last, covering, outers);
}

function slice(lowering: Lowering, node: TypeScript.Node, view: LoweredView, given: Given): Lowered {
  const at = wholeNumber(lowering, node, given[0] ?? ZERO_DEFAULT, "the offset");
  const start = lowering.binary("add", view.start, at);
  const length = isGiven(given[1])
    ? wholeNumber(lowering, node, given[1] as Lowered, "the length")
    : undefined;
  const isAfter = lowering.compare("greaterOrEqual", at, 0);
  const end = length === undefined ? view.end : lowering.binary("add", start, length);
  const isThere =
    length === undefined ? lowering.constant(true) : lowering.compare("greaterOrEqual", length, 0);
  const one = new Attempt(lowering);
  one.require(both(lowering, isAfter, isThere));
  one.require(lowering.compare("lessOrEqual", length === undefined ? start : end, view.end));
  const outers = view.protocol === undefined ? view.outers && [...view.outers, BYTES] : undefined;
  one.found(rawView(lowering, start, end, coveringOf(lowering, view, at), outers));
  return one.conclude();
}

/** What covers a part of a view. */
function coveringOf(lowering: Lowering, view: LoweredView, at: Value): Covering {
  const known = lowering.known(at);
  const parity = lowering.binary("and", at, 1);
  const { protocol, covering } = view;
  if (protocol?.checksum?.covers === "all") {
    const own = coveringBehind(lowering, view);
    // What the checksum and the header's length are among may not be written to by their places.
    const isBehind = known !== undefined && Number(known) >= view.checkedBytes;
    return isBehind && own.kind === "some" ? { ...own, oddness: parity } : uncovered(lowering, "deep");
  }
  if (protocol !== undefined && covering.kind === "some" && protocol.shaping.size > 0) {
    return uncovered(lowering, "deep");
  }
  if (covering.kind !== "some") return covering;
  return { ...covering, oddness: oddWith(lowering, covering.oddness, parity) };
}

function refuseCall(lowering: Lowering, node: TypeScript.Node, view: LoweredView, method: string): never {
  if (method === "write" || method === "fill") {
    return lowering.refuse(node, {
      code: "kernel-write-bytes",
      why: `${method} takes bytes of any number`,
      instead: "write numbers: view.setUint8(at, value), setUint16 and setUint32",
    });
  }
  return refuseViewMember(lowering, node, view, method);
}
