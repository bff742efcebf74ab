/**
 * `script test` from outside: starts the process that does it, and makes errors of its ends.
 * @module
 */
import { rmSync } from "node:fs";
import { ConfigurationError, LimitExceededError, UnavailableError } from "#base/errors.ts";
import { ScriptLoadError } from "#script/errors.ts";
import type { CaptureAnswer, CaptureOrder } from "./capture-process.ts";
import type { CaptureSummary } from "./capture-run.ts";
import { LOAD_TIME_MAX, loadEndOf } from "./check-load.ts";
import { type ContainedEnd, carriedError, startContained } from "./contained.ts";
import { formatPlace } from "./place.ts";

const HEAP_MEGABYTES = 512;
const MEMORY_MEGABYTES = 1500;

/** The script did not come back from a packet. */
export class StuckScriptError extends LimitExceededError {
  override readonly code: string = "script-stuck";
}

/** The script took more memory than it may. */
export class ScriptMemoryError extends LimitExceededError {
  override readonly code: string = "script-memory";
}

/** The capture cannot be read, or not to its end. */
export class CaptureReadError extends ConfigurationError {
  override readonly code: string = "malformed-capture";
}

/** How it went. */
export interface CaptureResult {
  /** `undefined` when the reader of the lines went away before the end. */
  readonly summary: CaptureSummary | undefined;
  /** What was not whole. */
  readonly warning: string | undefined;
  /** What ended it before the capture's end. */
  readonly problem: CaptureReadError | undefined;
}

export interface CaptureWatcher {
  progress(packets: number): void;
  log(text: string): void;
}

/**
 * Runs a script over a capture in a process of its own, which writes to our standard output.
 * @throws ScriptLoadError, StuckScriptError, ScriptMemoryError, ConfigurationError, UnavailableError
 */
export async function testScript(order: CaptureOrder, watcher: CaptureWatcher): Promise<CaptureResult> {
  let packets: number | undefined;
  const contained = startContained<CaptureAnswer>(
    "capture-process",
    { ...order },
    {
      heapMegabytes: HEAP_MEGABYTES,
      memoryMegabytes: MEMORY_MEGABYTES,
      busyMax: LOAD_TIME_MAX,
    },
  );
  const { promise, resolve, reject } = Promise.withResolvers<CaptureResult>();
  contained.listen((answer) => {
    switch (answer.say) {
      case "loaded":
        packets = 0;
        break;
      case "progress":
        packets = answer.packets;
        watcher.progress(packets);
        break;
      case "log":
        watcher.log(answer.text);
        break;
      case "done":
        resolve({ summary: answer.summary, warning: answer.warning, problem: undefined });
        break;
      case "closed":
        resolve({ summary: undefined, warning: undefined, problem: undefined });
        break;
      case "failed":
        failed(answer, resolve, reject);
    }
  });
  void contained.ended.then((end) => reject(endOf(order, end, packets)));
  try {
    return await promise;
  } finally {
    await contained.end();
    // What was being written when it was ended.
    if (order.write !== undefined) rmSync(`${order.write}.${contained.processId}.next`, { force: true });
  }
}

function failed(
  { code, failure, summary }: Extract<CaptureAnswer, { say: "failed" }>,
  resolve: (result: CaptureResult) => void,
  reject: (error: Error) => void,
): void {
  if (summary !== undefined) {
    resolve({ summary, warning: undefined, problem: new CaptureReadError(failure.message) });
  } else if (code === "script-load") reject(carriedError(failure));
  else if (code === "unavailable") reject(new UnavailableError(failure.message));
  else
    reject(
      new (class extends ConfigurationError {
        override readonly code: string = code;
      })(failure.message),
    );
}

function endOf(order: CaptureOrder, end: ContainedEnd, packets: number | undefined): Error {
  const name = order.functionName ?? "the default export";
  const begin = `Cannot go on with ${name} of ${order.file}:`;
  if (end.kind === "stuck" && end.place.progress !== undefined) {
    const { place, progress } = end.place;
    const at = place === undefined ? "" : `, it stands at ${formatPlace(place)}`;
    return new StuckScriptError(
      `${begin} it did not come back from packet ${progress} within ${order.timeLimit / 1000} s${at}; end the loop, or allow it more with --time-limit`,
    );
  }
  if (packets === undefined && end.kind !== "exited") return loadEndOf(order.file, end, LOAD_TIME_MAX);
  const where = packets === undefined || packets === 0 ? "" : ` after packet ${packets}`;
  if (end.kind === "memory") {
    return new ScriptMemoryError(
      `${begin} it took more than ${end.megabytes} MB of memory${where}; forget what is old, or use context.map with countMax`,
    );
  }
  if (end.kind === "stuck") {
    return new StuckScriptError(`${begin} it was busy for more than ${order.timeLimit / 1000} s${where}`);
  }
  const code = end.kind === "exited" ? end.code : null;
  return new ScriptLoadError(
    `${begin} its process ended with ${code ?? "a signal"}${where}; does it call process.exit?`,
  );
}
