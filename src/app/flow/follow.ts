/**
 * Finds one flow of a capture and hands its bytes on, as its receivers would have them, while the capture is read.
 * @module
 */
import { readCapture } from "../capture-file.ts";
import { type Flow, FlowEngine, IpProtocol, type Side } from "../flow.ts";
import { type EngineChoice, engineOptions } from "./engine-choice.ts";
import { endpoint } from "./record-row.ts";

/** Which flow: by its number, or by its ends in either order. */
export type FollowTarget =
  | { readonly protocol: "tcp" | "udp"; readonly number: number }
  | { readonly ends: readonly [string, string] };

/** What is to be followed. */
export interface FollowOrder {
  /** A capture, or `-` for standard input. */
  readonly file: string;
  readonly target: FollowTarget;
  /** Only what the receiver has acknowledged. */
  readonly acknowledged: boolean;
  readonly engine: EngineChoice;
}

/** Who takes the bytes. */
export interface FollowSink {
  /** The flow is there; its ends as `10.0.0.1:80`. */
  found(client: string, server: string): void;
  /** Bytes of an end from `offset` of its stream on; good until the call returns. */
  bytes(side: Side, offset: number, bytes: Uint8Array): void;
  /** Bytes that are not in the capture. */
  gap(side: Side, offset: number, lengthBytes: number): void;
  /** Packets of the capture that are done, now and then. */
  progress(packets: number): void;
  /** Awaited now and then, when it is given. */
  settle(): Promise<void> | undefined;
}

/** How it went. */
export interface FollowResult {
  readonly isFound: boolean;
  /** How many flows of the protocol there are, when it was not found. */
  readonly flowCount: number;
  /** That the capture ends inside of a record. */
  readonly warning: string | undefined;
  /** Packets that were left out for their checksums up to the flow's end, of any flow. */
  readonly refusedChecksums: number;
}

/** Follows the flow until it ends, or the capture does. @throws ConfigurationError, MalformedCaptureError */
export async function followFlow(order: FollowOrder, sink: FollowSink): Promise<FollowResult> {
  const capture = await readCapture(order.file);
  const follower = new Follower(order, sink);
  const { engine } = follower;
  try {
    try {
      let packets = 0;
      while (!follower.isDone && (await capture.more())) {
        while (capture.next() && !follower.isDone) {
          engine.handle(capture.record);
          packets++;
        }
        sink.progress(packets);
        await sink.settle();
      }
    } finally {
      engine.close();
    }
    await sink.settle();
    const { isFound, flowCount } = follower;
    const { refusedChecksums } = engine.statistics;
    return { isFound, flowCount, warning: capture.truncation?.message, refusedChecksums };
  } finally {
    await capture.close();
  }
}

class Follower {
  readonly engine: FlowEngine;
  isFound = false;
  isDone = false;
  flowCount = 0;
  readonly #target: FollowTarget;
  readonly #sink: FollowSink;
  /** Where each end's stream has come to. */
  readonly #offsets = { client: 0, server: 0 };
  /** The latest gap of each end: one at the very end comes with no bytes behind it. */
  readonly #gaps = { client: { offset: 0, lengthBytes: 0 }, server: { offset: 0, lengthBytes: 0 } };

  constructor({ target, acknowledged, engine }: FollowOrder, sink: FollowSink) {
    this.#target = target;
    this.#sink = sink;
    const options = engineOptions(engine, { compareBytes: 0 });
    // Who looks at a stream wants what is there, also what a lost packet at the end of a capture stands in front of.
    const tail = acknowledged ? "discard" : "deliver";
    this.engine = new FlowEngine({ ...options, policy: { ...options.policy, tail } });
    const monitor = this.engine.monitor({ name: "follow", view: acknowledged ? "acked" : "sent" });
    monitor.on("connectionStart", "sender", (flow) => this.#began(flow));
  }

  /** All other flows are left alone. */
  #began(flow: Flow): void {
    if (this.isFound || !this.#isWanted(flow)) return;
    this.isFound = true;
    const { client, server } = flow;
    this.#sink.found(endpoint(client.address, client.port), endpoint(server.address, server.port));
    flow.on("newData", "none", (_, { sender }) => this.#read(flow, sender));
    flow.on("gap", "none", (_, { sender, offset, lengthBytes }) => {
      this.#gaps[sender] = { offset, lengthBytes };
    });
    flow.on("connectionEnd", "none", () => this.#ended());
  }

  #isWanted(flow: Flow): boolean {
    const protocol = protocolOf(flow);
    if (protocol === undefined) return false;
    if ("ends" in this.#target) {
      const { client, server } = flow;
      const [one, two] = this.#target.ends;
      const from = endpoint(client.address, client.port);
      const to = endpoint(server.address, server.port);
      return (from === one && to === two) || (from === two && to === one);
    }
    return protocol === this.#target.protocol && this.flowCount++ === this.#target.number;
  }

  #read(flow: Flow, sender: Side): void {
    const end = flow.end(sender);
    for (let piece = end.read(); piece !== undefined; piece = end.read()) {
      if (piece.bytes === undefined) this.#gap(sender, piece.offset, piece.gap);
      else {
        this.#sink.bytes(sender, piece.offset, piece.bytes);
        this.#offsets[sender] = piece.offset + piece.bytes.length;
      }
    }
  }

  #gap(sender: Side, offset: number, lengthBytes: number): void {
    this.#sink.gap(sender, offset, lengthBytes);
    this.#offsets[sender] = offset + lengthBytes;
  }

  #ended(): void {
    for (const side of ["client", "server"] as const) {
      const { offset, lengthBytes } = this.#gaps[side];
      const end = offset + lengthBytes;
      const from = Math.max(offset, this.#offsets[side]);
      if (end > from) this.#gap(side, from, end - from);
    }
    this.isDone = true;
  }
}

function protocolOf({ protocol }: Flow): "tcp" | "udp" | undefined {
  if (protocol === IpProtocol.tcp) return "tcp";
  return protocol === IpProtocol.udp ? "udp" : undefined;
}
