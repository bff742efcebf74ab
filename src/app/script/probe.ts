/**
 * Tries whether a script can be loaded, in a thread that is thrown away: what loops for ever, fills the memory or
 * ends the process while it is loaded does no harm to scripts that run.
 * @module
 */
import { Worker } from "node:worker_threads";
import { ScriptLoadError } from "#script/errors.ts";
import { HEAP_MEGABYTES_MAX, ISOLATE_ENTRY, LOAD_TIME_MAX } from "./isolate-limits.ts";
import type { FromIsolate, LoadFailure, ProbedModule } from "./isolate-messages.ts";
import { HARD_LIMITS, watchMemory } from "./memory-watch.ts";

/** What the module says of itself. @throws ScriptLoadError */
export async function probeScript(file: string, functionName: string): Promise<ProbedModule> {
  const worker = new Worker(ISOLATE_ENTRY, {
    workerData: { kind: "probe", file, functionName },
    resourceLimits: HARD_LIMITS,
  });
  let endWatch: (() => void) | undefined;
  let timer: NodeJS.Timeout | undefined;
  try {
    return await new Promise<ProbedModule>((resolve, reject) => {
      const refuse = (seen: string): void =>
        reject(new ScriptLoadError(`Cannot load ${functionName} of ${file}: ${seen}`));
      const hoards = (): void => refuse(`its module took more than ${HEAP_MEGABYTES_MAX} MB of memory`);
      endWatch = watchMemory(worker, hoards);
      timer = setTimeout(() => {
        refuse(`its module was not done after ${LOAD_TIME_MAX / 1000} s; does it loop while it is loaded?`);
      }, LOAD_TIME_MAX);
      worker.on("message", (message: FromIsolate) => {
        if (message.say !== "done") return;
        if (message.failure) reject(loadErrorFrom(message.failure));
        else if (message.module) resolve(message.module);
      });
      worker.on("error", (error: NodeJS.ErrnoException) => {
        if (error.code === "ERR_WORKER_OUT_OF_MEMORY") hoards();
        else refuse(error.message);
      });
      worker.on("exit", () => refuse("its module ended the thread; does it call process.exit?"));
    });
  } finally {
    clearTimeout(timer);
    endWatch?.();
    void worker.terminate();
  }
}

/** An error of another thread, as it was there. */
export function loadErrorFrom({ message, place }: LoadFailure): ScriptLoadError {
  return new ScriptLoadError(message, { place });
}
