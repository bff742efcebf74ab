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

export class QueueNumbers {
  readonly #first: number;
  #next: number;

  /** @param first the lowest number that is taken */
  constructor(first: number = NUMBER_FIRST) {
    this.#first = first;
    this.#next = first;
  }

  /**
   * Opens `count` queues with numbers that follow each other.
   * @throws LimitExceededError when no numbers are free, and what `openQueueDescriptor` throws
   */
  open(
    count: number,
    options: Omit<PacketQueueOptions, "queueNumber">,
    heldCountMax: number,
  ): QueueDescription[] {
    for (let tries = this.#first; tries <= NUMBER_LAST; tries++) {
      if (this.#next + count - 1 > NUMBER_LAST) this.#next = this.#first;
      const opened = tryToOpen(this.#next, count, options, heldCountMax);
      // Numbers go round, so that what was queued by a rule of before meets nobody else's reader.
      this.#next = typeof opened === "number" ? opened + 1 : this.#next + count;
      if (typeof opened !== "number") return opened;
    }
    throw new LimitExceededError(`Cannot open ${count} packet queues: all numbers are in use`);
  }
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
