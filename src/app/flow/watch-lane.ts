/**
 * One engine that knows which flows are open and what they do, for tables that are made again and again.
 * @module
 */
import { type Flow, FlowEngine, type FlowFrame, type FlowStatistics, IpProtocol } from "../flow.ts";
import { type EngineChoice, engineOptions } from "./engine-choice.ts";
import { endpoint } from "./record-row.ts";

/** By what flows stand in the table, the most first. */
export type WatchOrder = "rate" | "bytes" | "packets" | "age";

export const WATCH_ORDERS: readonly WatchOrder[] = ["rate", "bytes", "packets", "age"];

/** An open flow. */
export interface WatchedFlow {
  readonly protocol: string;
  /** `10.0.0.1:1025`; without a port where the protocol has none. */
  readonly client: string;
  readonly server: string;
  /** States of both ends, as RFC 9293 names them; empty for other protocols than TCP. */
  readonly clientState: string;
  readonly serverState: string;
  readonly packets: number;
  /** Of IP packets, both ways. */
  readonly bytes: number;
  readonly bytesPerSecond: number;
  readonly retransmissions: number;
  /** Seconds since the first packet, and since the last. */
  readonly age: number;
  readonly idle: number;
}

/** What is to be seen at one moment. */
export interface WatchSnapshot {
  /** Milliseconds since 1970, by the packets' clock. */
  readonly time: number;
  /** The first of all, in the order asked for. */
  readonly flows: readonly WatchedFlow[];
  readonly statistics: FlowStatistics;
  /** Of all frames since the begin. */
  readonly bytes: number;
  /** Flows that have ended, by how. */
  readonly ended: Readonly<Record<string, number>>;
  /** Open TCP flows by the states of client and server. */
  readonly states: Readonly<Record<string, number>>;
}

class Memory {
  retransmissions = 0;
  /** At the snapshot before. */
  bytesBefore = 0;
  bytesPerSecond = 0;
}

export class WatchLane {
  readonly #engine: FlowEngine;
  readonly #open = new Set<Flow<Memory>>();
  readonly #ended: Record<string, number> = {};
  #bytes = 0;
  #time = 0;
  #snapshotTime: number | undefined;

  /** @param filter asked of each flow's first packet. @throws FilterError */
  constructor(choice: EngineChoice, filter?: string) {
    this.#engine = new FlowEngine(engineOptions(choice, { compareBytes: 0 }));
    const monitor = this.#engine.monitor<Memory>({
      name: "watch",
      unreadBytesMax: 0,
      ...(filter === undefined ? {} : { filter }),
    });
    monitor.on("connectionStart", "sender", (flow) => {
      flow.context = new Memory();
      this.#open.add(flow);
    });
    monitor.on("retransmission", "receiver", ({ context }, { kind }) => {
      if (kind !== "keep-alive") context.retransmissions++;
    });
    monitor.on("connectionEnd", "none", (flow, { reason }) => {
      this.#open.delete(flow);
      this.#ended[reason] = (this.#ended[reason] ?? 0) + 1;
    });
  }

  handle(frame: FlowFrame): void {
    this.#bytes += frame.originalBytes;
    this.#time = Math.max(this.#time, frame.seconds * 1000 + frame.nanoseconds / 1e6);
    this.#snapshotTime ??= this.#time;
    this.#engine.handle(frame);
  }

  /** Lets time pass where no packets come; milliseconds since 1970. */
  advance(time: number): void {
    this.#time = Math.max(this.#time, time);
    this.#engine.advance(time);
  }

  /** What is to be seen now; rates are since the snapshot before, or since the first packet. */
  snapshot(order: WatchOrder, countMax: number): WatchSnapshot {
    const time = this.#time;
    const seconds = (time - (this.#snapshotTime ?? time)) / 1000;
    const since = Math.max(0.001, seconds);
    this.#snapshotTime = time;
    const states: Record<string, number> = {};
    const first = new Foremost(countMax);
    for (const flow of this.#open) {
      const { client, server, context, protocol } = flow;
      const bytes = client.networkBytes + server.networkBytes;
      context.bytesPerSecond = seconds > 0 ? Math.max(0, bytes - context.bytesBefore) / since : 0;
      context.bytesBefore = bytes;
      if (protocol === IpProtocol.tcp) {
        const name = `${client.state}/${server.state}`;
        states[name] = (states[name] ?? 0) + 1;
      }
      first.add(flow, rankOf(flow, bytes, order));
    }
    return {
      time,
      flows: first.flows.map((flow) => describe(flow, time)),
      statistics: this.#engine.statistics,
      bytes: this.#bytes,
      ended: { ...this.#ended },
      states,
    };
  }

  /** Ends all flows. */
  close(): void {
    this.#engine.close();
  }
}

function rankOf(
  { client, server, context, firstSeen }: Flow<Memory>,
  bytes: number,
  order: WatchOrder,
): number {
  switch (order) {
    case "rate":
      return context.bytesPerSecond;
    case "bytes":
      return bytes;
    case "packets":
      return client.packetCount + server.packetCount;
    case "age":
      return -firstSeen;
  }
}

function describe(flow: Flow<Memory>, time: number): WatchedFlow {
  const { client, server, context, protocol, firstSeen, lastSeen } = flow;
  const isTcp = protocol === IpProtocol.tcp;
  const hasPorts = isTcp || protocol === IpProtocol.udp;
  return {
    protocol: protocolName(protocol),
    client: endpoint(client.address, hasPorts ? client.port : undefined),
    server: endpoint(server.address, hasPorts ? server.port : undefined),
    clientState: isTcp ? client.state : "",
    serverState: isTcp ? server.state : "",
    packets: client.packetCount + server.packetCount,
    bytes: client.networkBytes + server.networkBytes,
    bytesPerSecond: Math.round(context.bytesPerSecond),
    retransmissions: context.retransmissions,
    age: inSeconds(time - firstSeen),
    idle: inSeconds(time - lastSeen),
  };
}

/** To the millisecond. */
function inSeconds(milliseconds: number): number {
  return Math.max(0, Math.round(milliseconds)) / 1000;
}

function protocolName(protocol: number): string {
  switch (protocol) {
    case IpProtocol.tcp:
      return "tcp";
    case IpProtocol.udp:
      return "udp";
    case IpProtocol.icmp:
      return "icmp";
    case IpProtocol.icmpv6:
      return "icmp6";
    default:
      return `ip ${protocol}`;
  }
}

/** The flows with the largest values, without all of them being sorted. */
class Foremost {
  readonly #countMax: number;
  #entries: { readonly flow: Flow<Memory>; readonly value: number }[] = [];
  #least = Number.NEGATIVE_INFINITY;

  constructor(countMax: number) {
    this.#countMax = countMax;
  }

  add(flow: Flow<Memory>, value: number): void {
    if (value <= this.#least) return;
    this.#entries.push({ flow, value });
    if (this.#entries.length >= 2 * this.#countMax) this.#cut();
  }

  get flows(): Flow<Memory>[] {
    this.#cut();
    return this.#entries.map(({ flow }) => flow);
  }

  #cut(): void {
    this.#entries.sort((one, two) => two.value - one.value);
    this.#entries = this.#entries.slice(0, this.#countMax);
    const last = this.#entries.at(-1);
    if (last !== undefined && this.#entries.length === this.#countMax) this.#least = last.value;
  }
}
