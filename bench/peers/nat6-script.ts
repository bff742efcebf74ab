/**
 * `example/packet/nat.ts` for IPv6, on the measurements' router: one client behind the router's own address. Neighbours
 * are found by packets with addresses of their own, so only the client's are translated, and nothing of ICMPv6 back.
 * @module
 */
import { ipv6, ipv6Address, type Packet, type ScriptOptions, type Verdict, verdict } from "metanet/script";

export const options: ScriptOptions = { connection: false };

const CLIENT = ipv6Address("fd71::2");
const ICMPV6 = 58;

/** Translates the source address of the client's packets. */
export function snat6(packet: Packet): Verdict {
  const ip = packet.payload(ipv6);
  if (ip?.source === CLIENT) ip.source = "fd71:1::1";
  return verdict.continue;
}

/** Translates the destination address of what comes back. */
export function dnat6(packet: Packet): Verdict {
  const ip = packet.payload(ipv6);
  if (ip && ip.nextHeader !== ICMPV6) ip.destination = CLIENT;
  return verdict.continue;
}
