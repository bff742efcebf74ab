/**
 * An engine on the ring of an interface, and what is to be seen of it.
 * @module
 */
import type { PacketCapture, PacketCaptureStatistics } from "#io/packet-capture.ts";
import type { EngineChoice } from "./engine-choice.ts";
import { type LiveOrder, openLive } from "./live-source.ts";
import { WatchLane, type WatchOrder, type WatchSnapshot } from "./watch-lane.ts";

/** With the counts of the ring. */
export interface LiveSnapshot extends WatchSnapshot {
  readonly ring: PacketCaptureStatistics;
}

/** Packets may lie in the ring for so long before they are handed over; milliseconds. */
const RING_DELAY = 100;

export class LiveWatch {
  readonly #capture: PacketCapture;
  readonly #lane: WatchLane;

  /**
   * @param trouble is told when the interface goes away
   * @throws ConfigurationError, CaptureForbiddenError, FilterError
   */
  constructor(live: LiveOrder, engine: EngineChoice, trouble: (error: Error) => void) {
    this.#lane = new WatchLane(engine);
    this.#capture = openLive(live);
    this.#capture.onTrouble(trouble);
    this.#capture.start((batch) => {
      while (batch.next()) this.#lane.handle(batch.packet);
    });
  }

  /** What is to be seen now. */
  snapshot(order: WatchOrder, countMax: number): LiveSnapshot {
    this.#lane.advance(Date.now() - RING_DELAY);
    return { ...this.#lane.snapshot(order, countMax), ring: this.#capture.statistics() };
  }

  close(): void {
    this.#capture.close();
  }
}
