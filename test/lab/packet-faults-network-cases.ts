/**
 * The scripts of packet-faults-network.test.ts: they read all there is, and change what they can.
 * @module
 */
import {
  accept,
  type ChecksumState,
  type Context,
  ipv4,
  ipv6,
  type Packet,
  tcp,
  udp,
  type Verdict,
  type View,
  verifyChecksum,
} from "metanet/script";

/** Every field, every walk of every header. */
function readAll(packet: Packet): ChecksumState[] {
  return packet.headers().map((view: View) => {
    for (let each: object = view; each !== Object.prototype; each = Object.getPrototypeOf(each)) {
      for (const [name, property] of Object.entries(Object.getOwnPropertyDescriptors(each))) {
        if (name.startsWith("$")) continue;
        const value: unknown = property.get?.call(view);
        if (typeof value === "object" && value !== null && Symbol.iterator in value) {
          Array.from(value as Iterable<unknown>);
        }
      }
    }
    return verifyChecksum(view);
  });
}

/** Writes to every layer; what was right must be right again. */
export function changes(packet: Packet, context: Context): Verdict {
  const before = readAll(packet);
  for (const state of before) context.counter(`before ${state}`).add();
  const four = packet.payload(ipv4);
  if (four) four.dscp = four.dscp ^ 1;
  const six = packet.payload(ipv6);
  if (six) six.flowLabel = six.flowLabel ^ 1;
  const segment = packet.find(tcp);
  if (segment) segment.window = segment.window ^ 0xffff;
  const content = (segment ?? packet.find(udp))?.payload();
  if (content && content.lengthBytes > 0) content.setUint8(0, (content.uint8(0) ?? 0) ^ 0x20);
  const after = readAll(packet);
  for (const [index, state] of after.entries()) {
    context.counter(`after ${state}`).add();
    if (before[index] === "good" && state !== "good")
      throw new Error(`header ${index} was good and is ${state}`);
  }
  return accept;
}

/** Tells what comes, as it comes. */
export function tellsLengths(packet: Packet, context: Context): Verdict {
  const isFragment = packet.payload(ipv4)?.isFragment ?? packet.payload(ipv6)?.isFragment ?? false;
  const ports = packet.find(udp) ? "udp" : "no udp";
  context.counter(`${isFragment ? "fragment" : "whole"} ${packet.lengthBytes} ${ports}`).add();
  return accept;
}

/** Makes datagrams longer by as much as their first byte says, times 16. */
export function grows(packet: Packet): Verdict {
  const content = packet.find(udp)?.payload();
  const count = (content?.uint8(0) ?? 0) * 16;
  content?.splice(content.lengthBytes, 0, new Uint8Array(count).fill(0x67));
  return accept;
}
