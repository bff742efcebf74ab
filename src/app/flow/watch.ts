/**
 * Watches the flows of an interface, in this thread or in several.
 * @module
 */
import { Worker } from "node:worker_threads";
import type { EngineChoice } from "./engine-choice.ts";
import type { LiveOrder } from "./live-source.ts";
import { type LiveSnapshot, LiveWatch } from "./live-watch.ts";
import { addCounts, addSnapshots } from "./sums.ts";
import type { WatchOrder } from "./watch-lane.ts";
import type { WatchAnswer, WatchQuestion, WatchWorkerData } from "./watch-worker.ts";
import { uncarryError, workerEntry } from "./worker-message.ts";

/** What can be watched. */
export interface FlowWatch {
  /** What is to be seen now. @throws what ended the watching */
  snapshot(order: WatchOrder, countMax: number): Promise<LiveSnapshot>;
  /** Ends it. */
  close(): Promise<void>;
}

/** @throws ConfigurationError, CaptureForbiddenError, FilterError */
export async function watchInterface(
  live: LiveOrder,
  engine: EngineChoice,
  workerCount: number,
): Promise<FlowWatch> {
  if (workerCount === 1) return new OwnWatch(live, engine);
  const group = process.pid & 0xffff;
  const seats = Array.from(
    { length: workerCount },
    () => new WorkerSeat({ live: { ...live, group }, engine }),
  );
  const watch = new SharedWatch(seats);
  try {
    // One after the other: whoever joins the group takes over some of the flows.
    for (const seat of seats) await seat.ready;
  } catch (error) {
    await watch.close();
    throw error;
  }
  return watch;
}

class OwnWatch implements FlowWatch {
  readonly #watch: LiveWatch;
  #failure: Error | undefined;

  constructor(live: LiveOrder, engine: EngineChoice) {
    this.#watch = new LiveWatch(live, engine, (error) => {
      this.#failure = error;
    });
  }

  async snapshot(order: WatchOrder, countMax: number): Promise<LiveSnapshot> {
    if (this.#failure !== undefined) throw this.#failure;
    return this.#watch.snapshot(order, countMax);
  }

  async close(): Promise<void> {
    this.#watch.close();
  }
}

class SharedWatch implements FlowWatch {
  readonly #seats: readonly WorkerSeat[];

  constructor(seats: readonly WorkerSeat[]) {
    this.#seats = seats;
  }

  async snapshot(order: WatchOrder, countMax: number): Promise<LiveSnapshot> {
    const all = await Promise.all(this.#seats.map((seat) => seat.snapshot(order, countMax)));
    const ring = addCounts(all.map((each) => ({ ...each.ring })));
    const { receivedCount = 0, droppedCount = 0, freezeCount = 0 } = ring;
    return { ...addSnapshots(all, order, countMax), ring: { receivedCount, droppedCount, freezeCount } };
  }

  async close(): Promise<void> {
    await Promise.all(this.#seats.map((seat) => seat.close()));
  }
}

class WorkerSeat {
  readonly ready: Promise<void>;
  readonly #worker: Worker;
  readonly #exited: Promise<unknown>;
  /** Questions without an answer yet, the oldest first. */
  readonly #waiting: PromiseWithResolvers<LiveSnapshot>[] = [];
  #failure: Error | undefined;

  constructor(workerData: WatchWorkerData) {
    const worker = new Worker(workerEntry("watch-worker", import.meta.url), { workerData });
    const ready = Promise.withResolvers<void>();
    this.ready = ready.promise;
    this.#worker = worker;
    const fail = (error: Error): void => {
      this.#failure ??= error;
      ready.reject(error);
      for (const { reject } of this.#waiting.splice(0)) reject(error);
    };
    this.ready.catch(() => undefined);
    this.#exited = new Promise((resolve) => {
      worker.once("exit", (code) => {
        fail(new Error(`a worker ended with ${code}`));
        resolve(code);
      });
    });
    worker.once("error", fail);
    worker.on("message", (answer: WatchAnswer) => {
      if (answer.say === "ready") ready.resolve();
      else if (answer.say === "snapshot") this.#waiting.shift()?.resolve(answer.snapshot);
      else fail(uncarryError(answer.error));
    });
  }

  snapshot(order: WatchOrder, countMax: number): Promise<LiveSnapshot> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    const waiting = Promise.withResolvers<LiveSnapshot>();
    this.#waiting.push(waiting);
    this.#ask({ ask: "snapshot", order, countMax });
    return waiting.promise;
  }

  async close(): Promise<void> {
    this.#ask({ ask: "close" });
    const giveUp = setTimeout(() => void this.#worker.terminate(), 2000);
    await this.#exited;
    clearTimeout(giveUp);
  }

  #ask(question: WatchQuestion): void {
    this.#worker.postMessage(question);
  }
}
