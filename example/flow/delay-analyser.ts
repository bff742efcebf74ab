/**
 * The delay analyser of "X Window System network performance" (Packard and Gettys, 2003), for any protocol of requests
 * and replies over TCP: how long a client waited for the network, and for what. Captures are to be made beside the
 * client.
 *
 * `delayTable` prints a table for each connection, `delayJson` a line of JSON with all spans, `delayPlots` writes an SVG
 * file for each.
 *
 * @module
 */
import { writeFileSync } from "node:fs";
import { type Flow, type FlowEngine, IpProtocol, type Side } from "metanet/flow";
import { DelayLane, type DelaySpan, POINT_COUNT_MAX } from "./delay-lane.ts";
import { plotDelays } from "./delay-plot.ts";
import { formatTable, nameOf, printLine } from "./text.ts";

/** A connection that has ended. Times in milliseconds, points of it since 1970. */
export interface FlowDelays {
  readonly client: string;
  readonly server: string;
  readonly from: number;
  readonly to: number;
  readonly request: DelayLane;
  readonly reply: DelayLane;
  /** From the end of a request to the start of its reply. */
  readonly waits: readonly Omit<DelaySpan, "state">[];
  /** Milliseconds of all waits, also of those that are not in the list any more. */
  readonly waited: number;
}

export interface DelayOptions {
  readonly print?: (line: string) => void;
}

const SYN = 2;
const ACK = 16;
/** Packets of requests without a reply that are remembered. */
const REQUEST_COUNT_MAX = 1024;

/** What is known of a connection while it is there. */
class Analysis {
  readonly lanes: Readonly<Record<Side, DelayLane>> = { client: new DelayLane(), server: new DelayLane() };
  readonly waits: Omit<DelaySpan, "state">[] = [];
  waited = 0;
  /** Ends of requests that no reply has come to. */
  #requests: { readonly time: number; readonly end: number }[] = [];
  /** When the last packet of the handshake passed, by which the way to an end and back is measured. */
  #synTime = 0;

  handle(flow: Flow<Analysis>, sender: Side, now: number): void {
    const { tcpFlags, payloadBytes } = flow;
    const peer = sender === "client" ? "server" : "client";
    const mine = flow.end(sender);
    const other = flow.end(peer);
    if ((tcpFlags & ACK) !== 0) {
      const acknowledged = other.acknowledgedOffset;
      const { windowBytes } = mine;
      const edge = windowBytes === undefined ? undefined : acknowledged + windowBytes;
      this.lanes[peer].acknowledge(now, acknowledged, edge, payloadBytes === 0);
    }
    if ((tcpFlags & SYN) !== 0) {
      this.lanes[peer].segmentBytes = mine.maximumSegmentBytes || 536;
      if ((tcpFlags & ACK) !== 0) this.lanes.server.turnaround = now - this.#synTime;
      this.#synTime = now;
      return;
    }
    if (this.#synTime > 0 && sender === "client") {
      this.lanes.client.turnaround = now - this.#synTime;
      this.#synTime = 0;
    }
    if (payloadBytes === 0) return;
    // Where in the stream this packet's data begins, from its sequence number.
    const next = mine.nextOffset;
    const offset = next + ((flow.tcpSequence - (mine.initialSequence + 1 + next)) | 0);
    this.lanes[sender].send(now, offset, payloadBytes);
    if (sender === "server") this.#reply(now, other.acknowledgedOffset);
    else {
      this.#requests.push({ time: now, end: offset + payloadBytes });
      if (this.#requests.length > REQUEST_COUNT_MAX) this.#requests.shift();
    }
  }

  /** The reply is to the last request that it acknowledges. */
  #reply(now: number, acknowledged: number): void {
    const request = this.#requests.findLast(({ end }) => end <= acknowledged);
    if (request === undefined) return;
    this.waited += now - request.time;
    if (this.waits.length < POINT_COUNT_MAX) this.waits.push({ from: request.time, to: now });
    this.#requests = this.#requests.filter(({ end }) => end > acknowledged);
  }
}

/** Tells of every TCP connection with data, once it has ended. */
export function analyseDelays(engine: FlowEngine, tell: (delays: FlowDelays) => void): void {
  const monitor = engine.monitor<Analysis>({ name: "delay analyser", filter: "tcp" });
  monitor.on("packet", "sender", (flow, { sender, now }) => {
    if (flow.context === undefined) flow.context = new Analysis();
    flow.context.handle(flow, sender, now);
  });
  monitor.on("connectionEnd", "none", ({ protocol, client, server, firstSeen, lastSeen, context }) => {
    const { lanes, waits, waited } = context;
    if (protocol !== IpProtocol.tcp || lanes.client.end + lanes.server.end === 0) return;
    const names = { client: nameOf(client), server: nameOf(server) };
    const { client: request, server: reply } = lanes;
    tell({ ...names, from: firstSeen, to: lastSeen, request, reply, waits, waited });
  });
}

/** Seconds in what a direction, or both, can be in. */
export interface DelayRow {
  readonly idle: number;
  /** Blocked on send, by the network and by the receiver. */
  readonly bandwidth: number;
  readonly window: number;
  /** Blocked on reply. */
  readonly reply: number;
}

/** The rows of the paper's table. The total network delay is what `total` was blocked. */
export function delayRows({
  from,
  to,
  request,
  reply,
  waits,
  waited,
}: FlowDelays): Record<"request" | "reply" | "total", DelayRow> {
  const blocked = [request, reply].map((lane) => lane.spans.filter(({ state }) => state !== "idle"));
  const [requestBlocked = [], replyBlocked = []] = blocked;
  const row = (
    lanes: readonly DelayLane[],
    spans: readonly Pick<DelaySpan, "from" | "to">[],
    wait: number,
  ) => ({
    idle: (to - from - covered(spans)) / 1000,
    bandwidth: lanes.reduce((sum, lane) => sum + lane.total("bandwidth"), 0) / 1000,
    window: lanes.reduce((sum, lane) => sum + lane.total("window"), 0) / 1000,
    reply: wait / 1000,
  });
  return {
    request: row([request], [...requestBlocked, ...waits], waited),
    reply: row([reply], replyBlocked, 0),
    total: row([request, reply], [...requestBlocked, ...replyBlocked, ...waits], waited),
  };
}

const HEADINGS = ["", "Idle", "Blocked on send", "bandwidth", "window", "Blocked on reply", "Network delay"];

/** Prints the paper's table for each connection; what it returns prints that of all of them. */
export function delayTable(engine: FlowEngine, { print = printLine }: DelayOptions = {}): () => void {
  const sum = { idle: 0, bandwidth: 0, window: 0, reply: 0 };
  let count = 0;
  analyseDelays(engine, (delays) => {
    const rows = delayRows(delays);
    count++;
    for (const key of ["idle", "bandwidth", "window", "reply"] as const) sum[key] += rows.total[key];
    print(`${delays.client} -> ${delays.server}, ${seconds(delays.to - delays.from)} s`);
    const all = Object.entries(rows).map(([name, row]) => cells(name, row));
    for (const line of formatTable(HEADINGS, all)) print(line);
  });
  return () => {
    print(`all ${count} connections`);
    for (const line of formatTable(HEADINGS, [cells("total", sum)])) print(line);
  };
}

/** Prints a line of JSON for each connection. */
export function delayJson(engine: FlowEngine, { print = printLine }: DelayOptions = {}): void {
  analyseDelays(engine, (delays) => {
    const { client, server, from, to, request, reply, waits } = delays;
    const spans = { request: request.spans, reply: reply.spans, waits };
    print(JSON.stringify({ client, server, from, to, rows: delayRows(delays), spans }));
  });
}

/** Writes `delay-1.svg` and so on into the current folder, and prints their names. */
export function delayPlots(engine: FlowEngine, { print = printLine }: DelayOptions = {}): void {
  let count = 0;
  analyseDelays(engine, (delays) => {
    const file = `delay-${++count}.svg`;
    writeFileSync(file, plotDelays(delays));
    print(`${file}: ${delays.client} -> ${delays.server}`);
  });
}

function cells(name: string, { idle, bandwidth, window, reply }: DelayRow): string[] {
  const send = bandwidth + window;
  return [name, ...[idle, send, bandwidth, window, reply, send + reply].map((value) => value.toFixed(3))];
}

function seconds(duration: number): string {
  return (duration / 1000).toFixed(3);
}

/** How much time the spans cover together; milliseconds. */
function covered(spans: readonly Pick<DelaySpan, "from" | "to">[]): number {
  let sum = 0;
  let until = Number.NEGATIVE_INFINITY;
  for (const { from, to } of [...spans].sort((a, b) => a.from - b.from)) {
    sum += Math.max(0, to - Math.max(from, until));
    until = Math.max(until, to);
  }
  return sum;
}
