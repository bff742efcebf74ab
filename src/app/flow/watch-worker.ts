/**
 * The thread of one of several workers that share the flows of an interface.
 * @module
 */
import { parentPort, workerData } from "node:worker_threads";
import type { EngineChoice } from "./engine-choice.ts";
import type { LiveOrder } from "./live-source.ts";
import { type LiveSnapshot, LiveWatch } from "./live-watch.ts";
import type { WatchOrder } from "./watch-lane.ts";
import { type CarriedError, carryError } from "./worker-message.ts";

export interface WatchWorkerData {
  readonly live: LiveOrder;
  readonly engine: EngineChoice;
}

/** What a worker is asked. */
export type WatchQuestion =
  | { readonly ask: "snapshot"; readonly order: WatchOrder; readonly countMax: number }
  | { readonly ask: "close" };

/** What it says; an answer to each question, in order. */
export type WatchAnswer =
  | { readonly say: "ready" }
  | { readonly say: "snapshot"; readonly snapshot: LiveSnapshot }
  | { readonly say: "failed"; readonly error: CarriedError };

function work({ live, engine }: WatchWorkerData): void {
  const post = (answer: WatchAnswer): void => parentPort?.postMessage(answer);
  try {
    const watch = new LiveWatch(live, engine, (error) => post({ say: "failed", error: carryError(error) }));
    parentPort?.on("message", (question: WatchQuestion) => {
      if (question.ask === "close") {
        watch.close();
        parentPort?.close();
      } else post({ say: "snapshot", snapshot: watch.snapshot(question.order, question.countMax) });
    });
    post({ say: "ready" });
  } catch (error) {
    post({ say: "failed", error: carryError(error) });
  }
}

work(workerData as WatchWorkerData);
