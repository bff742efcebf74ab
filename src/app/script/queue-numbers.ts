/**
 * Opens queues under numbers that nobody else in the network namespace uses.
 * @module
 */
import { LimitExceededError } from "#base/errors.ts";
import { type PacketQueueOptions, QueueTakenError } from "#io/packet-queue.ts";
import { native } from "#linux/native.ts";
import { openQueueDescriptor } from "#linux/packet-queue-descriptor.ts";
import type { QueueDescription } from "./isolate-messages.ts";

/** Numbers that people choose by hand are small. */
const NUMBER_FIRST = 0x6d00;
const NUMBER_LAST = 0xffff;

let next = NUMBER_FIRST;

/**
 * Opens `count` queues with numbers that follow each other.
 * @throws LimitExceededError when no numbers are free, and what `openQueueDescriptor` throws
 */
export function openQueues(
  count: number,
  options: Omit<PacketQueueOptions, "queueNumber">,
  heldCountMax: number,
): QueueDescription[] {
  for (let tries = NUMBER_FIRST; tries <= NUMBER_LAST; tries++) {
    if (next + count - 1 > NUMBER_LAST) next = NUMBER_FIRST;
    const first = next;
    const opened = tryToOpen(first, count, options, heldCountMax);
    if (typeof opened === "number") {
      next = opened + 1;
      continue;
    }
    next = first + count;
    return opened;
  }
  throw new LimitExceededError(`Cannot open ${count} packet queues: all numbers are in use`);
}

export function closeQueues(queues: readonly QueueDescription[]): void {
  for (const { descriptor } of queues) native().close(descriptor);
}

/** The number that is taken, when one is. */
function tryToOpen(
  first: number,
  count: number,
  options: Omit<PacketQueueOptions, "queueNumber">,
  heldCountMax: number,
): QueueDescription[] | number {
  const opened: QueueDescription[] = [];
  for (let queueNumber = first; queueNumber < first + count; queueNumber++) {
    try {
      const full = { ...options, queueNumber };
      opened.push({ descriptor: openQueueDescriptor(full), options: full, heldCountMax });
    } catch (error) {
      closeQueues(opened);
      if (error instanceof QueueTakenError) return queueNumber;
      throw error;
    }
  }
  return opened;
}
