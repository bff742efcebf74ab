/**
 * Stateless NAT: one client behind one public address. Listing 4.1 of the PacketScript thesis, line by line.
 *
 * @module
 */
import { ipv4, type Packet, type Verdict, verdict } from "metanet/script";

/** Translates the source address of outgoing packets. */
export function snat(packet: Packet): Verdict {
  const ip = packet.payload(ipv4);
  if (!ip) return verdict.drop;

  ip.source = "10.0.0.1";

  return verdict.continue;
}

/** Translates the destination address of incoming packets. */
export function dnat(packet: Packet): Verdict {
  const ip = packet.payload(ipv4);
  if (!ip) return verdict.drop;

  ip.destination = "192.168.0.2";

  return verdict.continue;
}
