/**
 * The thread of a program of monitors: one of several, or the one that hears an interface, so that Ctrl-C is heard whatever
 * the program does.
 * @module
 */
import { parentPort, workerData } from "node:worker_threads";
import type { Share } from "./frame-share.ts";
import { type ProgramFault, RunLane, type RunOrder, type RunSummary } from "./run-lane.ts";
import { type CarriedError, carryError } from "./worker-message.ts";

export interface RunWorkerData {
  readonly order: RunOrder;
  readonly share: Share | undefined;
}

/** What a worker says. It is told `"stop"`. */
export type RunWorkerMessage =
  | { readonly say: "ready" }
  | { readonly say: "fault"; readonly fault: ProgramFault }
  | { readonly say: "done"; readonly summary: RunSummary; readonly error: CarriedError | undefined };

/** Faults told of one by one; more are counted only. */
const FAULT_COUNT_MAX = 1000;

async function work({ order, share }: RunWorkerData): Promise<void> {
  const post = (message: RunWorkerMessage): void => parentPort?.postMessage(message);
  let told = 0;
  const lane = new RunLane(order, (fault) => {
    if (told++ < FAULT_COUNT_MAX) post({ say: "fault", fault });
  });
  parentPort?.on("message", () => lane.stop());
  let error: CarriedError | undefined;
  try {
    await lane.load();
    await lane.run(share, () => post({ say: "ready" }));
  } catch (cause) {
    error = carryError(cause);
  }
  // What the program wrote last is on its way: the thread is ended once it has said that it is done.
  await Promise.all([process.stdout, process.stderr].map(written));
  post({ say: "done", summary: lane.summary(), error });
  parentPort?.close();
}

function written(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => void stream.write("", () => resolve()));
}

await work(workerData as RunWorkerData);
