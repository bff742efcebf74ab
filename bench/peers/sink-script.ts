/**
 * The packet script of the measurements that drop: UDP over IPv4 to the port that nobody listens on.
 * @module
 */
import {
  drop,
  ipv4,
  ipv6,
  type Packet,
  type ScriptOptions,
  udp,
  type Verdict,
  verdict,
} from "metanet/script";

export const options: ScriptOptions = { connection: false };

export function sink(packet: Packet): Verdict {
  return packet.payload(ipv4)?.payload(udp)?.destinationPort === 9 ? drop : verdict.continue;
}

/** The same over IPv6. */
export function sink6(packet: Packet): Verdict {
  return packet.payload(ipv6)?.payload(udp)?.destinationPort === 9 ? drop : verdict.continue;
}
