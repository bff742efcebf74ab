/**
 * What an engine makes of a few packets, as text that a table of cases can hold: the bytes of both streams with gaps as
 * `[3]`, the events that were asked for, the states at the end.
 * @module
 */
import { SeededRandom } from "#base/seeded-random.ts";
import { FlowEngine, type FlowEngineOptions } from "#flow/engine.ts";
import type { EventObject } from "#flow/event/event-object.ts";
import type { EventName, Hook } from "#flow/event/events.ts";
import type { Flow } from "#flow/flow.ts";
import type { FlowMonitor, MonitorOptions } from "#flow/monitor.ts";
import type { Side } from "#flow/side.ts";
import { type Conversation, type ConversationOptions, conversation } from "./conversation.ts";
import type { ConversationPacket } from "./conversation-packet.ts";
import { FLOW_HOOKS } from "./flow-hooks.ts";

/** Initial sequence numbers that every case is told at: small, at the wrap of 2^31 and of 2^32, and where they meet. */
export const SEQUENCES: readonly (readonly [client: number, server: number])[] = [
  [1000, 5000],
  [0xffff_fff5, 0],
  [0x7fff_fff5, 0xffff_ffff],
  [0, 0x7fff_ffff],
];

/** One case of a table. */
export interface StoryCase {
  /** Begins with the number of the hazard, or of the semantic or defect. */
  readonly name: string;
  readonly talk?: ConversationOptions;
  readonly packets: (talk: Conversation) => readonly ConversationPacket[];
  readonly policy?: FlowEngineOptions["policy"];
  readonly limits?: FlowEngineOptions["limits"];
  readonly monitor?: MonitorOptions;
  /** Which events the log has; `outOfWindow gap bufferOverrun` and the like. */
  readonly events?: string;
  /** The streams, where they are given. */
  readonly client?: string;
  readonly server?: string;
  /** Events, all of them and in this order. */
  readonly log?: readonly string[];
  /** States of the client and the server behind the last packet: `ESTABLISHED CLOSE_WAIT`. */
  readonly states?: string;
  /** Numbers of the flows that were followed. */
  readonly flows?: number;
  /** Only for these sequence numbers. */
  readonly sequences?: readonly (readonly [client: number, server: number])[];
}

/** What came of it. */
export interface Story {
  readonly engine: FlowEngine;
  readonly monitor: FlowMonitor;
  readonly client: string;
  readonly server: string;
  readonly log: readonly string[];
  readonly states: string;
  /** Packets that were not passed on, by their places. */
  readonly dropped: readonly number[];
}

const HOOKS: Readonly<Record<EventName, readonly Hook[]>> = { ...FLOW_HOOKS, packet: ["sender", "receiver"] };

/** An event as a line. */
export function lineOf(event: EventObject, hook: Hook): string {
  const range = `${event.offset}+${event.lengthBytes}`;
  switch (event.name) {
    case "stateChange":
      return `${hook} ${event.end} ${event.from}>${event.to}`;
    case "newData":
      return `newData ${event.sender} ${range}`;
    case "gap":
      return `gap ${event.sender} ${range}`;
    case "retransmission": {
      const where = event.content === "different" ? ` at ${event.differenceOffset}` : "";
      return `again ${event.sender} ${event.kind} ${range} ${event.content}${where}`;
    }
    case "outOfWindow":
      return `refused ${event.sender} ${event.cause} ${range}`;
    case "bufferOverrun":
      return `overrun ${event.sender} ${event.limit} ${range}`;
    case "connectionEnd":
      return hook === "none" ? `end ${event.reason}` : `${hook} end ${event.end} ${event.reason}`;
    case "orphan":
    case "timeout":
      return event.name;
    default:
      return `${hook} ${event.name} ${event.sender}`;
  }
}

/** Reads all that a side has for the monitor; gaps as `[n]`. */
export function readAll(flow: Flow<unknown>, side: Side): string {
  let text = "";
  const end = flow.end(side);
  for (let piece = end.read(); piece !== undefined; piece = end.read()) {
    text += piece.bytes === undefined ? `[${piece.gap}]` : Buffer.from(piece.bytes).toString("latin1");
  }
  return text;
}

/** Tells a story to an engine and listens. Errors in callbacks are thrown. */
export function tellStory(packets: readonly ConversationPacket[], options: Partial<StoryCase> = {}): Story {
  const engine = new FlowEngine({
    random: new SeededRandom(1),
    onError: (_name, error) => {
      throw error;
    },
    ...(options.policy === undefined ? {} : { policy: options.policy }),
    ...(options.limits === undefined ? {} : { limits: options.limits }),
  });
  const monitor = engine.monitor(options.monitor ?? {});
  const log: string[] = [];
  const streams = { client: "", server: "" };
  let last: Flow<unknown> | undefined;
  const names = (options.events ?? "").split(" ").filter((name) => name !== "");
  for (const name of names as EventName[]) {
    for (const hook of HOOKS[name]) {
      monitor.on(name as "packet", hook as "sender", (_flow, event) => {
        log.push(lineOf(event as EventObject, hook));
      });
    }
  }
  monitor.on("packet", "sender", (flow) => {
    last = flow;
  });
  monitor.on("newData", "none", (flow, event) => {
    streams[event.sender] += readAll(flow, event.sender);
  });
  const dropped: number[] = [];
  for (const [index, packet] of packets.entries()) if (!engine.handle(packet)) dropped.push(index);
  const states = last?.isOpen ? `${last.client.state} ${last.server.state}` : "";
  engine.close();
  return { engine, monitor, ...streams, log, states, dropped };
}

/** Tells a case at all its sequence numbers and calls `check` for each. */
export function tellCase(told: StoryCase, check: (story: Story, where: string) => void): void {
  for (const [clientSequence, serverSequence] of told.sequences ?? SEQUENCES) {
    const talk = conversation({ clientSequence, serverSequence, ...told.talk });
    check(tellStory(told.packets(talk), told), `sequence numbers ${clientSequence} ${serverSequence}`);
  }
}
