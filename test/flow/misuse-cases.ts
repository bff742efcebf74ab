/**
 * What tests of misuse share: an engine, a conversation in which every event happens, and a monitor that behaves.
 * @module
 */
import { SeededRandom } from "#base/seeded-random.ts";
import { FlowEngine, type FlowEngineOptions } from "#flow/engine.ts";
import type { EventName, Hook } from "#flow/event/events.ts";
import type { Flow } from "#flow/flow.ts";
import type { FlowMonitor } from "#flow/monitor.ts";
import { type ConversationPacket, conversation } from "../support/conversation.ts";
import { FLOW_HOOKS } from "../support/flow-hooks.ts";

export interface Made {
  readonly engine: FlowEngine;
  readonly errors: unknown[];
}

export function make(options: Partial<FlowEngineOptions> = {}): Made {
  const errors: unknown[] = [];
  const onError = (_: string, error: unknown): void => void errors.push(error);
  return {
    engine: new FlowEngine({
      random: new SeededRandom(1),
      onError,
      limits: LIMITS,
      policy: POLICY,
      ...options,
    }),
    errors,
  };
}

/** Everything that can be listened at. */
export const PLACES: readonly (readonly [EventName, Hook])[] = Object.entries(FLOW_HOOKS).flatMap(
  ([name, hooks]) => hooks.map((hook): readonly [EventName, Hook] => [name as EventName, hook]),
);

/** So few segments are kept that some are lost; many engines are made. */
const LIMITS = { segmentCountMax: 4, flowCountMax: 100 };
const POLICY = { midstream: "off" } as const;

/** A conversation in which every event happens: holes, retransmissions, refused segments, resets, time-outs. */
export function eventful(port = 1025): ConversationPacket[] {
  const talk = conversation({ client: `10.0.0.1:${port}` });
  const late = conversation({ client: `10.0.0.1:${port + 1}` });
  const short = conversation({ client: `10.0.0.3:${port}` });
  const broken = conversation({ client: `10.0.0.4:${port}` });
  return [
    ...short.handshake(),
    ...short.close(),
    ...broken.wait(7).handshake(),
    broken.reset("client"),
    ...talk.wait(20).handshake(),
    talk.client("one"),
    talk.client("one", { at: 0 }),
    talk.client("three", { at: 6 }),
    talk.ack("server", { acknowledged: 11 }),
    talk.client("far away", { at: 500_000 }),
    talk.server("answer"),
    talk.client("more", { at: 11 }),
    conversation({ client: `10.0.0.2:${port}` }).reset("client", { time: 500 }),
    ...late.wait(600).handshake(),
    ...[3, 3000, 3010, 3020, 3030, 3040].map((at) => late.client("x", { at })),
    late.wait(400_000).reset("server"),
  ];
}

/** Any event, at any of its hooks. */
export function listen(
  monitor: FlowMonitor,
  place: readonly [EventName, Hook],
  callback: (flow: Flow) => void,
): void {
  monitor.on(place[0] as "gap", place[1] as "none", (flow) => callback(flow));
}

/** What a well-behaved monitor is told, as text. */
export function record(engine: FlowEngine): string[] {
  const told: string[] = [];
  const monitor = engine.monitor();
  for (const [name, hook] of PLACES) {
    monitor.on(name as "newData", hook as "none", (flow, event) => {
      let text = `${name} ${hook} ${event.sender} ${event.now}`;
      if (name === "newData") {
        const end = flow.end(event.sender);
        for (let piece = end.read(); piece !== undefined; piece = end.read()) {
          text += ` ${piece.offset} ${piece.bytes === undefined ? piece.gap : Buffer.from(piece.bytes).toString()}`;
        }
      }
      told.push(text);
    });
  }
  return told;
}

/** What `record` is told of when nobody else listens. */
export function undisturbed(packets: readonly ConversationPacket[]): string[] {
  const { engine } = make();
  const told = record(engine);
  for (const packet of packets) engine.handle(packet);
  engine.close();
  return told;
}
