/**
 * What flow monitors import, and all that an editor needs to complete them:
 *
 *     import { FlowEngine } from "metanet/flow";
 *
 *     const engine = new FlowEngine();
 *     const web = engine.monitor({ filter: "tcp port 80" });
 *     web.on("newData", "none", (flow, event) => {
 *       for (let piece = flow.end(event.sender).read(); piece; piece = flow.end(event.sender).read()) use(piece.bytes);
 *     });
 *
 * A program for `metanet flow run` or a worker exports a function that is given the engine: {@link FlowProgram}.
 * @module
 */
import type { Random } from "#base/random.ts";
import { FlowEngine as PureFlowEngine, type FlowEngineOptions as PureOptions } from "#flow/engine.ts";
import {
  type AnyEvent,
  defineEvent as defineAnyEvent,
  type EventOf,
  type PayloadFrom,
  type RootOf,
  type UserEvent,
} from "#flow/event/user-event.ts";
import type { Flow } from "#flow/flow.ts";
import { LinuxRandom } from "#linux/random.ts";

// Time: lengths and points of it, plain numbers of milliseconds at run time.
export {
  type Duration,
  formatInstant,
  type Instant,
  instant,
  milliseconds,
  minutes,
  seconds,
} from "#base/time.ts";
export type { FlowFrame, FlowStatistics } from "#flow/engine.ts";
export { EngineBusyError, FlowEndedError, NoPacketError } from "#flow/errors.ts";
export { raise } from "#flow/event/dispatch.ts";
export type {
  CommonEvent,
  ConnectionEndEvent,
  EndReason,
  EventHooks,
  EventName,
  EventPayloads,
  Hook,
  OutOfWindowEvent,
  OverrunEvent,
  RangeEvent,
  RetransmissionEvent,
  StateChangeEvent,
} from "#flow/event/events.ts";
export type { Subscription } from "#flow/event/subscription.ts";
export {
  type Callback,
  type EventOf,
  FloatingEvent,
  floatingEvent,
  type HooksOf,
  UserEvent,
} from "#flow/event/user-event.ts";
export type { FlowEnd, StreamPiece } from "#flow/flow-end.ts";
export { IpProtocol } from "#flow/layers/layers.ts";
export type { FlowMonitor, MonitorOptions } from "#flow/monitor.ts";
export {
  FLOW_LIMITS,
  FLOW_POLICY,
  type FlowLimits,
  type FlowPolicy,
  type FlowTimeouts,
  type FragmentPolicy,
  type FullPolicy,
  type MidstreamPolicy,
  type OverlapPolicy,
  type UrgentPolicy,
} from "#flow/policy.ts";
export type { Side } from "#flow/side.ts";
export type { TcpState } from "#flow/tcp/state.ts";
// Captures as packets come from them.
export { readCapture } from "./capture-file.ts";
export { writeCapture } from "./capture-file-writer.ts";
// A program on the packets of a queue.
export { type FlowScript, type FlowScriptOptions, flowScript } from "./flow/flow-script.ts";

/** How an engine is made; the kernel's random numbers are taken where no others are given. */
export type FlowEngineOptions = Omit<PureOptions, "random"> & { readonly random?: Random };

/** Follows flows: see the opening comment. */
export class FlowEngine extends PureFlowEngine {
  constructor(options: FlowEngineOptions = {}) {
    super({ random: new LinuxRandom(), ...options });
  }
}

export type { Flow };

/**
 * An event of a program's own: another one, narrowed by a predicate, whose first parameter says which contexts the flows
 * have: `defineEvent("packet", (flow: Flow<number>) => flow.context > 3)`. See `event/user-event.ts`.
 */
export function defineEvent<
  const E extends AnyEvent<Flow<Context>>,
  Answer extends boolean | object | undefined,
  Context = unknown,
>(
  parent: E,
  predicate: (flow: Flow<Context>, event: EventOf<E>) => Answer,
): UserEvent<RootOf<E>, PayloadFrom<Answer, E>, Flow<Context>> {
  return defineAnyEvent<Flow<Context>, E, Answer>(parent, predicate);
}

/** What a module of monitors exports as `default` or by name. */
export type FlowProgram = (engine: FlowEngine) => unknown;
