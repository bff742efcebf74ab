/**
 * Loads a script in a process of its own and looks at what came of it.
 * @module
 */
import type { Duration } from "#base/time.ts";
import type { ScriptOptions } from "#script/context.ts";
import { ScriptLoadError } from "#script/errors.ts";
import type { CheckAnswer, CheckOrder } from "./check-process.ts";
import { type ContainedEnd, carriedError, startContained } from "./contained.ts";
import { formatPlace } from "./place.ts";

/** How long the modules of a script may take to load. */
export const LOAD_TIME_MAX: Duration = 5000 as Duration;
const HEAP_MEGABYTES = 256;
const MEMORY_MEGABYTES = 1000;

/** What a script has to offer. */
export interface LoadReport {
  readonly functions: readonly string[];
  readonly options: ScriptOptions;
  /** What functions say themselves, by name. */
  readonly functionOptions: Readonly<Record<string, ScriptOptions>>;
  /** Its own modules, itself first. */
  readonly files: readonly string[];
}

/**
 * Whether the modules of a script can be loaded.
 * @throws ScriptLoadError, also when they loop for ever, take too much memory, or end the process.
 */
export async function loadOnce(file: string, timeLimit: Duration = LOAD_TIME_MAX): Promise<LoadReport> {
  const order: CheckOrder = { file };
  const limits = { heapMegabytes: HEAP_MEGABYTES, memoryMegabytes: MEMORY_MEGABYTES, busyMax: timeLimit };
  const contained = startContained<CheckAnswer>("check-process", { ...order }, limits);
  const { promise, resolve, reject } = Promise.withResolvers<LoadReport>();
  contained.listen((answer) => {
    if ("failure" in answer) reject(carriedError(answer.failure));
    else resolve(answer);
  });
  void contained.ended.then((end) => reject(loadEndOf(file, end, timeLimit)));
  try {
    return await promise;
  } finally {
    await contained.end();
  }
}

/** The error of a process that ended while it loaded a script. */
export function loadEndOf(file: string, end: ContainedEnd, timeLimit: Duration): ScriptLoadError {
  const begin = `Cannot load ${file}:`;
  if (end.kind === "memory") {
    return new ScriptLoadError(
      `${begin} it took more than ${end.megabytes} MB of memory while it was loaded`,
    );
  }
  if (end.kind === "stuck") {
    const { place } = end.place;
    const seen = `it was not done loading after ${timeLimit / 1000} s`;
    const where =
      place === undefined ? "is there a loop that does not end?" : `it stands at ${formatPlace(place)}`;
    return new ScriptLoadError(`${begin} ${seen}; ${where}`, { place });
  }
  const code = end.kind === "exited" ? end.code : undefined;
  if (code === 0 || code === 13) {
    return new ScriptLoadError(
      `${begin} it waits at its top level for what never comes, or ends its process`,
    );
  }
  return new ScriptLoadError(`${begin} it ended its process with ${code ?? "a signal"} while it was loaded`);
}
