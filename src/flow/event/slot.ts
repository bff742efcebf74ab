/**
 * A number for every legal pair of a built-in event and a hook, so that a set of them is a mask and what listens at
 * one is found by an index: bit = `1 << slot`.
 * @module
 */
import { ConfigurationError } from "#base/errors.ts";
import type { EventHooks, EventName, Hook } from "./events.ts";

/** Where an event is met. Below 31, so that masks stay small integers. */
export const Slot = {
  packetSender: 0,
  packetReceiver: 1,
  packetNone: 2,
  connectionStartSender: 3,
  connectionStartReceiver: 4,
  establishedSender: 5,
  establishedReceiver: 6,
  stateChangeSender: 7,
  stateChangeReceiver: 8,
  newData: 9,
  retransmission: 10,
  gap: 11,
  outOfWindow: 12,
  bufferOverrun: 13,
  orphan: 14,
  connectionEndSender: 15,
  connectionEndReceiver: 16,
  connectionEnd: 17,
  timeout: 18,
} as const;

/** How many slots there are: they run from 0 to one less. */
export const SLOT_COUNT = 19;

/** The slots of each event by hook: what is not here is not legal. The type holds it complete. */
const SLOTS: { readonly [E in EventName]: { readonly [H in EventHooks[E]]: number } } = {
  packet: { sender: Slot.packetSender, receiver: Slot.packetReceiver, none: Slot.packetNone },
  connectionStart: { sender: Slot.connectionStartSender, receiver: Slot.connectionStartReceiver },
  established: { sender: Slot.establishedSender, receiver: Slot.establishedReceiver },
  stateChange: { sender: Slot.stateChangeSender, receiver: Slot.stateChangeReceiver },
  newData: { none: Slot.newData },
  retransmission: { receiver: Slot.retransmission },
  gap: { none: Slot.gap },
  outOfWindow: { receiver: Slot.outOfWindow },
  bufferOverrun: { none: Slot.bufferOverrun },
  orphan: { none: Slot.orphan },
  connectionEnd: {
    sender: Slot.connectionEndSender,
    receiver: Slot.connectionEndReceiver,
    none: Slot.connectionEnd,
  },
  timeout: { none: Slot.timeout },
};

/** Whether there is a built-in event of this name. */
export function isEventName(name: unknown): name is EventName {
  return typeof name === "string" && Object.hasOwn(SLOTS, name);
}

/**
 * The slot of a pair, an integer from 0 to {@link SLOT_COUNT} - 1.
 * @throws ConfigurationError when there is no such event, or it is not met at this hook.
 */
export function slotOf(event: EventName, hook: Hook): number {
  if (!isEventName(event)) {
    const names = Object.keys(SLOTS).join(", ");
    throw new ConfigurationError(
      `Cannot listen to ${String(event)}: there is no such event; the events are ${names}`,
    );
  }
  const slots: Partial<Record<Hook, number>> = SLOTS[event];
  const slot = Object.hasOwn(slots, hook) ? slots[hook] : undefined;
  if (slot === undefined) {
    const hooks = Object.keys(slots).join(", ");
    throw new ConfigurationError(
      `Cannot listen to ${event} at hook ${String(hook)}: it is met at ${hooks} only`,
    );
  }
  return slot;
}
