/**
 * Properties of packets and views: what is known of a packet as a whole, fields of headers, and getters.
 * @module
 */
import type TypeScript from "typescript";
import type { PacketFact, Value } from "../../ir/ir.ts";
import type { Lowered, LoweredView } from "../lowered.ts";
import type { Lowering } from "../lowering.ts";
import { packetView } from "./aim.ts";
import { readField } from "./bits.ts";
import { roomOf } from "./builtins.ts";
import { refuseChecksum } from "./bytes.ts";
import { assume } from "./code.ts";
import { observe } from "./shape.ts";

/** Why properties of packets are not there in the kernel, and what to do instead. */
const REFUSED: Readonly<Record<string, readonly [why: string, instead: string]>> = {
  connection: [
    "the kernel's programs do not see connections",
    "keep a map of your own, or run it in user space",
  ],
  hook: ["a program has one place, and does not know its name", "write a function for each hook"],
  inInterface: [
    "the kernel knows interfaces by their numbers",
    "choose them when the script is loaded: --in eth1",
  ],
  outInterface: [
    "the kernel knows interfaces by their numbers",
    "choose them when the script is loaded: --out eth1",
  ],
  time: ["the kernel does not say when the packet came", "use context.now"],
  isChanged: ["the kernel does not remember who changed a packet", "remember it in a variable"],
  isMarkChanged: ["the kernel does not remember who set a mark", "remember it in a variable"],
};

/** Methods, which are no values by themselves. */
const METHODS: ReadonlySet<string> = new Set([
  ...[
    "payload",
    "as",
    "is",
    "slice",
    "find",
    "headers",
    "keep",
    "uint8",
    "uint16",
    "uint32",
    "bytes",
    "copy",
  ],
  ...["setUint8", "setUint16", "setUint32", "write", "fill", "splice", "text", "indexOf"],
]);

function integer(value: Value): Lowered {
  return { kind: "integer", value, isBig: false };
}

/** `packet.name`. */
export function packetProperty(lowering: Lowering, node: TypeScript.Node, name: string): Lowered {
  switch (name) {
    case "mark":
      return integer(markOf(lowering, node));
    case "fullLengthBytes":
      return viewProperty(lowering, node, packetView(lowering), "lengthBytes");
    case "isAggregate":
      return {
        kind: "boolean",
        value: lowering.compare("unequal", fact(lowering, "segmentBytes"), 0),
      };
    default: {
      const refused = Object.hasOwn(REFUSED, name) ? REFUSED[name] : undefined;
      if (refused === undefined) return viewProperty(lowering, node, packetView(lowering), name);
      const [why, instead] = refused;
      return lowering.refuse(node, { code: "kernel-packet", why, instead });
    }
  }
}

function fact({ builder, place }: Lowering, which: PacketFact): Value {
  const result = builder.value("integer");
  builder.append({ op: "fact", place, result, fact: which });
  return result;
}

function markOf(lowering: Lowering, node: TypeScript.Node): Value {
  if (lowering.target.attach !== "xdp") return fact(lowering, "mark");
  return lowering.refuse(node, {
    code: "kernel-no-mark",
    why: "at a driver's place (XDP) a packet has no mark yet",
    instead: "load it at an interface's ingress or egress, or in user space",
  });
}

/** `view.name`. */
export function viewProperty(
  lowering: Lowering,
  node: TypeScript.Node,
  view: LoweredView,
  name: string,
): Lowered {
  const { protocol } = view;
  const field = protocol?.fields.get(name);
  if (protocol?.refused.has(name)) return refuseViewMember(lowering, node, view, name);
  if (field !== undefined) {
    observe(view, field.at, field.bits);
    refuseChecksum(lowering, node, view, field.at >> 3, Math.ceil(field.bits / 8));
    if (field.as !== "bytes") return readField(lowering, roomOf(view), field);
    const start = lowering.binary("add", view.start, field.at >> 3);
    return { kind: "bytes", start, length: lowering.constant(field.bits >> 3), view };
  }
  const getter = protocol?.getters.get(name);
  if (getter !== undefined) return getter(lowering, view);
  switch (name) {
    case "lengthBytes":
      // A view never ends before its start; the longest packet is an aggregate of 524,280 bytes.
      return integer(assume(lowering, lowering.binary("subtract", view.end, view.start), 0, 2 ** 20 - 1));
    case "headerBytes":
      return integer(view.header);
    case "offsetBytes":
      return integer(lowering.binary("subtract", view.start, lowering.packetStart));
    case "packet":
      return { kind: "packet" };
    default:
      return METHODS.has(name)
        ? { kind: "method", receiver: { kind: "view", view }, name }
        : refuseViewMember(lowering, node, view, name);
  }
}

/** A member that is not there in the kernel. */
export function refuseViewMember(
  lowering: Lowering,
  node: TypeScript.Node,
  { protocol }: LoweredView,
  name: string,
): never {
  const why = protocol?.refused.get(name);
  const owner = protocol?.name ?? "bytes of the packet";
  return lowering.refuse(node, {
    code: "kernel-member",
    why: why === undefined ? `${name} of ${owner} is not there in the kernel` : `${name} of ${owner}: ${why}`,
    instead: "read its bytes with view.uint8(at), uint16 and uint32, or do it in user space",
  });
}
