/**
 * The flow tables that nDPI's test suite expects of its captures, the `.out` files beside them. Found by reading them
 * and by what its reader is documented to do:
 *
 * - A flow is the two addresses and ports, the protocol and the VLAN: the innermost tag of 802.1Q ones. Nothing else
 *   ends it: no idle time, no FIN, no RST, and ports that are used again make no new one.
 * - On the left stands who sent the first packet that was seen, a SYN's answer or not.
 * - A packet's bytes are the whole frame as it was captured: with Ethernet, without what a snap length cut off.
 * - Protocols other than TCP and UDP have no ports, ICMP neither: all echoes between two hosts are one flow.
 * - Not counted: fragments other than the first, frames below 28 bytes, IP packets longer than what was captured.
 * - No checksum is looked at, of no protocol.
 * - IP in IP is opened, and so are GTP-U, TZSP and CAPWAP; GRE and VXLAN are not.
 * @module
 */
import { readFileSync } from "node:fs";
import { IpProtocol } from "#flow/layers/layers.ts";

/** One line of a table; of each pair the left one's is the first. */
export interface NdpiFlow {
  readonly protocol: number;
  readonly source: string;
  readonly sourcePort: number;
  readonly target: string;
  readonly targetPort: number;
  /** 0 without. */
  readonly vlan: number;
  readonly packets: readonly [number, number];
  readonly frameBytes: readonly [number, number];
}

/** How nDPI calls protocols; others it gives by their numbers. */
const NAMES: Readonly<Record<string, number>> = {
  TCP: IpProtocol.tcp,
  UDP: IpProtocol.udp,
  ICMP: IpProtocol.icmp,
  ICMPV6: IpProtocol.icmpv6,
  IGMP: IpProtocol.igmp,
  SCTP: IpProtocol.sctp,
  ESP: IpProtocol.esp,
  OSPF: IpProtocol.ospf,
  VRRP: 112,
};

const ADDRESS = String.raw`(?:\[([0-9a-f:.]+)\]|([0-9.]+)):(\d+)`;
const LINE = new RegExp(
  String.raw`^\t\d+\t(\w+) ${ADDRESS} (?:<->|->) ${ADDRESS} (?:\[VLAN: (\d+)\])?` +
    String.raw`.*?\[(\d+) pkts/(\d+) bytes (?:<->|->) (\d+) pkts/(\d+) bytes\]`,
);

/** The flows of an `.out` file. */
export function readNdpiFlows(path: string): NdpiFlow[] {
  const flows: NdpiFlow[] = [];
  for (const line of readFileSync(path, "latin1").split("\n")) {
    const match = LINE.exec(line);
    if (match === null) continue;
    const [, name = "", source6, source4, sourcePort, target6, target4, targetPort, vlan, ...counts] = match;
    const [packets = 0, bytes = 0, packetsBack = 0, bytesBack = 0] = counts.map(Number);
    flows.push({
      protocol: NAMES[name] ?? Number(name),
      source: source6 ?? source4 ?? "",
      sourcePort: Number(sourcePort),
      target: target6 ?? target4 ?? "",
      targetPort: Number(targetPort),
      vlan: Number(vlan ?? 0),
      packets: [packets, packetsBack],
      frameBytes: [bytes, bytesBack],
    });
  }
  return flows;
}
