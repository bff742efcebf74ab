/**
 * Which timeout class a flow without states of its own is in.
 * @module
 */
import { IpProtocol } from "../layers/layers.ts";
import { TimeoutClass } from "./flags.ts";

/** By the number of its IP protocol; TCP's classes follow its states. */
export function timeoutClassOf(protocol: number): number {
  switch (protocol) {
    case IpProtocol.udp:
    case IpProtocol.udpLite:
      return TimeoutClass.udp;
    case IpProtocol.icmp:
    case IpProtocol.icmpv6:
      return TimeoutClass.icmp;
    default:
      return TimeoutClass.other;
  }
}
