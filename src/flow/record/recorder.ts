/**
 * One record for every flow that ends, with the names and meanings of Zeek's conn.log.
 * @module
 */
import type { FlowEngine } from "../engine.ts";
import type { EndReason } from "../event/events.ts";
import type { Flow } from "../flow.ts";
import type { FlowEnd } from "../flow-end.ts";
import { IpProtocol } from "../layers/layers.ts";
import type { Side } from "../side.ts";
import { TcpFlag } from "../tcp/segment.ts";
import {
  type ConnectionState,
  datagramState,
  type EndHistory,
  tcpConnectionState,
} from "./connection-state.ts";
import { History } from "./history.ts";

/** A flow that has ended. What a flow does not have is not there, as in Zeek's JSON. */
export interface ConnectionRecord {
  /** Of the first packet: seconds since 1970, with a fraction. */
  readonly ts: number;
  readonly "id.orig_h": string;
  /** The port; of ICMP the type of the first packet. */
  readonly "id.orig_p": number;
  readonly "id.resp_h": string;
  /** The port; of ICMP its code, of a request the type of the answer. */
  readonly "id.resp_p": number;
  readonly proto: string;
  /** Seconds from the first packet to the last; missing where there was one packet only. */
  readonly duration?: number;
  /** Payload by the sequence numbers, gaps included; of datagrams as it was counted. Missing like the duration. */
  readonly orig_bytes?: number;
  readonly resp_bytes?: number;
  readonly conn_state: ConnectionState;
  readonly missed_bytes: number;
  readonly history?: string;
  readonly orig_pkts: number;
  /** Of the IP packets, headers included. */
  readonly orig_ip_bytes: number;
  readonly resp_pkts: number;
  readonly resp_ip_bytes: number;
  /** Not Zeek's: the VLAN and tunnels that belong to the flow's key, as a number, where there are any. */
  readonly encapsulation?: number;
  /** Not Zeek's: how the flow ended for the engine. */
  readonly end: EndReason;
}

/** What is remembered of a flow besides what the engine keeps. */
class Memory {
  readonly history = new History();
  hasClientReset = false;
  hasServerReset = false;
  isEstablished = false;
  icmpType = 0;
  icmpCode = 0;
}

/** The type that answers an ICMP request (RFC 792, RFC 950, RFC 4443, RFC 4861), by the request's; IPv6 plus 256. */
const ICMP_ANSWERS: ReadonlyMap<number, number> = new Map([
  [8, 0],
  [13, 14],
  [15, 16],
  [17, 18],
  [10, 9],
  [256 + 128, 129],
  [256 + 133, 134],
  [256 + 135, 136],
]);

/**
 * Gives `tell` a record for every flow of the engine that ends.
 * @param filter which flows, in the language of pcap-filter; all when not given
 */
export function recordConnections(
  engine: FlowEngine,
  tell: (record: ConnectionRecord) => void,
  filter?: string,
): void {
  const monitor = engine.monitor<Memory>({
    name: "records",
    unreadBytesMax: 0,
    ...(filter === undefined ? {} : { filter }),
  });
  monitor.on("packet", "sender", (flow, { sender }) => remember(flow, sender));
  monitor.on("established", "receiver", (flow) => {
    flow.context.isEstablished = true;
  });
  monitor.on("retransmission", "receiver", (flow, { sender, kind }) => {
    if (kind === "data") flow.context.history.again(sender, "t");
  });
  monitor.on("gap", "none", (flow, { sender }) => flow.context.history.again(sender, "g"));
  monitor.on("connectionEnd", "none", (flow, { reason }) => tell(recordOf(flow, reason)));
}

function remember(flow: Flow<Memory>, sender: Side): void {
  flow.context ??= memoryOf(flow, sender);
  const { context } = flow;
  if (flow.protocol !== IpProtocol.tcp) {
    if (flow.protocol === IpProtocol.udp) context.history.datagram(sender);
    return;
  }
  const flags = flow.tcpFlags;
  context.history.segment(sender, flags, flow.payloadBytes);
  if ((flags & TcpFlag.rst) === 0) return;
  if (sender === "client") context.hasClientReset = true;
  else context.hasServerReset = true;
}

function memoryOf(flow: Flow<Memory>, sender: Side): Memory {
  const memory = new Memory();
  if (sender === "server") memory.history.flip();
  memory.icmpType = flow.icmpType;
  memory.icmpCode = flow.icmpCode;
  return memory;
}

function recordOf(flow: Flow<Memory>, end: EndReason): ConnectionRecord {
  const { client, server, context, protocol } = flow;
  const duration = inSeconds(flow.lastSeen - flow.firstSeen);
  const isTcp = protocol === IpProtocol.tcp;
  const histories = [
    historyOf(client, context.hasClientReset),
    historyOf(server, context.hasServerReset),
  ] as const;
  const [from, to] = portsOf(flow);
  return {
    ts: inSeconds(flow.firstSeen),
    "id.orig_h": client.address,
    "id.orig_p": from,
    "id.resp_h": server.address,
    "id.resp_p": to,
    proto: protocolName(protocol),
    ...(duration > 0
      ? { duration, orig_bytes: bytesOf(client, isTcp), resp_bytes: bytesOf(server, isTcp) }
      : {}),
    conn_state: stateOf(flow, histories),
    missed_bytes: client.missedBytes + server.missedBytes,
    ...(context.history.text === "" ? {} : { history: context.history.text }),
    orig_pkts: client.packetCount,
    orig_ip_bytes: client.networkBytes,
    resp_pkts: server.packetCount,
    resp_ip_bytes: server.networkBytes,
    ...(flow.encapsulation === 0 ? {} : { encapsulation: flow.encapsulation }),
    end,
  };
}

function stateOf(flow: Flow<Memory>, [client, server]: readonly [EndHistory, EndHistory]): ConnectionState {
  if (flow.protocol === IpProtocol.tcp) {
    return tcpConnectionState(client, server, flow.context.isEstablished);
  }
  return isIcmp(flow.protocol) ? "OTH" : datagramState(client, server);
}

function historyOf(end: FlowEnd, hasReset: boolean): EndHistory {
  return { hasSyn: end.hasSyn, hasFin: end.hasFin, hasReset, packetCount: end.packetCount };
}

/** By the sequence numbers, as Zeek does it, so that what was lost on the way counts. */
function bytesOf(end: FlowEnd, isTcp: boolean): number {
  return isTcp ? end.sentBytes : end.payloadBytes;
}

function portsOf(flow: Flow<Memory>): readonly [number, number] {
  if (!isIcmp(flow.protocol)) return [flow.client.port, flow.server.port];
  const { icmpType, icmpCode } = flow.context;
  const key = flow.protocol === IpProtocol.icmpv6 ? 256 + icmpType : icmpType;
  return [icmpType, ICMP_ANSWERS.get(key) ?? icmpCode];
}

function isIcmp(protocol: number): boolean {
  return protocol === IpProtocol.icmp || protocol === IpProtocol.icmpv6;
}

function protocolName(protocol: number): string {
  if (protocol === IpProtocol.tcp) return "tcp";
  if (protocol === IpProtocol.udp) return "udp";
  return isIcmp(protocol) ? "icmp" : `ip-${protocol}`;
}

/** Milliseconds as seconds, to the microsecond: finer is not kept. */
function inSeconds(time: number): number {
  return Math.round(time * 1000) / 1e6;
}
