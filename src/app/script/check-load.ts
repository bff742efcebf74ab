/**
 * Loads a script in a thread of its own and looks at what came of it.
 * @module
 */
import type { Duration } from "#base/time.ts";
import type { ScriptOptions } from "#script/context.ts";
import { ScriptLoadError } from "#script/errors.ts";
import type { CheckAnswer, CheckOrder } from "./check-worker.ts";
import { carriedError, startContained } from "./contained.ts";

/** How long the modules of a script may take to load. */
export const LOAD_TIME_MAX: Duration = 5000 as Duration;
const HEAP_MEGABYTES = 256;
const MEMORY_MEGABYTES = 1000;

/** What a script has to offer. */
export interface LoadReport {
  readonly functions: readonly string[];
  readonly options: ScriptOptions;
  /** Its own modules, itself first. */
  readonly files: readonly string[];
}

/**
 * Whether the modules of a script can be loaded.
 * @throws ScriptLoadError, also when they loop for ever, take too much memory, or end the thread.
 */
export async function loadOnce(file: string, timeLimit: Duration = LOAD_TIME_MAX): Promise<LoadReport> {
  const order: CheckOrder = { file };
  const limits = { heapMegabytes: HEAP_MEGABYTES, memoryMegabytes: MEMORY_MEGABYTES };
  const { worker, ended, end } = startContained("check-worker", order, limits);
  const { promise, resolve, reject } = Promise.withResolvers<LoadReport>();
  const refuse = (seen: string): void => reject(new ScriptLoadError(`Cannot load ${file}: ${seen}`));
  worker.on("message", (answer: CheckAnswer) => {
    if ("failure" in answer) reject(carriedError(answer.failure));
    else resolve(answer);
  });
  void ended.then(({ kind, message }) => {
    if (kind === "memory") refuse(`it ${message} while it was loaded`);
    else if (kind === "exited") {
      refuse(`it ${message} while it was loaded; does it call process.exit, or wait for what never comes?`);
    } else refuse(`it throws while it is loaded: ${message}`);
  });
  const timer = setTimeout(() => {
    refuse(`it was not done loading after ${timeLimit / 1000} s; is there a loop that does not end?`);
  }, timeLimit);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    await end();
  }
}
