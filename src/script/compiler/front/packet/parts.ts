/**
 * What scripts do with packets, views and their bytes: properties, methods, assignments.
 * @module
 */
import type TypeScript from "typescript";
import type { Lowered } from "../lowered.ts";
import type { Lowering, PacketParts } from "../lowering.ts";
import { byteAt, copyBytes, lengthOf } from "./bytes.ts";
import { packetCall, viewCall } from "./call.ts";
import { defineModel } from "./define.ts";
import { assignOption } from "./options.ts";
import { packetProperty, viewProperty } from "./property.ts";
import { builtinProtocol } from "./protocols.ts";
import { wholeNumber } from "./value.ts";
import { assignField, assignMark } from "./write.ts";

const NOTHING: Lowered = { kind: "undefined" };

/** See {@link PacketParts}. */
export const PACKET_PARTS: PacketParts = {
  protocol(name) {
    const model = builtinProtocol(name);
    return model === undefined ? undefined : { kind: "protocol", model };
  },

  define: defineModel,

  property(lowering, node, receiver, name) {
    refuseOld(lowering, node, receiver);
    if (receiver.kind === "packet") return packetProperty(lowering, node, name);
    if (receiver.kind === "view") return viewProperty(lowering, node, receiver.view, name);
    if (receiver.kind === "bytes" && (name === "length" || name === "byteLength")) {
      return { kind: "integer", value: lengthOf(lowering, receiver), isBig: false };
    }
    return refuseMember(lowering, node, receiver, name);
  },

  call(lowering, node, receiver, method, parameters) {
    refuseOld(lowering, node, receiver);
    if (receiver.kind === "packet") return packetCall(lowering, node, method, parameters);
    if (receiver.kind === "view") return viewCall(lowering, node, receiver.view, method, parameters);
    if (receiver.kind === "bytes" && method === "at") {
      return byteAt(lowering, receiver, wholeNumber(lowering, node, parameters[0] ?? NOTHING, "the index"));
    }
    return refuseMember(lowering, node, receiver, method);
  },

  assign(lowering, node, receiver, name, value) {
    refuseOld(lowering, node, receiver);
    if (receiver.kind === "packet" && name === "mark") return assignMark(lowering, node, value);
    if (receiver.kind === "view") {
      const field = receiver.view.protocol?.fields.get(name);
      if (field !== undefined) return assignField(lowering, node, receiver.view, field, value);
      if (assignOption(lowering, node, receiver.view, name, value)) return;
    }
    return lowering.refuse(node, {
      code: "kernel-assignment",
      why: `${name} cannot be written to in the kernel`,
      instead: "write to fields with a fixed place, or do it in user space",
    });
  },

  copyBytes(lowering, node, bytes, to) {
    refuseOld(lowering, node, bytes);
    if (bytes.kind === "bytes") return copyBytes(lowering, bytes, to);
    return refuseMember(lowering, node, bytes, "bytes");
  },
};

/** Views are where they were when the packet changed its length: in user space they move along. */
function refuseOld(lowering: Lowering, node: TypeScript.Node, receiver: Lowered): void {
  if ((receiver.kind !== "view" && receiver.kind !== "bytes") || receiver.view.age === lowering.age) return;
  lowering.refuse(node, {
    code: "kernel-old-view",
    why: "the packet may have become longer or shorter since this was looked for and may have moved it, or may say now that it carries something else",
    instead: "look at the packet again behind splice (or nextHeader): packet.payload(ipv4)?.payload(udp)",
  });
}

function refuseMember(lowering: Lowering, node: TypeScript.Node, { kind }: Lowered, name: string): never {
  return lowering.refuse(node, {
    code: "kernel-member",
    why: `${name} of ${kind === "bytes" ? "bytes of the packet" : kind} is not there in the kernel`,
    instead: "read numbers: view.uint8(at), uint16 and uint32, or do it in user space",
  });
}
