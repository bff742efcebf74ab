/**
 * A tunnel of IPv4 in IPv4 (RFC 2003): what goes to a network behind another machine travels in a second IP header. Load
 * `pack` at postrouting and `unpack` at prerouting on the outer interface; both run in the kernel. The machine at the
 * other end does the same with the addresses changed round, or has a tunnel of Linux's own: `ip tunnel add … mode ipip`.
 * @module
 */
import {
  type Context,
  drop,
  IpProtocol,
  ipv4,
  ipv4Address,
  type Packet,
  type ScriptOptions,
  type Verdict,
  verdict,
} from "metanet/script";

export const options: ScriptOptions = { connection: false };

const OWN = ipv4Address("192.0.2.1");
const PEER = ipv4Address("198.51.100.7");
/** What is behind the other machine: 10.92.0.0/16. */
const NETWORK = ipv4Address("10.92.0.0");
const MASK = 0xffff_0000;

const HEADER_BYTES = 20;

/** Puts a header in front of packets to the network. */
export function pack(packet: Packet, context: Context): Verdict {
  const ip = packet.payload(ipv4);
  if (!ip || (ip.destination & MASK) >>> 0 !== NETWORK) return verdict.continue;
  // The outer header is a copy of the inner one: it must be right for both.
  const isPlain = ip.headerBytes === HEADER_BYTES && !ip.isFragment && !packet.isAggregate;
  if (!isPlain || !ip.splice(HEADER_BYTES, 0, ip.copy(0, HEADER_BYTES))) {
    context.counter("not packed").add();
    return drop;
  }
  const outer = packet.payload(ipv4);
  if (!outer) return drop;
  outer.protocol = IpProtocol.ipv4;
  outer.source = OWN;
  outer.destination = PEER;
  outer.timeToLive = 64;
  context.counter("packed").add();
  return verdict.continue;
}

/** Takes it off. */
export function unpack(packet: Packet, context: Context): Verdict {
  const outer = packet.payload(ipv4);
  const isOurs = outer?.source === PEER && outer.destination === OWN && outer.protocol === IpProtocol.ipv4;
  if (!isOurs) return verdict.continue;
  if (!outer.payload(ipv4) || packet.isAggregate || !packet.splice(0, outer.headerBytes)) {
    context.counter("not unpacked").add();
    return drop;
  }
  context.counter("unpacked").add();
  return verdict.continue;
}
