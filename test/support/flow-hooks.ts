/**
 * The hooks of each event of flows, for tests that listen at all of them.
 * @module
 */
import type { EventHooks, EventName } from "#flow/event/events.ts";

export const FLOW_HOOKS: { readonly [E in EventName]: readonly EventHooks[E][] } = {
  packet: ["sender", "receiver", "none"],
  connectionStart: ["sender", "receiver"],
  established: ["sender", "receiver"],
  stateChange: ["sender", "receiver"],
  newData: ["none"],
  retransmission: ["receiver"],
  gap: ["none"],
  outOfWindow: ["receiver"],
  bufferOverrun: ["none"],
  orphan: ["none"],
  connectionEnd: ["sender", "receiver", "none"],
  timeout: ["none"],
};
