/**
 * Gives everything that comes to a queue the rule's `--on-error` while its isolate is dead, stuck or starting again:
 * reads the queue in the engine's own thread through the same descriptor.
 * @module
 */
import { PacketVerdict } from "#io/packet-queue.ts";
import { LinuxPacketQueue } from "#linux/packet-queue.ts";
import { releaseAll } from "#linux/packet-queue-descriptor.ts";
import type { OnError } from "#script/engine.ts";
import type { QueueDescription } from "./isolate-messages.ts";

export class Caretaker {
  readonly #description: QueueDescription;
  readonly #verdict: number;
  readonly #onBypassed: (count: number) => void;
  readonly #queue: LinuxPacketQueue;

  /** Starts at once, with what is there. @param onBypassed is told of packets that nobody was asked about */
  constructor(description: QueueDescription, onError: OnError, onBypassed: (count: number) => void) {
    this.#description = description;
    this.#verdict = onError === "accept" ? PacketVerdict.accept : PacketVerdict.drop;
    this.#onBypassed = onBypassed;
    const { options, descriptor } = description;
    this.#queue = new LinuxPacketQueue({ ...options, descriptor });
    this.release();
    this.#queue.start((batch) => {
      for (let row = 0; row < batch.count; row++) batch.verdict[row] = this.#verdict;
      this.#onBypassed(batch.count);
    });
  }

  /** Also what a thread has read that is only just ending, and will not decide about any more. */
  release(): void {
    const { options, descriptor } = this.#description;
    releaseAll(descriptor, options.queueNumber, this.#verdict);
  }

  /** Hands the queue back. */
  close(): void {
    this.#queue.close(this.#verdict);
  }
}
