/**
 * What the flow engine makes of a capture, one summary for each flow: what the tests against other programs compare.
 * @module
 */
import { readFile } from "node:fs/promises";
import { SeededRandom } from "#base/seeded-random.ts";
import { FlowEngine, type FlowEngineOptions, type FlowFrame } from "#flow/engine.ts";
import type { EndReason } from "#flow/event/events.ts";
import type { Flow } from "#flow/flow.ts";
import type { Side } from "#flow/side.ts";
import { CaptureReader } from "#wire/capture.ts";
import { MalformedCaptureError } from "#wire/capture-record.ts";

/** A range of a stream: offset 0 is the byte behind the SYN, or the first that was seen. */
export interface StreamGap {
  readonly offset: number;
  readonly lengthBytes: number;
}

/** What one end has sent, in order. */
export interface SummaryStream {
  /** The bytes, those of gaps left out. */
  readonly bytes: Uint8Array;
  readonly gaps: readonly StreamGap[];
}

/** One flow; of each pair the client's is the first. */
export interface FlowSummary {
  readonly client: string;
  readonly clientPort: number;
  readonly server: string;
  readonly serverPort: number;
  /** The number of the IP protocol. */
  readonly protocol: number;
  readonly encapsulation: number;
  readonly isPartial: boolean;
  /** Who sent the first packet that was seen. */
  readonly first: Side;
  readonly packets: readonly [number, number];
  /** Bytes of the frames as they were captured. */
  readonly frameBytes: readonly [number, number];
  /** Bytes of IP packets. */
  readonly networkBytes: readonly [number, number];
  readonly payloadBytes: readonly [number, number];
  readonly streams: readonly [SummaryStream, SummaryStream];
  readonly hasSyn: readonly [boolean, boolean];
  readonly reason: EndReason;
}

/** How captures are replayed. */
export interface SummaryOptions {
  readonly policy?: FlowEngineOptions["policy"];
  readonly limits?: FlowEngineOptions["limits"];
  readonly view?: "sent" | "acked";
}

class Collected {
  first: Side | undefined;
  readonly frameBytes: [number, number] = [0, 0];
  readonly pieces: readonly [Uint8Array[], Uint8Array[]] = [[], []];
  readonly gaps: readonly [StreamGap[], StreamGap[]] = [[], []];
  /** Those that `read` told of: one that ends a stream is an event only. */
  readonly readGaps: readonly [StreamGap[], StreamGap[]] = [[], []];
}

/** Replays frames; the summaries come in the order in which the flows ended. */
export class FlowSummaries {
  readonly summaries: FlowSummary[] = [];
  readonly errors: unknown[] = [];
  readonly engine: FlowEngine;
  #frame: FlowFrame | undefined;

  constructor({ policy = {}, limits = {}, view = "sent" }: SummaryOptions = {}) {
    this.engine = new FlowEngine({
      random: new SeededRandom(1),
      policy,
      limits: { flowCountMax: 8192, ...limits },
      onError: (_monitor, error) => this.errors.push(error),
    });
    const monitor = this.engine.monitor<Collected>({ name: "summaries", view });
    monitor.on("packet", "sender", (flow, { sender }) => {
      flow.context ??= new Collected();
      flow.context.first ??= sender;
      flow.context.frameBytes[sender === "client" ? 0 : 1] += this.#frame?.capturedBytes ?? 0;
    });
    monitor.on("newData", "none", (flow, { sender }) => read(flow, sender));
    monitor.on("gap", "none", (flow, { sender, offset, lengthBytes }) => {
      flow.context ??= new Collected();
      flow.context.gaps[sender === "client" ? 0 : 1].push({ offset, lengthBytes });
    });
    monitor.on("connectionEnd", "none", (flow, { reason }) => this.#end(flow, reason));
  }

  handle(frame: FlowFrame): boolean {
    this.#frame = frame;
    return this.engine.handle(frame);
  }

  /** Ends all flows. @throws what a callback threw */
  close(): FlowSummary[] {
    this.engine.close();
    if (this.errors.length > 0) throw this.errors[0];
    return this.summaries;
  }

  #end(flow: Flow<Collected>, reason: EndReason): void {
    const { client, server } = flow;
    flow.context ??= new Collected();
    read(flow, "client");
    read(flow, "server");
    const { first, frameBytes, pieces, gaps, readGaps } = flow.context;
    for (const direction of [0, 1] as const) {
      const told = gaps[direction].map(({ offset, lengthBytes }) => `${offset} ${lengthBytes}`);
      const readOf = readGaps[direction].map(({ offset, lengthBytes }) => `${offset} ${lengthBytes}`);
      if (readOf.some((gap) => !told.includes(gap)))
        this.errors.push(new Error(`gaps that were read: ${readOf}; told of: ${told}`));
    }
    this.summaries.push({
      client: client.address,
      clientPort: client.port,
      server: server.address,
      serverPort: server.port,
      protocol: flow.protocol,
      encapsulation: flow.encapsulation,
      isPartial: flow.isPartial,
      first: first ?? "client",
      packets: [client.packetCount, server.packetCount],
      frameBytes,
      networkBytes: [client.networkBytes, server.networkBytes],
      payloadBytes: [client.payloadBytes, server.payloadBytes],
      streams: [
        { bytes: Buffer.concat(pieces[0]), gaps: gaps[0] },
        { bytes: Buffer.concat(pieces[1]), gaps: gaps[1] },
      ],
      hasSyn: [client.hasSyn, server.hasSyn],
      reason,
    });
  }
}

/** Takes all that can be read of one end. */
function read(flow: Flow<Collected>, sender: Side): void {
  flow.context ??= new Collected();
  const direction = sender === "client" ? 0 : 1;
  const end = flow.end(sender);
  for (let piece = end.read(); piece !== undefined; piece = end.read()) {
    if (piece.bytes !== undefined) flow.context.pieces[direction].push(piece.bytes.slice());
    else flow.context.readGaps[direction].push({ offset: piece.offset, lengthBytes: piece.gap });
  }
}

/** The flows of a capture; of one that is damaged, those up to there. */
export async function summariesOf(path: string, options: SummaryOptions = {}): Promise<FlowSummary[]> {
  return summarise(await readFile(path), options);
}

/** The flows of a capture's bytes. */
export function summarise(file: Uint8Array, options: SummaryOptions = {}): FlowSummary[] {
  const summaries = new FlowSummaries(options);
  const reader = new CaptureReader();
  try {
    reader.push(file);
    while (reader.next()) summaries.handle(reader.record);
  } catch (error) {
    if (!(error instanceof MalformedCaptureError)) throw error;
  }
  return summaries.close();
}
