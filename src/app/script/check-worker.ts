/**
 * The thread of `script check` in which a script is loaded once.
 * @module
 */
import { parentPort, workerData } from "node:worker_threads";
import type { ScriptOptions } from "#script/context.ts";
import { type CarriedError, carryError } from "./contained.ts";
import { inspectScript } from "./modules.ts";

/** What the thread is told. */
export interface CheckOrder {
  readonly file: string;
}

/** What it answers. */
export type CheckAnswer =
  | {
      readonly functions: readonly string[];
      readonly options: ScriptOptions;
      readonly files: readonly string[];
    }
  | { readonly failure: CarriedError };

async function answer({ file }: CheckOrder): Promise<CheckAnswer> {
  try {
    return await inspectScript(file);
  } catch (error) {
    return { failure: carryError(error) };
  }
}

const port: typeof parentPort = parentPort;
const order: CheckOrder = workerData;
port?.postMessage(await answer(order));
// Timers and sockets of the script would keep the thread.
process.exit();
