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
import { ConnectionEnds, type ConnectionState, datagramState } from "./connection-state.ts";
import { History } from "./history.ts";
import { uniqueId } from "./unique-id.ts";

/** A flow that has ended. What a flow does not have is not there, as in Zeek's JSON. */
export interface ConnectionRecord {
  /** Of the first packet: seconds since 1970, with a fraction. */
  readonly ts: number;
  /** The flow's name: the same each time the same capture is read. */
  readonly uid: string;
  readonly "id.orig_h": string;
  /** The port; of ICMP the type of the first packet. */
  readonly "id.orig_p": number;
  readonly "id.resp_h": string;
  /** The port; of ICMP its code, of a request the type of the answer. */
  readonly "id.resp_p": number;
  /** `tcp`, `udp`, `icmp` (of either version of IP), or `unknown_transport`. */
  readonly proto: string;
  /**
   * Seconds from the first packet to the last, without those of TCP that came once both ends had closed; missing where
   * that is no time.
   */
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
  /** The number in the IP header. */
  readonly ip_proto: number;
  /** Not Zeek's: the VLAN and tunnels that belong to the flow's key, as a number, where there are any. */
  readonly encapsulation?: number;
  /** Not Zeek's: how the flow ended for the engine. */
  readonly end: EndReason;
}

/** What is recorded, and who is told. */
export interface RecorderOptions {
  /** Is given each record, and what {@link mark} had answered. */
  readonly tell: (record: ConnectionRecord, mark: number) => void;
  /** Which flows, in the language of pcap-filter, asked of a flow's first packet; all when not given. */
  readonly filter?: string | undefined;
  /** Asked at a flow's first packet for a number to remember it by; 0 when not given. */
  readonly mark?: (flow: Flow<unknown>) => number;
}

/** What is remembered of a flow besides what the engine keeps. */
class Memory {
  readonly history = new History();
  readonly ends: ConnectionEnds | undefined;
  readonly mark: number;
  readonly icmpType: number;
  readonly icmpCode: number;
  /** Of the latest packet that counts for the duration; milliseconds since 1970. */
  lastTime = 0;

  constructor(flow: Flow<unknown>, mark: number) {
    this.ends = flow.protocol === IpProtocol.tcp ? new ConnectionEnds() : undefined;
    this.mark = mark;
    this.icmpType = flow.icmpType;
    this.icmpCode = flow.icmpCode;
  }
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

/** Gives `tell` a record for every flow of the engine that ends. */
export function recordConnections(engine: FlowEngine, { tell, filter, mark }: RecorderOptions): void {
  const monitor = engine.monitor<Memory>({
    name: "records",
    unreadBytesMax: 0,
    ...(filter === undefined ? {} : { filter }),
  });
  monitor.on("packet", "sender", (flow, { sender, now }) => {
    let memory = flow.context as Memory | undefined;
    if (memory === undefined) {
      memory = new Memory(flow, mark?.(flow) ?? 0);
      if (sender === "server") memory.history.flip();
      flow.context = memory;
    }
    remember(flow, memory, sender, now);
  });
  monitor.on("outOfWindow", "receiver", ({ context, tcpFlags }) => {
    if ((tcpFlags & TcpFlag.rst) !== 0) context.ends?.takeBack();
  });
  monitor.on("retransmission", "receiver", ({ context }, { sender, kind }) => {
    if (kind === "data") context.history.again(directionOf(sender), "t");
  });
  monitor.on("gap", "none", ({ context }, { sender }) => context.history.again(directionOf(sender), "g"));
  monitor.on("connectionEnd", "none", (flow, { reason }) => tell(recordOf(flow, reason), flow.context.mark));
}

function directionOf(side: Side): 0 | 1 {
  return side === "client" ? 0 : 1;
}

function remember(flow: Flow<Memory>, memory: Memory, sender: Side, now: number): void {
  const from = directionOf(sender);
  const { ends, history } = memory;
  if (ends === undefined) {
    memory.lastTime = now;
    if (flow.protocol === IpProtocol.udp) history.datagram(from);
    return;
  }
  const { tcpFlags, payloadBytes } = flow;
  history.segment(from, tcpFlags, flow.tcpSequence, payloadBytes);
  if (!ends.areClosed) memory.lastTime = now;
  if (flow.tcpWindow === 0 && (tcpFlags & TcpFlag.rst) === 0 && ends.isReceiving(from)) {
    history.again(from, "w");
  }
  ends.segment(from, tcpFlags, payloadBytes);
}

function recordOf(flow: Flow<Memory>, end: EndReason): ConnectionRecord {
  const { client, server, protocol, encapsulation, context } = flow;
  const history = context.history.text;
  const clientBytes = bytesOf(client, protocol);
  const serverBytes = bytesOf(server, protocol);
  const duration = inSeconds(context.lastTime - flow.firstSeen);
  const ts = inSeconds(flow.firstSeen);
  const [from, to] = portsOf(flow);
  const clientAddress = client.address;
  const serverAddress = server.address;
  const name = `${ts} ${protocol} ${clientAddress} ${from} ${serverAddress} ${to} ${encapsulation}`;
  return {
    ts,
    uid: uniqueId(name),
    "id.orig_h": clientAddress,
    "id.orig_p": from,
    "id.resp_h": serverAddress,
    "id.resp_p": to,
    proto: protocolName(protocol),
    ...(duration > 0 ? { duration, orig_bytes: clientBytes, resp_bytes: serverBytes } : {}),
    conn_state: context.ends?.state(clientBytes + serverBytes === 0, history) ?? otherState(flow),
    missed_bytes: client.missedBytes + server.missedBytes,
    ...(history === "" ? {} : { history }),
    orig_pkts: client.packetCount,
    orig_ip_bytes: client.networkBytes,
    resp_pkts: server.packetCount,
    resp_ip_bytes: server.networkBytes,
    ip_proto: protocol,
    ...(encapsulation === 0 ? {} : { encapsulation }),
    end,
  };
}

/** By the sequence numbers, as Zeek does it, so that what was lost on the way counts. */
function bytesOf(end: FlowEnd, protocol: number): number {
  return protocol === IpProtocol.tcp ? end.sentBytes : end.payloadBytes;
}

function otherState({ protocol, client, server }: Flow<Memory>): ConnectionState {
  return protocol === IpProtocol.udp ? datagramState(client.packetCount, server.packetCount) : "OTH";
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
  return isIcmp(protocol) ? "icmp" : "unknown_transport";
}

/** Milliseconds as seconds, to the microsecond: finer is not kept. */
function inSeconds(time: number): number {
  return Math.round(time * 1000) / 1e6;
}
